namespace Mcdrl

open System

/// A figure of many frames.
[<RequireQualifiedAccess>]
type Finding =
    /// Mean Dice, 0 to 1, of all frames.
    | Dice
    /// Mean Dice of the frames with a lesion.
    | LesionDice
    /// Median Dice of all frames.
    | MedianDice
    /// The Dice below which a tenth of all frames lies.
    | LowestDecileDice
    /// Mean Dice of the frames whose largest lesion is small, see `LesionSize`.
    | SmallDice
    /// Of those whose largest lesion is medium.
    | MediumDice
    /// Of those whose largest lesion is large.
    | LargeDice
    /// Mean normalised surface distance, 0 to 1, of all frames.
    | Nsd
    /// Share of the true lesions that were found, by `LesionDetection.rule`.
    | Sensitivity
    /// Of the small lesions.
    | SmallSensitivity
    /// Of the medium lesions.
    | MediumSensitivity
    /// Of the large lesions.
    | LargeSensitivity
    /// Components that meet no true lesion, a frame; of all frames.
    | FalsePositives
    /// Share of the frames without a lesion on which anything is marked.
    | EmptyMarked
    /// Share of the pixels that is marked on frames without a lesion, mean over them.
    | EmptyArea
    /// Expected calibration error of P(lesion) over pixels, see `Calibration`.
    | Ece
    /// Brier score over pixels.
    | Brier
    /// Area under the curve of risk, 1 − Dice, over coverage, frames being kept in the order of rising I(Y; Z | F).
    | AurcDisagreement
    /// In the order of rising entropy.
    | AurcEntropy
    /// In the order of rising I(Y; Z | F) near the lesion that is marked.
    | AurcDisagreementNearLesion
    /// In the order of rising entropy near the lesion that is marked.
    | AurcEntropyNearLesion
    /// In the order of the risk itself, which no uncertainty can be better than.
    | AurcBest

