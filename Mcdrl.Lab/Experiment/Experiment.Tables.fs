namespace Mcdrl

open System.Globalization
open Giraffe.ViewEngine

/// The tables of an experiment's page.
[<RequireQualifiedAccess>]
module internal ExperimentTables =
    let private seedsNote (facts: ExperimentFacts) (present: int) =
        if present = facts.Seeds.Length then
            ""
        else
            $"{present} of {facts.Seeds.Length} seeds"

    let private spreadCell facts (spread: SeedSpread) =
        { PageCell.number spread.Mean (ExperimentWording.spread spread) with
            Note = seedsNote facts spread.Seeds
        }

    /// Marks the highest of a column's numbers.
    let private marked (rows: (string * PageCell list) list) (columns: int list) =
        let best column =
            rows
            |> List.choose (fun (_, cells) -> (List.item column cells).Value)
            |> function
                | [] -> None
                | values -> Some(List.max values)

        let highest = columns |> List.map (fun column -> column, best column) |> Map.ofList

        [
            for name, cells in rows ->
                name,
                cells
                |> List.mapi (fun column cell ->
                    match highest.TryFind column with
                    | Some(Some best) when cell.Value = Some best -> { cell with Strong = true }
                    | Some _
                    | None -> cell)
        ]

    let private publishedRow (report: ExperimentReport) (figures: MethodFigures) =
        let tables =
            [
                yield! ExperimentPublished.tryFind report.Facts.Name |> Option.toList
                yield! ExperimentPublished.tryFind "table1" |> Option.toList
            ]

        figures.Published
        |> Option.bind (fun label ->
            tables
            |> List.tryPick (fun table ->
                ExperimentPublished.tryRow report.Facts.Tower table label
                |> Option.map (fun row -> table, row)))

    let private publishedCell report figures =
        match publishedRow report figures with
        | None -> PageCell.text "–"
        | Some(table, row) ->
            { PageCell.number (Some(row.Average.Dice / 100.0)) (Page.points (row.Average.Dice / 100.0)) with
                Note = table.Number
            }

    /// The cell of a difference; what isn't clear says so.
    let private differenceCell (difference: Difference option) =
        match difference with
        | None -> PageCell.text "–"
        | Some difference ->
            { PageCell.number (Some difference.Mean) (Page.signedPoints difference.Mean) with
                Note = ExperimentWording.interval difference
                Strong = difference.ExcludesZero
            }

    /// Whether the report has figures to stand beside.
    let hasPublished (report: ExperimentReport) =
        report.Methods |> List.exists (publishedRow report >> Option.isSome)

    let private overall published (report: ExperimentReport) =
        let facts = report.Facts

        let rows =
            [
                for figures in report.Methods ->
                    figures.Label,
                    [
                        spreadCell facts figures.Average.Dice

                        match report.Rivals |> List.tryFind (fun rival -> rival.Key = figures.Key) with
                        | Some rival -> differenceCell rival.Overall
                        | None -> PageCell.text "reference"

                        match figures.Worst with
                        | None -> PageCell.text "–"
                        | Some worst ->
                            { PageCell.number worst.Dice.Mean (ExperimentWording.spread worst.Dice) with
                                Note = worst.Site
                            }

                        if published then
                            publishedCell report figures

                        for site in figures.Sites do
                            spreadCell facts site.Scores.Dice
                    ]
            ]

        PageTable.sortable
            [
                "method", ""
                "all sites", "same weight"
                "difference", "reference minus it"
                "worst site", ""
                if published then
                    "published", "other data"
                for site in facts.Sites do
                    site, ""
            ]
            (marked
                rows
                [
                    0
                    2
                    for place in 0 .. facts.Sites.Length - 1 do
                        place + (if published then 4 else 3)
                ])

    /// Dice of every method on every site, over all and on the worst; the difference to the reference; published.
    let dice (report: ExperimentReport) = overall (hasPublished report) report

    /// The same of a report by class-aware Dice, which the paper doesn't have.
    let classAware (report: ExperimentReport) = overall false report

    /// Another score on every site and over all.
    let score (report: ExperimentReport) (read: ScoreSpread -> SeedSpread) =
        let facts = report.Facts

        let rows =
            [
                for figures in report.Methods ->
                    figures.Label,
                    [
                        for site in figures.Sites do
                            spreadCell facts (read site.Scores)

                        spreadCell facts (read figures.Average)
                    ]
            ]

        PageTable.sortable
            [
                "method", ""
                for site in facts.Sites do
                    site, ""
                "all sites", "same weight"
            ]
            (marked rows [ 0 .. facts.Sites.Length ])

    /// The reference minus each other method, site by site.
    let differences (report: ExperimentReport) =
        PageTable.sortable
            [
                "reference minus", ""
                for site in report.Facts.Sites do
                    site, ""
                "all sites", "same weight"
            ]
            [
                for rival in report.Rivals ->
                    rival.Label,
                    [
                        for site in rival.Sites do
                            differenceCell site.Difference

                        differenceCell rival.Overall
                    ]
            ]

    let private columnsOf (figures: ConditionedFigures list) =
        [
            "method", ""
            for seen in figures do
                seen.Seen, ""
            "worst condition", "its own"
        ]

    /// Dice of every method as the frames are, under each condition, and where it is worst.
    let conditioned (figures: ConditionedFigures list) =
        let facts = figures.Head.Report.Facts

        let cell (seen: ConditionedFigures) key =
            match seen.Report.Methods |> List.tryFind (fun method -> method.Key = key) with
            | Some method -> spreadCell facts method.Average.Dice
            | None -> PageCell.text "–"

        PageTable.sortable
            (columnsOf figures)
            (marked
                [
                    for method in figures.Head.Report.Methods ->
                        method.Label,
                        [
                            for seen in figures do
                                cell seen method.Key

                            match ExperimentConditioned.worst method.Key figures with
                            | Some worst ->
                                { cell worst method.Key with
                                    Note = worst.Seen
                                }
                            | None -> PageCell.text "–"
                        ]
                ]
                [ 0 .. figures.Length ])

    /// The reference minus each other method, as the frames are, under each condition, and where the other is worst.
    let conditionedDifferences (figures: ConditionedFigures list) =
        let cell (seen: ConditionedFigures) key =
            seen.Report.Rivals
            |> List.tryFind (fun rival -> rival.Key = key)
            |> Option.bind _.Overall
            |> differenceCell

        PageTable.sortable
            (("reference minus", "") :: List.tail (columnsOf figures))
            [
                for rival in figures.Head.Report.Rivals ->
                    rival.Label,
                    [
                        for seen in figures do
                            cell seen rival.Key

                        match ExperimentConditioned.worst rival.Key figures with
                        | Some worst -> cell worst rival.Key
                        | None -> PageCell.text "–"
                    ]
            ]

    let classes (report: ExperimentReport) =
        let rows =
            [
                for figures in report.Methods ->
                    figures.Label, [ for lesion in figures.Classes -> spreadCell report.Facts lesion.Dice ]
            ]

        let frames name =
            report.Methods
            |> List.collect _.Classes
            |> List.filter (fun lesion -> lesion.Class = name && lesion.Frames > 0)
            |> List.map _.Frames
            |> function
                | [] -> ""
                | counts -> $"≥ {List.min counts} frames"

        PageTable.sortable
            [
                "method", ""
                for name in report.Facts.Classes do
                    name, frames name
            ]
            (marked rows [ 0 .. report.Facts.Classes.Length - 1 ])

    let private decimals (digits: int) (value: float) =
        value.ToString("N" + string digits, CultureInfo.InvariantCulture)

    /// What each method costs.
    let costs (report: ExperimentReport) =
        let number digits scale (value: float option) =
            match value with
            | None -> PageCell.text "–"
            | Some value -> PageCell.number (Some value) (decimals digits (value * scale))

        let published =
            report.Methods
            |> List.exists (fun figures ->
                match publishedRow report figures with
                | Some(_, row) -> row.Parameters.IsSome
                | None -> false)

        PageTable.sortable
            [
                "method", ""
                "weights", "million"
                "of these causal", "million"
                "one answer", "ms"
                "training", "minutes a run"
                if published then
                    "published", "million"
                    "published", "ms"
            ]
            [
                for figures in report.Methods ->
                    figures.Label,
                    [
                        figures.Parameters |> Option.map float |> number 2 1e-6
                        figures.CausalParameters |> Option.map float |> number 2 1e-6
                        figures.Milliseconds |> number 1 1.0
                        figures.TrainSeconds |> number 1 (1.0 / 60.0)
                        if published then
                            let row = publishedRow report figures |> Option.map snd
                            row |> Option.bind _.Parameters |> number 1 1.0
                            row |> Option.bind _.Milliseconds |> number 0 1.0
                    ]
            ]

    /// The paper's own table.
    let published (tower: string) (table: PublishedTable) =
        let score (score: PublishedScore) =
            let share = score.Dice / 100.0

            { PageCell.number (Some share) (Page.points share) with
                Note =
                    match score.Iou, score.Accuracy with
                    | Some iou, Some accuracy ->
                        $"{Page.points (iou / 100.0)} / {Page.points (accuracy / 100.0)}"
                    | _ -> ""
            }

        PageTable.sortable
            [
                "published", ""
                for column in table.Columns do
                    column, ""
                "average", ""
            ]
            [
                for row in ExperimentPublished.rows tower table ->
                    (match row.Backbone with
                     | Some backbone -> $"{row.Label}, {backbone}"
                     | None -> row.Label),
                    List.map score (row.Entries @ [ row.Average ])
            ]
