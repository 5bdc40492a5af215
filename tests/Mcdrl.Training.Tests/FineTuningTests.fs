module Mcdrl.Tests.FineTuningTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl

/// Fine-tuning the model of `World.trained` on the same discs, one epoch.
let private request folder out (change: Settings -> Settings) : TrainRequest =
    let manifest = Outcome.ok (Bundle.manifest (World.bundle ()))
    let settings = FineTuning.settings manifest

    { World.request folder out with
        Weights = World.bundle ()
        From = Some(World.bundle ())
        Text = None
        Settings =
            change
                { settings with
                    Optimiser = { settings.Optimiser with Epochs = 1 }
                }
    }

let private optimiser change (settings: Settings) =
    { settings with
        Optimiser = change settings.Optimiser
    }

let private methodOf change (settings: Settings) =
    { settings with
        Method = change settings.Method
    }

/// Nothing moves: the model that is written is the one that training started from.
let private still =
    optimiser (fun settings ->
        { settings with
            LearningRate = 0.0
            Averaging = 0.0
        })

let private bytes folder name =
    File.ReadAllBytes(Path.Combine(folder, name))

/// The world's dataset with these classes, the discs being the first.
let private withClasses folder (classes: string list) =
    let path = Path.Combine(folder, "data", "dataset.json")
    let listed = JsonSerializer.Serialize classes

    File
        .ReadAllText(path)
        .Replace("[\"polyp\"]", listed)
        .Replace("\"255\": \"polyp\"", $"\"255\": \"{classes.Head}\"")
    |> fun text -> File.WriteAllText(path, text)

/// A table of the texts of these classes, which says of normal mucosa and the conditions what the world's table says.
let private writeTable folder path (classes: string list) =
    use _scope = torch.NewDisposeScope()
    let known = Prompts.all [ "polyp" ] World.conditions

    let prompts =
        Prompts.all classes World.conditions
        |> List.filter (fun prompt -> not (List.contains prompt known))

    let table = Path.Combine(folder, "text.safetensors")
    let old = Outcome.ok (PromptTable.ofFile table known)
    let drawn = SeedTensors.normal [ int64 prompts.Length; 32L ] (Seed.create 12UL)
    Outcome.ok (PromptTable.write path (known @ prompts) (torch.cat ([| old; drawn |], 0L)))

