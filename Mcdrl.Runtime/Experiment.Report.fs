namespace Mcdrl

open System

/// Mean and sample standard deviation over seeds.
type SeedSpread =
    {
        /// `None` where no seed gives a number.
        Mean: float option
        /// With n - 1 in the denominator; `None` for fewer than two seeds, of which no spread is known.
        StandardDeviation: float option
        Seeds: int
    }

type ScoreSpread =
    {
        Dice: SeedSpread
        Iou: SeedSpread
        Accuracy: SeedSpread
    }

/// A method on a site that it never saw: the mean over images, its spread over the seeds there are.
type SiteFigures =
    {
        Site: string
        Images: int
        Scores: ScoreSpread
        /// Whether every seed of the plan is there.
        Finished: bool
    }

/// Dice of a lesion class.
type ClassFigures =
    {
        Class: string
        /// Frames on which it is defined (truth or answer shows the class), in the seed with the fewest.
        Frames: int
        Dice: SeedSpread
    }

type WorstSite = { Site: string; Dice: SeedSpread }

/// What a method's runs come to.
type MethodFigures =
    {
        Key: string
        Label: string
        Note: string
        /// The label of its row in the published table.
        Published: string option
        /// Every site of the plan, in its order.
        Sites: SiteFigures list
        /// Seeds with all sites; what stands for all sites together is of these alone.
        CompleteSeeds: uint64 list
        /// Seeds with some of the sites.
        PartialSeeds: uint64 list
        /// Runs that are missing.
        Missing: int
        /// Mean over sites with equal weight, spread over the complete seeds.
        Average: ScoreSpread
        /// The lowest mean Dice over the complete seeds.
        Worst: WorstSite option
        /// Over the frames of all sites together, of the complete seeds.
        Classes: ClassFigures list
        /// Of one run, in seconds; mean over all runs there are.
        TrainSeconds: float option
        Parameters: int64 option
        CausalParameters: int64 option
        /// Median over all runs there are.
        Milliseconds: float option
    }

/// The reference's Dice minus another method's on the same images, each image's Dice a mean over the seeds that both
/// have; with the 95 % bootstrap interval over images.
type Difference =
    {
        Mean: float
        Low: float
        High: float
        ExcludesZero: bool
        Images: int
        Seeds: uint64 list
        /// The difference of each of these seeds alone.
        BySeed: float list
    }

type SiteDifference =
    {
        Site: string
        /// `None` where the two have no seed in common.
        Difference: Difference option
    }

/// The reference against one of the others.
type Rivalry =
    {
        Key: string
        Label: string
        /// Mean over all sites of the plan with equal weight, of the seeds complete in both; `None` while there is none.
        Overall: Difference option
        /// Of the seeds that both have on the site.
        Sites: SiteDifference list
    }

/// What an experiment came to.
type ExperimentReport =
    {
        Facts: ExperimentFacts
        /// Runs of the plan that are there.
        Done: int
        Finished: bool
        Methods: MethodFigures list
        /// Every method but the reference.
        Rivals: Rivalry list
        Resamples: int
    }

/// An image's Dice under two methods, each a mean over the same seeds.
type ImagePair =
    {
        Site: string
        Stem: string
        Reference: float
        Rival: float
    }

