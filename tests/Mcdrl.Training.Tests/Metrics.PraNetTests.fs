module Mcdrl.Tests.PraNetTests

open Expecto
open Mcdrl

let private region pixels =
    Array.init 16 (fun i -> List.contains i pixels)

let private hard pixels =
    region pixels |> Array.map (fun marked -> if marked then 1f else 0f)

let private near expected actual what =
    Expect.floatClose { absolute = 1e-6; relative = 0.0 } actual expected what

let private truth = region [ 0..3 ]

/// The definition, word for word: 256 cuts, each scored by itself.
let private naive (soft: float32[]) (truth: bool[]) =
    let lowest, highest = float (Array.min soft), float (Array.max soft)

    let stretched =
        soft
        |> Array.map (fun value ->
            if highest > lowest then
                (float value - lowest) / (highest - lowest)
            else
                float value)

    let scores =
        [
            for k in 255..-1..0 do
                let labels = Array.map (fun marked -> if marked then 1uy else 0uy)

                let counts =
                    Counts.ofForeground
                        (stretched |> Array.map (fun value -> value >= float k / 255.0) |> labels)
                        (labels truth)

                if counts.TruePositive = 0L then
                    yield 0.0, 0.0
                else
                    yield Metrics.dice EmptyTruth.Counted counts, Metrics.iou EmptyTruth.Counted counts
        ]

    {
        MeanDice = List.averageBy fst scores
        MeanIou = List.averageBy snd scores
    }

let tests =
    testList
        "PraNet-256"
        [
            for name, soft, truth, dice, iou in
                [
                    "perfect is just under 1", hard [ 0..3 ], truth, 0.99765625, 0.997070313
                    "twice too large", hard [ 0..7 ], truth, 0.665625, 0.499023438
                    "disjoint", hard [ 4..7 ], truth, 0.0015625, 0.000976563
                    "nothing marked", hard [], truth, 0.0015625, 0.000976563
                    "everything marked", hard [ 0..15 ], truth, 0.4, 0.25
                    "both empty", hard [], region [], 0.0, 0.0
                ] do
                test name {
                    let score = PraNet256.score soft truth
                    near dice score.MeanDice "Dice"
                    near iou score.MeanIou "IoU"
                }

            test "a soft map" {
                let score = PraNet256.score [| 1f; 0.5f; 0.25f; 0f |] [| true; true; false; false |]
                near 0.7828125 score.MeanDice "mean"
            }

            Property.check "as the definition says, for any map"
            <| fun (pixels: (float32 * bool) list) ->
                let pixels =
                    (0.25f, true) :: pixels
                    |> List.map (fun (value, isTrue) ->
                        (if System.Single.IsFinite value then value % 100f else 1f), isTrue)

                let soft, truth =
                    pixels |> List.unzip |> fun (a, b) -> Array.ofList a, Array.ofList b

                let fast, slow = PraNet256.score soft truth, naive soft truth

                abs (fast.MeanDice - slow.MeanDice) < 1e-9
                && abs (fast.MeanIou - slow.MeanIou) < 1e-9

            Property.check "8-bit maps fall on the cuts exactly"
            <| fun (levels: byte list) ->
                let soft =
                    0uy :: 255uy :: levels
                    |> List.map (fun level -> float32 level / 255f)
                    |> Array.ofList

                let truth = soft |> Array.mapi (fun i _ -> i % 3 = 1)
                abs ((PraNet256.score soft truth).MeanDice - (naive soft truth).MeanDice) < 1e-9

            Property.check "the scale of the map does not matter"
            <| fun (values: byte list) ->
                let soft =
                    0uy :: 8uy :: values
                    |> List.map (fun value -> float32 (value % 9uy) / 8f)
                    |> Array.ofList

                let truth = soft |> Array.mapi (fun i _ -> i % 2 = 0)

                PraNet256.score soft truth =
                    PraNet256.score (soft |> Array.map (fun value -> value * 4f - 2f)) truth
        ]
