module Mcdrl.Tests.ExperimentWordingTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

let private lead methods =
    ExperimentReport.create facts methods |> ExperimentWording.lead

let private has sentence sentences =
    Expect.contains sentences sentence (String.concat " | " sentences)

/// What is said of MCDRL beside the baseline and two controls.
let private controlled baseline (random: MethodRuns) =
    let methods =
        [
            whole "mcdrl" "MCDRL" 0.55
            whole "baseline" "Baseline" baseline
            random
            whole "control-constant" "constant dictionary" 0.5
        ]

    ExperimentReport.create { facts with Reference = "mcdrl" } methods
    |> ExperimentWording.lead

let private control = "control-random", "random dictionary"

let private controls =
    [
        test "a gain that no control shares" {
            controlled 0.51 (control ||> whole <| 0.52)
            |> has
                "The gain of MCDRL over Baseline, +4.0 points, is shared by no control: MCDRL is clearly better than random dictionary (+3.0 points, 3.0 to 3.0) and constant dictionary (+5.0 points, 5.0 to 5.0) too."
        }

        test "a gain that a control shares is not causal, whether the control is as good or better" {
            let said = controlled 0.51 (control ||> wavering <| 0.54)

            Expect.exists
                said
                (fun sentence ->
                    sentence.StartsWith
                        "The gain of MCDRL over Baseline, +4.0 points, is shared by random dictionary (+1.0 points, "
                    && sentence.EndsWith "): a gain that a control shares is not causal.")
                (String.concat " | " said)

            controlled 0.51 (control ||> whole <| 0.58)
            |> has
                "The gain of MCDRL over Baseline, +4.0 points, is shared by random dictionary (−3.0 points, −3.0 to −3.0): a gain that a control shares is not causal."
        }

        test "without a clear gain, without a control or under another reference there is nothing to share" {
            controlled 0.56 (control ||> whole <| 0.5)
            |> has "MCDRL has no clear gain over Baseline that a control could share."

            for reference, methods in
                [
                    "mcdrl", [ whole "mcdrl" "MCDRL" 0.55; whole "baseline" "Baseline" 0.5 ]
                    "mcdrl", [ whole "mcdrl" "MCDRL" 0.55; control ||> whole <| 0.5 ]
                    "ours",
                    [
                        whole "ours" "Ours" 0.55
                        whole "baseline" "Baseline" 0.5
                        control ||> whole <| 0.5
                    ]
                ] do
                let said =
                    ExperimentReport.create { facts with Reference = reference } methods
                    |> ExperimentWording.lead

                Expect.isFalse (said |> List.exists (fun s -> s.Contains "share")) "nothing"
        }
    ]

let tests =
    testList
        "Experiment.Wording"
        [
            yield! controls

            test "who wins clearly, by how much and in how many seeds" {
                let said = lead [ whole "ours" "Ours" 0.55; whole "rival" "Rival" 0.5 ]
                said |> has "Ours has the highest mean Dice over 2 unseen sites, 65.5 ± 0.7 %."

                said
                |> has
                    "Ours is clearly better than Rival, by 5.0 points (95 % interval of the difference 5.0 to 5.0; so in 2 of 2 seeds)."

                said
                |> has
                    "On its worst site, mean Dice is 65.5 ± 0.7 % for Ours (east), and 60.5 ± 0.7 % for Rival (east), the best of the others."
            }

            test "the reference's loss is said as plainly" {
                let said = lead [ whole "ours" "Ours" 0.5; whole "rival" "Rival" 0.55 ]
                said |> has "Rival has the highest mean Dice over 2 unseen sites, 65.5 ± 0.7 %."

                said
                |> has
                    "Ours is clearly worse than Rival, by 5.0 points (95 % interval of the difference −5.0 to −5.0; so in 2 of 2 seeds)."

                Expect.isFalse (said |> List.exists _.Contains("better")) "nothing better"
            }

            test "what isn't clear isn't called better or worse" {
                let said = lead [ whole "ours" "Ours" 0.51; wavering "rival" "Rival" 0.5 ]

                Expect.isTrue
                    (said
                     |> List.exists (fun sentence ->
                         sentence.StartsWith "Ours and Rival are not clearly different: +1.0 points"
                         && sentence.EndsWith "contains 0."))
                    (String.concat " | " said)

                Expect.isFalse
                    (said |> List.exists (fun s -> s.Contains "better" || s.Contains "worse than"))
                    "neither"
            }

            test "several rivals share a sentence, with the closest's margin" {
                lead
                    [
                        whole "ours" "Ours" 0.55
                        whole "b" "B" 0.5
                        whole "a" "A" 0.52
                        whole "c" "C" 0.45
                    ]
                |> has
                    "Ours is clearly better than A, B and C; the closest is A, by 3.0 points (95 % interval of the difference 3.0 to 3.0; so in 2 of 2 seeds)."
            }

            test "unfinished work says what is missing, and that the ranking may change" {
                let late =
                    { whole "rival" "Rival" 0.5 with
                        Runs = (whole "rival" "Rival" 0.5).Runs |> List.truncate 3
                    }

                let report = ExperimentReport.create facts [ whole "ours" "Ours" 0.55; late ]
                let words = ExperimentWording.unfinished report |> Option.defaultValue ""
                Expect.stringStarts words "Unfinished: 7 of 8 planned runs are there." "how many"
                Expect.stringContains words "Rival (1 complete seed; seed 2 on some sites only)" "which"
                Expect.stringStarts (ExperimentWording.lead report).Head "So far, Ours" "so far"

                Expect.isNone
                    (ExperimentWording.unfinished (
                        ExperimentReport.create facts [ whole "ours" "Ours" 0.55; whole "rival" "Rival" 0.5 ]
                    ))
                    "finished"
            }

            test "with no complete seed nothing is said of all sites" {
                let said =
                    lead
                        [
                            runs "ours" "Ours" [ run "ours" "east" 1UL [ 0.5 ] ]
                            runs "rival" "Rival" []
                        ]

                Expect.stringContains said.Head "nothing can be said" "no average"
                said |> has "Ours can't be compared with Rival over all sites yet."
            }

            test "a spread of one seed is not 0: it isn't shown" {
                let spread deviation =
                    ExperimentWording.spread
                        {
                            Mean = Some 0.8164
                            StandardDeviation = deviation
                            Seeds = 2
                        }

                Expect.equal (spread (Some 0.0031), spread None) ("81.6 ± 0.3", "81.6") ""
            }
        ]
