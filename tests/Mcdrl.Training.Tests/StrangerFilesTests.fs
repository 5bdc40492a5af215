/// Bounds of what strangers' files of words may hold: vocabularies, tables, annotations of datasets, configurations.
module Mcdrl.Tests.StrangerFilesTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private clip (json: string) merges =
    ClipTokenizer.parse "vocab.json" json "merges.txt" ("#version: 0.2\n" + merges)

let private vocabularyOf (tokens: (string * int) list) =
    tokens
    |> List.map (fun (token, id) -> $"{JsonSerializer.Serialize token}: {id}")
    |> String.concat ", "
    |> sprintf "{%s}"

let private ends = [ "<|startoftext|>", 499_998; "<|endoftext|>", 499_999 ]

let private refusedClip json merges parts =
    clip json merges |> Result.map ignore |> Outcome.refusedWith 3 parts

let private vocabularies =
    testList
        "vocabularies"
        [
            testCase "the largest id, and one more; a negative one; two that are the same"
            <| fun () ->
                Expect.isOk (clip (vocabularyOf (("a", 0) :: ends)) "") "at the bound"

                for id in [ 500_000; Int32.MaxValue; -1; Int32.MinValue ] do
                    refusedClip (vocabularyOf (("a", id) :: ends)) "" [ "vocab.json"; string id ]

                refusedClip (vocabularyOf (("a", 7) :: ("b", 7) :: ends)) "" [ "2 tokens have the id 7" ]

            testCase "the longest token, and one character more"
            <| fun () ->
                Expect.isOk (clip (vocabularyOf ((String('a', 1000), 0) :: ends)) "") "at the bound"
                refusedClip (vocabularyOf ((String('a', 1001), 0) :: ends)) "" [ "1001 characters" ]

            testCase "more merges than any vocabulary has"
            <| fun () ->
                refusedClip (vocabularyOf ends) (String.replicate 500_001 "a b\n") [ "500001 merges" ]

            testCase "half a surrogate pair, a token given twice, ids that are none"
            <| fun () ->
                refusedClip "{\"\\uD800\": 0}" "" [ "vocab.json"; "surrogate" ]
                refusedClip "{\"a\": 0, \"a\": 1}" "" [ "vocab.json" ]

                for id in [ "1.5"; "\"1\""; "null"; "1e999"; "99999999999" ] do
                    refusedClip $"{{\"a\": {id}}}" "" [ "vocab.json" ]

            testCase "a vocabulary of a BERT: as many tokens as it may have, and one more"
            <| fun () ->
                let tokens count =
                    TinyBert.tokens @ List.init (count - TinyBert.tokens.Length) (sprintf "w%d")

                BertTokenizer.ofTokens "vocab.txt" true (tokens 500_001)
                |> Result.map ignore
                |> Outcome.refusedWith 3 [ "500001 tokens" ]

                Expect.isOk (BertTokenizer.ofTokens "vocab.txt" true (tokens 2000)) "fewer"
        ]

let private dataset =
    """{"name":"n","classes":["polyp"],"masks":{"0":"background","255":"polyp"},"sites":{"s":{"images":"i","masks":"m"}}}"""

let private refusedDataset (text: string) parts =
    match DatasetDescription.parse "dataset.json" text with
    | Ok _ -> failtest $"accepted: {text}"
    | Error faults ->
        let text = faults |> List.map McdrlError.describe |> String.concat "\n"
        Expect.all faults (McdrlError.exitCode >> (=) 4) "faults of data"

        for part in "dataset.json" :: parts do
            Expect.stringContains text part "named"

