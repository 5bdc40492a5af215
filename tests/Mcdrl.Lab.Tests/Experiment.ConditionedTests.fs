module Mcdrl.Tests.ExperimentConditionedTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

/// The run's frames under two conditions: blur takes `blurred` from each Dice, blood half of that.
let private underConditions (blurred: float) (run: RunResult) =
    { run with
        Conditioned =
            Some
                [
                    for image in run.Images ->
                        {
                            Stem = image.Stem
                            AsItIs = image.Score.Dice
                            Under =
                                Map
                                    [
                                        "blur", image.Score.Dice - blurred
                                        "blood", image.Score.Dice - blurred / 2.0
                                    ]
                        }
                ]
    }

let private judged =
    [
        whole "ours" "Ours" 0.6 |> MethodRuns.mapRuns (underConditions 0.1)
        whole "rival" "Rival" 0.5 |> MethodRuns.mapRuns (underConditions 0.3)
    ]

let private figures = ExperimentConditioned.figures facts judged

let private seen name =
    figures |> List.find (fun figures -> figures.Seen = name)

let private meanOf key name =
    (seen name).Report.Methods
    |> List.find (fun method -> method.Key = key)
    |> fun method -> method.Average.Dice.Mean

let private difference name =
    ((seen name).Report.Rivals |> List.exactlyOne).Overall |> Option.map _.Mean

let tests =
    testList
        "Experiment.Conditioned"
        [
            testCase "frames as they are, robust Dice, then each condition, for every method"
            <| fun () ->
                Expect.equal (figures |> List.map _.Seen) [ "as it is"; "robust"; "blood"; "blur" ] "ways"
                let plain = (ExperimentReport.create facts judged).Methods.Head.Average.Dice.Mean
                near "as it is" (Option.get plain) (meanOf "ours" "as it is")
                near "blur" (Option.get plain - 0.1) (meanOf "ours" "blur")
                near "robust" (Option.get plain - (0.1 + 0.05) / 3.0) (meanOf "ours" "robust")

            testCase "differences are of the same frames seen the same way, with their intervals"
            <| fun () ->
                near "as it is" 0.1 (difference "as it is")
                near "blur" (0.1 + 0.2) (difference "blur")
                near "robust" (0.1 + 0.2 / 3.0 + 0.1 / 3.0) (difference "robust")
                let overall = Option.get ((seen "blur").Report.Rivals |> List.exactlyOne).Overall
                Expect.isTrue overall.ExcludesZero "no frame says otherwise"

            testCase "each method's own worst condition"
            <| fun () ->
                let other =
                    whole "rival" "Rival" 0.5
                    |> MethodRuns.mapRuns (underConditions 0.3)
                    |> MethodRuns.mapRuns (fun run ->
                        { run with
                            Conditioned =
                                run.Conditioned
                                |> Option.map (
                                    List.map (fun frame ->
                                        { frame with
                                            Under = frame.Under.Add("blood", 0.01)
                                        })
                                )
                        })

                let figures = ExperimentConditioned.figures facts [ judged.Head; other ]

                let worst key =
                    ExperimentConditioned.worst key figures |> Option.map _.Seen

                Expect.equal (worst "ours", worst "rival") (Some "blur", Some "blood") "worst"
                Expect.equal (worst "stranger") None "unknown"

            testCase "nothing where no run was judged under conditions, and what wasn't counts as missing"
            <| fun () ->
                Expect.isEmpty (ExperimentConditioned.figures facts [ whole "ours" "Ours" 0.6 ]) "none"

                let half =
                    ExperimentConditioned.figures facts [ judged.Head; whole "rival" "Rival" 0.5 ]

                let rival =
                    half.Head.Report.Methods |> List.find (fun method -> method.Key = "rival")

                Expect.equal rival.Average.Dice.Mean None "no number"

            testCase "the page has both tables, and none without conditions"
            <| fun () ->
                let shown =
                    ExperimentPage.render
                        { page judged with
                            Conditioned = figures
                        }

                let without = ExperimentPage.render (page judged)

                for part in [ "Under imaging conditions"; "robust"; "blur"; "worst condition" ] do
                    Expect.stringContains shown part "shown"

                Expect.isFalse (without.Contains "Under imaging conditions") "left out"
        ]
