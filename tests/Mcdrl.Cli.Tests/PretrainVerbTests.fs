module Mcdrl.Cli.Tests.PretrainVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private tiny =
    [
        for setting in [ "width=8"; "blocks=[1,1]"; "input_size=32"; "batch_size=4"; "text_layers=1" ] do
            yield! [ "--set"; setting ]
    ]

let tests =
    testSequenced (
        testList
            "pretrain"
            [
                test "two steps: weights, vocabulary, recipe and card in the folder, the report on stdout" {
                    Folder.temporary (fun folder ->
                        let out = Path.Combine(folder, "mini")

                        let outcome =
                            mcdrl (
                                [ "pretrain"; "--out"; out; "--steps"; "2"; "--frames"; "48"; "--json" ]
                                @ tiny
                            )

                        Expect.equal outcome.Code 0 outcome.Err
                        let report = objects outcome |> Array.exactlyOne

                        Expect.equal
                            (report.GetProperty("settings").GetProperty("steps").GetInt32())
                            2
                            "--steps is a setting"

                        Expect.equal
                            (report.GetProperty("zero_shot").GetProperty("hit_rates").GetArrayLength())
                            10
                            "a row for each α"

                        let written = Directory.GetFiles out |> Array.map Path.GetFileName |> Set.ofArray

                        Expect.equal
                            written
                            (set
                                [
                                    "README.md"
                                    "merges.txt"
                                    "model.safetensors"
                                    "recipe.json"
                                    "vocab.json"
                                ])
                            "files")
                }

                test "a folder that holds anything else is left as it is, before any work" {
                    Folder.temporary (fun folder ->
                        let at (name: string) = Path.Combine(folder, name)
                        let mini = Path.Combine(Repository.root, "models", "mini")

                        for name in [ "thesis"; "looks-alike"; "and-notes" ] do
                            Directory.CreateDirectory(at name) |> ignore

                        World.copyTree mini (at "and-notes")

                        for file in
                            [
                                "thesis/thesis.tex"
                                "looks-alike/recipe.json"
                                "and-notes/notes.txt"
                                "file"
                            ] do
                            File.WriteAllText(at file, "{}")

                        for name in [ "thesis"; "looks-alike"; "and-notes"; "file" ] do
                            let outcome = mcdrl [ "pretrain"; "--out"; at name; "--steps"; "1" ]
                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.stringContains outcome.Err (at name) "named"

                        Expect.equal (File.ReadAllText(at "thesis/thesis.tex")) "{}" "kept"
                        Expect.isTrue (File.Exists(at "and-notes/model.safetensors")) "kept"
                        Expect.isTrue (File.Exists(at "and-notes/notes.txt")) "kept")
                }

                test "settings, frames and devices that can't be are usage errors, and nothing is written" {
                    Folder.temporary (fun folder ->
                        for wrong, named in
                            [
                                [ "--set"; "width=7" ], "width"
                                [ "--set"; "wdth=8" ], "wdth"
                                [ "--frames"; "3" ], "--frames 3"
                                [ "--device"; "abacus" ], "abacus"
                            ] do
                            let outcome =
                                mcdrl ([ "pretrain"; "--out"; Path.Combine(folder, "mini") ] @ wrong)

                            Expect.equal outcome.Code 2 named
                            Expect.stringContains outcome.Err named "says what is wrong"

                        Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing")
                }
            ]
    )
