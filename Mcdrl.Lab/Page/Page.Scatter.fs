namespace Mcdrl

open Giraffe.ViewEngine

/// Dots in the plane, each group of them with its own mark.
[<RequireQualifiedAccess>]
module internal PageScatter =
    /// Small marks where there are many.
    let private mark groups index points =
        if List.sumBy (snd >> List.length) groups > 150 then
            PageSeries.dots index points
        else
            PageSeries.marks index points

    /// Two shares of the same things against each other, both axes from 0 to 1, with the diagonal of equal ones.
    let pairs alt (across: string) (up: string) (groups: (int * (float * float) list) list) =
        PageAxes.draw alt (300.0, 300.0) (PageAxes.all across) (PageAxes.all up) (fun x y ->
            [
                Page.shape
                    "line"
                    [
                        "class", "diagonal"
                        "x1", PageSeries.place (x 0.0)
                        "y1", PageSeries.place (y 0.0)
                        "x2", PageSeries.place (x 1.0)
                        "y2", PageSeries.place (y 1.0)
                    ]
                    []

                for index, points in groups do
                    points |> List.map (fun (a, b) -> x a, y b) |> mark groups index
            ])

    /// A map without axes: only what lies together says anything. It fills the frame, with one scale for both
    /// directions.
    let map alt (groups: (int * (float * float) list) list) =
        let all = groups |> List.collect snd
        let side, margin = 300.0, 12.0

        let middle values =
            match values with
            | [] -> 0.0, 0.0
            | values -> (List.min values + List.max values) / 2.0, List.max values - List.min values

        let middleX, spanX = all |> List.map fst |> middle
        let middleY, spanY = all |> List.map snd |> middle
        let span = max spanX spanY
        let scale = if span > 0.0 then (side - 2.0 * margin) / span else 1.0

        Page.drawing
            alt
            [ "viewBox", $"0 0 {side} {side}" ]
            [
                Page.shape
                    "rect"
                    [ "class", "frame"; "x", "0.5"; "y", "0.5"; "width", "299"; "height", "299" ]
                    []

                for index, points in groups do
                    points
                    |> List.map (fun (x, y) ->
                        side / 2.0 + scale * (x - middleX), side / 2.0 - scale * (y - middleY))
                    |> mark groups index
            ]
