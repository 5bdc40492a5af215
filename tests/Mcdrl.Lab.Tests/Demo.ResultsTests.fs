module Mcdrl.Tests.DemoResultsTests

open Expecto
open FsCheck
open Mcdrl

/// A row of pixels.
let private row (labels: int list) : LabelMap =
    {
        Width = labels.Length
        Height = 1
        Labels = labels |> List.map byte |> Array.ofList
    }

let private judged marked truth =
    DemoFrame.judge "frame" (row marked) (Some 0.25) (row truth)

let tests =
    testList
        "demo results"
        [
            test "every outcome has its verdict and its words" {
                for marked, truth, verdict, words in
                    [
                        [ 1; 1; 1; 0 ], [ 1; 1; 1; 0 ], DemoVerdict.Found, "Found, Dice 1.00."
                        [ 1; 1; 0; 0 ], [ 1; 1; 1; 0 ], DemoVerdict.Found, "Found, Dice 0.80."
                        [ 1; 0; 0; 0 ], [ 1; 1; 1; 0 ], DemoVerdict.Partly, "Found badly, Dice 0.50."
                        [ 0; 0; 0; 0 ],
                        [ 1; 1; 1; 0 ],
                        DemoVerdict.Missed,
                        "Missed: nothing of the lesion is marked."
                        [ 0; 0; 0; 1 ],
                        [ 1; 1; 1; 0 ],
                        DemoVerdict.Missed,
                        "Missed: nothing of the lesion is marked."
                        [ 0; 0; 0; 0 ],
                        [ 0; 0; 0; 0 ],
                        DemoVerdict.RightlyEmpty,
                        "No lesion, and nothing marked."
                        [ 1; 0; 0; 0 ],
                        [ 0; 0; 0; 0 ],
                        DemoVerdict.FalseAlarm,
                        "False alarm: no lesion, and 25.0 % of the frame marked."
                    ] do
                    let frame = judged marked truth
                    Expect.equal frame.Verdict verdict words
                    Expect.equal (DemoFrame.said frame) words words
            }

            test "shares are of the frame, classes count together, and the disagreement is the answer's" {
                let frame = judged [ 1; 2; 0; 0 ] [ 2; 2; 2; 0 ]
                Expect.equal (frame.MarkedShare, frame.TrueShare) (0.5, 0.75) "shares"
                Expect.floatClose Accuracy.high frame.Dice 0.8 "whichever class"
                Expect.equal frame.Disagreement (Some 0.25) "kept"
            }

            Property.check "a verdict follows from Dice and from what is there"
            <| fun (pixels: NonEmptyArray<bool * bool>) ->
                let labels part =
                    pixels.Get |> Array.map (fun pair -> if part pair then 1 else 0) |> List.ofArray

                let frame = judged (labels fst) (labels snd)
                let lesion, marked = Array.exists snd pixels.Get, Array.exists fst pixels.Get

                match frame.Verdict with
                | DemoVerdict.Found -> lesion && marked && frame.Dice >= Warning.threshold
                | DemoVerdict.Partly -> lesion && marked && frame.Dice < Warning.threshold
                | DemoVerdict.Missed -> lesion && frame.Dice = 0.0
                | DemoVerdict.RightlyEmpty -> not lesion && not marked && frame.Dice = 1.0
                | DemoVerdict.FalseAlarm -> not lesion && marked && frame.Dice = 0.0
        ]
