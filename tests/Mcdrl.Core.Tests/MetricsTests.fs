module Mcdrl.Tests.MetricsTests

open System
open Expecto
open Mcdrl

let private near tolerance expected actual what =
    if Double.IsNaN expected then
        Expect.isTrue (Double.IsNaN actual) $"{what}: NaN, not {actual}"
    else
        Expect.floatClose { absolute = tolerance; relative = 0.0 } actual expected what

let private nearAll tolerance (expected: float list) (actual: float list) what =
    Expect.hasLength actual expected.Length what
    List.iteri2 (fun i e a -> near tolerance e a $"{what}, number {i}") expected actual

/// Binary maps written as text, rows joined: "1011".
let private map (text: string) =
    text |> Seq.map ((=) '1') |> Array.ofSeq

/// The counts of two binary maps.
let private ofMasks (prediction: bool[]) (truth: bool[]) =
    let labels = Array.map (fun marked -> if marked then 1uy else 0uy)
    Counts.ofForeground (labels prediction) (labels truth)

/// Counts of each map of an image.
let private image predictions truths =
    List.map2 (fun p t -> ofMasks (map p) (map t)) predictions truths

/// T4 of the page: MONAI's two images of three maps.
let private t4 =
    [
        image [ "1110"; "0100"; "0111" ] [ "1111"; "0000"; "0000" ]
        image [ "1011"; "0111"; "0110" ] [ "0001"; "1100"; "0010" ]
    ]

/// T6: the same predictions against ones, nothing, nothing.
let private t6 =
    [
        image [ "1110"; "0100"; "0111" ] [ "1111"; "0000"; "0000" ]
        image [ "1011"; "0111"; "0110" ] [ "1111"; "0000"; "0000" ]
    ]

let private perClass score images =
    images |> List.map (List.map score) |> List.transpose

let private sumDefined = Seq.filter (Double.IsNaN >> not) >> Seq.sum

let private monai =
    /// MONAI's default: undefined whenever the truth is empty, so false positives on it stay hidden.
    let hidden score counts =
        if Counts.support counts = 0L then
            nan
        else
            score EmptyTruth.UndefinedIfRight counts

    let dice, iou = hidden Metrics.dice, hidden Metrics.iou
    let near = near 1e-4

    testList
        "MONAI's vectors"
        [
            test "T1" {
                let counts = ofMasks (map "1001") (map "1011")
                near 0.8 (dice counts) "Dice"
                near 0.6667 (iou counts) "IoU"
            }

            test "T2" {
                let first = image [ "0011"; "1000" ] [ "1010"; "0100" ]
                let second = image [ "1000"; "0110" ] [ "1100"; "0010" ]
                nearAll 1e-4 [ 0.5; 0.0 ] (List.map dice first) "Dice of image 1"
                nearAll 1e-4 [ 0.6667; 0.6667 ] (List.map dice second) "Dice of image 2"
                nearAll 1e-4 [ 0.3333; 0.0 ] (List.map iou first) "IoU of image 1"
                nearAll 1e-4 [ 0.5; 0.5 ] (List.map iou second) "IoU of image 2"
            }

            test "T4, mean over the batch, NaN skipped" {
                nearAll 1e-4 [ 0.6786; 0.4; 0.6667 ] (perClass dice t4 |> List.map Metrics.mean) "Dice"
                // MONAI prints .5416 for (3/4 + 1/3)/2 = .541667.
                nearAll 1.1e-4 [ 0.5416; 0.25; 0.5 ] (perClass iou t4 |> List.map Metrics.mean) "IoU"
            }

            test "T5, mean over images of the means over classes" {
                let overall score images =
                    images |> List.map (List.map score >> Metrics.mean) |> Metrics.mean

                near 0.689683 (overall dice t4) "Dice"
                near 0.5555 (overall iou t4) "IoU"
            }

            test "T6 to T8, truths that are empty" {
                nearAll 1e-4 [ 1.7143; 0.0; 0.0 ] (perClass dice t6 |> List.map sumDefined) "Dice, summed"
                nearAll 1e-4 [ 1.5; 0.0; 0.0 ] (perClass iou t6 |> List.map sumDefined) "IoU, summed"
                near 0.857143 (t6 |> List.map (List.map dice >> Metrics.mean) |> Metrics.mean) "T7 Dice"
                near 0.75 (t6 |> List.map (List.map iou >> Metrics.mean) |> Metrics.mean) "T7 IoU"
                nearAll 1e-4 [ 0.0; 0.0 ] (perClass dice t6 |> List.tail |> List.map sumDefined) "T8"
            }

            test "T9, T11, T12" {
                let full, none = map "1111", map "0000"

                let score p t =
                    Metrics.score EmptyTruth.Counted (ofMasks p t)

                Expect.equal
                    (score full full)
                    {
                        Dice = 1.0
                        Iou = 1.0
                        Accuracy = 1.0
                    }
                    "T9"

                Expect.equal
                    (score none none)
                    {
                        Dice = 1.0
                        Iou = 1.0
                        Accuracy = 1.0
                    }
                    "T11"

                Expect.equal
                    (score full none)
                    {
                        Dice = 0.0
                        Iou = 0.0
                        Accuracy = 0.0
                    }
                    "T12"
            }
        ]

