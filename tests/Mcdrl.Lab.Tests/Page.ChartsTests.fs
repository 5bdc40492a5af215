module Mcdrl.Tests.PageChartsTests

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

let private widths node =
    [
        for found in Regex.Matches(RenderView.AsString.htmlNode node, "width=\"([0-9.]+)%\"") ->
            number found.Groups[1].Value
    ]

let private bars values =
    PageCharts.bars
        "bars"
        [
            for value in values ->
                {
                    Name = "row"
                    Values = [ { Mean = value; Error = 0.0 } ]
                }
        ]

let tests =
    testList
        "page charts"
        [
            Property.check "a bar is as long as its value, on one axis for all"
            <| fun (values: NonEmptyArray<byte>) ->
                let values =
                    values.Get |> Array.map (fun value -> float value / 255.0) |> List.ofArray

                let full = widths (bars [ 1.0 ]) |> List.exactlyOne

                List.zip values (widths (bars values))
                |> List.forall (fun (value, width) -> abs (width - full * value) <= 0.006)

            test "what is off the axis ends at its ends, and nothing is drawn past the errors" {
                let full = widths (bars [ 1.0 ]) |> List.exactlyOne
                Expect.equal (widths (bars [ -0.2; 1.7 ])) [ 0.0; full ] "within the axis"
            }

            test "a standard error is the deviation over the root of the count; differences add in squares" {
                let a =
                    Measured.ofSpread
                        {
                            Mean = 0.5
                            StandardDeviation = 0.2
                            Count = 16
                        }

                Expect.equal a { Mean = 0.5; Error = 0.05 } "0.2 / 4"

                let difference =
                    Measured.minus { Mean = 0.1; Error = 0.03 } { Mean = 0.4; Error = 0.04 }

                Expect.floatClose Accuracy.high difference.Mean 0.3 "mean"
                Expect.floatClose Accuracy.high difference.Error 0.05 "3-4-5"
            }

            test "a number is clear beyond twice its error, on either side" {
                let clear mean =
                    Measured.isClear { Mean = mean; Error = 0.1 }

                Expect.equal
                    (List.map clear [ -0.21; -0.19; 0.0; 0.19; 0.21 ])
                    [ true; false; false; false; true ]
                    ""
            }

            test "a table of shares shows each, and as much colour" {
                let html =
                    PageCharts.shares
                        "condition"
                        [ "polyp"; "cyst" ]
                        [ "blur", [ 0.0; 1.0 ]; "mucus", [ 0.5; 0.256 ] ]
                    |> RenderView.AsString.htmlNode

                let cells =
                    [
                        for cell in Regex.Matches(html, @"var\(--heat\), ([0-9.]+)\)"">([^<]*)<") ->
                            number cell.Groups[1].Value, cell.Groups[2].Value
                    ]

                Expect.equal (List.map snd cells) [ "0 %"; "100 %"; "50 %"; "26 %" ] "in order"

                Expect.equal
                    (cells |> List.map fst |> List.sort)
                    (cells
                     |> List.sortBy (snd >> fun s -> number (s.TrimEnd([| ' '; '%' |])))
                     |> List.map fst)
                    "monotone"
            }

            test "what is wider than a phone has shadows at its edges, which its own ends cover" {
                let rule = Regex.Match(PageStyle.sheet, @"\.wide, \.scroll \{[^}]*\}").Value

                for side in [ "left"; "right" ] do
                    Expect.isMatch
                        rule
                        $@"--shade\), transparent\) {side} [^,;]* scroll[,;]"
                        $"a shadow, {side}"

                    Expect.isMatch
                        rule
                        $@"--page\) 40%%, transparent\) {side} [^,;]* local[,;]"
                        $"a cover, {side}"
            }

            test "arrows that the intervention cuts are not drawn" {
                let arrows node =
                    Regex.Matches(RenderView.AsString.htmlNode node, "class=\"arrow").Count

                Expect.equal
                    (arrows (PageGraph.observed ()), arrows (PageGraph.intervened ()))
                    (5, 3)
                    "5 and 3"
            }
        ]
