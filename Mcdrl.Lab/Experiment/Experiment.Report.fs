namespace Mcdrl

open System

/// What an experiment came to.
type ExperimentReport =
    {
        /// What it is about and how it was done.
        Facts: ExperimentFacts
        /// Runs of the plan that are there.
        Done: int
        /// Whether all runs of the plan are there.
        Finished: bool
        /// In the order of the design.
        Methods: MethodFigures list
        /// Every method but the reference.
        Rivals: Rivalry list
        /// Of the bootstrap behind every interval.
        Resamples: int
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
        |> List.map (
            MethodRuns.mapRuns (fun run ->
                { run with
                    Images = List.map judged run.Images
                })
        )

    /// The same runs with what `read` says of each frame that was judged under conditions in place of its Dice.
    let conditionedRuns (read: ConditionedScore -> float) (methods: MethodRuns list) : MethodRuns list =
        let judged (run: RunResult) (frame: ConditionedScore) : ImageScore =
            let image = run.Images |> List.find (fun image -> image.Stem = frame.Stem)

            { image with
                Score = { image.Score with Dice = read frame }
            }

        methods
        |> List.map (
            MethodRuns.mapRuns (fun run ->
                { run with
                    Images = run.Conditioned |> Option.defaultValue [] |> List.map (judged run)
                })
        )

    /// What the runs come to, in the methods' order. Runs of sites or seeds outside the plan are left out; of a run
    /// given twice the later counts.
    let create (facts: ExperimentFacts) (methods: MethodRuns list) : ExperimentReport =
        let figures = methods |> List.map (MethodFigures.create facts)
        let runs = methods |> List.sumBy (fun runs -> (MethodRuns.cells facts runs).Count)

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
                    |> List.map (Rivalry.create facts reference)
            Resamples = Bootstrap.resamples
        }

    /// The report of runs whose Dice was put in place of the frames' own, which their findings don't speak of.
    let ofReplacedDice (facts: ExperimentFacts) (methods: MethodRuns list) : ExperimentReport =
        let report = create facts methods

        { report with
            Methods = report.Methods |> List.map (fun figures -> { figures with Findings = [] })
        }