/// A 10 x 10 map with the rows and columns from `first` to before `last` set.
let private square first last =
    Array.init 100 (fun i -> i / 10 >= first && i / 10 < last && i % 10 >= first && i % 10 < last)

let private torchmetrics =
    let none = Array.zeroCreate<bool> 100
    let pair p t = ofMasks p t

    let samples =
        [
            [
                pair none none
                pair (square 0 2) (square 0 4)
                pair none none
                pair (square 8 10) (square 4 10)
            ]
            [ pair none none; pair none none; pair none none; pair (square 0 2) none ]
            [ pair none none; pair none none; pair none none; pair none none ]
        ]

    let whole = samples |> List.transpose |> List.map (List.reduce (+))
    let dice = Metrics.dice EmptyTruth.UndefinedIfRight

    let samplewise score =
        samples |> List.map score |> Metrics.mean

    let near = near 1e-4

    testList
        "torchmetrics' vectors"
        [
            test "samplewise" {
                near 0.1333 (samplewise (List.reduce (+) >> dice)) "micro"
                near 0.15 (samplewise (List.map dice >> Metrics.mean)) "macro"
                nearAll 1e-4 [ nan; 0.4; nan; 0.1 ] (samples |> perClass dice |> List.map Metrics.mean) "none"
            }

            test "global" {
                near 0.25 (whole |> List.reduce (+) |> dice) "micro"
                near 0.2909 (whole |> List.map dice |> Metrics.mean) "macro"
                nearAll 1e-4 [ nan; 0.4; nan; 0.1818 ] (List.map dice whole) "none"
            }

            test "all zero is undefined, perfect is 1" {
                Expect.isTrue (Double.IsNaN(dice (pair none none))) "Dice"
                let iou = Metrics.iou EmptyTruth.UndefinedIfRight
                Expect.isTrue (Double.IsNaN(iou (pair none none))) "IoU, -1 in torchmetrics"
                near 1.0 (iou (pair (square 1 5) (square 1 5))) "perfect"
            }
        ]

let private rasters =
    let counts tp fp fn tn =
        {
            TruePositive = tp
            FalsePositive = fp
            FalseNegative = fn
            TrueNegative = tn
        }

    testList
        "16-pixel rasters"
        [
            for name, c, dice, iou, accuracy, both in
                [
                    "perfect", counts 4L 0L 0L 12L, 1.0, 1.0, 1.0, 1.0
                    "twice too large", counts 4L 4L 0L 8L, 0.6667, 0.5, 0.75, 0.7333
                    "disjoint", counts 0L 4L 4L 8L, 0.0, 0.0, 0.5, 0.3333
                    "nothing marked", counts 0L 0L 4L 12L, 0.0, 0.0, 0.75, 0.4286
                    "everything marked", counts 4L 12L 0L 0L, 0.4, 0.25, 0.25, 0.2
                ] do
                test name {
                    near 1e-4 dice (Metrics.dice EmptyTruth.Counted c) "Dice"
                    near 1e-4 iou (Metrics.iou EmptyTruth.Counted c) "IoU"
                    near 1e-4 accuracy (Metrics.accuracy c) "accuracy"
                    near 1e-4 both (Metrics.backgroundForeground EmptyTruth.Counted c).Dice "both"
                }

            test "both empty: undefined but for this project's convention" {
                let c = counts 0L 0L 0L 16L
                near 0.0 1.0 (Metrics.dice EmptyTruth.Counted c) "counted"
                near 0.0 nan (Metrics.dice EmptyTruth.UndefinedIfRight c) "undefined"
                near 0.0 nan (Metrics.iou EmptyTruth.UndefinedIfRight c) "undefined"
                near 0.0 1.0 (Metrics.accuracy c) "accuracy"
            }

            test "false positives on an empty truth score 0" {
                let c = counts 0L 3L 0L 13L
                near 0.0 0.0 (Metrics.dice EmptyTruth.Counted c) "counted"
                near 0.0 0.0 (Metrics.dice EmptyTruth.UndefinedIfRight c) "counted"
            }

            test "image-wise and micro differ" {
                let images = [ counts 8L 0L 0L 0L; counts 0L 0L 2L 0L ]

                near
                    1e-12
                    0.5
                    (images |> List.map (Metrics.dice EmptyTruth.Counted) |> Metrics.mean)
                    "image-wise"

                near 1e-4 0.8889 (images |> List.reduce (+) |> Metrics.dice EmptyTruth.Counted) "micro"
            }
        ]

