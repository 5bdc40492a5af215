namespace Mcdrl

/// An estimate and the 95 % interval around it.
type Interval =
    {
        /// NaN if nothing is defined.
        Estimate: float
        /// The 2.5 % quantile of the resampled means.
        Low: float
        /// The 97.5 % quantile of the resampled means.
        High: float
    }

/// What an interval says about 0.
[<RequireQualifiedAccess>]
module Interval =
    /// Whether 0 lies outside, on either side. An undefined interval excludes nothing.
    let excludesZero (interval: Interval) =
        interval.Low > 0.0 || interval.High < 0.0

/// Percentile bootstrap, above all of paired differences (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).
/// Images are what is drawn again, so the interval speaks of other images of the same sites. It takes the images as
/// independent, and knows nothing of other sites and other trainings. NaN differences are left out.
[<RequireQualifiedAccess>]
module Bootstrap =
    /// Enough that the ends of a 95 % interval move by a few per cent of its width between seeds.
    let resamples = 2000

    let private defined (differences: float seq) =
        differences |> Seq.filter (System.Double.IsNaN >> not) |> Array.ofSeq

    /// The mean of each resample: as many draws as there are numbers, with replacement.
    let private means resamples seed (values: float[]) =
        Array.init resamples (fun resample ->
            let draws = Seed.split resample seed
            let mutable sum = 0.0

            for draw in 0 .. values.Length - 1 do
                sum <- sum + values[draws |> Seed.split draw |> Seed.below values.Length]

            sum / float values.Length)

    /// The interval of a statistic of some cases, which are drawn as many as there are, with replacement. Draws of which the
    /// statistic is NaN are left out.
    let ofStatistic (resamples: int) (seed: Seed) (statistic: 'case[] -> float) (cases: 'case[]) : Interval =
        let drawn =
            [|
                if cases.Length > 0 then
                    for resample in 0 .. resamples - 1 do
                        let draws = Seed.split resample seed

                        Array.init cases.Length (fun draw ->
                            cases[draws |> Seed.split draw |> Seed.below cases.Length])
                        |> statistic
            |]
            |> defined
            |> Array.sort

        if drawn.Length = 0 then
            {
                Estimate = nan
                Low = nan
                High = nan
            }
        else
            {
                Estimate = statistic cases
                Low = Summary.quantile 0.025 drawn
                High = Summary.quantile 0.975 drawn
            }

    /// The interval of the mean over sites of each site's mean difference, every site with the same weight. Images are
    /// drawn within their site; the sites are fixed. A site without a defined difference is left out.
    let stratified (resamples: int) (seed: Seed) (sites: float seq list) : Interval =
        match sites |> List.map defined |> List.filter (Array.isEmpty >> not) with
        | [] ->
            {
                Estimate = nan
                Low = nan
                High = nan
            }
        | sites ->
            let drawn =
                sites
                |> List.mapi (fun index values -> means resamples (Seed.split index seed) values)

            let sorted =
                Array.init resamples (fun resample -> drawn |> List.averageBy (fun site -> site[resample]))
                |> Array.sort

            {
                Estimate = sites |> List.averageBy Array.average
                Low = Summary.quantile 0.025 sorted
                High = Summary.quantile 0.975 sorted
            }
