namespace Mcdrl

open System
open Giraffe.ViewEngine

/// An axis of a plot.
type internal PageAxis =
    {
        Name: string
        Low: float
        High: float
        /// Where a line is drawn, and what is written there.
        Ticks: (float * string) list
    }

/// A frame with axes, in units of the drawing; whatever is drawn in it goes through `x` and `y`.
[<RequireQualifiedAccess>]
module internal PageAxes =
    let private left, right, top, bottom = 42.0, 16.0, 8.0, 42.0

    /// An axis of shares, written in percent, that holds all values and has at most six steps.
    let shares name (values: float list) : PageAxis =
        let defined = values |> List.filter Double.IsFinite

        let low, high =
            match defined with
            | [] -> 0.0, 1.0
            | defined -> List.min defined, List.max defined

        let steps = [ 0.01; 0.02; 0.05; 0.1; 0.2 ]

        let ends step =
            let low = step * floor (low / step + 1e-9)
            let high = step * ceil (high / step - 1e-9)
            low, (if high > low then high else low + step)

        let fits step =
            let low, high = ends step
            high - low < 6.5 * step

        let step = steps |> List.tryFind fits |> Option.defaultValue 0.2
        let low, high = ends step

        {
            Name = name
            Low = low
            High = high
            Ticks =
                [
                    for i in 0 .. int (round ((high - low) / step)) ->
                        let value = low + float i * step
                        value, string (int (round (100.0 * value)))
                ]
        }

    /// The whole range of shares.
    let all name : PageAxis =
        {
            Name = name
            Low = 0.0
            High = 1.0
            Ticks =
                [
                    for percent in [ 0; 25; 50; 75; 100 ] -> float percent / 100.0, string percent
                ]
        }

    /// A plot of this width and height; `content` gets the places of values along both axes.
    let draw
        alt
        (width: float, height: float)
        (across: PageAxis)
        (up: PageAxis)
        (content: (float -> float) -> (float -> float) -> XmlNode list)
        =
        let share (axis: PageAxis) value =
            (value - axis.Low) / (axis.High - axis.Low)

        let x value =
            left + (width - left - right) * share across value

        let y value =
            height - bottom - (height - top - bottom) * share up value

        let at = PageSeries.place

        let line kind (x1, y1) (x2, y2) =
            Page.shape "line" [ "class", kind; "x1", at x1; "y1", at y1; "x2", at x2; "y2", at y2 ] []

        let words kind anchor (x, y) more text =
            Page.shape
                "text"
                ([ "class", kind; "text-anchor", anchor; "x", at x; "y", at y ] @ more)
                [ str text ]

        let middle = top + (height - top - bottom) / 2.0

        Page.drawing
            alt
            [ "viewBox", $"0 0 {at width} {at height}" ]
            [
                for value, text in across.Ticks do
                    line "tick" (x value, top) (x value, height - bottom)
                    words "soft" "middle" (x value, height - bottom + 15.0) [] text

                for value, text in up.Ticks do
                    line "tick" (left, y value) (width - right, y value)
                    words "soft" "end" (left - 5.0, y value + 4.5) [] text

                line "frame" (left, height - bottom) (width - right, height - bottom)
                line "frame" (left, top) (left, height - bottom)

                words "axis" "middle" (left + (width - left - right) / 2.0, height - 6.0) [] across.Name

                words "axis" "middle" (11.0, middle) [ "transform", $"rotate(-90 11 {at middle})" ] up.Name

                yield! content x y
            ]
