module Mcdrl.Tests.RecordJsonTests

open System.Text.Json
open Expecto
open FsCheck
open Mcdrl

type Inner = { WholeNumber: int; Share: float }

type Sample =
    {
        Title: string
        Flag: bool
        Wide: uint64
        Far: int64
        Mode: Marginalisation
        Maybe: int option
        Inners: Inner list
        ByName: Map<string, string>
    }

[<RequireQualifiedAccess>]
type private Shade =
    | LightGrey
    | Black

type private Hidden = { Depth: int; Shade: Shade }

let private sample =
    {
        Title = "Ä \"quoted\" \\ text"
        Flag = true
        Wide = System.UInt64.MaxValue
        Far = System.Int64.MinValue
        Mode = Marginalisation.FeatureMean
        Maybe = None
        Inners = [ { WholeNumber = -3; Share = 0.1 } ]
        ByName = Map [ "Key.One", "1"; "two", "2" ]
    }

let private text = RecordJson.render sample

let private parse change =
    RecordJson.parse<Sample> "here" (change text)

let private replaced (old: string) (fresh: string) (text: string) =
    Expect.stringContains text old "there is something to replace"
    text.Replace(old, fresh)

let private roundTrips =
    testList
        "round trips"
        [
            testCase "what a terminal obeys is escaped, and read back as it was"
            <| fun () ->
                let hostile =
                    { sample with
                        Title = "a\u001b[31m\u202eb\u2066c\u0085d\u200be\U000e0041f\u2028g 👩\u200d👩 \t\r\n"
                    }

                let text = RecordJson.render hostile

                for letter in "\u001b\u202e\u2066\u0085\u200b\u2028\r" do
                    Expect.isFalse (text.Contains letter) $"{int letter:x}"

                Expect.isFalse (text.Contains "\U000e0041") "a tag"
                Expect.equal (RecordJson.parse<Sample> "text" text) (Ok hostile) "the same"

            testCase "every type comes back as it was; names are in snake and kebab case"
            <| fun () ->
                Expect.equal (RecordJson.parse<Sample> "here" text) (Ok sample) "the same"

                for part in
                    [
                        "\"whole_number\": -3"
                        "\"mode\": \"feature-mean\""
                        "\"maybe\": null"
                        "\"Key.One\""
                    ] do
                    Expect.stringContains text part "as written"

                Expect.stringEnds text "}\n" "a newline at the end"

            testCase "a record that nobody else sees is one all the same"
            <| fun () ->
                let hidden = { Depth = 3; Shade = Shade.LightGrey }

                let written = RecordJson.render hidden
                Expect.stringContains written "\"shade\": \"light-grey\"" "as written"
                Expect.equal (RecordJson.parse<Hidden> "here" written) (Ok hidden) "the same"

            testCase "an option without a key is none"
            <| fun () -> Expect.equal (parse (replaced "\"maybe\": null," "")) (Ok sample) "the same"

            testCase "a number that is not defined is null, and comes back so"
            <| fun () ->
                let undefined =
                    { sample with
                        Inners = [ { WholeNumber = 1; Share = nan } ]
                    }

                let written = RecordJson.render undefined
                Expect.stringContains written "\"share\": null" "as written"
                let read = Outcome.ok (RecordJson.parse<Sample> "here" written)
                Expect.isTrue (System.Double.IsNaN read.Inners.Head.Share) "undefined again"

            testProperty
                "numbers come back bit for bit"
                (fun (NormalFloat share) (number: int) (wide: uint64) (maybe: int option) ->
                    let changed =
                        { sample with
                            Wide = wide
                            Maybe = maybe
                            Inners = [ { WholeNumber = number; Share = share } ]
                        }

                    RecordJson.parse<Sample> "here" (RecordJson.render changed) = Ok changed)
        ]

let private strictness =
    testList
        "strictness"
        [
            for title, old, fresh, where in
                [
                    "an unknown key", "\"share\":", "\"shard\": 1, \"share\":", "here: inners[0].shard"
                    "a missing key", "\"flag\": true,", "", "here: flag"
                    "a repeated key", "\"flag\": true,", "\"flag\": true, \"flag\": false,", "here: flag"
                    "a repeated key of a map",
                    "\"two\": \"2\"",
                    "\"two\": \"2\", \"two\": \"3\"",
                    "here: by_name.two"
                    "a number for a text", "\"two\": \"2\"", "\"two\": 2", "here: by_name.two"
                    "a fraction for a whole number", "-3", "-3.5", "here: inners[0].whole_number"
                    "a number beyond int32", "-3", "3000000000", "here: inners[0].whole_number"
                    "a number beyond float", "0.1", "1e999", "here: inners[0].share"
                    "a text for a number", "0.1", "\"0.1\"", "here: inners[0].share"
                    "a negative count", "18446744073709551615", "-1", "here: wide"
                    "an unknown case", "feature-mean", "FeatureMean", "here: mode"
                    "a text for a flag", "\"flag\": true", "\"flag\": \"true\"", "here: flag"
                    "null for a list", "\"inners\": [", "\"inners\": null, \"x\": [", "here: inners"
                    "null for a text", "\"two\": \"2\"", "\"two\": null", "here: by_name.two"
                ] do
                testCase title
                <| fun () -> parse (replaced old fresh) |> Outcome.refusedWith 2 [ where ]

            testCase "all faults at once"
            <| fun () ->
                parse (replaced "\"flag\": true" "\"flag\": 1" >> replaced "0.1" "true")
                |> Outcome.refusedWith 2 [ "flag"; "inners[0].share" ]

            for title, text in
                [
                    "NaN", text.Replace("0.1", "NaN")
                    "half an object", text[..40]
                    "nothing", ""
                    "a comment", "// text\n" + text
                    "a trailing comma", text.Replace("-3,", "-3,,")
                    "half a surrogate pair", text.Replace("\"2\"", "\"\\ud800\"")
                    "half a surrogate pair as a key", text.Replace("\"two\"", "\"\\ud800\"")
                    "an abyss", String.replicate 5000 "["
                ] do
                testCase $"not JSON: {title}"
                <| fun () -> RecordJson.parse<Sample> "here" text |> Outcome.refusedWith 2 [ "here" ]

            testCase "a list where a map is expected"
            <| fun () ->
                let node =
                    Option.get (Option.ofObj (Nodes.JsonNode.Parse(RecordJson.render sample)))

                node["by_name"] <- Nodes.JsonArray()

                RecordJson.parse<Sample> "here" (node.ToJsonString())
                |> Outcome.refusedWith 2 [ "by_name: an object is expected" ]

            testCase "a list where an object is expected"
            <| fun () ->
                RecordJson.parse<Sample> "here" "[]"
                |> Outcome.refusedWith 2 [ "an object is expected" ]
        ]

let tests = testList "RecordJson" [ roundTrips; strictness ]
