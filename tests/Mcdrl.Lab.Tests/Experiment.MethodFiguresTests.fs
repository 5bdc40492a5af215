module Mcdrl.Tests.ExperimentMethodFiguresTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

let private figures runs = MethodFigures.create facts runs

let tests =
    testList
        "Experiment.MethodFigures"
        [
            test "by hand: sites, their average with equal weight, the worst, each over seeds" {
                let found = figures ours
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
                let found = (figures ours).Classes
                Expect.equal (found |> List.map _.Class) [ "polyp"; "cyst" ] "both"
                Expect.equal (found |> List.map _.Frames) [ 3; 0 ] "frames"
                near "polyp: 1.9 / 3 and 1.9 / 3" (1.9 / 3.0) found[0].Dice.Mean
                Expect.isNone found[1].Dice.Mean "undefined is left out, not 0"
            }

            test "runs outside the plan don't count, of one done twice the later does" {
                let more =
                    { ours with
                        Runs =
                            [ run "ours" "east" 1UL [ 0.1; 0.1 ] ]
                            @ ours.Runs
                            @ [ run "ours" "north" 1UL [ 0.1 ]; run "ours" "east" 3UL [ 0.1; 0.1 ] ]
                    }

                Expect.equal (figures more) (figures ours) "as if they weren't there"
            }
        ]
