namespace Mcdrl

open System.Globalization
open Giraffe.ViewEngine

/// A bar of a series: a share, and its standard deviation where there is one. What isn't known has no bar.
type internal PageBar =
    {
        Series: int
        Value: float option
        Deviation: float option
        /// The number as it stands at the end.
        Text: string
    }

/// An interval around an estimate, all in percentage points.
type internal PageInterval =
    {
        Name: string
        Interval: Interval option
        Text: string
    }

/// Figures of rows under each other: their lengths follow the window's width, their letters don't shrink.
[<RequireQualifiedAccess>]
module internal PageRows =
    /// The part of the width, in percent, that the axis takes; the numbers stand in the rest.
    let private barAxis, intervalAxis = 70.0, 60.0

    let private percentOf (axis: float) (share: float) =
        (axis * max 0.0 (min 1.0 share)).ToString("0.##", CultureInfo.InvariantCulture)
        + "%"

    let private barHeight, nameHeight, gap = 14, 19, 11

    let private words kind anchor (x: string) y text =
        Page.shape "text" [ "class", kind; "text-anchor", anchor; "x", x; "y", string y ] [ str text ]

    let private line kind (x1: string) (x2: string) y1 y2 =
        Page.shape "line" [ "class", kind; "x1", x1; "x2", x2; "y1", string y1; "y2", string y2 ] []

    let private sized alt height content =
        div
            [ _class "rows" ]
            [
                Page.drawing alt [ "height", string height; "style", $"height:{height}px" ] content
            ]

    let private number y text = words "strong" "end" "100%" y text

    /// Bars from 0 to 1 under each name, whiskers one standard deviation to either side.
    let bars alt (groups: (string * PageBar list) list) =
        let percentOf = percentOf barAxis

        let tops =
            groups
            |> List.scan (fun y (_, bars) -> y + nameHeight + barHeight * List.length bars + gap) 2

        let height = List.last tops + 16

        sized
            alt
            height
            [
                for value in [ 0.0; 0.25; 0.5; 0.75; 1.0 ] do
                    line "tick" (percentOf value) (percentOf value) 0 (height - 16)

                    words
                        "soft"
                        (if value = 0.0 then "start" else "middle")
                        (percentOf value)
                        (height - 3)
                        (string (100.0 * value))

                for y, (name, bars) in List.zip (List.truncate groups.Length tops) groups do
                    words "name" "start" "0" (y + 14) name

                    for index, bar in List.indexed bars do
                        let y = y + nameHeight + barHeight * index
                        let middle = y + barHeight / 2 - 1

                        match bar.Value with
                        | Some value ->
                            Page.shape
                                "rect"
                                [
                                    "class", $"fill {PageSeries.kind bar.Series}"
                                    "y", string y
                                    "width", percentOf value
                                    "height", string (barHeight - 2)
                                ]
                                []

                            match bar.Deviation with
                            | Some deviation ->
                                line
                                    "error"
                                    (percentOf (value - deviation))
                                    (percentOf (value + deviation))
                                    middle
                                    middle
                            | None -> ()
                        | None -> ()

                        number (y + barHeight - 2) bar.Text
            ]

    /// Estimates with their intervals on one axis of percentage points that holds 0.
    let intervals alt (rows: PageInterval list) =
        let reach =
            rows
            |> List.choose _.Interval
            |> List.collect (fun interval -> [ interval.Low; interval.High ])

        let low, high = List.min (0.0 :: reach), List.max (0.0 :: reach)

        let step =
            [ 0.1; 0.2; 0.5; 1.0; 2.0; 5.0; 10.0; 20.0 ]
            |> List.tryFind (fun step -> high - low < 4.0 * step)
            |> Option.defaultValue 50.0

        let low = step * floor (low / step)
        let high = max (low + step) (step * ceil (high / step))

        let at value =
            percentOf intervalAxis ((value - low) / (high - low))

        let rowHeight = 38
        let height = rowHeight * rows.Length + 20

        sized
            alt
            height
            [
                for i in 0 .. int (round ((high - low) / step)) do
                    let value = low + step * float i

                    let kind = if abs value < step / 2.0 then "zero" else "tick"
                    line kind (at value) (at value) 0 (height - 16)

                    words
                        "soft"
                        (if i = 0 then "start" else "middle")
                        (at value)
                        (height - 3)
                        (if abs value < step / 2.0 then
                             "0"
                         else
                             value.ToString("+0.#;−0.#", CultureInfo.InvariantCulture))

                for index, row in List.indexed rows do
                    let y = rowHeight * index
                    words "name" "start" "0" (y + 14) row.Name
                    number (y + 29) row.Text

                    match row.Interval with
                    | Some interval ->
                        Page.shape
                            "g"
                            [ "class", PageSeries.kind 0 ]
                            [
                                line "line" (at interval.Low) (at interval.High) (y + 25) (y + 25)

                                Page.shape
                                    "circle"
                                    [
                                        "class", "fill"
                                        "cx", at interval.Estimate
                                        "cy", string (y + 25)
                                        "r", "4.5"
                                    ]
                                    []
                            ]
                    | None -> ()
            ]
