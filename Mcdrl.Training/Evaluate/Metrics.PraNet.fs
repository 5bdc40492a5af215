namespace Mcdrl

/// Mean scores over 256 thresholds.
type internal ThresholdScore = { MeanDice: float; MeanIou: float }

/// The evaluation of PraNet, SANet and Polyp-PVT (their `eval/main.m`), by which the polyp literature compares:
/// the soft map is stretched to 0…1, cut at 1, 254/255, …, 0 with >=, and the scores are averaged over the cuts.
/// Without a hit every score is 0, so an image without lesion always scores 0, and a perfect mask just under 1.
[<RequireQualifiedAccess>]
module internal PraNet256 =
    /// The largest k of 0…255 with k/255 <= value.
    let private lastCut (value: float) =
        let k = min 255 (max 0 (int (value * 255.0)))

        if k < 255 && float (k + 1) / 255.0 <= value then k + 1
        elif k > 0 && float k / 255.0 > value then k - 1
        else k

    /// Scores a soft map against the truth, both row by row at the truth's size. Map values may have any scale;
    /// a constant map is taken as it is, clipped to 0…1.
    let score (soft: float32[]) (truth: bool[]) : ThresholdScore =
        let lowest, highest = float (Array.min soft), float (Array.max soft)

        let stretched (value: float32) =
            if highest > lowest then
                (float value - lowest) / (highest - lowest)
            else
                float value

        let hits, misses = Array.zeroCreate<int64> 256, Array.zeroCreate<int64> 256

        soft
        |> Array.iteri (fun i value ->
            let counted = if truth[i] then hits else misses
            let cut = lastCut (stretched value)
            counted[cut] <- counted[cut] + 1L)

        let support = Array.sum hits

        /// Dice and IoU of the cuts 255, 254, …, 0: each marks all that the one before marked, and more.
        let scores =
            (Array.rev hits, Array.rev misses)
            ||> Array.zip
            |> Array.scan
                (fun (hit, wrong) (moreHits, moreWrong) -> hit + moreHits, wrong + moreWrong)
                (0L, 0L)
            |> Array.skip 1
            |> Array.map (fun (hit, wrong) ->
                if hit = 0L then
                    0.0, 0.0
                else
                    let counts =
                        { Counts.zero with
                            TruePositive = hit
                            FalsePositive = wrong
                            FalseNegative = support - hit
                        }

                    Metrics.dice EmptyTruth.Counted counts, Metrics.iou EmptyTruth.Counted counts)

        {
            MeanDice = scores |> Array.averageBy fst
            MeanIou = scores |> Array.averageBy snd
        }
