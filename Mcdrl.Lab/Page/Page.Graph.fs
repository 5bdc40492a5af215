namespace Mcdrl

open Giraffe.ViewEngine

/// The structural model of phantom frames, drawn.
[<RequireQualifiedAccess>]
module internal PageGraph =
    let private nodeWidth, nodeHeight = 86, 32

    let private node (x: int, y: int) kind (name: string) =
        [
            Page.shape
                "rect"
                [
                    "class", $"node {kind}".TrimEnd()
                    "x", string (x - nodeWidth / 2)
                    "y", string (y - nodeHeight / 2)
                    "width", string nodeWidth
                    "height", string nodeHeight
                    "rx", "8"
                ]
                []
            Page.shape "text" [ "x", string x; "y", string (y + 5); "text-anchor", "middle" ] [ str name ]
        ]

    /// A straight arrow; the head is a triangle of its own, as markers don't take the line's colour everywhere.
    let private arrow (x1: float, y1: float) (x2: float, y2: float) kind =
        let length = sqrt ((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
        let ux, uy = (x2 - x1) / length, (y2 - y1) / length
        let point (x: float) (y: float) = $"{x:F1} {y:F1}"
        let back = 9.0
        let baseX, baseY = x2 - back * ux, y2 - back * uy

        [
            Page.shape
                "path"
                [
                    "class", $"arrow {kind}".TrimEnd()
                    "d", $"M{point x1 y1}L{point baseX baseY}"
                ]
                []
            Page.shape
                "path"
                [
                    "class", $"head {kind}".TrimEnd()
                    "d",
                    $"M{point x2 y2}L{point (baseX - 4.5 * uy) (baseY + 4.5 * ux)}L{point (baseX + 4.5 * uy) (baseY - 4.5 * ux)}Z"
                ]
                []
        ]

    let private site, lesion, condition, frame =
        (48, 90), (180, 34), (180, 146), (312, 90)

    let private graph alt parts =
        Page.drawing alt [ "viewBox", "0 0 360 180"; "style", "max-width:27rem" ] (List.concat parts)

    let private always =
        [
            arrow (84.0, 73.0) (137.0, 46.0) ""
            arrow (223.0, 46.0) (276.0, 73.0) ""
            arrow (223.0, 134.0) (276.0, 107.0) ""
            node site "" "site"
            node lesion "" "lesion"
            node frame "" "frame"
        ]

    /// As the training sites record: a habit makes the condition depend on the lesion.
    let observed () =
        graph
            "Graph of the training sites: arrows from site to lesion and condition, from lesion and condition to frame, and a dashed arrow, the habit, from lesion to condition."
            (always
             @ [
                 node condition "" "condition"
                 arrow (84.0, 107.0) (137.0, 134.0) ""
                 arrow (180.0, 51.0) (180.0, 129.0) "habit"
                 [
                     Page.shape "text" [ "class", "habit-text"; "x", "188"; "y", "95" ] [ str "habit" ]
                 ]
             ])

    /// After an intervention: nothing decides on the condition but us.
    let intervened () =
        graph
            "Graph after do(condition): the arrows from site and lesion to condition are gone; lesion and condition still make the frame."
            (always @ [ node condition "set" "condition" ])
