namespace Mcdrl

/// What the methods come to on unseen frames, seen in one way.
type ConditionedFigures =
    {
        /// `as it is`, `robust` (each frame's mean over itself and all conditions), or a condition's words.
        Seen: string
        /// Figures of the frames that were judged under conditions; Dice is that of this way of seeing them.
        Report: ExperimentReport
    }

/// The methods on unseen frames as they are, and under imaging conditions.
[<RequireQualifiedAccess>]
module ExperimentConditioned =
    /// How the frame without a condition is called.
    let asItIs = "as it is"

    /// How the mean over a frame as it is and under all conditions is called.
    let robust = "robust"

    let private robustDice (frame: ConditionedScore) =
        frame.AsItIs :: List.ofSeq frame.Under.Values |> List.average

    /// The frames as they are, robust Dice, then each condition; empty where no run was judged under conditions.
    let figures (facts: ExperimentFacts) (methods: MethodRuns list) : ConditionedFigures list =
        let judged =
            methods
            |> List.map (fun runs ->
                { runs with
                    Runs = runs.Runs |> List.filter _.Conditioned.IsSome
                })

        let names =
            judged
            |> List.collect _.Runs
            |> List.collect (fun run -> Option.get run.Conditioned)
            |> List.tryHead
            |> Option.map (fun frame -> List.ofSeq frame.Under.Keys)

        let seen name read =
            {
                Seen = name
                Report =
                    ExperimentReport.conditionedRuns read judged
                    |> ExperimentReport.ofReplacedDice facts
            }

        match names with
        | None -> []
        | Some names ->
            [
                seen asItIs _.AsItIs
                seen robust robustDice
                for name in names do
                    seen name (fun frame -> frame.Under[name])
            ]

    /// Those of single conditions.
    let conditions (figures: ConditionedFigures list) =
        figures
        |> List.filter (fun figures -> figures.Seen <> asItIs && figures.Seen <> robust)

    let private meanOf key (figures: ConditionedFigures) =
        figures.Report.Methods
        |> List.tryFind (fun method -> method.Key = key)
        |> Option.bind _.Average.Dice.Mean

    /// The condition under which a method's Dice is lowest, of those that it has a number for.
    let worst key (figures: ConditionedFigures list) : ConditionedFigures option =
        conditions figures
        |> List.choose (fun figures -> meanOf key figures |> Option.map (fun mean -> mean, figures))
        |> function
            | [] -> None
            | known -> Some(known |> List.minBy fst |> snd)
