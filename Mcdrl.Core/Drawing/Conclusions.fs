namespace Mcdrl

open System.Globalization

/// What an explanation says, in plain words.
[<RequireQualifiedAccess>]
module Conclusions =
    let private number (format: string) (value: float) =
        value.ToString(format, CultureInfo.InvariantCulture)

    let private percent (share: float) = Drawing.percent share

    /// Dice with two decimals; 1.00 only for masks that are the same.
    let dice (value: float) =
        if value < 1.0 && value > 0.99 then
            ">0.99"
        else
            number "0.00" value

    /// An influence below this many nats is none to speak of: by Pinsker's inequality it moves probabilities by less than
    /// a point on average.
    let negligible = 1e-4

    /// The conditions that have weight.
    let weighed (explanation: ExplanationResult) =
        explanation.Conditions |> List.filter (fun answer -> answer.Weight > 0.0)

    /// Whether there are conditions to compare.
    let comparesConditions (explanation: ExplanationResult) =
        explanation.Active && (weighed explanation).Length > 1

    /// Why there are none.
    let whyNothingToCompare (explanation: ExplanationResult) =
        match weighed explanation with
        | [ only ] ->
            $"This model knows a single imaging condition ({only.Condition}), so it can't tell how much the condition matters."
        | _ ->
            "This model does not take imaging conditions into account: its intervention is off. They play no part in this answer."

    /// The condition that would change the answer most, if any would to speak of.
    let mostInfluential (explanation: ExplanationResult) : ConditionAnswer option =
        if comparesConditions explanation then
            let strongest = weighed explanation |> List.maxBy _.Influence

            if strongest.Influence >= negligible then
                Some strongest
            else
                None
        else
            None

    let private marked (segmentation: SegmentationResult) =
        LabelMap.shares segmentation.Upright
        |> List.map (fun (label, share) ->
            $"{segmentation.Classes[label - 1]} on {percent share} of the image")
        |> function
            | [] -> "Nothing is marked."
            | found -> $"""Marked: {String.concat ", " found}."""

    /// P(lesion): the largest of all pixels, and the mean of those that are marked, if any are.
    let confidence (segmentation: SegmentationResult) : float * float option =
        let map = SegmentationResult.lesionProbability segmentation
        let mutable sum, marked = 0.0, 0

        for pixel in 0 .. map.Values.Length - 1 do
            if segmentation.Upright.Labels[pixel] <> 0uy then
                sum <- sum + float map.Values[pixel]
                marked <- marked + 1

        float (Array.max map.Values), (if marked = 0 then None else Some(sum / float marked))

    /// A probability with two decimals; 0.00 and 1.00 only for what is that.
    let probability (value: float) =
        if value > 0.0 && value < 0.005 then "<0.01"
        elif value < 1.0 && value >= 0.995 then ">0.99"
        else number "0.00" value

    let private sureness (segmentation: SegmentationResult) =
        match confidence segmentation with
        | highest, Some mean ->
            $"Probability of a lesion: {probability mean} on average where it is marked, {probability highest} at most."
        | highest, None -> $"The highest probability of a lesion anywhere is {probability highest}."

    let private stability (explanation: ExplanationResult) =
        let answers = weighed explanation
        let worst = answers |> List.minBy _.Dice

        let shows (mask: LabelMap) = mask.Labels |> Array.exists ((<>) 0uy)

        let marking = answers |> List.filter (fun answer -> shows answer.Mask)

        if not (shows explanation.Segmentation.Upright) then
            if marking.IsEmpty then
                $"Nothing would be marked under any of the {answers.Length} imaging conditions."
            else
                $"Look twice: something would be marked under {marking.Length} of the {answers.Length} imaging conditions, for instance {marking.Head.Condition}."
        elif worst.Dice >= 0.95 then
            $"The outline stays nearly the same under all {answers.Length} imaging conditions (Dice {dice worst.Dice} at worst)."
        elif worst.Dice >= 0.8 then
            $"The outline shifts somewhat with the imaging condition (lowest Dice {dice worst.Dice}, under {worst.Condition})."
        else
            $"Look twice: the outline depends on the imaging condition (lowest Dice {dice worst.Dice}, under {worst.Condition})."

    let private attention (explanation: ExplanationResult) =
        let gap = explanation.Gap
        let pixels = float gap.FlipMap.Labels.Length

        if gap.Flips = 0L then
            "Attention, the quicker way to weigh the conditions, marks the same pixels."
        else
            $"Attention, the quicker way to weigh the conditions, marks {percent (float gap.Flips / pixels)} of the image differently (Dice {dice gap.Dice})."

    /// The conclusions, one sentence each.
    let sentences (explanation: ExplanationResult) : string list =
        [
            marked explanation.Segmentation
            sureness explanation.Segmentation

            if comparesConditions explanation then
                stability explanation

                match mostInfluential explanation with
                | Some strongest -> $"The condition that matters most here is {strongest.Condition}."
                | None -> "No imaging condition would change the answer noticeably."

                attention explanation
            else
                whyNothingToCompare explanation
        ]
