namespace Mcdrl

open System
open System.Globalization

/// Findings in words: for a terminal, and as Markdown for a model card.
[<RequireQualifiedAccess>]
module FindingsText =
    let private invariant (digits: int) (value: float) =
        value.ToString("F" + string digits, CultureInfo.InvariantCulture)

    /// A share in per cent, and other numbers as they are.
    let private scaled (finding: Finding) =
        match finding with
        | Finding.FalsePositives -> 1.0, 2
        | Finding.Ece
        | Finding.Brier
        | Finding.AurcDisagreement
        | Finding.AurcEntropy
        | Finding.AurcDisagreementNearLesion
        | Finding.AurcEntropyNearLesion
        | Finding.AurcBest -> 1.0, 3
        | Finding.EmptyArea -> 100.0, 2
        | Finding.Dice
        | Finding.LesionDice
        | Finding.MedianDice
        | Finding.LowestDecileDice
        | Finding.SmallDice
        | Finding.MediumDice
        | Finding.LargeDice
        | Finding.Nsd
        | Finding.Sensitivity
        | Finding.SmallSensitivity
        | Finding.MediumSensitivity
        | Finding.LargeSensitivity
        | Finding.EmptyMarked -> 100.0, 1

    /// A value of a figure: Dice, NSD, shares and areas in per cent, the rest as it is; `-` where it isn't defined.
    let value (finding: Finding) (value: float) =
        let scale, digits = scaled finding

        if Double.IsNaN value then
            "-"
        else
            invariant digits (scale * value)

    /// A figure of a site with its interval, `81.2 (76.0 to 85.9)`.
    let figure (finding: Finding) (site: SiteFindings) =
        let interval = SiteFindings.figure finding site

        if Double.IsNaN interval.Estimate then
            "-"
        else
            $"{value finding interval.Estimate} ({value finding interval.Low} to {value finding interval.High})"

    /// NSD's tolerance in pixels.
    let tolerance (site: SiteFindings) =
        match site.TolerancePixels |> List.map (invariant 1) |> List.distinct with
        | [ all ] -> $"{all} px"
        | several -> (String.concat " to " several) + " px"

    let private bySize
        (site: SiteFindings)
        (figures: (LesionSize * Finding) list)
        (count: SizeCounts -> int)
        =
        [
            for size in site.Sizes do
                if count size > 0 then
                    let finding = figures |> List.find (fst >> (=) size.Size) |> snd
                    $"{LesionSize.name size.Size} {figure finding site} of {count size}"
        ]
        |> String.concat ", "

    /// Figures by name, with the counts behind them, in the order of reports; `None` where the frames have nothing that one could be of.
    let rows (site: SiteFindings) : (string * string option) list =
        let figure finding = figure finding site
        let empty = site.Frames - site.WithLesion
        let ``where`` condition text = if condition then Some text else None

        let known finding =
            ``where`` (not (Double.IsNaN (SiteFindings.figure finding site).Estimate)) (figure finding)

        let dice =
            [
                LesionSize.Small, Finding.SmallDice
                LesionSize.Medium, Finding.MediumDice
                LesionSize.Large, Finding.LargeDice
            ]

        let sensitivity =
            [
                LesionSize.Small, Finding.SmallSensitivity
                LesionSize.Medium, Finding.MediumSensitivity
                LesionSize.Large, Finding.LargeSensitivity
            ]

        let byUncertainty everywhere near =
            match known everywhere, known near with
            | Some everywhere, Some near -> Some $"{everywhere}; near the lesion {near}"
            | everywhere, near -> Option.orElse near everywhere

        let chance = 1.0 - (SiteFindings.figure Finding.Dice site).Estimate

        [
            "Dice %", Some(figure Finding.Dice)
            "Dice %, median", Some(figure Finding.MedianDice)
            "Dice %, lowest decile", Some(figure Finding.LowestDecileDice)
            "Dice %, with a lesion",
            ``where`` (empty > 0 && site.WithLesion > 0) $"{figure Finding.LesionDice} of {site.WithLesion}"
            "Dice %, by size", ``where`` (site.Lesions > 0) (bySize site dice _.Frames)
            "NSD %", Some $"{figure Finding.Nsd} at 1 %% of the diagonal, {tolerance site}"
            "lesions found %",
            ``where`` (site.Lesions > 0) $"{figure Finding.Sensitivity}; {site.Found} of {site.Lesions}"
            "lesions found %, by size", ``where`` (site.Lesions > 0) (bySize site sensitivity _.Lesions)
            "false positives a frame", Some(figure Finding.FalsePositives)
            "marked without lesion %",
            ``where`` (empty > 0) $"{figure Finding.EmptyMarked}; {site.EmptyMarked} of {empty} frames"
            "area marked there %", ``where`` (empty > 0) (figure Finding.EmptyArea)
            "ECE", known Finding.Ece
            "Brier",
            known Finding.Brier
            |> Option.map (fun text ->
                $"{text}; of the prevalence {invariant 3 (Calibration.referenceBrier site.Calibration)}")
            "AURC by disagreement", byUncertainty Finding.AurcDisagreement Finding.AurcDisagreementNearLesion
            "AURC by entropy", byUncertainty Finding.AurcEntropy Finding.AurcEntropyNearLesion
            "AURC at best, by chance", Some $"{figure Finding.AurcBest}, {invariant 3 chance}"
        ]

    /// Lines for a terminal.
    let lines (site: SiteFindings) : string list =
        [
            $"{site.Site}: {site.Frames} frames; intervals of {site.Drawn}"

            for name, value in rows site do
                match value with
                | Some value -> $"  {name, -26}{value}"
                | None -> ()
        ]

    /// A table with a column for each of some sites, at least one, and how its figures are defined, as Markdown.
    let markdown (sites: SiteFindings list) : string =
        let line cells = "| " + String.concat " | " cells + " |"
        let columns = sites |> List.map rows

        [
            line ("" :: (sites |> List.map (fun site -> Markdown.text site.Site)))
            line ("---" :: (sites |> List.map (fun _ -> "---")))
            line ("frames" :: (sites |> List.map (fun site -> string site.Frames)))
            line ("intervals of" :: (sites |> List.map _.Drawn))

            for place, (name, _) in List.indexed columns.Head do
                let cells = columns |> List.map (List.item place >> snd)

                if cells |> List.exists Option.isSome then
                    line (name :: (cells |> List.map (Option.defaultValue "–")))

            ""

            for name, words in SiteFindings.definitions do
                $"- *{name}*: {words}."
        ]
        |> String.concat "\n"
        |> fun text -> text + "\n"
