namespace Mcdrl

open System
open System.Globalization
open System.Text.RegularExpressions
open Giraffe.ViewEngine

/// Eight series that are told apart: by colour in a window, by the shape of their marks and the dashes of their lines
/// on paper and by those who don't see the colours.
[<RequireQualifiedAccess>]
module internal PageSeries =
    let count = 8

    /// The class that gives a series its colour.
    let kind index = $"s{1 + index % count}"

    /// A length or place in a drawing.
    let place (value: float) =
        value.ToString("0.#", CultureInfo.InvariantCulture)

    /// The outline of a mark about 7 units wide, from its middle.
    let private outlines =
        [|
            "m-3.5 0c0 -1.9 1.6 -3.5 3.5 -3.5c1.9 0 3.5 1.6 3.5 3.5c0 1.9 -1.6 3.5 -3.5 3.5c-1.9 0 -3.5 -1.6 -3.5 -3.5z"
            "m-3 -3h6v6h-6z"
            "m0 -4l4 7h-8z"
            "m0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z"
            "m0 4l4 -7h-8z"
            "m-1.2 -4h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z"
            "m-4 -2h8v4h-8z"
            "m-2 -4h4v8h-4z"
        |]

    let private dashes =
        [| ""; "7 3"; "2 3"; "9 3 2 3"; "5 2 1 2"; "12 4"; "4 5"; "1 4" |]

    /// The dashes of a series' line; none for the first.
    let dash index = dashes[index % count]

    /// The outlines at about two thirds of their size, for many marks in little room.
    let private small =
        outlines
        |> Array.map (fun outline ->
            Regex.Replace(
                outline,
                "-?[0-9.]+",
                fun number -> place (0.65 * Double.Parse(number.Value, CultureInfo.InvariantCulture))
            ))

    let private drawn (outlines: string[]) index (points: (float * float) seq) =
        let outline = outlines[index % count]

        Page.shape
            "path"
            [
                "class", $"dot {kind index}"
                "d",
                points
                |> Seq.map (fun (x, y) -> $"M{place x} {place y}{outline}")
                |> String.concat ""
            ]
            []

    /// A mark of a series at each point, as one shape.
    let marks index points = drawn outlines index points

    /// Small marks.
    let dots index points = drawn small index points

    let private listed (entries: (XmlNode list * string) list) =
        ul
            [ _class "key" ]
            [
                for drawn, name in entries do
                    li
                        []
                        [
                            Page.shape "svg" [ "viewBox", "0 0 28 12"; "aria-hidden", "true" ] drawn
                            str name
                        ]
            ]

    /// What the colours of bars stand for.
    let barKey (series: (int * string) list) =
        listed
            [
                for index, name in series ->
                    [
                        Page.shape
                            "rect"
                            [ "class", $"fill {kind index}"; "width", "28"; "height", "12"; "rx", "2" ]
                            []
                    ],
                    name
            ]

    /// What marks stand for.
    let markKey (series: (int * string) list) =
        listed [ for index, name in series -> [ marks index [ 14.0, 6.0 ] ], name ]

    /// What lines stand for; the last entry is a published curve where it is named.
    let lineKey (series: (int * string) list) (published: string option) =
        let line attributes =
            Page.shape "line" ([ "x2", "28"; "y1", "6"; "y2", "6" ] @ attributes) []

        listed
            [
                for index, name in series do
                    [
                        line [ "class", $"line {kind index}"; "stroke-dasharray", dash index ]
                        marks index [ 14.0, 6.0 ]
                    ],
                    name

                match published with
                | Some name -> [ line [ "class", "line published" ] ], name
                | None -> ()
            ]

    let sheet =
        """
:root {
  --s1: #00828f; --s2: #b86e00; --s3: #5b3fa8; --s4: #c8325e; --s5: #3577d4; --s6: #4f7d14; --s7: #5f6770; --s8: #8c3b1b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --s1: #2fc6d6; --s2: #f0a93a; --s3: #b39cff; --s4: #ff7f9f; --s5: #7db8ff; --s6: #a3d154; --s7: #b4bec8; --s8: #e0906a;
  }
}
.s1 { --series: var(--s1); } .s2 { --series: var(--s2); } .s3 { --series: var(--s3); } .s4 { --series: var(--s4); }
.s5 { --series: var(--s5); } .s6 { --series: var(--s6); } .s7 { --series: var(--s7); } .s8 { --series: var(--s8); }
svg .fill { fill: var(--series); }
svg .dot { fill: var(--series); fill-opacity: .7; }
svg .line { stroke: var(--series); stroke-width: 2; fill: none; stroke-linejoin: round; }
svg .line.published { --series: var(--soft); stroke-dasharray: 6 4; }
svg .whisker { stroke: var(--series); stroke-width: 1.5; }
svg .frame { fill: none; stroke: var(--soft); stroke-width: 1; }
svg .diagonal { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; }
svg .zero { stroke: var(--text); stroke-width: 1; }
svg .strong { font-weight: 600; }
.plots { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.plots > div { max-width: 24rem; break-inside: avoid; }
.plots h3 { margin: 0 0 .2rem; } .plots p { margin: .1rem 0 0; font-size: .85rem; line-height: 1.35; }
.plot { max-width: 32rem; } .rows { max-width: 42rem; }
svg .name { paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; }
@media print {
  :root {
    --s1: #00707c; --s2: #a06000; --s3: #4a3190; --s4: #b0244e; --s5: #245fb5; --s6: #3d660c; --s7: #50575f; --s8: #743015;
  }
  .plots { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
"""
