module Mcdrl.Cli.Tests.ExportOnnxVerbTests

open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private export arguments =
    mcdrl ([ "export"; "onnx" ] @ arguments)

let tests =
    testSequenced (
        testList
            "export onnx"
            [
                test "one JSON object with the figures of the comparison; the rest on stderr" {
                    Folder.temporary (fun folder ->
                        let file = Path.Combine(folder, "model.onnx")

                        let outcome =
                            export [ "--model"; World.bundle (); "--mode"; "nwgm"; "--out"; file; "--json" ]

                        Expect.equal outcome.Code 0 outcome.Err
                        let found = objects outcome |> Array.exactlyOne
                        let text (key: string) = found.GetProperty(key).GetString()
                        Expect.equal (text "file") file "file"
                        Expect.equal (text "mode") "nwgm" "mode"

                        Expect.equal
                            (found.GetProperty("bytes").GetInt64())
                            (FileInfo file).Length
                            "size of the file"

                        let compared = found.GetProperty "comparison"
                        let pixels (name: string) = compared.GetProperty(name).GetInt64()

                        // Where two classes are as probable, rounding decides.
                        Expect.isLessThanOrEqual
                            (pixels "differing_pixels")
                            (pixels "pixels" / 1000L)
                            "masks"

                        Expect.isLessThanOrEqual
                            (compared.GetProperty("probabilities").GetDouble())
                            1e-4
                            "probabilities"

                        Expect.stringContains outcome.Err "not for clinical use" "notice")
                }

                test "the embedded model where none is named, and figures for people" {
                    Folder.temporary (fun folder ->
                        let file = Path.Combine(folder, "demo.onnx")
                        let outcome = export [ "--out"; file ]
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.stringContains outcome.Out "using the embedded one" "said"
                        Expect.isMatch outcome.Out @"masks in \d+ of" "figures"
                        Expect.isTrue (File.Exists file) "written")
                }

                test "wrong usage and a model that is not there" {
                    for arguments, code, named in
                        [
                            [ "--mode"; "sideways" ], 2, "--mode sideways"
                            [
                                "--mode"
                                "rendered"
                                "--model"
                                World.bundle ()
                                "--out"
                                Path.Combine(World.trained (), "never.onnx")
                            ],
                            2,
                            "--mode rendered"
                            [ "--out" ], 2, "--out"
                            [ "--model"; "/nonexistent/model"; "--out"; "/tmp/never.onnx" ],
                            3,
                            "/nonexistent/model"
                        ] do
                        let outcome = export arguments
                        Expect.equal outcome.Code code outcome.Err
                        Expect.stringContains outcome.Err named "named"
                        Expect.equal outcome.Out "" "nothing on stdout"
                }
            ]
    )
