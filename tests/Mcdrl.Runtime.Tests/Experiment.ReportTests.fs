module Mcdrl.Runtime.Tests.ExperimentReportTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl
open Mcdrl.Runtime.Tests.Experiments

let private near name expected (actual: float option) =
    match actual with
    | None -> failtest $"{name}: nothing"
    | Some actual -> Expect.floatClose Accuracy.high actual expected name

let private ours =
    runs
        "ours"
        "Ours"
        [
            run "ours" "east" 1UL [ 0.8; 0.6 ]
            run "ours" "west" 1UL [ 0.5 ]
            run "ours" "east" 2UL [ 0.9; 0.7 ]
            run "ours" "west" 2UL [ 0.3 ]
        ]

let private rival =
    runs
        "rival"
        "Rival"
        [
            run "rival" "east" 1UL [ 0.7; 0.7 ]
            run "rival" "west" 1UL [ 0.4 ]
            run "rival" "east" 2UL [ 0.7; 0.7 ]
            run "rival" "west" 2UL [ 0.4 ]
        ]

let private without site seed (runs: MethodRuns) =
    { runs with
        Runs = runs.Runs |> List.filter (fun run -> (run.Site, run.Seed) <> (site, seed))
    }

let private figures methods =
    (ExperimentReport.create facts methods).Methods

let private rivalry methods =
    (ExperimentReport.create facts methods).Rivals |> List.exactlyOne

