namespace Mcdrl

open Giraffe.ViewEngine

/// The figures of an experiment's page. A method has one colour in all of them; the reference has the first.
[<RequireQualifiedAccess>]
module internal ExperimentFigures =
    let reference (report: ExperimentReport) =
        report.Methods
        |> List.tryFind (fun figures -> figures.Key = report.Facts.Reference)

    /// Each method with the number of its series, in the report's order.
    let private series (report: ExperimentReport) =
        let others =
            report.Methods
            |> List.filter (fun figures -> figures.Key <> report.Facts.Reference)

        let order = Option.toList (reference report) @ others

        [
            for figures in report.Methods ->
                order |> List.findIndex (fun other -> other.Key = figures.Key), figures
        ]

    /// The series and label of a method that is named by its key or its label.
    let private named (report: ExperimentReport) name =
        series report
        |> List.tryFind (fun (_, figures) -> figures.Key = name || figures.Label = name)
        |> Option.map (fun (index, figures) -> index, figures.Label)

    /// A label that an axis has room for.
    let private brief (label: string) =
        if label.Length > 24 then
            label.Substring(0, 23).TrimEnd() + "…"
        else
            label

    /// The reference minus each other method over all sites, with its interval.
    let differences (report: ExperimentReport) =
        let rows =
            [
                for rival in report.Rivals ->
                    {
                        Name = rival.Label
                        Interval =
                            rival.Overall
                            |> Option.map (fun difference ->
                                {
                                    Estimate = 100.0 * difference.Mean
                                    Low = 100.0 * difference.Low
                                    High = 100.0 * difference.High
                                })
                        Text =
                            match rival.Overall with
                            | None -> "unfinished"
                            | Some difference ->
                                $"{Page.signedPoints difference.Mean} ({ExperimentWording.interval difference})"
                    }
            ]

        let spoken =
            rows |> List.map (fun row -> $"{row.Name}: {row.Text}") |> String.concat "; "

        PageRows.intervals
            $"The reference's mean Dice minus each other method's, in percentage points, with 95 %% intervals. {spoken}."
            rows

    /// Mean Dice over all sites of each method, and of each site.
    let bars (report: ExperimentReport) =
        let methods = series report

        let bar (index, spread: SeedSpread) =
            {
                Series = index
                Value = spread.Mean
                Deviation = spread.StandardDeviation
                Text =
                    if spread.Mean.IsNone then
                        "unfinished"
                    else
                        ExperimentWording.spread spread
            }

        let groups =
            [
                "all sites", [ for index, figures in methods -> bar (index, figures.Average.Dice) ]

                for place, site in List.indexed report.Facts.Sites do
                    site,
                    [
                        for index, figures in methods -> bar (index, figures.Sites[place].Scores.Dice)
                    ]
            ]

        [
            PageSeries.barKey [ for index, figures in methods -> index, figures.Label ]
            PageRows.bars
                $"Bars of mean Dice, over all sites and on each, for {methods.Length} methods; the table above has the numbers."
                groups
        ]

    /// Each image's Dice under the reference against that under each other method.
    let scatter (report: ExperimentReport) (runs: MethodRuns list) =
        match runs |> List.tryFind (fun runs -> runs.Key = report.Facts.Reference) with
        | None -> []
        | Some reference ->
            let sites = List.indexed report.Facts.Sites

            [
                for rival in runs |> List.filter (fun runs -> runs.Key <> reference.Key) do
                    let pairs = Rivalry.pairs report.Facts reference rival

                    if not pairs.IsEmpty then
                        let above = pairs |> List.filter (fun pair -> pair.Reference > pair.Rival)
                        let below = pairs |> List.filter (fun pair -> pair.Reference < pair.Rival)

                        let counts =
                            $"{above.Length} images above the diagonal ({reference.Label} better), {below.Length} below, {pairs.Length - above.Length - below.Length} on it."

                        div
                            []
                            [
                                h3 [] [ str rival.Label ]
                                PageScatter.pairs
                                    $"Dice of each image, {reference.Label} against {rival.Label}: {counts}"
                                    $"{brief rival.Label}, Dice in %%"
                                    $"{brief reference.Label}, Dice in %%"
                                    [
                                        for index, site in sites ->
                                            index,
                                            [
                                                for pair in pairs do
                                                    if pair.Site = site then
                                                        pair.Rival, pair.Reference
                                            ]
                                    ]
                                p [] [ str counts ]
                            ]
            ]

    let siteKey (report: ExperimentReport) =
        PageSeries.markKey (List.indexed report.Facts.Sites)

    /// The number that a method stands for in a sweep (M or L), from its published label, its key or its label.
    let private level (figures: MethodFigures) =
        [ Option.defaultValue "" figures.Published; figures.Key; figures.Label ]
        |> List.tryPick ExperimentPublished.number

    /// Dice over the number of confounders or layers, ours and the published curve.
    let sweep (report: ExperimentReport) (table: PublishedTable) (name: string) =
        let ours =
            [
                for figures in report.Methods do
                    match level figures, figures.Average.Dice.Mean with
                    | Some level, Some mean ->
                        {
                            At = float level
                            Value = mean
                            Deviation = figures.Average.Dice.StandardDeviation
                        }
                    | _ -> ()
            ]
            |> List.sortBy _.At

        let published =
            [
                for row in table.Rows do
                    match ExperimentPublished.number row.Label with
                    | Some level -> float level, row.Average.Dice / 100.0
                    | None -> ()
            ]

        let levels =
            (List.map _.At ours @ List.map fst published) |> List.distinct |> List.sort

        let across =
            {
                Name = name
                Low = List.min levels - 0.5
                High = List.max levels + 0.5
                Ticks = [ for level in levels -> level, PageSeries.place level ]
            }

        let spoken =
            ours
            |> List.map (fun point -> $"{PageSeries.place point.At}: {Page.points point.Value}")
            |> String.concat ", "

        [
            PageSeries.lineKey
                [ 0, "ours, ± one standard deviation over seeds" ]
                (Some $"published ({table.Number}; other data and another tower)")
            div
                [ _class "plot" ]
                [
                    PageCurves.draw
                        $"Mean Dice in percent by {name}: {spoken}; the published curve dashed."
                        (420.0, 280.0)
                        across
                        "mean Dice in %"
                        [ 0, ours ]
                        published
                ]
        ]

    /// One plot a condition, one line a method.
    let robustness (report: ExperimentReport) (curves: RobustnessCurve list) =
        let known =
            [
                for curve in curves do
                    match named report curve.Method with
                    | Some(index, label) -> index, label, curve
                    | None -> ()
            ]

        let across =
            {
                Name = "strength of the condition"
                Low = 0.0
                High = 1.0
                Ticks = [ for quarter in 0..4 -> float quarter / 4.0, Page.short (float quarter / 4.0) ]
            }

        [
            PageSeries.lineKey
                (known |> List.map (fun (index, label, _) -> index, label) |> List.distinct)
                None
            div
                [ _class "plots" ]
                [
                    for condition in known |> List.map (fun (_, _, curve) -> curve.Condition) |> List.distinct do
                        let members =
                            known |> List.filter (fun (_, _, curve) -> curve.Condition = condition)

                        let spoken =
                            members
                            |> List.choose (fun (_, label, curve) ->
                                curve.Points
                                |> List.tryLast
                                |> Option.map (fun point -> $"{label} {Page.points point.Dice.Mean}"))
                            |> String.concat ", "

                        div
                            []
                            [
                                h3 [] [ str condition ]
                                PageCurves.draw
                                    $"Mean Dice in percent under {condition} by its strength. At the greatest: {spoken}."
                                    (300.0, 230.0)
                                    across
                                    "mean Dice in %"
                                    [
                                        for index, _, curve in members ->
                                            index,
                                            [
                                                for point in curve.Points do
                                                    if point.Dice.Count > 0 then
                                                        {
                                                            At = point.Strength
                                                            Value = point.Dice.Mean
                                                            Deviation =
                                                                if point.Dice.Count > 1 then
                                                                    Some point.Dice.StandardDeviation
                                                                else
                                                                    None
                                                        }
                                            ]
                                    ]
                                    []
                            ]
                ]
        ]

    /// One map a method, coloured by class.
    let maps (report: ExperimentReport) (maps: EmbeddedMap list) =
        let none = "no lesion"

        let nameOf (point: EmbeddedPoint) =
            if point.Class = "" then none else point.Class

        let classes =
            report.Facts.Classes
            @ (maps |> List.collect _.Points |> List.map nameOf |> List.distinct)
            |> List.distinct

        [
            PageSeries.markKey (List.indexed classes)
            div
                [ _class "plots" ]
                [
                    for map in maps do
                        let label =
                            named report map.Method |> Option.map snd |> Option.defaultValue map.Method

                        div
                            []
                            [
                                h3 [] [ str label ]
                                PageScatter.map
                                    $"Map of {map.Points.Length} images' features under {label}, coloured by class; silhouette {Page.short map.Silhouette}."
                                    [
                                        for index, name in List.indexed classes ->
                                            index,
                                            [
                                                for point in map.Points do
                                                    if nameOf point = name then
                                                        point.X, point.Y
                                            ]
                                    ]
                                p [] [ str $"Silhouette of the classes {Page.short map.Silhouette}" ]
                            ]
                ]
        ]

    /// Site by site, the best, median and worst frame.
    let sheet (frames: SheetFrame list) =
        let cell (image: PageImage) (words: string) (figure: string) =
            div [] [ Page.image image; p [] [ str words; strong [] [ str figure ] ] ]

        [
            for site, members in frames |> List.groupBy _.Site do
                h3 [] [ str site ]

                for frame in members do
                    div
                        [ _class "frame-row" ]
                        [
                            p [ _class "notice" ] [ str $"{frame.Rank}: {frame.Stem}" ]
                            div
                                [ _class "grid sheet"; _style $"--columns: {1 + frame.Answers.Length}" ]
                                [
                                    cell frame.Truth "truth" ""

                                    for label, dice, image in frame.Answers do
                                        cell image $"{label} " (Page.points dice)
                                ]
                        ]
        ]

    let layout =
        """
main { max-width: 74rem; }
.grid.sheet { grid-template-columns: repeat(var(--columns), minmax(0, 15rem)); gap: .5rem; margin-bottom: .8rem; }
.grid.sheet img { width: 100%; } .grid.sheet p { font-size: .8rem; overflow-wrap: anywhere; }
.frame-row { break-inside: avoid; } .frame-row > p { margin: .3rem 0 .2rem; }
.outcome { background: var(--panel); border-left: 4px solid var(--first); padding: .8rem 1rem; border-radius: .3rem; max-width: 48rem; }
.outcome p { text-wrap: pretty; margin: .3rem 0; font-size: 1.08rem; } .outcome p + p { font-size: 1rem; }
.unfinished { border-left: 4px solid var(--alert); background: var(--panel); padding: .6rem 1rem; border-radius: .3rem; max-width: 48rem; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.2rem; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
@media print {
  h3 { break-after: avoid; } .grid.sheet { grid-template-columns: repeat(var(--columns), minmax(0, 11rem)); }
}
@media (max-width: 36rem) {
  .grid.sheet { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; } .facts dd { margin-bottom: .6rem; }
}
"""
