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
/// What is drawn again is images, or the patients or sequences that they come from where the dataset names them, so the interval
/// speaks of others of the same sites. It takes what is drawn as independent, and knows nothing of other sites and other trainings.
/// NaN differences are left out.
[<RequireQualifiedAccess>]
module Bootstrap =
    /// Enough that the ends of a 95 % interval move by a few per cent of its width between seeds.
    let resamples = 2000

    let private defined (differences: float seq) =
        differences |> Seq.filter (System.Double.IsNaN >> not) |> Array.ofSeq

    /// As many numbers below `count` as that, drawn with replacement by one resample.
    let private draws count seed resample =
        let draws = Seed.split resample seed
        Array.init count (fun draw -> draws |> Seed.split draw |> Seed.below count)

    /// The mean of each resample of some groups of numbers, as many groups as there are.
    let private means resamples seed (groups: float[][]) =
        let sums, counts = groups |> Array.map Array.sum, groups |> Array.map Array.length

        Array.init resamples (fun resample ->
            let drawn = draws groups.Length seed resample

            (drawn |> Array.sumBy (Array.get sums))
            / float (drawn |> Array.sumBy (Array.get counts)))

    let private ofDrawn estimate (drawn: float seq) =
        let sorted = drawn |> defined |> Array.sort

        if sorted.Length = 0 then
            {
                Estimate = nan
                Low = nan
                High = nan
            }
        else
            {
                Estimate = estimate
                Low = Summary.quantile 0.025 sorted
                High = Summary.quantile 0.975 sorted
            }

    /// The intervals of several statistics of the same cases, given site by site and in each by what is drawn: as many groups of a site
    /// as it has, with replacement; the sites are fixed. Draws of which a statistic is NaN are left out of its interval; of no case it
    /// must be NaN.
    let grouped
        (resamples: int)
        (seed: Seed)
        (statistics: 'case[] -> float[])
        (sites: 'case[][] list)
        : Interval[] =
        let sites = sites |> List.filter (Array.isEmpty >> not)

        let drawn =
            Array.init resamples (fun resample ->
                sites
                |> Seq.mapi (fun index groups ->
                    draws groups.Length (Seed.split index seed) resample
                    |> Array.collect (Array.get groups))
                |> Array.concat
                |> statistics)

        sites
        |> Seq.collect Array.concat
        |> Array.ofSeq
        |> statistics
        |> Array.mapi (fun index estimate ->
            drawn |> Seq.map (fun values -> values[index]) |> ofDrawn estimate)

    /// The interval of the mean over sites of each site's mean difference, every site with the same weight. What is drawn within a
    /// site is groups of differences, an image alone being a group of one; the sites are fixed. A site without a defined difference is
    /// left out.
    let stratifiedGroups (resamples: int) (seed: Seed) (sites: float[][] list) : Interval =
        let sites =
            sites
            |> List.map (Array.map defined >> Array.filter (Array.isEmpty >> not))
            |> List.filter (Array.isEmpty >> not)

        if sites.IsEmpty then
            ofDrawn nan []
        else
            let drawn =
                sites
                |> List.mapi (fun index groups -> means resamples (Seed.split index seed) groups)

            Seq.init resamples (fun resample -> drawn |> List.averageBy (fun site -> site[resample]))
            |> ofDrawn (sites |> List.averageBy (Array.concat >> Array.average))

    /// `stratifiedGroups` where each difference is drawn by itself.
    let stratified (resamples: int) (seed: Seed) (sites: float seq list) : Interval =
        sites
        |> List.map (Seq.map Array.singleton >> Array.ofSeq)
        |> stratifiedGroups resamples seed
