module Mcdrl.Tests.StrangerJsonTests

open System
open System.IO
open System.Text
open Expecto
open Mcdrl

let private refuse what =
    McdrlError.data what "file.json" "Correct it"

let private read bounds (text: string) =
    StrangerJson.read bounds refuse (ReadOnlyMemory(Encoding.UTF8.GetBytes text)) (fun root ->
        Ok(root.GetRawText()))

let private refused bounds text parts =
    read bounds text |> Outcome.refusedWith 4 ("file.json" :: parts)

let private standard = StrangerJson.standard

let private nested depth = String('[', depth) + String(']', depth)

let private listOf count =
    "[" + String.Join(",", Array.create count "1") + "]"

let private field name =
    StrangerJson.readText standard refuse """{"a": "x"}""" (fun root ->
        Ok((root.GetProperty(name: string)).GetInt32()))

let tests =
    testList
        "StrangerJson"
        [
            testCase "half a surrogate pair, as a value, a key, deep within, either half"
            <| fun () ->
                for text in
                    [
                        "\"\\uD800\""
                        "\"\\udc00\""
                        "{\"\\uD800\": 1}"
                        "{\"a\": [{\"b\": \"x\\uD800y\"}]}"
                        "\"\\uDC00\\uD800\""
                    ] do
                    refused standard text [ "surrogate" ]

            testCase "a whole pair and other escapes"
            <| fun () ->
                for text in [ "\"\\uD83D\\uDE00\""; "\"\\u0000\\n\""; "{\"\\u0061\": 1}" ] do
                    Expect.isOk (read standard text) text

            testCase "bytes at the bound and one more"
            <| fun () ->
                let text = "\"abcd\""

                let bounds =
                    { standard with
                        MostBytes = int64 text.Length
                    }

                Expect.isOk (read bounds text) "at it"

                refused
                    { bounds with
                        MostBytes = bounds.MostBytes - 1L
                    }
                    text
                    [ "6 bytes"; "more than 5" ]

            testCase "values at the bound and one more"
            <| fun () ->
                let bounds = { standard with MostTokens = 10 }
                Expect.isOk (read bounds (listOf 8)) "brackets and eight"
                refused bounds (listOf 9) [ "more than 10 values" ]

            testCase "depth at the bound and one more"
            <| fun () ->
                Expect.isOk (read standard (nested standard.MostDepth)) "at it"
                refused standard (nested (standard.MostDepth + 1)) [ "not valid JSON" ]
                refused standard (String('[', 100_000)) [ "not valid JSON" ]

            testCase "a key given twice, one of them escaped"
            <| fun () ->
                refused standard """{"a": 1, "a": 2}""" [ "not valid JSON" ]
                refused standard """{"a": 1, "\u0061": 2}""" [ "not valid JSON" ]

                Expect.isOk
                    (read { standard with Repeats = true } """{"a": 1, "a": 2}""")
                    "left to the reader"

            testCase "what is no JSON, no UTF-8, or more than one value"
            <| fun () ->
                for text in [ ""; "{"; "{} {}"; "[1,]"; "NaN"; "\uFEFF{}" ] do
                    refused standard text [ "not valid JSON" ]

                StrangerJson.read standard refuse (ReadOnlyMemory [| 0x22uy; 0xFFuy; 0x22uy |]) (fun _ ->
                    Ok())
                |> Outcome.refusedWith 4 [ "UTF-8" ]

            testCase "what the reader asks for in vain is refused, not thrown"
            <| fun () ->
                field "b" |> Outcome.refusedWith 4 [ "file.json" ]
                field "a" |> Outcome.refusedWith 4 [ "file.json" ]

            testCase "half a pair in a text in memory"
            <| fun () ->
                // A literal would be compiled as U+FFFD.
                StrangerJson.readText standard refuse $"\"{char 0xD800}\"" (fun _ -> Ok())
                |> Outcome.refusedWith 4 [ "surrogate" ]

            testCase "a list of texts and of nothing else"
            <| fun () ->
                Expect.equal (StrangerJson.texts refuse """["a", "b"]""") (Ok [ "a"; "b" ]) "texts"

                for text in [ "{}"; "null"; "[1]"; "[\"a\", null]"; "\"a\""; "[\"\\uD800\"]" ] do
                    StrangerJson.texts refuse text |> Outcome.refusedWith 4 []

            testCase "a file as editors write it"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.json")

                    for encoding in
                        [
                            UTF8Encoding true :> Encoding
                            UTF8Encoding false
                            UnicodeEncoding(false, true)
                        ] do
                        File.WriteAllText(path, "{\"a\": 7}", encoding)

                        let found =
                            StrangerJson.ofFile standard refuse path (fun root ->
                                Ok(root.GetProperty("a").GetInt32()))

                        Expect.equal found (Ok 7) encoding.WebName)
        ]
