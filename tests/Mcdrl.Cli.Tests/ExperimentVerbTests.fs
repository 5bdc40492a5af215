module Mcdrl.Cli.Tests.ExperimentVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

/// One epoch on features of a single view of each frame.
let private settings =
    { World.settings with
        Optimiser =
            { World.settings.Optimiser with
                Epochs = 1
                ActivationEpoch = 0
            }
        Augmentation =
            { World.settings.Augmentation with
                Views = 1
            }
    }

/// The arguments of `mcdrl experiment NAME` on the world in `folder`, less those that are absent, then some more.
let argumentsIn (folder: string) name (absent: string list) more =
    let config = Path.Combine(folder, "settings.json")
    File.WriteAllText(config, RecordJson.render settings)

    [
        "--data", Path.Combine(folder, "data")
        "--weights", Path.Combine(folder, "tower.safetensors")
        "--text", Path.Combine(folder, "text.safetensors")
        "--config", config
        "--out", Path.Combine(folder, "out")
    ]
    |> List.filter (fun (flag, _) -> not (List.contains flag absent))
    |> List.collect (fun (flag, value) -> [ flag; value ])
    |> fun shared -> "experiment" :: name :: shared @ more

let private runs folder = Path.Combine(folder, "out", "runs")

/// Every result and every model, with its time.
let private filesOf folder =
    DirectoryInfo(runs folder).GetFiles("*.json", SearchOption.AllDirectories)
    |> Array.map (fun file -> file.FullName, file.LastWriteTimeUtc)
    |> Array.sort

