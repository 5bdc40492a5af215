module Mcdrl.Tests.ConfigTests

open System.IO
open Expecto
open Mcdrl

let private best assignments = Config.ofPreset "best" assignments

let tests =
    testList
        "Config"
        [
            testCase "the presets load and are valid; paper is as published"
            <| fun () ->
                for name in Config.presets do
                    let settings = Outcome.ok (Config.ofPreset name [])
                    Expect.equal (Settings.validate settings) (Ok settings) name

                    Expect.equal
                        settings.Method.Conditions
                        (Prompts.conditions |> List.map _.Name)
                        "the twelve conditions"

                let paper = Outcome.ok (Config.ofPreset "paper" [])
                let m, l, o = paper.Method, paper.Loss, paper.Optimiser
                Expect.equal (m.InputSize, m.Alpha, m.Layers) (224, 0.5, 3) "method"
                Expect.equal (l.Causal, l.Contrast, l.Tau, l.Dice) (0.5, 0.1, 0.5, 0.0) "Eq. 9 and 12"
                Expect.equal (o.Epochs, o.BatchSize, o.ActivationEpoch) (50, 16, 10) "optimiser"
                Expect.equal m.TrainingMode Marginalisation.Attention "Eq. 8"

            testCase "--set reaches every kind of value"
            <| fun () ->
                let settings =
                    Outcome.ok (
                        best
                            [
                                "method.alpha=0.25"
                                "method.marginalisation=nwgm"
                                "method.conditions=[\"blur\", \"blood\"]"
                                "augmentation.flips=false"
                                "optimiser.epochs=7"
                                "validation=0.3"
                            ]
                    )

                let plain = Outcome.ok (best [])

                Expect.equal
                    settings
                    { plain with
                        Method =
                            { plain.Method with
                                Alpha = 0.25
                                Marginalisation = Marginalisation.Nwgm
                                Conditions = [ "blur"; "blood" ]
                            }
                        Augmentation =
                            { plain.Augmentation with
                                Flips = false
                            }
                        Optimiser = { plain.Optimiser with Epochs = 7 }
                        Validation = 0.3
                    }
                    "these and nothing else"

                Expect.equal
                    (Outcome.ok (best [ "validation=0.3"; "validation=0.4" ])).Validation
                    0.4
                    "the last"

            testCase
                "--set reaches what presets leave out: mirror images, instance normalisation, colour exchange"
            <| fun () ->
                let settings assignments =
                    Outcome.ok (Config.ofPreset "paper" assignments)

                let plain = settings []

                Expect.equal
                    (plain.Method.Flips, plain.Method.InstanceNorm, plain.Augmentation.ColourExchange)
                    (None, None, None)
                    "none of them"

                let found =
                    settings
                        [
                            "method.flips=both"
                            "method.instance_norm=2"
                            "augmentation.colour_exchange=0.5"
                        ]

                Expect.equal
                    (found.Method.Flips, found.Method.InstanceNorm, found.Augmentation.ColourExchange)
                    (Some Flips.Both, Some 2, Some 0.5)
                    "all of them"

            testCase "--set names a rival, or none"
            <| fun () ->
                let prompting assignments =
                    (Outcome.ok (best ("method.training_mode=never" :: assignments))).Method.Prompting

                Expect.equal (prompting []) None "fixed prompts"
                Expect.equal (prompting [ "method.prompting=stylip" ]) (Some Prompting.Stylip) "StyLIP"

                Expect.equal
                    (prompting [ "method.prompting=cocoop"; "method.prompting=null" ])
                    None
                    "fixed prompts again"

                best [ "method.training_mode=sampled"; "method.prompting=cocoop" ]
                |> Outcome.refusedWith 2 [ "method.prompting"; "training_mode never" ]

                best [ "method.prompting=coop" ]
                |> Outcome.refusedWith 2 [ "cocoop, stylip, biomedcoop" ]

            for assignment, part in
                [
                    "method.alfa=1", "“set” method.alfa=1"
                    "alpha=1", "“set” alpha=1"
                    "method.alpha.beta=1", "“set” method.alpha.beta=1"
                    "method", "“set” method"
                    "method.alpha=half", "method.alpha"
                    "method.alpha=1.5", "method.alpha"
                    "method=1", "method"
                    "method.alpha=", "method.alpha"
                    "method.training_mode=guessed", "method.training_mode"
                    "validation=null", "validation"
                    "=1", "“set” =1"
                ] do
                testCase $"refused: --set {assignment}"
                <| fun () -> best [ assignment ] |> Outcome.refusedWith 2 [ part ]

            testCase "every wrong assignment is named"
            <| fun () ->
                best [ "method.alfa=1"; "loss.tua=2" ]
                |> Outcome.refusedWith 2 [ "method.alfa"; "loss.tua" ]

            testCase "an unknown preset: the known ones are named"
            <| fun () ->
                Config.ofPreset "worst" []
                |> Outcome.refusedWith 2 [ "“preset” worst"; "paper, best" ]

            testCase "a file is read like a preset; a wrong key is named with its path and the file"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "my.json")
                    let settings = Outcome.ok (best [ "loss.dice=0.5" ])
                    let text = RecordJson.render settings
                    File.WriteAllText(path, text)
                    Expect.equal (Config.ofFile path []) (Ok settings) "the same"

                    Expect.equal
                        (Outcome.ok (Config.ofFile path [ "loss.dice=2" ])).Loss.Dice
                        2.0
                        "assignments on top"

                    File.WriteAllText(path, text.Replace("\"tau\"", "\"taw\""))
                    Config.ofFile path [] |> Outcome.refusedWith 2 [ path; "loss.taw"; "loss.tau" ]
                    File.WriteAllText(path, String.replicate 1_000_001 " ")
                    Config.ofFile path [] |> Outcome.refusedWith 2 [ "1000000 bytes" ]

                    Config.ofFile (Path.Combine(folder, "none.json")) []
                    |> Outcome.refusedWith 2 [ "none.json" ])
        ]
