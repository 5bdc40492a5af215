module Mcdrl.Tests.FilesTests

open System
open System.IO
open System.Text
open System.Threading.Tasks
open Expecto
open Mcdrl

let private refused (path: string) =
    let reading = Task.Run(fun () -> Files.read 1000L path)

    Expect.isTrue (reading.Wait(TimeSpan.FromSeconds 60.0)) "it answers"

    match reading.Result with
    | Ok _ -> failtest $"{path} was read"
    | Error fault -> McdrlError.describe fault

let tests =
    testList
        "Files"
        [
            testCase
                "only what has an end is read: a pipe, device, folder, missing file or no path at all is refused at once"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at name = Path.Combine(folder, name)
                    Folder.pipe (at "pipe")
                    File.CreateSymbolicLink(at "link", at "pipe") |> ignore

                    for path, says in
                        [
                            at "pipe", "a pipe"
                            at "link", "a pipe"
                            "/dev/zero", "a device"
                            folder, "a folder"
                            at "nothing", "does not exist"
                            "", "the path is empty"
                            "a\000b", "NUL"
                        ] do
                        Expect.stringContains (refused path) says path)

            testCase "a file is read up to the bound, and one byte more is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a")
                    File.WriteAllBytes(path, Array.init 1000 byte)
                    Expect.equal (Outcome.ok (Files.read 1000L path)) (Array.init 1000 byte) "bytes"
                    File.WriteAllBytes(path, Array.zeroCreate 1001)
                    Expect.stringContains (refused path) "1000" "over it")

            testCase "what the system's own files hold is read, though they say that they are empty"
            <| fun () ->
                if OperatingSystem.IsLinux() then
                    let text = Outcome.ok (Files.readText 1_000_000L "/proc/self/status")
                    Expect.stringContains text "Pid:" "status"
                    Expect.isError (Files.read 10L "/proc/self/status") "bounded"

            testCase "text is read as editors write it, and what is no text says where"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.txt")
                    let read () = Files.readText 1000L path

                    let encodings: Encoding list =
                        [
                            UTF8Encoding false
                            UTF8Encoding true
                            UnicodeEncoding(false, true)
                            UnicodeEncoding(true, true)
                        ]

                    for encoding in encodings do
                        File.WriteAllText(path, "größe 1\r\n", encoding)
                        Expect.equal (Outcome.ok (read ())) "größe 1\r\n" encoding.WebName

                    File.WriteAllBytes(path, [| byte 'a'; 0xFFuy; byte 'b' |])

                    match read () with
                    | Error(McdrlError.Data fault) -> Expect.stringContains fault.What "byte 1" "where"
                    | other -> failtest $"{other}")

            testCase "what is no file is not replaced by one"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "pipe")
                    Folder.pipe path

                    for path in [ path; folder; "" ] do
                        Expect.isError (Files.writeText path "a") path

                    Expect.equal
                        (FileIdentity.ofPath path |> Option.map _.Kind)
                        (Some FileKind.Pipe)
                        "still a pipe")

            testCase
                "a file whose name is as long as the system takes is written, and a failed write leaves nothing"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let longest = String.replicate 255 "f"
                    let path = Path.Combine(folder, longest)
                    Outcome.ok (Files.writeText path "a")
                    Expect.equal (File.ReadAllText path) "a" "written"
                    Expect.isError (Files.writeText (path + "f") "a") "too long"

                    Expect.throws
                        (fun () -> Files.writeAtomically path (fun _ -> failwith "broken") |> ignore)
                        "a writer's own failure is its caller's"

                    Expect.equal
                        (Directory.GetFileSystemEntries folder |> Array.map Path.GetFileName)
                        [| longest |]
                        "nothing beside it"

                    Expect.equal (File.ReadAllText path) "a" "the old one")

            testCase "a refusal says what helps, in one sentence"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "missing", "a")

                    match Files.attempt path (fun () -> File.ReadAllText path) with
                    | Error fault ->
                        let text = McdrlError.describe fault
                        Expect.stringContains text "Check the path." "remedy"
                        Expect.isFalse (text.Contains "..") text
                    | Ok _ -> failtest "read")
        ]