let tests =
    testSequenced (
        testList
            "experiment"
            [
                test "help lists the experiments" {
                    let outcome = mcdrl [ "experiment"; "--help" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    // Lines are broken where they are full.
                    let words =
                        String.concat
                            " "
                            (outcome.Out.Split([| ' '; '\n' |], System.StringSplitOptions.RemoveEmptyEntries))

                    for design in ExperimentCatalogue.all do
                        Expect.stringContains words $"{design.Name} ({design.Question})" design.Name

                    for flag in [ "--seeds"; "--methods"; "--report-only"; "--test"; "--preset" ] do
                        Expect.stringContains words flag "flag"
                }

                test "wrong usage is refused before any work, and says what to do" {
                    World.within (fun folder ->
                        for name, absent, more, named in
                            [
                                "table9", [], [], [ "table9"; "Choose one of table1" ]
                                "table1",
                                [],
                                [ "--methods"; "mcdrl,mcdlr" ],
                                [ "mcdlr"; "Choose some of baseline" ]
                                "table1", [], [ "--methods"; "baseline" ], [ "--methods"; "Add mcdrl" ]
                                "table1", [], [ "--seeds"; "0" ], [ "--seeds"; "at least 1" ]
                                "table1", [ "--weights" ], [], [ "--weights"; "--tower mini" ]
                                "table1", [], [ "--preset"; "best" ], [ "--config and --preset" ]
                                "table1", [ "--config" ], [ "--preset"; "worst" ], [ "worst"; "best" ]
                                "table1", [], [ "--protocol"; "half" ], [ "half"; "imagewise" ]
                                "table1", [], [ "--set"; "method.alfa=1" ], [ "method.alfa" ]
                                "table1", [ "--data" ], [], [ "--data" ]
                            ] do
                            let outcome = mcdrl (argumentsIn folder name absent more)
                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.equal outcome.Out "" "nothing on stdout"

                            for part in named do
                                Expect.stringContains outcome.Err part "named"

                            Expect.isFalse (Directory.Exists(runs folder)) "no run is begun")
                }

                test "data and weights that are not there" {
                    World.within (fun folder ->
                        for flag, code in [ "--data", 4; "--weights", 3 ] do
                            let missing = Path.Combine(folder, "missing")
                            let outcome = mcdrl (argumentsIn folder "table1" [ flag ] [ flag; missing ])
                            Expect.equal outcome.Code code outcome.Err
                            Expect.stringContains outcome.Err missing "named"
                            Expect.isFalse (Directory.Exists(runs folder)) "no run is begun")
                }

                test "a report alone, with nothing done yet" {
                    World.within (fun folder ->
                        let outcome =
                            mcdrl (
                                argumentsIn
                                    folder
                                    "table1"
                                    []
                                    [ "--methods"; "baseline,mcdrl"; "--report-only" ]
                            )

                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.isFalse (Directory.Exists(runs folder)) "no run is done")
                }

                test
                    "--parts: each part does its runs and writes no report; all done, the report is the whole's" {
                    World.within (fun folder ->
                        let arguments more =
                            argumentsIn
                                folder
                                "table1"
                                []
                                ([ "--methods"; "mcdrl,baseline"; "--seeds"; "1" ] @ more)

                        let doneBy more =
                            let outcome = mcdrl (arguments ("--json" :: more))
                            Expect.equal outcome.Code 0 outcome.Err
                            let told = (objects outcome).[0]
                            Expect.equal (told.GetProperty("planned").GetInt32()) 6 "in all"

                            Expect.equal
                                (told.GetProperty("done").GetInt32())
                                (told.GetProperty("runs").GetInt32())
                                "its runs"

                            told.GetProperty("runs").GetInt32()

                        let first = doneBy [ "--parts"; "2"; "--part"; "1" ]

                        let runsThere () =
                            Directory.GetDirectories(runs folder).Length

                        Expect.equal (runsThere ()) first "its own alone"

                        Expect.isEmpty
                            (Directory.GetFiles(
                                Path.Combine(folder, "out"),
                                "*.html",
                                SearchOption.AllDirectories
                            ))
                            "no report"

                        let second = doneBy [ "--parts"; "2"; "--part"; "0" ]
                        Expect.equal (first + second) 6 "each run in one part"
                        Expect.equal (runsThere ()) 6 "all"
                        let files = filesOf folder
                        let report = mcdrl (arguments [ "--report-only" ])
                        Expect.equal report.Code 0 report.Err
                        Expect.equal (filesOf folder) files "nothing is done twice"
                        Expect.isFalse ((report.Out + report.Err).Contains "unfinished") "all is in it"

                        for more, named in
                            [
                                [ "--parts"; "2"; "--report-only" ], "--parts: a report is of all parts"
                                [ "--part"; "0" ], "--part: it goes with --parts"
                                [ "--parts"; "2"; "--part"; "2" ], "0 to 1"
                            ] do
                            let outcome = mcdrl (arguments more)
                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.stringContains outcome.Err named "named")
                }

                test "a small one: every site unseen in turn; again, nothing is done twice" {
                    World.within (fun folder ->
                        let arguments =
                            argumentsIn folder "table1" [] [ "--methods"; "mcdrl,baseline"; "--seeds"; "1" ]

                        let outcome = mcdrl arguments
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.equal (Directory.GetDirectories(runs folder)).Length 6 "runs"

                        for label in [ "Baseline"; "MCDRL" ] do
                            Expect.stringContains (outcome.Out + outcome.Err) label "its methods"

                        let files = filesOf folder
                        let again = mcdrl arguments
                        Expect.equal again.Code 0 again.Err
                        Expect.equal (filesOf folder) files "nothing is done twice"

                        // Another experiment there finds the runs that it shares with this one.
                        let other =
                            mcdrl (
                                argumentsIn
                                    folder
                                    "table3"
                                    []
                                    [ "--methods"; "baseline,mcdrl"; "--seeds"; "1" ]
                            )

                        Expect.equal other.Code 0 other.Err
                        Expect.equal (filesOf folder) files "shared")
                }

                test "stopped by Ctrl-C" {
                    World.within (fun folder ->
                        let outcome =
                            mcdrlWith
                                (System.Threading.CancellationToken true)
                                (argumentsIn folder "table1" [] [ "--methods"; "baseline,mcdrl" ])

                        Expect.equal outcome.Code 130 outcome.Err)
                }
            ]
    )