let private starts =
    testList
        "starts at the model's own answers"
        [
            testCase "with a learning rate of 0 the model that comes out is the model, byte for byte"
            <| fun () ->
                World.within (fun folder ->
                    let request = request folder "run" still
                    let report = Outcome.ok (World.train request)
                    let made = Bundle.ofRun request.Out

                    for name in [ "weights.safetensors"; "text.safetensors" ] do
                        Expect.equal (bytes made name) (bytes (World.bundle ()) name) name

                    let start = Option.get report.Start
                    Expect.equal start.New [] "nothing is new"
                    Expect.exists start.Taken (fun part -> part.Contains "ViT-2x64-8-32") "the tower"
                    Expect.exists start.Taken (fun part -> part.Contains "polyp") "the texts")

            testCase "the embedded model: an epoch moves it, and begins where it was"
            <| fun () ->
                World.within (fun folder ->
                    let embedded = Outcome.ok (EmbeddedModel.folder ())
                    let manifest = Outcome.ok (Bundle.manifest embedded)

                    let train out change =
                        let request =
                            { request folder out id with
                                Weights = embedded
                                From = Some embedded
                                Store = WeightStorage.F16
                                Settings =
                                    FineTuning.settings manifest
                                    |> optimiser (fun settings ->
                                        { settings with
                                            Epochs = 1
                                            WarmupEpochs = 0.0
                                        })
                                    |> methodOf (fun settings -> { settings with InputSize = 64 })
                                    |> change
                            }

                        Outcome.ok (World.train request) |> ignore
                        Bundle.ofRun request.Out

                    let unmoved, moved = train "unmoved" still, train "moved" id
                    use _scope = torch.NewDisposeScope()

                    let weights folder =
                        let model = Outcome.ok (Bundle.load folder)
                        Tree.leaves model.Tower @ Tree.leaves model.Network

                    // By value: a step by 0 makes 0 of −0, which half precision has many of.
                    let changed folder =
                        List.zip (weights embedded) (weights folder)
                        |> List.filter (fun ((_, before), (_, after)) ->
                            not (before.equal(after).all().item<bool>()))
                        |> List.map (fst >> fst)

                    Expect.isEmpty (changed unmoved) "where it was"
                    Expect.isNonEmpty (changed moved) "moved")

            testCase "the settings are the model's, with the intervention on from the first step"
            <| fun () ->
                let manifest = Outcome.ok (Bundle.manifest (World.bundle ()))
                let settings = FineTuning.settings manifest
                Expect.equal settings.Method manifest.Settings.Method "method"
                Expect.equal manifest.Settings.Optimiser.ActivationEpoch 1 "of the model"
                Expect.equal settings.Optimiser.ActivationEpoch 0 "of fine-tuning"

                Expect.equal
                    (FineTuning.settings { manifest with Active = false })
                    manifest.Settings
                    "a model that never intervened keeps its own"

            testCase "where it came from is told, generation by generation, and its sites count as seen"
            <| fun () ->
                World.within (fun folder ->
                    let first = request folder "first" still
                    Outcome.ok (World.train first) |> ignore

                    let second =
                        { request folder "second" still with
                            From = Some(Bundle.ofRun first.Out)
                            Weights = Bundle.ofRun first.Out
                            LeaveOut = Some "a"
                        }

                    Outcome.ok (World.train second) |> ignore
                    let manifest = Outcome.ok (Bundle.manifest second.Out)
                    let ancestors = manifest.Provenance.FineTunedFrom |> Option.defaultValue []

                    Expect.equal
                        (ancestors |> List.map _.Sha256)
                        [
                            Outcome.ok (Bundle.sha256 first.Out)
                            Outcome.ok (Bundle.sha256 (World.bundle ()))
                        ]
                        "the last one first"

                    Expect.equal manifest.Provenance.TrainedOn [ "b"; "c" ] "its own sites"

                    Expect.equal
                        (List.sort (Manifest.seen manifest))
                        [ "a"; "b"; "c" ]
                        "all that it has seen"

                    let origin = Outcome.ok (Bundle.manifest (World.bundle ()))

                    Expect.equal
                        manifest.Provenance.WeightsSha256
                        origin.Provenance.WeightsSha256
                        "the tower's weights"

                    Expect.stringContains
                        (File.ReadAllText(Path.Combine(Bundle.ofRun second.Out, "README.md")))
                        "Fine-tuned from a model trained on Discs"
                        "the model card")
        ]

let private classes =
    testList
        "other classes"
        [
            testCase
                "a class more: the head's rows of those that the model knows are taken, that of the new one is drawn"
            <| fun () ->
                World.within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    withClasses folder [ "ulcer"; "polyp" ]
                    let table = Path.Combine(folder, "both.safetensors")
                    writeTable folder table [ "ulcer"; "polyp" ]

                    let request =
                        { request folder "run" still with
                            Text = Some table
                        }

                    let report = Outcome.ok (World.train request)
                    let start = Option.get report.Start
                    Expect.exists start.New (fun part -> part.Contains "last layer for ulcer") "told"
                    Expect.exists start.New (fun part -> part.StartsWith "texts of ulcer, polyp") "told"
                    let model = Outcome.ok (Bundle.load request.Out)
                    let old = Outcome.ok (Bundle.load (World.bundle ()))
                    let weight (model: Model) = model.Network.head.conv_2.weight

                    let row index (x: Tensor) =
                        x.select(0L, index).contiguous().data<float32>().ToArray()

                    Expect.equal (weight model).shape[0] 3L "background and two classes"
                    Expect.equal (row 0L (weight model)) (row 0L (weight old)) "background"
                    Expect.equal (row 2L (weight model)) (row 1L (weight old)) "polyp"
                    Expect.notEqual (row 1L (weight model)) (row 1L (weight old)) "ulcer"

                    for (path, leaf), (_, before) in
                        List.zip (Tree.leaves model.Network) (Tree.leaves old.Network) do
                        if not (path.StartsWith "head.conv_2") then
                            Expect.isTrue (leaf.equal(before).all().item<bool>()) path)

            testCase "another word for the same disc: trained, and found by the new name"
            <| fun () ->
                World.within (fun folder ->
                    withClasses folder [ "growth" ]
                    let table = Path.Combine(folder, "growth.safetensors")
                    writeTable folder table [ "growth" ]

                    let request =
                        { request folder "run" id with
                            Text = Some table
                        }

                    Outcome.ok (World.train request) |> ignore
                    let manifest = Outcome.ok (Bundle.manifest request.Out)
                    Expect.equal manifest.Classes [ "growth" ] "classes")
        ]

