namespace Mcdrl

/// A point of a curve: a share over a number, and its standard deviation where there is one.
type internal CurvePoint =
    {
        At: float
        Value: float
        Deviation: float option
    }

/// Lines over a number.
[<RequireQualifiedAccess>]
module internal PageCurves =
    /// The curves of some series, whiskers one standard deviation to either side, and a published curve where it is
    /// given. The axis of shares holds everything and need not begin at 0.
    let draw
        alt
        size
        (across: PageAxis)
        (up: string)
        (series: (int * CurvePoint list) list)
        (published: (float * float) list)
        =
        let reach =
            [
                for _, points in series do
                    for point in points do
                        let deviation = Option.defaultValue 0.0 point.Deviation
                        point.Value - deviation
                        point.Value + deviation

                yield! List.map snd published
            ]

        PageAxes.draw alt size across (PageAxes.shares up reach) (fun x y ->
            let at = PageSeries.place

            let line attributes points =
                let path =
                    points |> List.map (fun (a, b) -> $"{at (x a)} {at (y b)}") |> String.concat "L"

                Page.shape "path" (attributes @ [ "d", "M" + path ]) []

            [
                if not published.IsEmpty then
                    line [ "class", "line published" ] published

                for index, points in series do
                    if not points.IsEmpty then
                        points
                        |> List.map (fun point -> point.At, point.Value)
                        |> line
                            [
                                "class", $"line {PageSeries.kind index}"
                                "stroke-dasharray", PageSeries.dash index
                            ]

                    for point in points do
                        match point.Deviation with
                        | Some deviation ->
                            Page.shape
                                "line"
                                [
                                    "class", $"whisker {PageSeries.kind index}"
                                    "x1", at (x point.At)
                                    "x2", at (x point.At)
                                    "y1", at (y (point.Value - deviation))
                                    "y2", at (y (point.Value + deviation))
                                ]
                                []
                        | None -> ()

                    points
                    |> List.map (fun point -> x point.At, y point.Value)
                    |> PageSeries.marks index
            ])