let private datasets =
    testList
        "dataset.json"
        [
            testCase "half a surrogate pair, in a value, in a key, in a site's name"
            <| fun () ->
                Expect.isOk (DatasetDescription.parse "dataset.json" dataset) "a good one"

                for old, fresh in
                    [
                        "\"n\"", "\"\\uD800\""
                        "\"polyp\"", "\"\\uDC00\""
                        "\"s\"", "\"\\uD800x\""
                        "\"images\"", "\"\\uD800\""
                    ] do
                    refusedDataset (dataset.Replace(old, fresh)) [ "surrogate" ]

            testCase "mask values at their bounds and beyond"
            <| fun () ->
                for value in [ "256"; "-1"; "1e2"; "255.0"; " 255"; "4294967551" ] do
                    refusedDataset (dataset.Replace("\"255\"", $"\"{value}\"")) [ "0 to 255" ]

            testCase "a threshold at its bounds and beyond"
            <| fun () ->
                let with' value =
                    dataset.Replace("\"sites\"", $"\"threshold\":{value},\"sites\"")

                for value in [ "0"; "254" ] do
                    Expect.isOk (DatasetDescription.parse "dataset.json" (with' value)) value

                for value in [ "255"; "-1"; "1e999"; "0.5" ] do
                    refusedDataset (with' value) [ "threshold" ]

            testCase "a class's name at its bound and beyond"
            <| fun () ->
                let with' length =
                    dataset.Replace("polyp", String('p', length))

                Expect.isOk (DatasetDescription.parse "dataset.json" (with' 200)) "200 characters"
                refusedDataset (with' 201) [ "more than 200" ]

            testCase "more bytes than a description has, and deeper than one goes"
            <| fun () ->
                refusedDataset (dataset + String(' ', 1024 * 1024)) [ "more than 1048576" ]
                refusedDataset (String('[', 17) + String(']', 17)) [ "not valid JSON" ]
        ]

/// A valid text with one byte, one run of bytes, or one token of it spoilt.
let private spoilt (text: string) =
    gen {
        let! at = Gen.choose (0, text.Length - 1)
        let! length = Gen.choose (0, min 12 (text.Length - at))

        let! fresh =
            Gen.elements
                [
                    ""
                    "\""
                    "\\uD800"
                    "\\uDC00"
                    "\\u0000"
                    "{"
                    "}"
                    "["
                    "],"
                    "null"
                    "-1"
                    "1e999"
                    "NaN"
                    "99999999999999999999"
                    "\uFEFF"
                    // A literal would be compiled as U+FFFD.
                    string (char 0xD800)
                    text
                ]

        return text.Substring(0, at) + fresh + text.Substring(at + length)
    }

/// Whatever is spoilt, a reader answers; it never throws.
let private answers name text (read: string -> unit) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 2000
            replay = Some(42UL, 7UL, None)
            arbitrary = []
        }
        name
        (Prop.forAll (Arb.fromGen (spoilt text)) (fun text ->
            read text
            true))

let private settings = lazy (Outcome.ok (Config.ofPreset "paper" []))

let private onePartSpoilt =
    testList
        "one part of a good file spoilt: answered, never thrown"
        [
            answers "dataset.json" dataset (DatasetDescription.parse "dataset.json" >> ignore)

            answers "settings" (RecordJson.render (settings.Force())) (fun text ->
                Config.build Settings.validate "config.json" text [] |> ignore)

            answers "a vocabulary" (vocabularyOf (("a", 0) :: ("b", 1) :: ("ab", 2) :: ends)) (fun json ->
                clip json "a b\n" |> ignore)

            answers "merges" "a b\nab c\n" (fun merges ->
                clip (vocabularyOf (("a", 0) :: ("b", 1) :: ("ab", 2) :: ends)) merges |> ignore)

            answers "metadata of an exported file" (JsonSerializer.Serialize [ "polyp"; "cyst" ]) (fun text ->
                OnnxEngine.factsOf
                    "model.onnx"
                    (Map [ "classes", text; "conditions", text; "mode", "exact"; "input_size", "32" ])
                |> ignore)
        ]

let private others =
    testList
        "other files of words"
        [
            testCase "an embeddings table whose list of prompts is none"
            <| fun () ->
                Folder.temporary (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let path = Path.Combine(folder, "text.safetensors")

                    for prompts in [ "[\"\\uD800\"]"; "{}"; "[1]"; "null"; "[" ] do
                        Outcome.ok (
                            Safetensors.write
                                path
                                (Map [ "prompts", prompts ])
                                [ "embeddings", torch.ones (1L, 4L) ]
                        )

                        PromptTable.ofFile path [ "a" ]
                        |> Result.map ignore
                        |> Outcome.refusedWith 3 [ path; "prompts" ])

            testCase "a prompt beyond what a tokenizer can take in time"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "prompts.txt")

                    let encoded length =
                        File.WriteAllText(path, "polyp\n" + String('a', length) + "\n")

                        Encoder.encode
                            {
                                Weights = Path.Combine(folder, "none")
                                Source = EncodeSource.Prompts path
                                Out = Path.Combine(folder, "out.safetensors")
                                Device = "cpu"
                            }
                            Progress.none
                        |> Result.map ignore

                    encoded 10_001 |> Outcome.refusedWith 4 [ path; "10001 characters" ]
                    encoded 10_000 |> Outcome.refusedWith 3 [ "none" ])

            testCase "words of a class at their bound and beyond"
            <| fun () ->
                let words length =
                    "method.class_words="
                    + JsonSerializer.Serialize(Map [ "polyp", String('a', length) ])

                Expect.isOk (Config.ofPreset "paper" [ words 1000 ]) "1000 characters"

                Config.ofPreset "paper" [ words 1001 ]
                |> Result.map ignore
                |> Outcome.refusedWith 2 [ "method.class_words" ]

            testCase "a training whose model nobody could load is refused before it begins"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    World.train
                        { request with
                            Settings =
                                { request.Settings with
                                    Method =
                                        { request.Settings.Method with
                                            InputSize = 2048
                                            Conditions = List.init 129 (sprintf "c%d")
                                        }
                                }
                        }
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "method.conditions"; "129 conditions" ]

                    Expect.isFalse (Directory.Exists request.Out) "nothing was begun")

            testCase "a setting given on the command line with half a surrogate pair"
            <| fun () ->
                Config.ofPreset "paper" [ "method.class_words={\"polyp\": \"\\uD800\"}" ]
                |> Result.map ignore
                |> Outcome.refusedWith 2 [ "class_words" ]

            testCase "settings at their bounds and beyond"
            <| fun () ->
                for good, bad in
                    [
                        "method.input_size=2048", "method.input_size=2049"
                        "method.input_size=32", "method.input_size=31"
                        "method.layers=64", "method.layers=65"
                        "method.refinements=16", "method.refinements=32"
                        "method.head_width=4096", "method.head_width=4097"
                        "optimiser.epochs=100000", "optimiser.epochs=100001"
                        "optimiser.activation_epoch=1000000", "optimiser.activation_epoch=1000001"
                        "optimiser.trained_blocks=1000", "optimiser.trained_blocks=1001"
                        "optimiser.batch_size=4096", "optimiser.batch_size=4097"
                        "augmentation.views=64", "augmentation.views=65"
                        "method.min_area=0.1", "method.min_area=0.2"
                    ] do
                    Expect.isOk (Config.ofPreset "paper" [ good ]) good
                    let key = bad[.. bad.IndexOf '=' - 1]

                    Config.ofPreset "paper" [ bad ]
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ key ]

            testCase "conditions that are named twice, empty, or thousands"
            <| fun () ->
                let conditions names =
                    "method.conditions=" + JsonSerializer.Serialize(names: string list)

                Expect.isOk (Config.ofPreset "paper" [ conditions (List.init 256 (sprintf "c%d")) ]) "256"

                for names in
                    [
                        [ "blur"; "blur" ]
                        [ "" ]
                        List.init 257 (sprintf "c%d")
                        List.init 5000 (sprintf "c%d")
                    ] do
                    Config.ofPreset "paper" [ conditions names ]
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "method.conditions" ]

            testCase "facts of a tower at their bounds and beyond"
            <| fun () ->
                let facts key value =
                    PlainResNet.facts "tower" (Map [ key, value ])

                for key, good, bad in
                    [
                        "bn_eps", [ "1"; "1e-05" ], [ "0"; "1.5"; "NaN"; "1e999"; "-1" ]
                        "maxpool_padding", [ "0"; "1" ], [ "2"; "-1" ]
                        "instance_norm", [ "0"; "3" ], [ "4"; "-1" ]
                        "input", [ "32"; "4096" ], [ "31"; "4097"; "2147483648" ]
                        "image_mean",
                        [ "[-10, 10, 0]" ],
                        [ "[-10.1, 0, 0]"; "[1e300, 0, 0]"; "[0, 0]"; "[null, 0, 0]" ]
                        "image_std",
                        [ "[0.001, 1000, 1]" ],
                        [ "[0, 1, 1]"; "[1e-300, 1, 1]"; "[1001, 1, 1]"; "[\"\\uD800\", 1, 1]" ]
                    ] do
                    for value in good do
                        Expect.isOk (facts key value) $"{key} {value}"

                    for value in bad do
                        facts key value |> Result.map ignore |> Outcome.refusedWith 3 [ key; value ]
        ]

let tests =
    testList "StrangerFiles" [ vocabularies; datasets; onePartSpoilt; others ]
