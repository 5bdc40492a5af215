module Mcdrl.Cli.Tests.BenchVerbTests

open System.Text.Json
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private bench arguments = mcdrl ("bench" :: arguments)

let private quick =
    [
        "--mode"
        "attention"
        "exact"
        "--precision"
        "fp32"
        "--batch"
        "1"
        "--rounds"
        "1"
        "--threads"
        "1"
    ]

let tests =
    testSequenced (
        testList
            "bench"
            [
                test "one JSON object for each part and engine; the rest on stderr" {
                    let outcome = bench ([ "--model"; World.bundle (); "--json" ] @ quick)
                    Expect.equal outcome.Code 0 outcome.Err
                    let found = objects outcome
                    Expect.equal found.Length 6 "tower and two modes, two engines"

                    for object in found do
                        let text (key: string) = object.GetProperty(key).GetString()
                        let number (key: string) = object.GetProperty(key).GetDouble()
                        Expect.equal (text "tower") "ViT-2x64-8-32" "tower"
                        Expect.contains [ "tower"; "segmenter" ] (text "part") "part"
                        Expect.equal (text "precision") "fp32" "precision"
                        Expect.equal (object.GetProperty("batch").GetInt32()) 1 "batch"
                        Expect.contains [ "mcdrl"; "onnxruntime" ] (text "engine") "engine"
                        Expect.equal (text "device") "cpu" "device"

                        Expect.equal
                            (object.GetProperty("mode").ValueKind = JsonValueKind.Null)
                            (text "part" = "tower")
                            "mode"

                        for key in
                            [
                                yield! [ "median_ms"; "first_ms"; "gflops"; "percent_of_peak" ]
                                yield! [ "ratio"; "ratio_min"; "ratio_max" ]
                            ] do
                            Expect.isGreaterThan (number key) 0.0 key

                    Expect.stringContains outcome.Err "÷ ONNX Runtime" "the table"
                    Expect.stringContains outcome.Err "deleted as soon as it is read" "says what it writes"
                }

                test "the embedded model where none is named, and a table for people" {
                    let outcome = bench ([ "--part"; "segmenter" ] @ quick)
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.stringContains outcome.Out "using the embedded one" "said"
                    Expect.isMatch outcome.Out @"exact +1 +mcdrl, cpu +fp32" "a row"
                    Expect.isMatch outcome.Out @"exact +1 +onnxruntime, cpu +fp32" "and one to compare with"
                    Expect.stringContains outcome.Out "peak in fp32" "the machine's own limit"
                    Expect.isMatch outcome.Out @"exact, batch 1, fp32: [0-9.]+ times attention" "exact"
                    Expect.isMatch outcome.Out @"attention, batch 1, fp32: .* % of the tower's time" "share"
                }

                test "wrong usage and a model that is not there" {
                    for arguments, code, named in
                        [
                            [ "--mode"; "sideways" ], 2, "sideways"
                            [ "--rounds"; "0" ], 2, "--rounds 0"
                            [ "--random"; "mini"; "--model"; World.bundle () ], 2, "--random"
                            [ "--random"; "ViT-XL" ], 2, "ViT-L-14"
                            [ "--random"; "zz"; "--rounds"; "0" ], 2, "--random zz"
                            [ "--onnx-device"; "cuda:99" ], 2, "--device cuda:99"
                            [ "--onnx-device"; "cuda"; "--provider-option"; "use_tf32" ],
                            2,
                            "--provider-option use_tf32"
                            [ "--cuda-graph" ], 2, "--onnx-device cpu"
                            [ "--model"; "/nonexistent/model" ], 3, "/nonexistent/model"
                        ] do
                        let outcome = bench (arguments @ [ "--json" ])
                        Expect.equal outcome.Code code outcome.Err
                        Expect.stringContains outcome.Err named "named"
                        Expect.equal outcome.Out "" "nothing on stdout"
                }
            ]
    )
