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

            test "findings are over the frames of all sites, of the complete seeds whose runs have them" {
                let score finding (found: MethodFigures) =
                    (found.Findings |> List.find (fun figure -> figure.Finding = finding)).Score

                let all =
                    runs
                        "ours"
                        "Ours"
                        [
                            run "ours" "east" 1UL [ 0.8; 0.6 ] |> withFindings [ 0.2; 0.6 ]
                            run "ours" "west" 1UL [ 0.5 ] |> withFindings [ 0.4 ]
                            run "ours" "east" 2UL [ 0.9; 0.7 ] |> withFindings [ 0.8; 1.0 ]
                            run "ours" "west" 2UL [ 0.3 ] |> withFindings [ 0.0 ]
                        ]

                let found = figures all
                near "seeds 0.4 and 0.8" 0.6 (score Finding.MedianDice found).Mean
                near "both found, of three" (2.0 / 3.0) (score Finding.Sensitivity found).Mean
                near "NSD" (1.0 - (1.2 + 1.8) / 6.0) (score Finding.Nsd found).Mean
                near "from the runs' own sums" 0.125 (score Finding.Ece found).Mean
                Expect.equal (score Finding.SmallDice found).Mean None "no small lesion"
                Expect.equal (score Finding.Dice found).Seeds 2 "both seeds"

                let some =
                    { all with
                        Runs =
                            all.Runs
                            |> List.map (fun run ->
                                if run.Seed = 2UL then
                                    Experiments.run "ours" run.Site 2UL [ 0.5 ]
                                else
                                    run)
                    }

                near "the first seed alone" 0.4 (score Finding.MedianDice (figures some)).Mean
                Expect.isEmpty (figures ours).Findings "results from before there were findings"
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
