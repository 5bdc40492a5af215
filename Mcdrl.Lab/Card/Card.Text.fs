namespace Mcdrl

open System.Globalization

/// A frame that the card shows because the answer is bad.
type internal CardFailure =
    {
        /// The picture's file, relative to the card.
        File: string
        Site: string
        Stem: string
        Dice: float
        HasLesion: bool
    }

/// What a card says beside what every model's does.
[<RequireQualifiedAccess>]
module internal CardText =
    /// The figures that `mcdrl.json` keeps.
    let private kept =
        [
            Finding.Dice, "Dice"
            Finding.LesionDice, "Dice, frames with a lesion"
            Finding.SmallDice, "Dice, small lesions"
            Finding.Nsd, "normalised surface distance"
            Finding.Sensitivity, "lesions found"
            Finding.EmptyMarked, "frames without a lesion on which something is marked"
            Finding.Ece, "expected calibration error"
        ]

    let private isSeen (evaluation: Evaluation) (site: SiteFindings) = List.contains site.Site evaluation.Seen

    /// All sites together are unseen only if each is: what pools seen and unseen ones is neither.
    let private isUnseen (evaluation: Evaluation) (site: SiteFindings) =
        evaluation.Seen.IsEmpty
        || not (isSeen evaluation site)
           && evaluation.Images |> List.exists (fun image -> image.Site = site.Site)

    /// Each as a number between 0 and 1 with its protocol, of sites that the model has never seen.
    let metrics (evaluation: Evaluation) : ReportedMetric list =
        let number (value: float) =
            value.ToString("0.000", CultureInfo.InvariantCulture)

        [
            for site in evaluation.Findings |> List.filter (isUnseen evaluation) do
                for finding, name in kept do
                    let interval = SiteFindings.figure finding site

                    if not (System.Double.IsNaN interval.Estimate) then
                        {
                            Name = $"{name}, {site.Site}"
                            Value = interval.Estimate
                            Protocol =
                                $"{site.Frames} frames never seen, at their own size, foreground; 95 %% interval {number interval.Low} to {number interval.High} over {site.Drawn}"
                        }
        ]

    let private failures (shown: CardFailure list) =
        [
            "## Where it fails"
            ""
            "The frames of sites never seen on which it does worst. Coloured: marked by the model; dashed: the truth."
            ""
            for failure in shown do
                let what =
                    if failure.HasLesion then
                        "Dice " + failure.Dice.ToString("0.00", CultureInfo.InvariantCulture)
                    else
                        "no lesion, and something marked"

                let stem = Markdown.text failure.Stem

                $"![{stem}: {what}]({failure.File})"
                ""
                $"{Markdown.text failure.Site}, {stem}: {what}."
                ""
        ]

    /// Markdown, line by line. `about` is the maker's own text.
    let sections (about: string option) (evaluation: Evaluation) (shown: CardFailure list) : string list =
        let table heading sites =
            match sites with
            | [] -> []
            | sites -> [ $"## {heading}"; ""; FindingsText.markdown sites ]

        [
            yield!
                about
                |> Option.map (fun text -> [ text.TrimEnd(); "" ])
                |> Option.defaultValue []
            yield!
                evaluation.Findings
                |> List.filter (isUnseen evaluation)
                |> table "Sites that it has never seen"
            yield!
                evaluation.Findings
                |> List.filter (isSeen evaluation)
                |> table "Sites that it was trained on, for comparison"

            if not shown.IsEmpty then
                yield! failures shown
        ]