let tests =
    testList
        "Experiment report"
        [
            test
                "class-aware Dice: the mean over the classes shown, 1 where none is, and nothing else changed" {
                let judged classDice =
                    let image =
                        { image "east" "a" 0.9 with
                            ClassDice = classDice
                        }

                    let runs =
                        runs
                            "ours"
                            "Ours"
                            [
                                { run "ours" "east" 1UL [] with
                                    Images = [ image ]
                                }
                            ]

                    (ExperimentReport.classAwareRuns [ runs ]).Head.Runs.Head.Images.Head, image

                for classDice, expected in
                    [ [ 1.0; 0.0 ], 0.5; [ 0.9; nan ], 0.9; [ nan; 0.0 ], 0.0; [ nan; nan ], 1.0 ] do
                    let found, before = judged classDice
                    Expect.floatClose Accuracy.high found.Score.Dice expected $"{classDice}"
                    Expect.equal found.Score.Iou before.Score.Iou "IoU"
                    Expect.equal (found.Site, found.Stem) (before.Site, before.Stem) "the frame"
            }

            test "by hand: sites, their average with equal weight, the worst, each over seeds" {
                let found = (figures [ ours; rival ]).Head
                let east, west = found.Sites[0], found.Sites[1]
                near "east" 0.75 east.Scores.Dice.Mean
                near "east: 0.7 and 0.8" (sqrt 0.005) east.Scores.Dice.StandardDeviation
                near "west" 0.4 west.Scores.Dice.Mean
                Expect.equal (east.Images, west.Images) (2, 1) "images"
                near "0.6 and 0.55" 0.575 found.Average.Dice.Mean
                near "spread of the averages" (sqrt 0.00125) found.Average.Dice.StandardDeviation
                Expect.equal found.Average.Dice.Seeds 2 "seeds"
                Expect.equal (found.Worst |> Option.map _.Site) (Some "west") "worst"
                near "worst" 0.4 (found.Worst |> Option.bind _.Dice.Mean)
                near "IoU" ((0.8 / 1.2 + 0.6 / 1.4 + 0.9 / 1.1 + 0.7 / 1.3) / 4.0) east.Scores.Iou.Mean
                near "accuracy" 0.9 found.Average.Accuracy.Mean
                near "seconds" 90.0 found.TrainSeconds
                near "milliseconds" 15.0 found.Milliseconds

                Expect.equal
                    (found.Parameters, found.CausalParameters)
                    (Some 2500000L, Some 500000L)
                    "weights"
            }

            test "classes are over the frames that show them; one that none shows has no number" {
                let found = (figures [ ours ]).Head.Classes
                Expect.equal (found |> List.map _.Class) [ "polyp"; "cyst" ] "both"
                Expect.equal (found |> List.map _.Frames) [ 3; 0 ] "frames"
                near "polyp: 1.9 / 3 and 1.9 / 3" (1.9 / 3.0) found[0].Dice.Mean
                Expect.isNone found[1].Dice.Mean "undefined is left out, not 0"
            }

            test "the difference is on the same images, over the seeds both have" {
                let found = rivalry [ ours; rival ]
                near "0.05 in the east, 0 in the west" 0.025 (found.Overall |> Option.map _.Mean)
                let overall = Option.get found.Overall
                Expect.equal overall.Seeds [ 1UL; 2UL ] "seeds"
                Expect.equal overall.Images 3 "images"

                for expected, found in List.zip [ 0.05; 0.0 ] overall.BySeed do
                    Expect.floatClose Accuracy.high found expected "each seed alone"

                near "east" 0.05 (found.Sites[0].Difference |> Option.map _.Mean)
                Expect.isFalse overall.ExcludesZero "−0.025 to 0.075"
            }

            test "a seed without all sites is partial: it counts where it is, and never in an average" {
                let report = ExperimentReport.create facts [ ours |> without "west" 2UL; rival ]
                let found = report.Methods.Head
                Expect.equal (found.CompleteSeeds, found.PartialSeeds) ([ 1UL ], [ 2UL ]) "seeds"
                Expect.equal (found.Missing, report.Done, report.Finished) (1, 7, false) "one is missing"
                near "seed 1 alone" 0.6 found.Average.Dice.Mean
                Expect.isNone found.Average.Dice.StandardDeviation "no spread of one seed"
                near "both seeds" 0.75 found.Sites[0].Scores.Dice.Mean

                Expect.equal
                    (found.Sites |> List.map _.Finished, found.Sites |> List.map _.Scores.Dice.Seeds)
                    ([ true; false ], [ 2; 1 ])
                    "sites"

                let overall = report.Rivals.Head.Overall |> Option.get
                Expect.equal overall.Seeds [ 1UL ] "the other seed doesn't enter"
                Expect.floatClose Accuracy.high overall.Mean 0.05 "(0 + 0.1) / 2"
            }

            test "without a seed in common there is no difference, without a complete one no average" {
                let early = ours |> without "west" 1UL |> without "west" 2UL
                let found = (figures [ early; rival ]).Head
                Expect.isNone found.Average.Dice.Mean "no average of one site of two"
                Expect.isNone found.Worst "no worst of one site of two"
                let open' = rivalry [ early; rival ]
                Expect.isNone open'.Overall "no difference over sites"

                Expect.equal
                    (open'.Sites |> List.map (_.Difference >> Option.isSome))
                    [ true; false ]
                    "east is known, west not"
            }

            test "runs outside the plan don't count, of one done twice the later does" {
                let more =
                    { ours with
                        Runs =
                            [ run "ours" "east" 1UL [ 0.1; 0.1 ] ]
                            @ ours.Runs
                            @ [ run "ours" "north" 1UL [ 0.1 ]; run "ours" "east" 3UL [ 0.1; 0.1 ] ]
                    }

                Expect.equal (figures [ more ]) (figures [ ours ]) "as if they weren't there"
            }

            test "pairs are by site and stem; an image that one run lacks is in none" {
                let lacking =
                    { rival with
                        Runs =
                            rival.Runs
                            |> List.map (fun run ->
                                if run.Site = "east" && run.Seed = 2UL then
                                    { run with Images = run.Images.Tail }
                                else
                                    run)
                    }

                let pairs = ExperimentReport.pairs facts ours lacking
                Expect.equal (pairs |> List.map (fun p -> p.Site, p.Stem)) [ "east", "b"; "west", "a" ] ""
                Expect.floatClose Accuracy.high pairs[0].Reference 0.65 "mean over seeds"
            }

            testProperty "a better rival turns the sign and nothing else"
            <| fun (offset: byte) ->
                let shift = float offset / 2000.0

                let overall a b =
                    rivalry [ whole "ours" "Ours" a; whole "rival" "Rival" b ]
                    |> _.Overall
                    |> Option.get
                    |> _.Mean

                abs (overall (0.5 + shift) 0.5 + overall 0.5 (0.5 + shift)) < 1e-12
                && abs (overall (0.5 + shift) 0.5 - shift) < 1e-12

            test "it can be written as JSON, with null for what isn't known" {
                let json =
                    ExperimentReport.create facts [ ours |> without "west" 2UL; rival ]
                    |> RecordJson.render

                Expect.stringContains json "\"standard_deviation\": null" "no NaN"

                Expect.equal
                    (RecordJson.parse<ExperimentReport> "report.json" json)
                    (Ok(ExperimentReport.create facts [ ours |> without "west" 2UL; rival ]))
                    "and read back"
            }
        ]
