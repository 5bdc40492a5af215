module Mcdrl.Tests.PagePlotsTests

open System
open System.Globalization
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open Giraffe.ViewEngine
open Mcdrl

let private number (text: string) =
    Double.Parse(text, CultureInfo.InvariantCulture)

let private html node = RenderView.AsString.htmlNode node

/// Where the marks of a series are.
let private marks series (html: string) =
    [
        for path in Regex.Matches(html, $"class=\"dot s{series}\" d=\"([^\"]*)\"") do
            for mark in Regex.Matches(path.Groups[1].Value, "M([0-9.-]+) ([0-9.-]+)m") do
                number mark.Groups[1].Value, number mark.Groups[2].Value
    ]

let private lines kind (html: string) =
    [
        for line in Regex.Matches(html, $"<line class=\"{kind}\"([^>]*)>") ->
            fun name ->
                Regex.Match(line.Groups[1].Value, $"{name}=\"([0-9.-]+)").Groups[1].Value
                |> number
    ]

let private bar series value deviation : PageBar =
    {
        Series = series
        Value = value
        Deviation = deviation
        Text = "its number"
    }

let tests =
    testList
        "page plots"
        [
            Property.check "an axis of shares holds every value, in at most seven steps"
            <| fun (values: NonEmptyArray<byte>) ->
                let values = values.Get |> Seq.map (fun value -> float value / 255.0) |> List.ofSeq
                let axis = PageAxes.shares "Dice" values
                Expect.isLessThanOrEqual axis.Low (List.min values + 1e-9) "low"
                Expect.isGreaterThanOrEqual axis.High (List.max values - 1e-9) "high"
                Expect.isGreaterThan axis.High axis.Low "some width"
                Expect.isLessThanOrEqual axis.Ticks.Length 8 "ticks"
                Expect.floatClose Accuracy.high (fst axis.Ticks.Head) axis.Low "from one end"
                Expect.floatClose Accuracy.high (fst (List.last axis.Ticks)) axis.High "to the other"

            test "equal shares lie on the diagonal, better ones of the reference above it" {
                let drawn =
                    html (PageScatter.pairs "dots" "rival" "ours" [ 0, [ 0.0, 0.0; 1.0, 1.0; 0.25, 0.75 ] ])

                let diagonal = lines "diagonal" drawn |> List.exactlyOne
                let found = marks 1 drawn
                Expect.equal found[0] (diagonal "x1", diagonal "y1") "0"
                Expect.equal found[1] (diagonal "x2", diagonal "y2") "1"
                let x, y = found[2]
                let along = (x - diagonal "x1") / (diagonal "x2" - diagonal "x1")
                let up = (y - diagonal "y1") / (diagonal "y2" - diagonal "y1")
                Expect.isLessThan (abs (along - 0.25)) 0.001 "across"
                Expect.isLessThan (abs (up - 0.75)) 0.001 "up"
            }

            test "a map keeps the shape: one scale for both directions, within the frame" {
                let found =
                    marks 3 (html (PageScatter.map "map" [ 2, [ 0.0, 0.0; 40.0, 0.0; 0.0, 10.0 ] ]))

                let (x0, y0), (x1, y1), (x2, y2) = found[0], found[1], found[2]
                Expect.isLessThan (abs ((x1 - x0) - 4.0 * (y0 - y2))) 0.5 "four to one, up is up"
                Expect.equal (y0, x0) (y1, x2) "straight"

                Expect.allEqual
                    (found
                     |> List.map (fun (x, y) -> x >= 0.0 && x <= 300.0 && y >= 0.0 && y <= 300.0))
                    true
                    "within"
            }

            test "one place for all points is no division by 0" {
                let found = marks 1 (html (PageScatter.map "map" [ 0, [ 7.0, 7.0; 7.0, 7.0 ] ]))
                Expect.equal found [ 150.0, 150.0; 150.0, 150.0 ] "in the middle"
            }

            test
                "a curve has a mark a point, whiskers where a deviation is known, and the published line dashed" {
                let point at value deviation =
                    {
                        At = at
                        Value = value
                        Deviation = deviation
                    }

                let axis =
                    {
                        Name = "M"
                        Low = 0.0
                        High = 4.0
                        Ticks = []
                    }

                let drawn =
                    html (
                        PageCurves.draw
                            "curves"
                            (400.0, 300.0)
                            axis
                            "Dice"
                            [ 1, [ point 1.0 0.5 (Some 0.1); point 2.0 0.7 None ] ]
                            [ 1.0, 0.8; 3.0, 0.9 ]
                    )

                Expect.equal (marks 2 drawn).Length 2 "marks"
                let whisker = lines "whisker s2" drawn |> List.exactlyOne
                let x, y = (marks 2 drawn)[0]
                Expect.equal (whisker "x1", whisker "x2") (x, x) "upright"
                Expect.isLessThan (abs ((whisker "y1" + whisker "y2") / 2.0 - y)) 0.11 "around the mark"
                Expect.stringContains drawn "line published" "published"
            }

            test "a bar is as long as its value; none is drawn for what isn't known" {
                let widths values =
                    [
                        for found in
                            Regex.Matches(
                                html (
                                    PageRows.bars
                                        "bars"
                                        [ "row", values |> List.map (fun value -> bar 0 value None) ]
                                ),
                                "width=\"([0-9.]+)%\""
                            ) -> number found.Groups[1].Value
                    ]

                let full = widths [ Some 1.0 ] |> List.exactlyOne
                Expect.equal (widths [ Some 0.5; None; Some 0.25 ]) [ full / 2.0; full / 4.0 ] "in proportion"
            }

            test "an interval lies on its side of 0" {
                let drawn low high =
                    html (
                        PageRows.intervals
                            "intervals"
                            [
                                {
                                    Name = "rival"
                                    Interval =
                                        Some
                                            {
                                                Estimate = (low + high) / 2.0
                                                Low = low
                                                High = high
                                            }
                                    Text = "number"
                                }
                            ]
                    )

                for low, high, right in [ 0.5, 1.5, true; -1.5, -0.5, false ] do
                    let drawn = drawn low high
                    let zero = lines "zero" drawn |> List.exactlyOne
                    let interval = lines "line" drawn |> List.exactlyOne
                    Expect.equal (interval "x1" > zero "x1", interval "x2" > zero "x1") (right, right) ""
            }

            test "eight series have eight colours, marks and dashes" {
                let drawn index =
                    html (PageSeries.marks index [ 0.0, 0.0 ])

                let shape index =
                    Regex.Match(drawn index, "M0 0([^\"]*)").Groups[1].Value

                for read in [ PageSeries.kind; PageSeries.dash; shape ] do
                    Expect.hasLength (List.init 8 read |> List.distinct) 8 "all differ"

                for index in 1..8 do
                    Expect.equal
                        (Regex.Matches(PageSeries.sheet, $"--s{index}: #").Count)
                        3
                        "by day, by night and on paper"
            }

            test "small marks are smaller, and of the same form" {
                let numbers node =
                    let outline = Regex.Match(html node, " d=\"([^\"]*)\"").Groups[1].Value
                    [ for found in Regex.Matches(outline, "-?[0-9.]+") -> number found.Value ]

                for index in 0..7 do
                    let large = numbers (PageSeries.marks index [ 0.0, 0.0 ])
                    let small = numbers (PageSeries.dots index [ 0.0, 0.0 ])
                    Expect.equal small.Length large.Length "as many corners"
                    Expect.isLessThan (List.max small) (List.max large) "smaller"
            }

            test "a table is plain without its script, and the script sorts by the numbers given" {
                let table =
                    html (
                        PageTable.sortable
                            [ "method", ""; "Dice", "in %" ]
                            [
                                "a", [ PageCell.number (Some 0.815) "81.5 ± 0.1" ]
                                "b", [ PageCell.number None "–" ]
                            ]
                    )

                Expect.isFalse (table.Contains "<button") "no dead button"
                Expect.stringContains table "data-value=\"0.815\"" "a number to sort by"
                Expect.equal (Regex.Matches(table, "data-value").Count) 1 "none where nothing is known"
                let script = html PageTable.sorting

                for part in [ "createElement('button')"; "aria-sort"; "table.sortable" ] do
                    Expect.stringContains script part "sorting"
            }
        ]
