namespace Mcdrl

/// How the pixels of a predicted and a true region fall together.
[<Struct>]
type Counts =
    {
        /// Marked and true.
        TruePositive: int64
        /// Marked, not true.
        FalsePositive: int64
        /// Not marked, true.
        FalseNegative: int64
        /// Neither.
        TrueNegative: int64
    }

    /// The counts of two images taken as one.
    static member (+)(a: Counts, b: Counts) =
        {
            TruePositive = a.TruePositive + b.TruePositive
            FalsePositive = a.FalsePositive + b.FalsePositive
            FalseNegative = a.FalseNegative + b.FalseNegative
            TrueNegative = a.TrueNegative + b.TrueNegative
        }

/// Counts confusions of label arrays, pixel by pixel.
[<RequireQualifiedAccess>]
module Counts =
    /// Of no pixels.
    let zero =
        {
            TruePositive = 0L
            FalsePositive = 0L
            FalseNegative = 0L
            TrueNegative = 0L
        }

    /// Counts over the pixels of a true mask that aren't ignored; `marked` and `isTrue` say whether a pixel is in the region.
    let private count (truth: byte[]) (marked: int -> bool) (isTrue: int -> bool) =
        let tally = Array.zeroCreate<int64> 4

        for pixel in 0 .. truth.Length - 1 do
            if truth[pixel] <> Ignored.label then
                let kind = (if marked pixel then 2 else 0) + (if isTrue pixel then 1 else 0)
                tally[kind] <- tally[kind] + 1L

        {
            TruePositive = tally[3]
            FalsePositive = tally[2]
            FalseNegative = tally[1]
            TrueNegative = tally[0]
        }

    /// Of one label against all others, in two label arrays with the same number of pixels, but those whose truth is ignored.
    let ofLabel (label: byte) (prediction: byte[]) (truth: byte[]) =
        count truth (fun i -> prediction[i] = label) (fun i -> truth[i] = label)

    /// Of everything that is not background (label 0), but the pixels whose truth is ignored.
    let ofForeground (prediction: byte[]) (truth: byte[]) =
        count truth (fun i -> prediction[i] <> 0uy) (fun i -> truth[i] <> 0uy)

    /// Of each lesion label against all others, added up: one pair of masks, however many classes they show.
    let ofLesions (prediction: byte[]) (truth: byte[]) =
        Seq.append (Ignored.counted truth prediction) (Ignored.counted truth truth)
        |> Seq.distinct
        |> Seq.filter ((<>) 0uy)
        |> Seq.fold (fun sum label -> sum + ofLabel label prediction truth) zero

    /// The counts of the background where these are the counts of the foreground.
    let complement (counts: Counts) =
        {
            TruePositive = counts.TrueNegative
            FalsePositive = counts.FalseNegative
            FalseNegative = counts.FalsePositive
            TrueNegative = counts.TruePositive
        }

    /// Pixels counted.
    let all (counts: Counts) =
        counts.TruePositive
        + counts.FalsePositive
        + counts.FalseNegative
        + counts.TrueNegative

    /// Pixels of the true region.
    let support (counts: Counts) =
        counts.TruePositive + counts.FalseNegative

/// What an image scores in which the true region is empty.
[<RequireQualifiedAccess>]
type EmptyTruth =
    /// Nothing marked scores 1, anything marked 0. This project's convention, and MONAI's ignore_empty=False.
    | Counted
    /// Nothing marked is undefined (NaN), anything marked scores 0. As torchmetrics and nnU-Net.
    | UndefinedIfRight

/// Overlap scores, 0 to 1; NaN where undefined.
[<Struct>]
type Score =
    {
        /// 2tp/(2tp + fp + fn).
        Dice: float
        /// tp/(tp + fp + fn).
        Iou: float
        /// Share of pixels on which prediction and truth agree.
        Accuracy: float
    }

/// Scores of one image or one set of counts. Definitions: Dice = 2tp/(2tp+fp+fn), IoU = tp/(tp+fp+fn),
/// accuracy = (tp+tn)/all.
[<RequireQualifiedAccess>]
module Metrics =
    let private overlap rule (counts: Counts) weight =
        let truthEmpty = Counts.support counts = 0L
        let predictionEmpty = counts.TruePositive + counts.FalsePositive = 0L

        match rule with
        | EmptyTruth.Counted when truthEmpty && predictionEmpty -> 1.0
        | EmptyTruth.UndefinedIfRight when truthEmpty && predictionEmpty -> nan
        | EmptyTruth.Counted
        | EmptyTruth.UndefinedIfRight ->
            let hit = weight * float counts.TruePositive
            hit / (hit + float (counts.FalsePositive + counts.FalseNegative))

    /// Dice of the counts, 0 to 1; where the true region is empty, as the rule says.
    let dice rule counts = overlap rule counts 2.0
    /// Intersection over union of the counts, 0 to 1; where the true region is empty, as the rule says.
    let iou rule counts = overlap rule counts 1.0

    /// NaN if there is no pixel.
    let accuracy (counts: Counts) =
        float (counts.TruePositive + counts.TrueNegative) / float (Counts.all counts)

    /// All three scores of the counts.
    let score rule counts =
        {
            Dice = dice rule counts
            Iou = iou rule counts
            Accuracy = accuracy counts
        }

    /// Mean of the numbers that are defined; NaN if none is.
    let mean (values: float seq) =
        let defined = values |> Seq.filter (System.Double.IsNaN >> not) |> Array.ofSeq
        if defined.Length = 0 then nan else Array.average defined

    /// Component-wise mean, undefined components left out.
    let meanScore (scores: Score seq) =
        let scores = Array.ofSeq scores

        {
            Dice = scores |> Seq.map _.Dice |> mean
            Iou = scores |> Seq.map _.Iou |> mean
            Accuracy = scores |> Seq.map _.Accuracy |> mean
        }

    /// Mean of background and foreground, as some libraries report it.
    let backgroundForeground rule (counts: Counts) =
        meanScore [ score rule counts; score rule (Counts.complement counts) ]
