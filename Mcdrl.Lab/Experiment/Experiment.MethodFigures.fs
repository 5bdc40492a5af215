namespace Mcdrl

open System

/// Mean and sample standard deviation over seeds.
type SeedSpread =
    {
        /// `None` where no seed gives a number.
        Mean: float option
        /// With n - 1 in the denominator; `None` for fewer than two seeds, of which no spread is known.
        StandardDeviation: float option
        /// Those that give a number.
        Seeds: int
    }

/// Three scores over seeds.
type ScoreSpread =
    {
        /// 0 to 1, by the protocol.
        Dice: SeedSpread
        /// 0 to 1, by the protocol.
        Iou: SeedSpread
        /// 0 to 1.
        Accuracy: SeedSpread
    }

/// A method on a site that it never saw: the mean over images, its spread over the seeds there are.
type SiteFigures =
    {
        /// The site's name.
        Site: string
        /// Its frames, in the run with the fewest; 0 while no run is done.
        Images: int
        /// Means over the site's frames, spread over the seeds there are.
        Scores: ScoreSpread
        /// Whether every seed of the plan is there.
        Finished: bool
    }

/// Dice of a lesion class.
type ClassFigures =
    {
        /// As the data set names it.
        Class: string
        /// Frames on which it is defined (truth or answer shows the class), in the seed with the fewest.
        Frames: int
        /// Mean over these frames, spread over seeds.
        Dice: SeedSpread
    }

/// The site on which a method does worst.
type WorstSite =
    {
        /// The site's name.
        Site: string
        /// Its mean Dice, spread over seeds.
        Dice: SeedSpread
    }

/// A figure of what the mean Dice hides, over the frames of all sites together, spread over seeds.
type FindingFigures =
    {
        /// Which one.
        Finding: Finding
        /// In the finding's own unit.
        Score: SeedSpread
    }

/// What a method's runs come to.
type MethodFigures =
    {
        /// E.g. `mcdrl`; unique within an experiment.
        Key: string
        /// How tables and figures call it.
        Label: string
        /// What it is, in a sentence.
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
        /// Every figure of `Finding.all`, of the complete seeds whose runs have findings; empty where none has.
        Findings: FindingFigures list
        /// Of one run, in seconds; mean over all runs there are.
        TrainSeconds: float option
        /// Weights that answer: tower, network and whatever a rival needs besides.
        Parameters: int64 option
        /// Weights of the causal intervention network.
        CausalParameters: int64 option
        /// Median over all runs there are.
        Milliseconds: float option
    }

[<RequireQualifiedAccess>]
module internal MethodFigures =
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

    /// The findings of a run's frames; `None` if a frame has none.
    let private findingsOf (run: RunResult) : FrameFindings list option =
        let findings = run.Images |> List.choose _.Findings

        if findings.Length = run.Images.Length then
            Some findings
        else
            None

    let private findingFigures
        (facts: ExperimentFacts)
        (cells: Map<_, RunResult>)
        seeds
        : FindingFigures list =
        let found =
            [
                for seed in seeds do
                    let runs = facts.Sites |> List.map (fun site -> cells[site, seed])
                    let frames = runs |> List.choose findingsOf

                    if frames.Length = runs.Length then
                        let calibration = runs |> Seq.choose _.Calibration |> Calibration.sum
                        Array.ofList (List.concat frames), calibration
            ]

        let value finding (frames, calibration) =
            match finding with
            | Finding.Ece -> Calibration.expectedError calibration
            | other -> Finding.value other frames

        [
            if not found.IsEmpty then
                for finding in Finding.all ->
                    {
                        Finding = finding
                        Score = found |> List.map (value finding) |> overSeeds
                    }
        ]

    let private median (values: float list) =
        match List.sort values with
        | [] -> None
        | sorted ->
            let upper = sorted[sorted.Length / 2]
            let lower = sorted[(sorted.Length - 1) / 2]
            Some((lower + upper) / 2.0)

    /// What a method's runs come to. Runs of sites or seeds outside the plan are left out; of a run given twice the later
    /// counts.
    let create (facts: ExperimentFacts) (runs: MethodRuns) : MethodFigures =
        let cells = MethodRuns.cells facts runs
        let complete = MethodRuns.completeSeeds facts cells
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
            Findings = findingFigures facts cells complete
            TrainSeconds =
                match there with
                | [] -> None
                | runs -> runs |> List.averageBy _.TrainSeconds |> Some
            Parameters = there |> List.tryHead |> Option.map _.Parameters
            CausalParameters = there |> List.tryHead |> Option.map _.CausalParameters
            Milliseconds = there |> List.map _.Milliseconds |> median
        }
