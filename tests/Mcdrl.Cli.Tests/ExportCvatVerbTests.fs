module Mcdrl.Cli.Tests.ExportCvatVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private frames =
    Path.Combine(Repository.root, "examples", "polypgen-c6", "c6", "images")

let tests =
    testSequenced (
        testList
            "export cvat"
            [
                test
                    "the first frames of a list become a task, which data import takes back as the model's answers" {
                    Folder.temporary (fun folder ->
                        let at name = Path.Combine(folder, name)
                        let model = [ "--model"; World.bundle () ]
                        let ranked = mcdrl ([ "rank"; frames; "--out"; at "list.jsonl" ] @ model)
                        Expect.equal ranked.Code 0 ranked.Err

                        let made =
                            mcdrl (
                                [ "export"; "cvat"; "--ranked"; at "list.jsonl"; "--top"; "3" ]
                                @ [ "--out"; at "task"; "--json" ]
                                @ model
                            )

                        Expect.equal made.Code 0 made.Err
                        let report = objects made |> Array.exactlyOne
                        Expect.equal (report.GetProperty("frames").GetInt32()) 3 "frames"

                        let first =
                            Outcome.ok (RankingFiles.images (at "list.jsonl"))
                            |> List.truncate 3
                            |> List.map (fun image -> nonNull (Path.GetFileName image))

                        Expect.equal
                            [
                                for file in Directory.GetFiles(at "task/images") |> Array.sort ->
                                    nonNull (Path.GetFileName file)
                            ]
                            (List.sort first)
                            "the first of the list"

                        let back =
                            mcdrl
                                [
                                    "data"
                                    "import"
                                    "cvat"
                                    at "task"
                                    "--site"
                                    "c6"
                                    "--classes"
                                    "polyp"
                                    "--out"
                                    at "labelled"
                                ]

                        Expect.equal back.Code 0 back.Err

                        let segmented =
                            mcdrl (
                                [ "segment"; "--out"; at "segmented" ]
                                @ model
                                @ [ for name in first -> Path.Combine(frames, name) ]
                            )

                        Expect.equal segmented.Code 0 segmented.Err

                        for name in first do
                            let stem = Path.GetFileNameWithoutExtension name

                            let read path =
                                (Outcome.ok (Masks.read ImageLimits.standard path)).Labels

                            let dice =
                                Counts.ofForeground
                                    (read (at $"labelled/c6/masks/{stem}.png"))
                                    (read (at $"segmented/{stem}.mask.png"))
                                |> Metrics.dice EmptyTruth.Counted

                            Expect.contains
                                (read (at $"segmented/{stem}.mask.png"))
                                1uy
                                "something is marked"

                            Expect.isGreaterThan dice 0.98 $"{stem}: as the model answered")
                }

                test "neither or both of images and list, or a file that can't be read" {
                    Folder.temporary (fun folder ->
                        let list, broken =
                            Path.Combine(folder, "list.jsonl"), Path.Combine(folder, "broken.jpg")

                        File.WriteAllText(list, "{}")
                        File.WriteAllText(broken, "no picture")
                        let task = Path.Combine(folder, "task.zip")

                        for arguments, code, told in
                            [
                                [], 2, "no image is named"
                                [ frames; "--ranked"; list ], 2, "both"
                                [ frames; "--top"; "2" ], 2, "--top"
                                [ "--ranked"; list ], 2, "line 1"
                                [ broken ], 4, "broken.jpg"
                            ] do
                            let outcome = mcdrl ([ "export"; "cvat"; "--out"; task ] @ arguments)
                            Expect.equal outcome.Code code outcome.Err
                            Expect.stringContains outcome.Err told "told"
                            Expect.isFalse (File.Exists task) "nothing is written"

                        let some = Path.Combine(frames, "EndoCV2021_C6_0100020.jpg")
                        let outcome = mcdrl [ "export"; "cvat"; some; broken; "--out"; task ]
                        Expect.equal outcome.Code 1 outcome.Err
                        Expect.isTrue (File.Exists task) "the rest is done")
                }
            ]
    )