/// From the results of runs to what is said about them.
[<RequireQualifiedAccess>]
module ExperimentReport =
    /// Dice that asks for the class too: the mean over the classes that truth or answer shows on a frame, 1 where neither
    /// shows any. A lesion outlined perfectly and called by another name has 0.
    let private classAware (image: ImageScore) =
        match image.ClassDice |> List.filter (Double.IsNaN >> not) with
        | [] -> 1.0
        | shown -> List.average shown

    /// The same runs with class-aware Dice in place of the foreground's.
    let classAwareRuns (methods: MethodRuns list) : MethodRuns list =
        let judged (image: ImageScore) =
            { image with
                Score =
                    { image.Score with
                        Dice = classAware image
                    }
            }

        methods
        |> List.map (fun method ->
            { method with
                Runs =
                    method.Runs
                    |> List.map (fun run ->
                        { run with
                            Images = List.map judged run.Images
                        })
            })

    /// The seed of all resampling: the same results give the same intervals.
    let private drawing = Seed.create 20250807UL |> Seed.named "bootstrap"

    let private overSeeds (values: float list) : SeedSpread =
        let spread = Summary.spread values

        {
            Mean = if spread.Count > 0 then Some spread.Mean else None
            StandardDeviation =
                if spread.Count > 1 then
                    Some spread.StandardDeviation
                else
                    None
            Seeds = spread.Count
        }

    let private spreadOf (scores: Score list) : ScoreSpread =
        {
            Dice = scores |> List.map _.Dice |> overSeeds
            Iou = scores |> List.map _.Iou |> overSeeds
            Accuracy = scores |> List.map _.Accuracy |> overSeeds
        }

    /// A method's runs that belong to the plan, by site and seed; of a run done twice, the later.
    let private cells (facts: ExperimentFacts) (runs: MethodRuns) =
        runs.Runs
        |> List.filter (fun run -> List.contains run.Site facts.Sites && List.contains run.Seed facts.Seeds)
        |> List.map (fun run -> (run.Site, run.Seed), run)
        |> Map.ofList

    let private completeSeeds (facts: ExperimentFacts) (cells: Map<string * uint64, RunResult>) =
        facts.Seeds
        |> List.filter (fun seed -> facts.Sites |> List.forall (fun site -> cells.ContainsKey(site, seed)))

    let private runScore (run: RunResult) =
        run.Images |> Seq.map _.Score |> Metrics.meanScore

    let private siteFigures (facts: ExperimentFacts) (cells: Map<_, RunResult>) site : SiteFigures =
        let runs = facts.Seeds |> List.choose (fun seed -> cells.TryFind(site, seed))

        {
            Site = site
            Images =
                match runs with
                | [] -> 0
                | runs -> runs |> List.map _.Images.Length |> List.min
            Scores = runs |> List.map runScore |> spreadOf
            Finished = runs.Length = facts.Seeds.Length
        }

    let private classFigures (facts: ExperimentFacts) (cells: Map<_, RunResult>) seeds index name =
        let defined =
            [
                for seed in seeds ->
                    [
                        for site in facts.Sites do
                            for image in cells[site, seed].Images do
                                match List.tryItem index image.ClassDice with
                                | Some dice when not (Double.IsNaN dice) -> dice
                                | Some _
                                | None -> ()
                    ]
            ]

        {
            Class = name
            Frames =
                match defined with
                | [] -> 0
                | defined -> defined |> List.map _.Length |> List.min
            Dice = defined |> List.map Metrics.mean |> overSeeds
        }

    let private median (values: float list) =
        match List.sort values with
        | [] -> None
        | sorted ->
            let upper = sorted[sorted.Length / 2]
            let lower = sorted[(sorted.Length - 1) / 2]
            Some((lower + upper) / 2.0)

    let private figures (facts: ExperimentFacts) (runs: MethodRuns) : MethodFigures =
        let cells = cells facts runs
        let complete = completeSeeds facts cells
        let there = cells.Values |> List.ofSeq

        let begun =
            facts.Seeds
            |> List.filter (fun seed -> there |> List.exists (fun run -> run.Seed = seed))

        let overComplete site =
            complete |> List.map (fun seed -> runScore cells[site, seed]) |> spreadOf

        {
            Key = runs.Key
            Label = runs.Label
            Note = runs.Note
            Published = runs.Published
            Sites = facts.Sites |> List.map (siteFigures facts cells)
            CompleteSeeds = complete
            PartialSeeds = begun |> List.except complete
            Missing = facts.Sites.Length * facts.Seeds.Length - cells.Count
            Average =
                complete
                |> List.map (fun seed ->
                    facts.Sites
                    |> Seq.map (fun site -> runScore cells[site, seed])
                    |> Metrics.meanScore)
                |> spreadOf
            Worst =
                facts.Sites
                |> List.choose (fun site ->
                    let dice = (overComplete site).Dice
                    dice.Mean |> Option.map (fun mean -> mean, { Site = site; Dice = dice }))
                |> function
                    | [] -> None
                    | sites -> sites |> List.minBy fst |> snd |> Some
            Classes = facts.Classes |> List.mapi (classFigures facts cells complete)
            TrainSeconds =
                match there with
                | [] -> None
                | runs -> runs |> List.averageBy _.TrainSeconds |> Some
            Parameters = there |> List.tryHead |> Option.map _.Parameters
            CausalParameters = there |> List.tryHead |> Option.map _.CausalParameters
            Milliseconds = there |> List.map _.Milliseconds |> median
        }

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
                        }
            ]

    let private gap (pair: ImagePair) = pair.Reference - pair.Rival

    /// Over the sites together, with equal weight, of the seeds that both have on all of them.
    let private difference one other (seeds: uint64 list) (sites: string list) : Difference option =
        let pairs = sites |> List.map (pairsOf one other seeds)

        let interval =
            pairs
            |> List.map (Seq.map gap)
            |> Bootstrap.stratified Bootstrap.resamples drawing

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

    let private rivalry (facts: ExperimentFacts) (reference: MethodRuns) (rival: MethodRuns) : Rivalry =
        let one, other = cells facts reference, cells facts rival

        let common =
            completeSeeds facts one
            |> List.filter (fun seed -> List.contains seed (completeSeeds facts other))

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
        let one, other = cells facts reference, cells facts rival

        facts.Sites
        |> List.collect (fun site -> pairsOf one other (sharedSeeds facts one other site) site)

    /// What the runs come to, in the methods' order. Runs of sites or seeds outside the plan are left out; of a run
    /// given twice the later counts.
    let create (facts: ExperimentFacts) (methods: MethodRuns list) : ExperimentReport =
        let figures = methods |> List.map (figures facts)
        let runs = methods |> List.sumBy (fun runs -> (cells facts runs).Count)

        {
            Facts = facts
            Done = runs
            Finished =
                runs >= facts.Planned
                && figures |> List.forall (fun figures -> figures.Missing = 0)
            Methods = figures
            Rivals =
                match methods |> List.tryFind (fun runs -> runs.Key = facts.Reference) with
                | None -> []
                | Some reference ->
                    methods
                    |> List.filter (fun runs -> runs.Key <> facts.Reference)
                    |> List.map (rivalry facts reference)
            Resamples = Bootstrap.resamples
        }