/// Figures of many frames: what they are called, and how they are computed.
[<RequireQualifiedAccess>]
module Finding =
    /// Every figure, in the order of reports.
    let all =
        [
            Finding.Dice
            Finding.LesionDice
            Finding.MedianDice
            Finding.LowestDecileDice
            Finding.SmallDice
            Finding.MediumDice
            Finding.LargeDice
            Finding.Nsd
            Finding.Sensitivity
            Finding.SmallSensitivity
            Finding.MediumSensitivity
            Finding.LargeSensitivity
            Finding.FalsePositives
            Finding.EmptyMarked
            Finding.EmptyArea
            Finding.Ece
            Finding.Brier
            Finding.AurcDisagreement
            Finding.AurcEntropy
            Finding.AurcDisagreementNearLesion
            Finding.AurcEntropyNearLesion
            Finding.AurcBest
        ]

    /// Its key in JSON and CSV.
    let key (finding: Finding) =
        (RecordJson.text finding).Replace('-', '_')

    let private ofSize size =
        Array.filter (fun frame -> FrameFindings.size frame = Some size)

    let private meanOf (read: FrameFindings -> float) (frames: FrameFindings[]) =
        if frames.Length = 0 then
            nan
        else
            Array.averageBy read frames

    let private quantile share (frames: FrameFindings[]) =
        if frames.Length = 0 then
            nan
        else
            frames |> Array.map _.Dice |> Array.sort |> Summary.quantile share

    let private sensitivity (counts: FrameFindings -> DetectedLesion -> bool) (frames: FrameFindings[]) =
        let lesions =
            frames
            |> Array.collect (fun frame -> frame.Lesions |> Seq.filter (counts frame) |> Array.ofSeq)

        if lesions.Length = 0 then
            nan
        else
            lesions |> Array.averageBy (fun lesion -> if lesion.Found then 1.0 else 0.0)

    let private sized size frame lesion =
        FrameFindings.sizeOf frame lesion = size

    let private risk (frame: FrameFindings) = 1.0 - frame.Dice

    /// Frames as cases of a risk–coverage curve: an uncertainty, and 1 − Dice.
    let cases (uncertainty: FrameUncertainty -> float) (frames: FrameFindings[]) =
        frames
        |> Array.map (fun frame -> struct (uncertainty frame.Uncertainty, risk frame))

    let private aurc uncertainty frames =
        RiskCoverage.area (cases uncertainty frames)

    /// The figure of some frames; NaN where they have nothing that it could be of.
    let value (finding: Finding) (frames: FrameFindings[]) : float =
        let empty = lazy (frames |> Array.filter (FrameFindings.hasLesion >> not))

        match finding with
        | Finding.Dice -> meanOf _.Dice frames
        | Finding.LesionDice -> frames |> Array.filter FrameFindings.hasLesion |> meanOf _.Dice
        | Finding.MedianDice -> quantile 0.5 frames
        | Finding.LowestDecileDice -> quantile 0.1 frames
        | Finding.SmallDice -> frames |> ofSize LesionSize.Small |> meanOf _.Dice
        | Finding.MediumDice -> frames |> ofSize LesionSize.Medium |> meanOf _.Dice
        | Finding.LargeDice -> frames |> ofSize LesionSize.Large |> meanOf _.Dice
        | Finding.Nsd -> meanOf _.Nsd frames
        | Finding.Sensitivity -> sensitivity (fun _ _ -> true) frames
        | Finding.SmallSensitivity -> sensitivity (sized LesionSize.Small) frames
        | Finding.MediumSensitivity -> sensitivity (sized LesionSize.Medium) frames
        | Finding.LargeSensitivity -> sensitivity (sized LesionSize.Large) frames
        | Finding.FalsePositives -> frames |> meanOf (fun frame -> float frame.FalsePositives)
        | Finding.EmptyMarked ->
            empty.Value |> meanOf (fun frame -> if frame.MarkedArea > 0L then 1.0 else 0.0)
        | Finding.EmptyArea ->
            empty.Value |> meanOf (fun frame -> float frame.MarkedArea / float frame.Pixels)
        | Finding.Ece ->
            frames
            |> Seq.choose _.Calibration
            |> Calibration.sum
            |> Calibration.expectedError
        | Finding.Brier -> meanOf _.Brier frames
        | Finding.AurcDisagreement -> aurc _.Disagreement frames
        | Finding.AurcEntropy -> aurc _.Entropy frames
        | Finding.AurcDisagreementNearLesion -> aurc _.DisagreementNearLesion frames
        | Finding.AurcEntropyNearLesion -> aurc _.EntropyNearLesion frames
        | Finding.AurcBest ->
            frames
            |> Array.map (fun frame -> struct (risk frame, risk frame))
            |> RiskCoverage.area

    /// Shares of cases that are each right or wrong.
    let private proportions =
        [
            Finding.Sensitivity
            Finding.SmallSensitivity
            Finding.MediumSensitivity
            Finding.LargeSensitivity
            Finding.EmptyMarked
        ]

    /// 97.5 % quantile of the normal distribution.
    let private z = 1.959963984540054

    /// A share of none or all of what was seen has no spread to draw from: its interval is Wilson's (1927), of as many cases as groups that
    /// have any.
    let private widened (groups: int) (interval: Interval) =
        let n = float groups

        if interval.Estimate = 0.0 && interval.High = 0.0 then
            { interval with
                High = z * z / (n + z * z)
            }
        elif interval.Estimate = 1.0 && interval.Low = 1.0 then
            { interval with Low = n / (n + z * z) }
        else
            interval

    /// Each figure of `all` with its 95 % interval, of frames given site by site, in each by what is drawn together.
    let intervals (resamples: int) (seed: Seed) (sites: FrameFindings[][] list) : (Finding * Interval) list =
        let values frames =
            [| for finding in all -> value finding frames |]

        Bootstrap.grouped resamples seed values sites
        |> List.ofArray
        |> List.zip all
        |> List.map (fun (finding, interval) ->
            finding,
            if List.contains finding proportions then
                let groups =
                    sites
                    |> Seq.collect id
                    |> Seq.filter (value finding >> Double.IsNaN >> not)
                    |> Seq.length

                widened groups interval
            else
                interval)