/// Two binary masks of the same length, at least one pixel.
let private masks (pixels: (bool * bool) list) =
    let pixels = Array.ofList ((true, false) :: pixels)
    Array.map fst pixels, Array.map snd pixels

let private score (prediction, truth) =
    Metrics.score EmptyTruth.Counted (ofMasks prediction truth)

let private laws =
    testList
        "laws"
        [
            Property.check "0 <= IoU <= Dice <= 1 and IoU = Dice / (2 - Dice)"
            <| fun pixels ->
                let s = score (masks pixels)

                0.0 <= s.Iou
                && s.Iou <= s.Dice
                && s.Dice <= 1.0
                && abs (s.Iou - s.Dice / (2.0 - s.Dice)) < 1e-12

            Property.check "mDice / (2 - mDice) <= mIoU <= mDice"
            <| fun first second third ->
                let scores = [ first; second; third ] |> List.map (masks >> score)
                let mean = Metrics.meanScore scores

                mean.Dice / (2.0 - mean.Dice) <= mean.Iou + 1e-12
                && mean.Iou <= mean.Dice + 1e-12

            Property.check "the micro IoU is exactly D / (2 - D)"
            <| fun first second ->
                let total =
                    [ first; second ]
                    |> List.map (masks >> (fun (p, t) -> ofMasks p t))
                    |> List.reduce (+)

                let dice = Metrics.dice EmptyTruth.Counted total
                abs (Metrics.iou EmptyTruth.Counted total - dice / (2.0 - dice)) < 1e-12

            Property.check "swapping prediction and truth changes nothing"
            <| fun pixels ->
                let prediction, truth = masks pixels
                score (prediction, truth) = score (truth, prediction)

            Property.check "complementing both swaps foreground and background"
            <| fun pixels ->
                let prediction, truth = masks pixels
                let complemented = ofMasks (Array.map not prediction) (Array.map not truth)
                complemented = Counts.complement (ofMasks prediction truth)

            Property.check "any permutation of the pixels changes nothing"
            <| fun pixels (seed: int) ->
                let prediction, truth = masks pixels
                let order = Array.init prediction.Length id
                Random(seed).Shuffle order
                let shuffled (x: bool[]) = order |> Array.map (fun i -> x[i])
                score (prediction, truth) = score (shuffled prediction, shuffled truth)

            Property.check "1 - accuracy is the share of wrong pixels"
            <| fun pixels ->
                let prediction, truth = masks pixels
                let c = ofMasks prediction truth
                let wrong = float (c.FalsePositive + c.FalseNegative) / float (Counts.all c)

                abs (1.0 - Metrics.accuracy c - wrong) < 1e-12
                && Counts.all c = int64 prediction.Length

            Property.check "a label against the rest, and the foreground, count as their masks do"
            <| fun (pixels: (byte * byte) list) ->
                let labels side =
                    pixels |> List.map (side >> fun label -> label % 4uy) |> Array.ofList

                let prediction, truth = labels fst, labels snd

                let binary test =
                    let pixels marked isTrue =
                        Array.zip prediction truth
                        |> Seq.filter (fun (p, t) -> (test p, test t) = (marked, isTrue))
                        |> Seq.length
                        |> int64

                    {
                        TruePositive = pixels true true
                        FalsePositive = pixels true false
                        FalseNegative = pixels false true
                        TrueNegative = pixels false false
                    }

                [ 0uy .. 3uy ]
                |> List.forall (fun k -> Counts.ofLabel k prediction truth = binary ((=) k))
                && Counts.ofForeground prediction truth = binary ((<>) 0uy)
        ]

let tests = testList "Metrics" [ monai; torchmetrics; rasters; laws ]
