namespace Mcdrl

open System

/// The reference's Dice minus another method's on the same images, each image's Dice a mean over the seeds that both
/// have; with the 95 % bootstrap interval over images, or over patients or sequences where the dataset names them.
type Difference =
    {
        /// In Dice; above 0 the reference is better.
        Mean: float
        /// The lower end of the interval.
        Low: float
        /// The upper end of the interval.
        High: float
        /// Whether 0 lies outside the interval.
        ExcludesZero: bool
        /// Images that both have.
        Images: int
        /// Those that both have.
        Seeds: uint64 list
        /// The difference of each of these seeds alone.
        BySeed: float list
    }

/// The reference against another on one site.
type SiteDifference =
    {
        /// The site's name.
        Site: string
        /// `None` where the two have no seed in common.
        Difference: Difference option
    }

/// The reference against one of the others.
type Rivalry =
    {
        /// The other method's.
        Key: string
        /// The other method's.
        Label: string
        /// Mean over all sites of the plan with equal weight, of the seeds complete in both; `None` while there is none.
        Overall: Difference option
        /// Of the seeds that both have on the site.
        Sites: SiteDifference list
    }

/// An image's Dice under two methods, each a mean over the same seeds.
type ImagePair =
    {
        /// The image's site.
        Site: string
        /// The name that frame and mask share.
        Stem: string
        /// Dice of the reference.
        Reference: float
        /// Dice of the other.
        Rival: float
        /// The patient or sequence that it is of, where the dataset names one.
        Group: FrameGroup option
    }

[<RequireQualifiedAccess>]
module internal Rivalry =
    /// The seed of all resampling: the same results give the same intervals.
    let private drawing = Seed.create 20250807UL |> Seed.named "bootstrap"

    /// The images of a site that every one of these seeds has under both methods.
    let private pairsOf (one: Map<_, RunResult>) (other: Map<_, RunResult>) seeds site : ImagePair list =
        let byStem (cells: Map<_, RunResult>) =
            [
                for seed in seeds ->
                    cells[site, seed].Images
                    |> List.map (fun image -> image.Stem, image.Score.Dice)
                    |> Map.ofList
            ]

        let ours, theirs = byStem one, byStem other

        let groups =
            seeds
            |> Seq.collect (fun seed -> one[site, seed].Images @ other[site, seed].Images)
            |> Seq.choose (fun image ->
                image.Findings
                |> Option.bind _.Group
                |> Option.map (fun group -> image.Stem, group))
            |> Map.ofSeq

        let mean (seeds: Map<string, float> list) stem = seeds |> List.averageBy (Map.find stem)

        match ours with
        | [] -> []
        | first :: _ ->
            [
                for stem in first.Keys do
                    if ours @ theirs |> List.forall (Map.containsKey stem) then
                        {
                            Site = site
                            Stem = stem
                            Reference = mean ours stem
                            Rival = mean theirs stem
                            Group = groups.TryFind stem
                        }
            ]

    let private gap (pair: ImagePair) = pair.Reference - pair.Rival

    /// Over the sites together, with equal weight, of the seeds that both have on all of them.
    let private difference one other (seeds: uint64 list) (sites: string list) : Difference option =
        let pairs = sites |> List.map (pairsOf one other seeds)

        let interval =
            pairs
            |> List.map (FrameFindings.drawnTogether _.Group >> Array.map (Array.map gap))
            |> Bootstrap.stratifiedGroups Bootstrap.resamples drawing

        if List.exists List.isEmpty pairs || Double.IsNaN interval.Estimate then
            None
        else
            Some
                {
                    Mean = interval.Estimate
                    Low = interval.Low
                    High = interval.High
                    ExcludesZero = Interval.excludesZero interval
                    Images = List.sumBy List.length pairs
                    Seeds = seeds
                    BySeed =
                        [
                            for seed in seeds ->
                                sites
                                |> Seq.map (pairsOf one other [ seed ] >> Seq.map gap >> Metrics.mean)
                                |> Metrics.mean
                        ]
                }

    let private sharedSeeds
        (facts: ExperimentFacts)
        (one: Map<_, RunResult>)
        (other: Map<_, RunResult>)
        site
        =
        facts.Seeds
        |> List.filter (fun seed -> one.ContainsKey(site, seed) && other.ContainsKey(site, seed))

    /// The differences of two methods' runs.
    let create (facts: ExperimentFacts) (reference: MethodRuns) (rival: MethodRuns) : Rivalry =
        let one, other = MethodRuns.cells facts reference, MethodRuns.cells facts rival

        let common =
            MethodRuns.completeSeeds facts one
            |> List.filter (fun seed -> List.contains seed (MethodRuns.completeSeeds facts other))

        {
            Key = rival.Key
            Label = rival.Label
            Overall = difference one other common facts.Sites
            Sites =
                [
                    for site in facts.Sites ->
                        {
                            Site = site
                            Difference = difference one other (sharedSeeds facts one other site) [ site ]
                        }
                ]
        }

    /// The images of every site under two methods, over the seeds that both have there; in the plan's order of sites,
    /// by stem within them.
    let pairs (facts: ExperimentFacts) (reference: MethodRuns) (rival: MethodRuns) : ImagePair list =
        let one, other = MethodRuns.cells facts reference, MethodRuns.cells facts rival

        facts.Sites
        |> List.collect (fun site -> pairsOf one other (sharedSeeds facts one other site) site)
