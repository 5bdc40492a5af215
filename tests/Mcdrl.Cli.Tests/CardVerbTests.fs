module Mcdrl.Cli.Tests.CardVerbTests

open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testSequenced (
        testList
            "card"
            [
                test "stdout and the card tell the same; a model or data that isn't there is refused" {
                    World.within (fun folder ->
                        let model, data = Path.Combine(folder, "copy"), Path.Combine(folder, "data")
                        World.copyTree (World.bundle ()) model

                        let outcome = mcdrl [ "card"; "--model"; model; "--data"; data; "--site"; "c" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let card = File.ReadAllText(Path.Combine(model, "README.md"))

                        let dice =
                            outcome.Out.Split '\n'
                            |> Array.find (fun line -> line.TrimStart().StartsWith "Dice %  ")
                            |> fun line -> line.Trim().Substring("Dice %".Length).Trim()

                        Expect.stringContains card dice "the same figure"

                        for arguments, named in
                            [
                                [ "--model"; Path.Combine(folder, "nowhere"); "--data"; data ], "nowhere"
                                [ "--model"; model; "--data"; Path.Combine(folder, "absent") ], "absent"
                                [ "--model"; model; "--data"; data; "--site"; "z" ], "z"
                                [
                                    "--model"
                                    model
                                    "--data"
                                    data
                                    "--about"
                                    Path.Combine(folder, "no.md")
                                ],
                                "no.md"
                                [
                                    "--model"
                                    model
                                    "--data"
                                    data
                                    "--about"
                                    Path.Combine(model, "README.md")
                                ],
                                "Keep words of your own in another file"
                            ] do
                            let refused = mcdrl ("card" :: arguments)
                            Expect.notEqual refused.Code 0 named
                            Expect.stringContains refused.Err named "named")
                }
            ]
    )
