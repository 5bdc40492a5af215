module Mcdrl.Cli.Tests.SegmentListTests

open System.IO
open System.Text.Json
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

/// What parts are made of: frames in two folders with the same names, and their list beside them.
type private Listed =
    {
        Folder: string
        List: string
        Names: string list
    }

    member this.Inside(name: string) = Path.Combine(this.Folder, name)

let private within (work: Listed -> 'a) : 'a =
    Folder.temporary (fun folder ->
        let names =
            [
                for site in [ "b"; "c" ] do
                    for number in 0..3 do
                        let name = $"{site}/frame{number}.png"
                        Directory.CreateDirectory(Path.Combine(folder, site)) |> ignore

                        File.Copy(
                            Path.Combine(World.data (), site, "images", $"frame{number}.png"),
                            Path.Combine(folder, name)
                        )

                        name
            ]

        let list = Path.Combine(folder, "list.txt")
        File.WriteAllLines(list, names)

        work
            {
                Folder = folder
                List = list
                Names = names
            })

let private segment (listed: Listed) out more =
    mcdrl (
        [ "segment"; "--list"; listed.List; "--model"; World.bundle () ]
        @ [ "--out"; listed.Inside out ]
        @ more
    )

let private merge (listed: Listed) out =
    let outcome = mcdrl [ "merge"; "--out"; listed.Inside out ]
    Expect.equal outcome.Code 0 outcome.Err
    File.ReadAllText(listed.Inside $"{out}/images.jsonl")

let private done' outcome = Expect.equal outcome.Code 0 outcome.Err

let tests =
    testSequenced (
        testList
            "segment --list"
            [
                test
                    "parts come to what one process comes to, byte for byte, and to what segment writes of named images" {
                    within (fun listed ->
                        done' (segment listed "whole" [])

                        for part in [ "2"; "0"; "1" ] do
                            done' (segment listed "parts" [ "--parts"; "3"; "--part"; part ])

                        Expect.equal (merge listed "parts") (merge listed "whole") "lines"

                        let named =
                            mcdrl
                                [
                                    "segment"
                                    listed.Inside "c"
                                    "--model"
                                    World.bundle ()
                                    "--out"
                                    listed.Inside "named"
                                ]

                        done' named

                        for name in listed.Names do
                            let stem = name.Replace(".png", "")

                            for ending in [ ".mask.png"; ".overlay.png"; ".json" ] do
                                let bytes out =
                                    File.ReadAllBytes(listed.Inside $"{out}/{stem}{ending}")

                                Expect.equal (bytes "parts") (bytes "whole") (stem + ending)

                                if name.StartsWith "c/" && ending <> ".json" then
                                    Expect.equal
                                        (bytes "parts")
                                        (File.ReadAllBytes(
                                            listed.Inside $"named/{Path.GetFileName stem}{ending}"
                                        ))
                                        (stem + ending)

                        // The report of a single image and the part's line say the same.
                        for name, line in
                            List.zip
                                listed.Names
                                (File.ReadAllLines(listed.Inside "parts/images.jsonl") |> List.ofArray) do
                            use line = JsonDocument.Parse line

                            use report =
                                JsonDocument.Parse(
                                    File.ReadAllText(
                                        listed.Inside $"""parts/{name.Replace(".png", ".json")}"""
                                    )
                                )

                            Expect.isTrue
                                (JsonElement.DeepEquals(
                                    line.RootElement.GetProperty "report",
                                    report.RootElement
                                ))
                                name

                            Expect.equal
                                (line.RootElement.GetProperty("sha256").GetString())
                                (Outcome.ok (Files.sha256 (listed.Inside name)))
                                "of the image")
                }

                test
                    "what it says, under --json and to people; a bad image doesn't keep a part from being done" {
                    within (fun listed ->
                        File.WriteAllText(listed.Inside "b/frame2.png", "no image")
                        let outcome = segment listed "out" [ "--json" ]
                        Expect.equal outcome.Code 0 "done"
                        Expect.stringContains outcome.Err "b/frame2.png: " "named"

                        match objects outcome with
                        | [| told |] ->
                            Expect.equal (told.GetProperty("images").GetInt32()) 8 "images"
                            Expect.equal (told.GetProperty("failed").GetInt32()) 1 "failed"
                            Expect.equal (told.GetProperty("reused").GetInt32()) 0 "reused"
                            Expect.equal (told.GetProperty("parts").GetInt32()) 1 "parts"
                        | other -> failtest $"{other.Length} objects"

                        let again = segment listed "out" []
                        done' again
                        Expect.stringContains again.Out "7 of 8 images segmented" "what was done before"

                        let merged = mcdrl [ "merge"; "--out"; listed.Inside "out"; "--json" ]
                        Expect.equal merged.Code 1 "some inputs failed"
                        Expect.equal ((objects merged).[0].GetProperty("failed").GetInt32()) 1 "failed")
                }

                test
                    "an exported model, in the whole command and in the one without libtorch; the part from a scheduler" {
                    within (fun listed ->
                        let onnx = listed.Inside "model.onnx"

                        done' (mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; onnx ])

                        let arguments out =
                            [ "segment"; "--list"; listed.List; "--onnx"; onnx ]
                            @ [ "--out"; listed.Inside out; "--parts"; "2"; "--probabilities" ]

                        for part in [ "0"; "1" ] do
                            done' (mcdrl (arguments "whole" @ [ "--part"; part ]))

                        for variable, part in [ "SLURM_ARRAY_TASK_ID", "0"; "JOB_COMPLETION_INDEX", "1" ] do
                            let info = infoOfProgram (Path.Combine(slim, "mcdrl.dll")) (arguments "slim")

                            info.Environment[variable] <- part
                            done' (ended info)

                        let merged =
                            ended (
                                infoOfProgram
                                    (Path.Combine(slim, "mcdrl.dll"))
                                    [ "merge"; "--out"; listed.Inside "slim" ]
                            )

                        done' merged

                        Expect.equal
                            (File.ReadAllText(listed.Inside "slim/images.jsonl"))
                            (merge listed "whole")
                            "lines"

                        Expect.isTrue
                            (File.Exists(listed.Inside "slim/c/frame1.probability.png"))
                            "probabilities")
                }

                test "wrong usage is refused, and says what to do" {
                    within (fun listed ->
                        done' (segment listed "out" [ "--parts"; "2"; "--part"; "0" ])
                        let video = listed.Inside "clip.mp4"

                        for arguments, code, named in
                            [
                                [ "--parts"; "2"; "--part"; "2" ], 2, [ "--part"; "0 to 1" ]
                                [ "--parts"; "2" ], 2, [ "--parts"; "SLURM_ARRAY_TASK_ID" ]
                                [ "--part"; "0" ], 2, [ "--part: it goes with --parts" ]
                                [ "--parts"; "3"; "--part"; "0" ], 2, [ "parts (2 there, 3 here)" ]
                                [ "--parts"; "2"; "--part"; "1"; "--threshold"; "0.3" ], 2, [ "threshold" ]
                                [ "--recursive"; "--format"; "coco" ], 2, [ "--recursive, --format" ]
                                [ "--every"; "2" ], 2, [ "--every" ]
                                [ listed.Inside "c" ], 2, [ "named and listed" ]
                                [ video ], 2, [ "named and listed" ]
                                [ "--root"; listed.Inside "none" ], 2, [ "--root" ]
                            ] do
                            let outcome = segment listed "out" arguments
                            Expect.equal outcome.Code code $"{arguments}: {outcome.Err}"

                            for part in named do
                                Expect.stringContains outcome.Err part $"{arguments}"

                        for flag in [ "--root"; "--parts"; "--part" ] do
                            let outcome = mcdrl [ "segment"; listed.Inside "c"; flag; "1" ]
                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.stringContains outcome.Err $"{flag}: it goes with --list" "named"

                        let none = mcdrl [ "segment"; "--out"; listed.Inside "none" ]
                        Expect.equal none.Code 2 none.Err
                        Expect.stringContains none.Err "no image is named" "said"

                        File.AppendAllText(listed.List, "../outside.png\n")
                        let outside = segment listed "other" []
                        Expect.equal outside.Code 4 outside.Err
                        Expect.stringContains outside.Err "list.txt, line 9" "named"
                        Expect.isFalse (Directory.Exists(listed.Inside "other")) "nothing is begun")
                }
            ]
    )
