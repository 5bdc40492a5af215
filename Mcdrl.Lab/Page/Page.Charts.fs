namespace Mcdrl

open System.Globalization
open Giraffe.ViewEngine

/// Values of several series under one name, all from 0 to 1.
type internal BarRow = { Name: string; Values: Measured list }

/// Figures drawn in the page itself: their lengths follow the window's width, their letters don't shrink.
[<RequireQualifiedAccess>]
module internal PageCharts =
    /// The part of the width that the axis from 0 to 1 takes; the values stand in the rest.
    let private axis = 86.0

    let private at (value: float) =
        (axis * max 0.0 (min 1.0 value)).ToString("0.##", CultureInfo.InvariantCulture)
        + "%"

    let private kinds = [ "first"; "second" ]
    let private barHeight, nameHeight, gap = 13, 19, 11

    /// What a colour stands for, and dashes for the truth where `truth` names it.
    let key (series: string list) (truth: string option) =
        let line kind =
            Page.shape
                "svg"
                [ "viewBox", "0 0 28 12"; "aria-hidden", "true" ]
                [
                    Page.shape "rect" [ "class", $"bar {kind}"; "width", "28"; "height", "12"; "rx", "2" ] []
                ]

        let dashes =
            Page.shape
                "svg"
                [ "viewBox", "0 0 28 12"; "aria-hidden", "true" ]
                [
                    Page.shape
                        "line"
                        [
                            "class", "error"
                            "stroke-dasharray", "5 4"
                            "x2", "28"
                            "y1", "6"
                            "y2", "6"
                        ]
                        []
                ]

        ul
            [ _class "key" ]
            [
                for kind, name in List.zip (List.truncate series.Length kinds) series do
                    li [] [ line kind; str name ]

                match truth with
                | Some name -> li [] [ dashes; str name ]
                | None -> ()
            ]

    /// Bars of up to two series, side by side under each name, whiskers one standard error long to either side, and the
    /// number at the end. `alt` says what is seen.
    let bars (alt: string) (rows: BarRow list) =
        let rowHeight (row: BarRow) =
            nameHeight + barHeight * row.Values.Length + gap

        let tops = rows |> List.scan (fun y row -> y + rowHeight row) 4
        let height = List.last tops + 18

        let bar y kind (value: Measured) =
            [
                Page.shape
                    "rect"
                    [
                        "class", $"bar {kind}"
                        "y", string y
                        "width", at value.Mean
                        "height", string (barHeight - 1)
                    ]
                    []

                if value.Error > 0.0 then
                    let middle = string (y + barHeight / 2)

                    Page.shape
                        "line"
                        [
                            "class", "error"
                            "x1", at (value.Mean - value.Error)
                            "x2", at (value.Mean + value.Error)
                            "y1", middle
                            "y2", middle
                        ]
                        []

                Page.shape
                    "text"
                    [ "x", "100%"; "y", string (y + barHeight - 2); "text-anchor", "end" ]
                    [ str (Page.number value.Mean) ]
            ]

        let tick value =
            [
                Page.shape
                    "line"
                    [
                        "class", "tick"
                        "x1", at value
                        "x2", at value
                        "y1", "0"
                        "y2", string (height - 16)
                    ]
                    []
                Page.shape
                    "text"
                    [
                        "class", "soft"
                        "x", at value
                        "y", string (height - 3)
                        "text-anchor", (if value = 0.0 then "start" else "middle")
                    ]
                    [ str (value.ToString("0.##", CultureInfo.InvariantCulture)) ]
            ]

        Page.drawing
            alt
            [ "height", string height; "style", $"height:{height}px" ]
            [
                for value in [ 0.0; 0.25; 0.5; 0.75; 1.0 ] do
                    yield! tick value

                for y, row in List.zip (List.truncate rows.Length tops) rows do
                    Page.shape "text" [ "y", string (y + 14) ] [ str row.Name ]

                    for index, value in List.indexed row.Values do
                        yield! bar (y + nameHeight + barHeight * index) kinds[index % kinds.Length] value
            ]

    /// A table of shares, 0 to 1, each cell as strong in colour as its share: one row a name.
    let shares (corner: string) (columns: string list) (rows: (string * float list) list) =
        let cell (share: float) =
            let strength =
                (0.85 * max 0.0 (min 1.0 share)).ToString("0.##", CultureInfo.InvariantCulture)

            td [ _style $"background: rgba(var(--heat), {strength})" ] [ str (Page.percent share) ]

        div
            [ _class "wide" ]
            [
                table
                    [ _class "heat" ]
                    [
                        thead
                            []
                            [
                                tr
                                    []
                                    [
                                        th [] [ str corner ]
                                        for name in columns do
                                            th [ attr "scope" "col" ] [ str name ]
                                    ]
                            ]
                        tbody
                            []
                            [
                                for name, values in rows do
                                    tr
                                        []
                                        [
                                            th [ attr "scope" "row" ] [ str name ]
                                            yield! List.map cell values
                                        ]
                            ]
                    ]
            ]
