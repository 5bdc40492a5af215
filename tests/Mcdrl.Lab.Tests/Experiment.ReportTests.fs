module Mcdrl.Tests.ExperimentReportTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

let private figures methods =
    (ExperimentReport.create facts methods).Methods

let private rivalry methods =
    (ExperimentReport.create facts methods).Rivals |> List.exactlyOne

let tests =
    testList
        "Experiment.Report"
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

            test "results from before there were findings can be read, and new ones come back as they were" {
                let old =
                    """{ "method": "ours", "site": "east", "seed": 1, "epoch": 5, "validation_dice": 0.9, "train_seconds": 60,
                         "parameters": 7, "causal_parameters": 3, "milliseconds": 10, "version": "0.1.0",
                         "images": [ { "site": "east", "stem": "a", "score": { "dice": 0.8, "iou": 0.7, "accuracy": 0.9 },
                                       "class_dice": [ 0.8, null ] } ] }"""

                let read = RecordJson.parse<RunResult> "result.json" old |> Outcome.ok
                Expect.isNone read.Images.Head.Findings "no findings"
                Expect.isNone read.Calibration "no calibration"
                Expect.equal read.Images.Head.Score.Dice 0.8 "the score"
                let given = run "ours" "east" 1UL [ 0.8; 0.6 ] |> withFindings [ 0.8; 0.6 ]
                let text = RecordJson.render given
                let again = RecordJson.parse<RunResult> "result.json" text |> Outcome.ok
                Expect.equal (RecordJson.render again) text "all of it"
                Expect.equal again.Calibration given.Calibration "calibration"
            }

            test "Dice put in place of the frames' own leaves their findings out" {
                let given =
                    runs
                        "ours"
                        "Ours"
                        [
                            for run in ours.Runs -> withFindings (run.Images |> List.map _.Score.Dice) run
                        ]

                Expect.isNonEmpty (ExperimentReport.create facts [ given ]).Methods.Head.Findings "findings"
                Expect.isEmpty (ExperimentReport.ofReplacedDice facts [ given ]).Methods.Head.Findings "none"
            }

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
