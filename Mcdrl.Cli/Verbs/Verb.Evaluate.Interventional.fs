namespace Mcdrl.Cli

open System
open System.Text.Json.Nodes
open Mcdrl

/// The interventional report as a table and as JSON.
[<RequireQualifiedAccess>]
module InterventionalOutput =
    let private percent (value: float) =
        if Double.IsNaN value then "-" else $"{100.0 * value:F1}"

    let private spread (s: Spread) =
        if s.Count > 1 then
            $"{percent s.Mean} ± {percent s.StandardDeviation}"
        else
            percent s.Mean

    /// A row: a label, a cell for each model, and where there are two the second's figure minus the first's.
    let private row (label: string) (values: Spread option list) =
        let cells =
            values
            |> List.map (fun value -> value |> Option.map spread |> Option.defaultValue "-")
            |> List.map (fun cell -> $"{cell, 16}")

        let difference =
            match values with
            | [ Some first; Some second ] when not (Double.IsNaN(second.Mean - first.Mean)) ->
                $"{100.0 * (second.Mean - first.Mean), 12:``+0.0;-0.0;0.0``}"
            | _ -> ""

        $"{label, -24}{String.concat String.Empty cells}{difference}"

    let private rows (found: InterventionalEvaluation) =
        let reports = found.Models |> List.map _.Report
        let each label (part: InterventionalReport -> Spread option) = row label (reports |> List.map part)
        let always label part = each label (part >> Some)

        let conditions =
            match reports with
            | [] -> []
            | first :: _ -> first.Conditions |> List.map _.Condition

        [
            always "reference" _.Reference.Dice

            for index, condition in List.indexed conditions do
                always condition (fun report -> report.Conditions[index].Dice)

            ""
            always "mean Dice" _.Dice
            always "robust Dice" _.Robust
            always "lesion Dice" _.LesionDice
            each "worst condition" (fun report -> report.Worst |> Option.map _.Dice)
            always "invariance" _.Invariance
            always "lesion invariance" _.LesionInvariance

            if reports |> List.exists _.ConfoundingGap.IsSome then
                each "confounding gap" _.ConfoundingGap
                each "  adjusted" _.AdjustedGap
                each "  of the probability" _.ProbabilityGap
        ]

    /// Which conditions A foretells: its cosine with the condition's features, and that of no change.
    let private groundings (found: InterventionalEvaluation) =
        let cell (score: ConditionScore) =
            match score.Grounding with
            | Some(predicted, unchanged) -> $"{predicted.Mean:F3} ({unchanged.Mean:F3})"
            | None -> "-"

        match found.Models |> List.map _.Report.Conditions |> List.transpose with
        | rows when rows |> List.exists (List.exists _.Grounding.IsSome) ->
            let title = "foretold (no change)"

            [
                ""
                $"{title, -24}cosine of features"

                for scores in rows do
                    let cells = scores |> List.map (fun score -> $"{cell score, 16}")
                    $"{scores.Head.Condition, -24}{String.concat String.Empty cells}"
            ]
        | _ -> []

    let private interval (interval: Interval) =
        let percent value =
            if Double.IsNaN value then
                "-"
            else
                $"{100.0 * value:``+0.0;-0.0;0.0``}"

        $"{percent interval.Estimate} ({percent interval.Low} to {percent interval.High})"

    /// Whether the masks that A foretells are those of the frames under the condition, more than the unchanged masks are.
    let private doMasks (found: InterventionalEvaluation) =
        [
            for model in found.Models do
                let known =
                    model.Report.Conditions
                    |> List.choose (fun score ->
                        Option.map (fun masks -> score.Condition, masks) score.DoMasks)

                if not known.IsEmpty then
                    let title, foretold, unchanged = "masks under do(c), %", "foretold", "no change"
                    ""
                    $"{title, -24}{foretold, 10}{unchanged, 12}   difference and 95 %% interval, {model.Model}"

                    for condition, masks in known do
                        $"{condition, -24}{percent masks.Foretold.Mean, 10}{percent masks.Unchanged.Mean, 12}   {interval masks.Difference}"

                    let better = known |> List.filter (fun (_, masks) -> masks.Difference.Low > 0.0)

                    $"A foretells {better.Length} of {known.Length} conditions: the interval lies above 0."
        ]

    /// What the models after the first are ahead by.
    let private differences (found: InterventionalEvaluation) =
        [
            for model in found.Models do
                match model.Difference with
                | None -> ()
                | Some difference ->
                    ""
                    $"{model.Model} minus {found.Models.Head.Model}, and 95 %% interval over frames"

                    for name, part in
                        [
                            "reference", difference.Reference
                            "robust Dice", difference.Robust
                            "worst condition", difference.Worst
                        ] do
                        $"{name, -24}{interval part}"
        ]

    /// For people.
    let show session (found: InterventionalEvaluation) =
        let say = Session.say session
        let sites = String.concat ", " found.Sites

        say
            $"{found.Images} scenes of {sites}: {found.Protocol}. Strength {found.Strength}, seed {found.Seed}. Intervals of {found.Drawn}."

        if not found.LeftOut.IsEmpty then
            let listed = String.concat ", " found.LeftOut
            say $"Left out, for they can't be done to a recorded frame: {listed}."

            say
                "No confounding gap: which condition goes with which class at the training sites is not known."

        for model in found.Models do
            let how =
                if model.Active || model.Mode = Marginalisation.Rendered then
                    $"marginalisation {Marginalisation.name model.Mode}"
                else
                    "without intervention"

            say $"Model {model.Model}, {how}."

            if not model.Seen.IsEmpty then
                let seen = String.concat ", " model.Seen
                say $"  It was trained on {seen}: these are not figures for an unseen site."

            model.Report.Worst
            |> Option.iter (fun worst -> say $"  Worst condition: {worst.Condition}.")

        say ""
        let heads = [ "model"; "against" ] |> List.truncate found.Models.Length
        let heads = heads |> List.map (fun head -> $"{head, 16}") |> String.concat ""
        let difference = if found.Models.Length = 2 then "difference" else ""
        let title = "in %"
        say $"{title, -24}{heads}{difference, 12}"

        rows found @ groundings found @ doMasks found @ differences found
        |> List.iter say

    let private optional (value: 'value option) (write: 'value -> JsonNode | null) : JsonNode | null =
        match value with
        | Some value -> write value
        | None -> null

    let private mean (value: Spread) = Json.number value.Mean

    let private bounds (interval: Interval) =
        Json.object
            [
                "mean", Json.number interval.Estimate
                "low", Json.number interval.Low
                "high", Json.number interval.High
            ]

    let private condition (score: ConditionScore) : JsonNode | null =
        Json.object
            [
                "dice", mean score.Dice
                "std", Json.number score.Dice.StandardDeviation
                "lesion_dice", mean score.LesionDice
                "truth_probability", mean score.TruthProbability
                "kept", mean score.Kept

                "grounding",
                optional score.Grounding (fun (predicted, unchanged) ->
                    Json.object [ "predicted", mean predicted; "unchanged", mean unchanged ])

                "do_dice", optional score.DoMasks (fun masks -> mean masks.Foretold)
                "unchanged_dice", optional score.DoMasks (fun masks -> mean masks.Unchanged)
                "do_difference", optional score.DoMasks (fun masks -> bounds masks.Difference)
            ]

    let private fields (found: InterventionalFindings) =
        let report = found.Report
        let deviation (value: Spread) = Json.number value.StandardDeviation

        [
            "model", Json.text found.Model
            "mode", Json.text (Marginalisation.name found.Mode)
            "active", Json.flag found.Active
            "seen_sites", found.Seen |> Seq.map Json.text |> Json.array
            "mean_dice", mean report.Dice
            "lesion_dice", mean report.LesionDice
            "robust_dice", mean report.Robust

            "worst_condition",
            optional report.Worst (fun worst ->
                Json.object [ "name", Json.text worst.Condition; "dice", mean worst.Dice ])

            "invariance", mean report.Invariance
            "lesion_invariance", mean report.LesionInvariance
            "confounding_gap", optional report.ConfoundingGap mean
            "adjusted_gap", optional report.AdjustedGap mean
            "probability_gap", optional report.ProbabilityGap mean

            "std",
            Json.object
                [
                    "mean_dice", deviation report.Dice
                    "lesion_dice", deviation report.LesionDice
                    "robust_dice", deviation report.Robust
                    "invariance", deviation report.Invariance
                    "confounding_gap", optional report.ConfoundingGap deviation
                    "adjusted_gap", optional report.AdjustedGap deviation
                    "probability_gap", optional report.ProbabilityGap deviation
                ]

            "difference",
            optional found.Difference (fun difference ->
                Json.object
                    [
                        "reference", bounds difference.Reference
                        "robust_dice", bounds difference.Robust
                        "worst_condition", bounds difference.Worst
                    ])

            "reference", condition report.Reference

            "per_condition",
            Json.object [ for score in report.Conditions -> score.Condition, condition score ]
        ]

    /// One object: the first model's figures, and the second's under `against`.
    let json (found: InterventionalEvaluation) =
        Json.object
            [
                "protocol", Json.text "interventional"
                "protocol_description", Json.text found.Protocol
                "strength", Json.number found.Strength
                "seed", Json.whole (int64 found.Seed)
                "images", Json.whole (int64 found.Images)
                "intervals_of", Json.text found.Drawn
                "sites", found.Sites |> Seq.map Json.text |> Json.array
                "left_out", found.LeftOut |> Seq.map Json.text |> Json.array
                "seconds", Json.number found.Seconds

                match found.Models with
                | first :: others ->
                    yield! fields first

                    for other in others do
                        "against", Json.object (fields other)
                | [] -> ()
            ]
