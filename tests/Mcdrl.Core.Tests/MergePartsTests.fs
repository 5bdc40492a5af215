module Mcdrl.Tests.MergePartsTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests.SegmentPartTests

let private merge (world: PartWorld) =
    MergeParts.run world.Out None Progress.none

let tests =
    testList
        "MergeParts"
        [
            testCase "the lines of all parts in the order of the list, as one process writes them"
            <| fun () ->
                within 12 (fun world ->
                    let whole =
                        { world with
                            Out = world.Out + "-whole"
                        }

                    run (requestOf whole 1 0) |> ignore

                    for index in [ 2; 0; 3; 1 ] do
                        run (requestOf world 4 index) |> ignore

                    let merged = Outcome.ok (merge world)

                    Expect.equal
                        (merged.Parts, merged.Missing, merged.Images, merged.Failed)
                        (4, [], 12L, 0L)
                        "all"

                    let bytes = File.ReadAllBytes merged.File
                    Expect.equal bytes (File.ReadAllBytes (Outcome.ok (merge whole)).File) "the whole's"
                    Expect.equal bytes (File.ReadAllBytes(PartFiles.lines whole.Out 0)) "its part's, too"

                    Outcome.ok (merge world) |> ignore
                    Expect.equal (File.ReadAllBytes merged.File) bytes "again the same")

            testCase "missing and damaged parts are named, and nothing is merged"
            <| fun () ->
                within 12 (fun world ->
                    for index in [ 0; 2; 3 ] do
                        run (requestOf world 5 index) |> ignore

                    File.AppendAllText(PartFiles.lines world.Out 2, "more\n")
                    let merged = Outcome.ok (merge world)
                    Expect.equal merged.Missing [ 1; 2; 4 ] "named"
                    Expect.isFalse (File.Exists merged.File) "nothing is merged"

                    for index in merged.Missing do
                        run (requestOf world 5 index) |> ignore

                    Expect.isEmpty (Outcome.ok (merge world)).Missing "they are done anew")

            testCase "images that failed are counted"
            <| fun () ->
                within 6 (fun world ->
                    File.Delete(Path.Combine(world.Root, "c1", "1.png"))
                    run (requestOf world 1 0) |> ignore
                    Expect.equal (Outcome.ok (merge world)).Failed 1L "one")

            testCase "the list must be the one that the parts are of, wherever it lies now"
            <| fun () ->
                within 6 (fun world ->
                    run (requestOf world 1 0) |> ignore
                    let elsewhere = world.List + ".moved"
                    File.Move(world.List, elsewhere)
                    merge world |> Outcome.refusedWith 4 [ world.List ]

                    Expect.equal
                        (Outcome.ok (MergeParts.run world.Out (Some elsewhere) Progress.none)).Images
                        6L
                        "elsewhere"

                    File.AppendAllText(elsewhere, "c9/9.png\n")

                    MergeParts.run world.Out (Some elsewhere) Progress.none
                    |> Outcome.refusedWith 2 [ elsewhere; "not the list" ])

            testCase "lines in another order than the list's make no file, and leave the old one"
            <| fun () ->
                within 6 (fun world ->
                    run (requestOf world 1 0) |> ignore
                    let merged = Outcome.ok (merge world)
                    let before = File.ReadAllBytes merged.File
                    let lines = PartFiles.lines world.Out 0
                    File.WriteAllLines(lines, Array.rev (File.ReadAllLines lines))

                    let told = Outcome.ok (RecordJson.ofFile<PartDone>(PartFiles.isDone world.Out 0))

                    Outcome.ok (
                        Files.writeText
                            (PartFiles.isDone world.Out 0)
                            (RecordJson.render
                                { told with
                                    Sha256 = Outcome.ok (Files.sha256 lines)
                                })
                    )

                    merge world |> Outcome.refusedWith 4 [ lines; "c1/0.png" ]
                    Expect.equal (File.ReadAllBytes merged.File) before "untouched")

            testCase "a folder without parts"
            <| fun () ->
                Folder.temporary (fun folder ->
                    MergeParts.run folder None Progress.none
                    |> Outcome.refusedWith 2 [ folder; "no parts" ])
        ]
