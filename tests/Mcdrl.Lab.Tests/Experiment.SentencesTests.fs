module Mcdrl.Tests.ExperimentSentencesTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests

let private method key needsTextTower changes : ExperimentMethod =
    {
        Key = key
        Label = key
        Note = ""
        Published = None
        NeedsTextTower = needsTextTower
        Changes = changes
    }

/// By a sentence encoder alone, in `folder` of a world.
let private request folder weights : ExperimentRequest =
    let shared = Path.Combine(folder, "settings.json")
    File.WriteAllText(shared, RecordJson.render World.settings)
    let encoder = Path.Combine(folder, "sentences")
    World.writeSentenceEncoder encoder

    {
        Design =
            {
                Name = "tiny"
                Title = "Tiny"
                Question = "Does it run?"
                Methods =
                    [
                        method "mcdrl" false []
                        method "prompted" true [ "method.prompting=cocoop"; "method.training_mode=never" ]
                        method "estimated" true [ "method.prior_source=estimated" ]
                    ]
                Reference = "mcdrl"
                Figures = []
            }
        Data = Path.Combine(folder, "data")
        Test = None
        Tower = None
        Weights = weights
        Text = None
        TextWeights = Some encoder
        Budget = []
        SettingsWith = Config.ofFile shared
        Seeds = 1
        Protocol = Protocol.Imagewise
        Conditioned = None
        Part = None
        Out = Path.Combine(folder, "out")
        Device = "cpu"
        Command = "mcdrl experiment tiny"
    }

let private plan request =
    Experiment.run request true Progress.none

let tests =
    testList
        "Experiment.Sentences"
        [
            testCase "what needs a text tower runs, and what needs a CLIP is left out"
            <| fun () ->
                World.within (fun folder ->
                    let request = request folder (Shared.path "weights/resnet50-imagenet")
                    let state = Outcome.ok (plan request)
                    Expect.equal (state.Methods |> List.map _.Key) [ "mcdrl"; "prompted" ] "methods"

                    Expect.equal
                        state.LeftOut
                        [ "estimated: needs a CLIP, which resnet50 is not" ]
                        "left out"

                    let digest =
                        Outcome.ok (Files.sha256 (Path.Combine(folder, "sentences", "model.safetensors")))

                    Expect.isNonEmpty state.Runs "planned"

                    for run in state.Runs do
                        Expect.equal run.Identity.TextSha256 (Some digest) "in every run's identity")

            testCase "refused for a CLIP, and beside a table, before any run"
            <| fun () ->
                World.within (fun folder ->
                    let request = request folder (Path.Combine(folder, "tower.safetensors"))
                    plan request |> Outcome.refusedWith 2 [ "“text_weights”"; "resnet50" ]

                    plan
                        { request with
                            Text = Some(Path.Combine(folder, "text.safetensors"))
                        }
                    |> Outcome.refusedWith 2 [ "“text” and “text_weights”" ])
        ]
    |> testSequenced
