module Mcdrl.Tests.FileIdentityTests

open System.IO
open Expecto
open Mcdrl

let private kindOf path =
    FileIdentity.ofPath path |> Option.map _.Kind

let tests =
    testList
        "FileIdentity"
        [
            testCase "what lies at a path, links followed"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at name = Path.Combine(folder, name)
                    File.WriteAllText(at "plain", "abc")
                    Folder.pipe (at "pipe")
                    File.CreateSymbolicLink(at "link", at "plain") |> ignore
                    File.CreateSymbolicLink(at "dangling", at "nothing") |> ignore
                    Expect.equal (kindOf (at "plain")) (Some FileKind.PlainFile) "plain"
                    Expect.equal (FileIdentity.ofPath (at "plain") |> Option.map _.Size) (Some 3L) "size"
                    Expect.equal (kindOf (at "link")) (Some FileKind.PlainFile) "link"
                    Expect.equal (kindOf (at "pipe")) (Some FileKind.Pipe) "pipe"
                    Expect.equal (kindOf folder) (Some FileKind.Folder) "folder"
                    Expect.equal (kindOf "/dev/zero") (Some FileKind.Device) "device"

                    for path in [ at "nothing"; at "dangling"; ""; "a\000b" ] do
                        Expect.isNone (kindOf path) path)

            testCase "one file is the same by each of its names, and no other is"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at name = Path.Combine(folder, name)
                    Directory.CreateDirectory(at "frames") |> ignore
                    File.WriteAllText(at "frames/a", "abc")
                    File.WriteAllText(at "frames/b", "abc")
                    Directory.CreateSymbolicLink(at "link", at "frames") |> ignore
                    let same a b = FileIdentity.isSame (at a) (at b)
                    Expect.isTrue (same "frames" "link") "folder through a link"
                    Expect.isTrue (same "frames/a" "link/a") "file through a link"
                    Expect.isTrue (same "frames/a" "frames/../link/./a") "another spelling"
                    Expect.isFalse (same "frames/a" "frames/b") "another file of the same content"
                    Expect.isFalse (same "nothing" "nothing") "nothing is no file")

            testCase "the real path resolves links on the way, and says none for a loop"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let folder = (FileIdentity.realPath folder).Value
                    let at name = Path.Combine(folder, name)
                    Directory.CreateDirectory(at "frames") |> ignore
                    Directory.CreateSymbolicLink(at "link", "frames") |> ignore
                    File.CreateSymbolicLink(at "one", at "two") |> ignore
                    File.CreateSymbolicLink(at "two", at "one") |> ignore
                    Expect.equal (FileIdentity.realPath (at "link/x/y")) (Some(at "frames/x/y")) "link"
                    Expect.isNone (FileIdentity.realPath (at "one/x")) "loop")
        ]
