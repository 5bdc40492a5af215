module Mcdrl.Cli.Tests.RankVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private frames =
    Path.Combine(Repository.root, "examples", "polypgen-c6", "c6", "images")

let private images outcome =
    objects outcome
    |> Array.map (fun frame -> nonNull (frame.GetProperty("image").GetString()))

let tests =
    testSequenced (
        testList
            "rank"
            [
                test "frames in falling order of what is asked for, as JSON, as files and as a sheet" {
                    Folder.temporary (fun folder ->
                        let list, sheet =
                            Path.Combine(folder, "list.csv"), Path.Combine(folder, "sheet.png")

                        let outcome =
                            mcdrl
                                [
                                    "rank"
                                    frames
                                    "--model"
                                    World.bundle ()
                                    "--by"
                                    "entropy"
                                    "--out"
                                    list
                                    "--sheet"
                                    sheet
                                    "--json"
                                ]

                        Expect.equal outcome.Code 0 outcome.Err
                        let entropies = objects outcome |> Array.map _.GetProperty("entropy").GetDouble()
                        Expect.hasLength entropies 12 "all"
                        Expect.equal entropies (Array.sortDescending entropies) "falling"
                        Expect.equal (File.ReadAllLines(list).Length) 13 "a line a frame below the header"

                        Expect.equal
                            (Outcome.ok (Images.read ImageLimits.standard sheet)).Width
                            1340
                            "a sheet")
                }

                test "a table for people; what can't be read is told, and the exit code says so" {
                    Folder.temporary (fun folder ->
                        for name in [ "EndoCV2021_C6_0100005.jpg"; "EndoCV2021_C6_0100020.jpg" ] do
                            File.Copy(Path.Combine(frames, name), Path.Combine(folder, name))

                        File.WriteAllText(Path.Combine(folder, "broken.jpg"), "no picture")
                        File.WriteAllText(Path.Combine(folder, "notes.txt"), "no picture either")
                        let outcome = mcdrl [ "rank"; folder; "--top"; "1" ]
                        Expect.equal outcome.Code 1 outcome.Err

                        for told in [ "broken.jpg"; "notes.txt" ] do
                            Expect.stringContains outcome.Err told "told"

                        Expect.equal
                            ([ "0100005.jpg"; "0100020.jpg" ]
                             |> List.filter outcome.Out.Contains
                             |> List.length)
                            1
                            "the first and no other"

                        Expect.stringContains outcome.Out "1 of 3 frames by disagreement" "summary")
                }

                test "labelled frames and copies are left out" {
                    Folder.temporary (fun folder ->
                        let copy = Path.Combine(folder, "copy.jpg")
                        File.Copy(Path.Combine(frames, "EndoCV2021_C6_0100005.jpg"), copy)
                        let data = Path.Combine(Repository.root, "examples", "polypgen-c6")

                        let rank more =
                            mcdrl ([ "rank"; frames; copy; "--model"; World.bundle () ] @ more)

                        let all = rank [ "--distinct"; "--json" ]
                        Expect.equal all.Code 0 all.Err
                        let both = images all |> Array.filter _.EndsWith("0100005.jpg") |> Array.length

                        Expect.equal
                            (both + (images all |> Array.filter ((=) copy) |> Array.length))
                            1
                            "one of the two"

                        let none = rank [ "--labelled"; data ]
                        Expect.equal none.Code 2 none.Err
                        Expect.stringContains none.Err "every frame is labelled" "why")
                }

                test "slips are refused before anything is computed" {
                    for arguments, told in
                        [
                            [ "--by"; "entropi" ], "Did you mean"
                            [ "--top"; "0" ], "--top 0"
                            [ "--out"; "list.txt" ], ".jsonl"
                            [ "--sheet"; "sheet.gif" ], ".png"
                            [ "--sheet"; Path.Combine(frames, "EndoCV2021_C6_0100005.jpg") ], ".png"
                        ] do
                        let outcome = mcdrl ("rank" :: frames :: arguments)
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err told "told"
                }
            ]
    )