let private refusals =
    testList
        "refused"
        [
            testCase "new texts without what makes them, or by another text tower"
            <| fun () ->
                World.within (fun folder ->
                    withClasses folder [ "ulcer" ]

                    World.train (request folder "none" still)
                    |> Outcome.refusedWith 2 [ "ulcer"; "“weights”"; "“text_weights”"; "“text”" ]

                    let table = Path.Combine(folder, "ulcer.safetensors")
                    writeTable folder table [ "ulcer" ]

                    World.train
                        { request folder "none" still with
                            Text = Some table
                        }
                    |> Outcome.ok
                    |> ignore // in the same folder: the refused call began no run

                    let other = Path.Combine(folder, "other.safetensors")

                    using (torch.NewDisposeScope()) (fun _ ->
                        let prompts = Prompts.all [ "ulcer" ] World.conditions

                        SeedTensors.normal [ int64 prompts.Length; 32L ] (Seed.create 99UL)
                        |> PromptTable.write other prompts
                        |> Outcome.ok)

                    World.train
                        { request folder "other" id with
                            Text = Some other
                        }
                    |> Outcome.refusedWith 3 [ "another text tower" ])

            testCase "another tower, by its name or by its weights"
            <| fun () ->
                World.within (fun folder ->
                    World.train
                        { request folder "name" id with
                            Tower = Some "RN50"
                        }
                    |> Outcome.refusedWith 2 [ "ViT-2x64-8-32"; "not RN50" ]

                    World.train
                        { request folder "weights" id with
                            Weights = Shared.path "weights/resnet50-imagenet"
                        }
                    |> Outcome.refusedWith 2 [ "the weights hold resnet50"; "ViT-2x64-8-32" ])

            testCase "a network of other layers or widths: the tensors are named"
            <| fun () ->
                World.within (fun folder ->
                    let refusedFor out change named =
                        World.train (request folder out (methodOf change))
                        |> Outcome.refusedWith 2 (named @ [ "method.layers"; "train afresh" ])

                    refusedFor "layers" (fun m -> { m with Layers = 2 }) [ "intervention.layers.1." ]
                    refusedFor "width" (fun m -> { m with HeadWidth = 24 }) [ "head.conv_1"; "24"; "16" ]

                    refusedFor
                        "unselected"
                        (fun m ->
                            { m with
                                Unselected = Unselected.Background
                            })
                        [ "the model has no background" ])

            testCase "a rival, and a folder without a model"
            <| fun () ->
                World.within (fun folder ->
                    let rival settings =
                        { settings with
                            TrainingMode = Marginalisation.Never
                            Fusion = Some Fusion.Medclipseg
                        }

                    World.train (request folder "rival" (methodOf rival))
                    |> Outcome.refusedWith 2 [ "can't be fine-tuned" ]

                    World.train
                        { request folder "none" id with
                            From = Some folder
                        }
                    |> Outcome.refusedWith 3 [ "mcdrl.json" ])
        ]

let tests = testSequenced (testList "FineTuning" [ starts; classes; refusals ])
