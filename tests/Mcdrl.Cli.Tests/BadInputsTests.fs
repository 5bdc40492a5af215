module Mcdrl.Cli.Tests.BadInputsTests

open System
open System.IO
open System.Text.RegularExpressions
open System.Text.Json
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests
open Mcdrl.Tests.BadInputs

/// The C# API's model, loaded once.
let private model = lazy McdrlApi.Load(World.bundle ())

/// The family of what the C# API throws, as the command's exit code; 0 for an answer.
let private thrown (work: unit -> unit) =
    try
        work ()
        0, ""
    with
    | :? McdrlUsageException as problem -> 2, problem.Message
    | :? McdrlModelException as problem -> 3, problem.Message
    | :? McdrlDataException as problem -> 4, problem.Message
    | :? McdrlResourceException as problem -> 5, problem.Message

let private ofResult (outcome: Result<'a, McdrlError>) =
    match outcome with
    | Ok _ -> 0, ""
    | Error fault -> McdrlError.exitCode fault, McdrlError.describe fault

let private expect who expected (code: int, text: string) =
    match expected with
    | Accepted -> Expect.equal code 0 $"{who}: {text}"
    | Refused(codes, words) ->
        Expect.contains codes code $"{who}: {text}"

        for word in words do
            Expect.stringContains text word who

/// As the command tells it: a batch in which an image failed ends in 1.
let private inBatch expected =
    match expected with
    | Accepted -> Accepted
    | Refused(_, words) -> Refused([ 1 ], words)

let private segmented expected (path: string) folder =
    Images.read ImageLimits.standard path |> ofResult |> expect "the core" expected
    let out = Path.Combine(folder, "out")
    let outcome = mcdrl [ "segment"; path; "--model"; World.bundle (); "--out"; out ]
    expect "the command" (inBatch expected) (outcome.Code, outcome.Err)

    thrown (fun () -> model.Value.Segment path |> ignore)
    |> expect "the C# API" expected

    if expected = Accepted then
        let name = nonNull (Path.GetFileNameWithoutExtension path)

        let mask =
            Outcome.ok (Masks.read ImageLimits.standard (Path.Combine(out, name + ".mask.png")))

        let stored = Outcome.ok (Images.header ImageLimits.standard path)

        Expect.equal
            (mask.Width, mask.Height)
            (Orientation.size stored.Orientation (stored.Width, stored.Height))
            "the mask has the file's size"

let private isChecked expected folder =
    let found = DatasetCheck.run folder false Progress.none

    found
    |> Result.bind (fun report ->
        match McdrlError.ofList report.Problems with
        | None -> Ok()
        | Some fault -> Error fault)
    |> ofResult
    |> expect "the core" expected

    let outcome = mcdrl [ "data"; "check"; folder ]
    expect "the command" expected (outcome.Code, outcome.Err)

let private trained expected data settings folder =
    let settings = "optimiser.epochs=2" :: "optimiser.activation_epoch=1" :: settings

    Config.ofSettings World.settings settings
    |> Result.bind (fun settings ->
        World.train
            { World.request folder "core" with
                Data = data
                LeaveOut = None
                Settings = settings
            })
    |> ofResult
    |> expect "the core" expected

    let config = Path.Combine(folder, "config.json")
    File.WriteAllText(config, RecordJson.render World.settings)
    let inside name = Path.Combine(folder, name)

    let outcome =
        mcdrl
            [
                yield! [ "train"; "--data"; data; "--weights"; inside "tower.safetensors" ]
                yield!
                    [
                        "--text"
                        inside "text.safetensors"
                        "--out"
                        inside "run"
                        "--config"
                        config
                        "--json"
                    ]

                for setting in settings do
                    yield! [ "--set"; setting ]
            ]

    expect "the command" expected (outcome.Code, outcome.Err)

    if expected = Accepted then
        let report = objects outcome |> Array.exactlyOne
        let card = File.ReadAllText(inside "run/model/README.md")

        Expect.equal
            (report.GetProperty("validation_dice").ValueKind)
            JsonValueKind.Null
            "nothing was held back"

        Expect.equal (report.GetProperty("best_epoch").GetInt32()) 2 "the last epoch"
        Expect.stringContains outcome.Err "chosen by nothing" "told"
        Expect.stringContains card "chosen by nothing" "told in the card"
        Expect.isFalse (card.Contains "NaN") "no figure that is none"

        let scored =
            mcdrl [ "evaluate"; "--model"; inside "run/model"; "--data"; data; "--json" ]

        Expect.equal scored.Code 0 scored.Err
        Expect.isFalse (scored.Out.Contains "NaN") "no figure that is none"

let private run (input: BadInput) =
    match input.Subject with
    | Image make -> Folder.temporary (fun folder -> segmented input.Expected (make folder) folder)
    | Dataset make -> Folder.temporary (fun folder -> isChecked input.Expected (make folder))
    | Training(make, settings) ->
        World.within (fun folder ->
            let data = make (Path.Combine(folder, "small"))
            trained input.Expected data settings folder)

let tests =
    testSequenced (
        testList
            "bad inputs"
            [
                test "row 43: an experiment and a card on one frame a site" {
                    World.within (fun folder ->
                        let data = oneEach 3 (Path.Combine(folder, "small"))
                        let inside name = Path.Combine(folder, name)
                        File.WriteAllText(inside "config.json", RecordJson.render World.settings)

                        let outcome =
                            mcdrl
                                [
                                    yield!
                                        [
                                            "experiment"
                                            "table1"
                                            "--data"
                                            data
                                            "--config"
                                            inside "config.json"
                                        ]
                                    yield!
                                        [
                                            "--weights"
                                            inside "tower.safetensors"
                                            "--text"
                                            inside "text.safetensors"
                                        ]
                                    yield!
                                        [
                                            "--out"
                                            inside "out"
                                            "--methods"
                                            "mcdrl,baseline"
                                            "--seeds"
                                            "1"
                                        ]
                                ]

                        Expect.equal outcome.Code 0 outcome.Err

                        for file in Directory.GetFiles(inside "out", "*.*", SearchOption.AllDirectories) do
                            if file.EndsWith ".json" || file.EndsWith ".csv" || file.EndsWith ".html" then
                                // The letters of a picture may say anything.
                                let text = Regex.Replace(File.ReadAllText file, @"data:image/[^""']*", "")
                                Expect.isFalse (text.Contains "NaN") file

                        let model =
                            Directory.GetFiles(inside "out", "mcdrl.json", SearchOption.AllDirectories)
                            |> Array.head
                            |> Path.GetDirectoryName
                            |> nonNull

                        let card = mcdrl [ "card"; "--model"; model; "--data"; data ]
                        Expect.equal card.Code 0 card.Err
                        let text = File.ReadAllText(Path.Combine(model, "README.md"))
                        Expect.isFalse (text.Contains "NaN") "no figure that is none"
                        Expect.stringContains text "chosen by nothing" "still told")
                }

                for index, input in List.indexed BadInputs.all do
                    test $"row {input.Row}, {index}: {input.Name}" { run input }
            ]
    )
