module Mcdrl.Tests.CsvTests

open Expecto
open Mcdrl

let tests =
    testList
        "Csv"
        [
            testCase "fields between commas, lines ended, quotes where they are needed"
            <| fun () ->
                Expect.equal
                    (Csv.lines [ [ "a"; "b,c" ]; [ "say \"d\""; "" ] ])
                    "a,\"b,c\"\r\n\"say \"\"d\"\"\",\r\n"
                    "text"

                Expect.equal (Csv.lines []) "" "nothing"

            testCase "what a spreadsheet would compute is text, and what a terminal would obey is spelt out"
            <| fun () ->
                for text, expected in
                    [
                        "=1+1", "'=1+1"
                        "@SUM(1)", "'@SUM(1)"
                        "-2+3", "'-2+3"
                        "-0.5", "-0.5"
                        "+1", "+1"
                        "a\u001b[31m", @"a\u001b[31m"
                    ] do
                    Expect.equal (Csv.lines [ [ text ] ]) (expected + "\r\n") text

            testCase "numbers have all their digits and a point; what is none is empty"
            <| fun () ->
                Expect.equal (List.map Csv.number [ 0.1; 1e-7; nan; infinity ]) [ "0.1"; "1E-07"; ""; "" ] ""
        ]
