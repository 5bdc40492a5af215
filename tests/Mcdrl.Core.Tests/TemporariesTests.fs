module Mcdrl.Tests.TemporariesTests

open System
open System.IO
open Expecto
open Mcdrl

let private name () = $".mcdrl-{Guid.NewGuid():N}.tmp"

let private long = DateTime.UtcNow.AddHours -2.0

let private left path =
    File.WriteAllText(path, "half")
    File.SetLastWriteTimeUtc(path, long)

let tests =
    testList
        "Temporaries"
        [
            testCase "what a killed writer left is gone after the next write to the folder; nothing else is"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at name = Path.Combine(folder, name)
                    let others = [ ".mcdrl-notes.tmp"; "a.tmp"; name () + ".txt"; "data" ]

                    for other in others do
                        left (at other)

                    for _ in 1..3 do
                        left (at (name ()))

                    let young = name ()
                    File.WriteAllText(at young, "half")
                    let link = name ()
                    File.CreateSymbolicLink(at link, at "data") |> ignore
                    let pipe = name ()
                    Folder.pipe (at pipe)
                    let held = name ()
                    left (at held)

                    use _writer =
                        new FileStream(at held, FileMode.Open, FileAccess.Write, FileShare.None)

                    Outcome.ok (Files.writeText (at "new") "whole")

                    Expect.equal
                        (Directory.GetFileSystemEntries folder
                         |> Array.map (Path.GetFileName >> string)
                         |> set)
                        (set (others @ [ young; link; pipe; held; "new" ]))
                        "the three are gone")

            testCase "a file that is looked at before it takes its place is held meanwhile, and can be read"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Temporaries.path folder
                    Outcome.ok (Files.writeText path "new")

                    do
                        use _held = Temporaries.hold path
                        File.SetLastWriteTimeUtc(path, long)
                        Temporaries.sweep folder
                        Expect.equal (Outcome.ok (Files.readText 10L path)) "new" "by our own reader"
                        Expect.equal (File.ReadAllText path) "new" "by .NET's"

                    Temporaries.sweep folder
                    Expect.isFalse (File.Exists path) "forsaken afterwards"
                    Temporaries.forget path)

            testCase "a file that is written is held until it has its name"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a")

                    Files.writeAtomically path (fun stream ->
                        stream.WriteByte 1uy
                        stream.Flush()
                        let own = Directory.GetFiles folder |> Array.exactlyOne
                        File.SetLastWriteTimeUtc(own, long)
                        Temporaries.sweep folder
                        Expect.isTrue (File.Exists own) "others leave it alone")
                    |> Outcome.ok

                    Expect.equal (File.ReadAllBytes path) [| 1uy |] "written")
        ]
