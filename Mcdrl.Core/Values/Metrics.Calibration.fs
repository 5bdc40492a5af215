namespace Mcdrl

/// How probable lesion was said to be, against how often it was true, in bins of the probability. Sums over frames in which every
/// frame weighs 1, whatever its size; two of them are added.
type Calibration =
    {
        /// Frames that were added up.
        Frames: int
        /// Share of pixels in each bin, summed over frames.
        Pixels: float list
        /// Predicted P(lesion) in each bin: the mean over all pixels of a frame of what falls into the bin, summed over frames.
        Predicted: float list
        /// True lesion pixels in each bin, as a share of all pixels of a frame, summed over frames.
        Positive: float list
        /// Brier score of each frame, summed over frames.
        SquaredError: float
    }

/// Whether probabilities mean what they say, over all pixels of the frames. A pixel is one case of a forecast of two outcomes, lesion of
/// any class or none.
[<RequireQualifiedAccess>]
module Calibration =
    /// Bins of equal width over 0 to 1; each holds its lower end, the last its upper end too. As many as Guo et al., 2017.
    let bins = 15

    /// Sums of several: each of their frames keeps the weight 1. Of none, no frame.
    let sum (parts: Calibration seq) : Calibration =
        let mutable frames, squared = 0, 0.0
        let totals = Array.init 3 (fun _ -> Array.zeroCreate<float> bins)

        for part in parts do
            frames <- frames + part.Frames
            squared <- squared + part.SquaredError

            for total, values in Array.zip totals [| part.Pixels; part.Predicted; part.Positive |] do
                values |> List.iteri (fun bin value -> total[bin] <- total[bin] + value)

        {
            Frames = frames
            Pixels = List.ofArray totals[0]
            Predicted = List.ofArray totals[1]
            Positive = List.ofArray totals[2]
            SquaredError = squared
        }

    /// Of one frame. `each` is given a function and tells it every pixel once: P(lesion), 0 to 1, and whether there is one.
    /// Nothing of a pixel is kept but its part of the sums.
    let ofFrame (each: (float32 -> bool -> unit) -> unit) : Calibration =
        let count, positive = Array.zeroCreate<int64> bins, Array.zeroCreate<int64> bins
        let predicted, squared = Array.zeroCreate<float> bins, Array.zeroCreate<float> bins

        each (fun probability isLesion ->
            let probability = min 1.0 (max 0.0 (float probability))
            let bin = min (bins - 1) (int (probability * float bins))
            let outcome = if isLesion then 1.0 else 0.0
            count[bin] <- count[bin] + 1L
            predicted[bin] <- predicted[bin] + probability
            squared[bin] <- squared[bin] + (probability - outcome) * (probability - outcome)

            if isLesion then
                positive[bin] <- positive[bin] + 1L)

        let pixels = float (max 1L (Array.sum count))

        let shares values =
            [ for value in values -> value / pixels ]

        {
            Frames = 1
            Pixels = count |> Array.map float |> shares
            Predicted = shares predicted
            Positive = positive |> Array.map float |> shares
            SquaredError = Array.sum squared / pixels
        }

    let private overFrames (calibration: Calibration) total =
        if calibration.Frames = 0 then
            nan
        else
            total / float calibration.Frames

    /// Expected calibration error, 0 to 1: over the bins, the distance between mean P(lesion) and the share of lesion, weighted
    /// by the bin's share of pixels (Naeini et al., 2015; Guo et al., 2017), of P(lesion) itself and not of the more probable
    /// class, which makes it the stricter of the two. NaN of no frame.
    let expectedError (calibration: Calibration) =
        List.zip calibration.Predicted calibration.Positive
        |> List.sumBy (fun (predicted, positive) -> abs (predicted - positive))
        |> overFrames calibration

    /// Brier score, 0 to 1: the mean of (P(lesion) − outcome)² over pixels, then over frames. NaN of no frame.
    let brier (calibration: Calibration) =
        overFrames calibration calibration.SquaredError

    /// Share of lesion in all pixels, 0 to 1.
    let prevalence (calibration: Calibration) =
        overFrames calibration (List.sum calibration.Positive)

    /// The Brier score of whoever says the prevalence of every pixel, 0 to ¼: what `brier` must be below to tell anything.
    let referenceBrier (calibration: Calibration) =
        let prevalence = prevalence calibration
        prevalence * (1.0 - prevalence)
