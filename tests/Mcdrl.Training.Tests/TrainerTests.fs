module Mcdrl.Tests.TrainerTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let weightsOf (request: TrainRequest) =
    File.ReadAllBytes(Path.Combine(Bundle.ofRun request.Out, "weights.safetensors"))

/// The files of a kind that a run has prepared for itself, the largest (that of the training frames) first.
let prepared kind (request: TrainRequest) =
    Directory.GetFiles(Run.preparedFolder request.Out, $"{kind}-*.bin")
    |> Array.sortByDescending (fun file -> FileInfo(file).Length)
    |> List.ofArray

/// Trains until `steps` steps are done, then asks to stop.
let interrupted steps (request: TrainRequest) =
    use stop = new CancellationTokenSource()

    let tell (progress: ProgressStep) =
        if progress.Stage = "training" && progress.Done = steps then
            stop.Cancel()

    Trainer.train request { Tell = tell; Cancel = stop.Token }

let private sameAfterInterruption (settings: Settings) folder =
    let whole =
        { World.request folder "whole" with
            Settings = settings
        }

    let cut =
        { whole with
            Out = Path.Combine(folder, "cut")
        }

    Outcome.ok (World.train whole) |> ignore

    for steps in [ 2; 5; 6 ] do
        let resume = steps > 2
        let outcome = interrupted steps { cut with Resume = resume }
        Expect.equal outcome (Error McdrlError.Cancelled) $"cancelled after step {steps}"
        Expect.isFalse (Directory.Exists(Bundle.ofRun cut.Out)) "no model yet"

    let report = Outcome.ok (World.train { cut with Resume = true })
    Expect.equal (weightsOf cut) (weightsOf whole) "the same bytes"
    report

let private trainsTower =
    { World.settings with
        Method =
            { World.settings.Method with
                TrainingMode = Marginalisation.Sampled
                Unselected = Unselected.Background
                Marginalisation = Marginalisation.Exact
            }
        Optimiser =
            { World.settings.Optimiser with
                TrainedBlocks = 1
                Averaging = 0.9
            }
    }

let private usesCache =
    { World.settings with
        Augmentation =
            { World.settings.Augmentation with
                Views = 2
            }
    }

let private resumed =
    testList
        "a run stopped in mid-epoch and resumed ends with the bytes of one never stopped"
        [
            testCase "tower blocks trained, weights averaged, confounders sampled, views drawn"
            <| fun () ->
                World.within (fun folder ->
                    let report = sameAfterInterruption trainsTower folder
                    Expect.equal (report.TrainingFrames, report.ValidationFrames) (10, 2) "frames"
                    Expect.equal report.Epochs 3 "epochs")

            testCase "colours exchanged between sites, into views that are kept or drawn"
            <| fun () ->
                for settings in [ trainsTower; usesCache ] do
                    World.within (fun folder ->
                        let exchanging =
                            { settings with
                                Augmentation =
                                    { settings.Augmentation with
                                        ColourExchange = Some 0.5
                                    }
                            }

                        sameAfterInterruption exchanging folder |> ignore
                        let bytes = weightsOf (World.request folder "whole")

                        let without =
                            { World.request folder "without" with
                                Settings = settings
                            }

                        Outcome.ok (World.train without) |> ignore
                        Expect.notEqual (weightsOf without) bytes "it counts")

            testCase "frozen tower, its features of fixed views kept in a file"
            <| fun () ->
                World.within (fun folder ->
                    sameAfterInterruption usesCache folder |> ignore
                    // A finished run keeps no features; a stopped one does.
                    let stopped =
                        { World.request folder "stopped" with
                            Settings = usesCache
                        }

                    Expect.isError (interrupted 2 stopped) "cancelled"
                    // Dense, image and the one skip map that is read, and the labels.
                    let record = 4 * (16 * 32 + 32 + 16 * 64) + 32 * 32

                    Expect.equal
                        (prepared "features" stopped |> List.map (fun file -> FileInfo(file).Length))
                        [ 32L + 20L * int64 record; 32L + 2L * int64 record ]
                        "10 frames of 2 views, and 2 frames as they are to validate on"

                    for out in [ "whole"; "cut" ] do
                        Expect.isFalse
                            (Directory.Exists(Run.preparedFolder (Path.Combine(folder, out))))
                            "deleted at the end")

            testCase "the seed matters, and so do the trained blocks"
            <| fun () ->
                World.within (fun folder ->
                    let make out change =
                        let request = change (World.request folder out)
                        Outcome.ok (World.train request) |> ignore
                        weightsOf request

                    let first = make "one" id
                    Expect.equal (make "two" id) first "equal calls, equal bytes"
                    Expect.notEqual (make "three" (fun r -> { r with Seed = 4UL })) first "another seed"

                    Expect.notEqual
                        (make "four" (fun r -> { r with Settings = trainsTower }))
                        first
                        "other settings")
        ]

let forEpochs epochs (request: TrainRequest) =
    { request with
        Settings =
            { request.Settings with
                Optimiser =
                    { request.Settings.Optimiser with
                        Epochs = epochs
                    }
            }
    }

let private longer =
    testList
        "a run is made longer"
        [
            testCase "while the learning rate rises, which knows no end, it is the longer run, byte for byte"
            <| fun () ->
                World.within (fun folder ->
                    let rising =
                        { trainsTower with
                            Optimiser =
                                { trainsTower.Optimiser with
                                    WarmupEpochs = 3.0
                                }
                        }

                    let make out =
                        { World.request folder out with
                            Settings = rising
                        }

                    let whole, grown = make "whole", make "grown"
                    Outcome.ok (World.train whole) |> ignore
                    let first = Outcome.ok (World.train (forEpochs 1 grown))
                    Expect.equal first.BestEpoch 1 "the only epoch, without intervention"

                    for epochs in [ 2; 3 ] do
                        let report =
                            Outcome.ok (World.train (forEpochs epochs { grown with Resume = true }))

                        Expect.equal report.Epochs epochs "as long as it was asked to be"
                        Expect.isGreaterThan report.BestEpoch 1 "one that intervenes"

                    Expect.equal (weightsOf grown) (weightsOf whole) "the same bytes")

            testCase "a best epoch without intervention is no longer kept once the run intervenes"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    let first = Outcome.ok (World.train (forEpochs 1 request))
                    Expect.equal first.BestEpoch 1 "the only epoch"

                    using (torch.NewDisposeScope()) (fun _ ->
                        let path = Run.checkpointFile request.Out
                        let facts, tensors = Outcome.ok (Checkpoint.read path)
                        // No epoch can be better.
                        Checkpoint.write path (facts.Add("best_dice", "2")) (Map.toList tensors)
                        |> Outcome.ok)

                    let second = Outcome.ok (World.train (forEpochs 2 { request with Resume = true }))
                    Expect.equal second.BestEpoch 2 "but the first that intervenes"
                    Expect.isTrue (Outcome.ok (Bundle.manifest request.Out)).Active "so does the model")

            testCase "along the cosine of its new length, and an interruption changes nothing"
            <| fun () ->
                World.within (fun folder ->
                    let make out = World.request folder out
                    let once, twice = make "once", make "twice"

                    for run in [ once; twice ] do
                        Outcome.ok (World.train run) |> ignore

                    let short = weightsOf once
                    let longer run = forEpochs 5 { run with Resume = true }
                    Outcome.ok (World.train (longer once)) |> ignore
                    Expect.equal (interrupted 11 (longer twice)) (Error McdrlError.Cancelled) "cancelled"
                    let report = Outcome.ok (World.train (longer twice))
                    Expect.equal (weightsOf twice) (weightsOf once) "the same bytes"
                    Expect.equal report.Epochs 5 "epochs"
                    Expect.notEqual (weightsOf once) short "it went on"

                    let run = Outcome.ok (RecordJson.ofFile<RunIdentity>(Run.identityFile once.Out))

                    Expect.equal run.Settings.Optimiser.Epochs 5 "and is the longer run from then on"

                    World.train { once with Resume = true }
                    |> Outcome.refusedWith 3 [ "settings.optimiser.epochs"; "may be raised" ])
        ]

let private exchanges =
    testCase "frames of a single site have no colours to take over: the same weights as without any exchange"
    <| fun () ->
        World.within (fun folder ->
            let description = Path.Combine(folder, "data", "dataset.json")
            let sites = File.ReadAllText description

            File.WriteAllText(
                description,
                sites.Replace(""""b": { "images": "b/images", "masks": "b/masks" },""", "")
            )

            let weights name exchange =
                let request = World.request folder name

                World.train
                    { request with
                        Settings =
                            { request.Settings with
                                Augmentation =
                                    { request.Settings.Augmentation with
                                        ColourExchange = exchange
                                    }
                            }
                    }
                |> Outcome.ok
                |> ignore

                weightsOf request

            Expect.equal (weights "exchanged" (Some 1.0)) (weights "plain" None) "the same bytes")

let private leftOut =
    testCase "files of the site left out are never read"
    <| fun () ->
        World.within (fun folder ->
            let request = World.request folder "run"
            Outcome.ok (World.train request) |> ignore

            let spoil site =
                for file in
                    Directory.GetFiles(
                        Path.Combine(request.Data, site),
                        "*.png",
                        SearchOption.AllDirectories
                    ) do
                    File.WriteAllText(file, "not an image")

            spoil "c"

            let spoilt =
                { request with
                    Out = Path.Combine(folder, "spoilt")
                }

            Outcome.ok (World.train spoilt) |> ignore
            Expect.equal (weightsOf spoilt) (weightsOf request) "the same model"
            let manifest = (Outcome.ok (Bundle.load spoilt.Out)).Manifest
            Expect.equal manifest.Provenance.TrainedOn [ "a"; "b" ] "trained on"
            Expect.equal manifest.Provenance.LeftOut (Some "c") "left out"

            spoil "b"

            World.train
                { request with
                    Out = Path.Combine(folder, "third")
                }
            |> Outcome.refusedWith 4 [ Path.Combine("b", "images") ])

let private controls =
    testCase "the bundle of a control keeps the dictionary that it was trained with"
    <| fun () ->
        World.within (fun folder ->
            use _scope = torch.NewDisposeScope()
            let plain = World.request folder "plain"

            let control =
                { World.request folder "control" with
                    Settings =
                        { plain.Settings with
                            Method =
                                { plain.Settings.Method with
                                    Dictionary = Some DictionarySource.Shuffled
                                }
                        }
                }

            let textsOf request =
                Outcome.ok (World.train request) |> ignore
                (Outcome.ok (Bundle.load request.Out)).Texts

            let texts, shuffled = textsOf plain, textsOf control

            let expected =
                texts
                |> PromptTexts.withDictionary
                    DictionarySource.Shuffled
                    (Seed.create control.Seed |> Seed.named "dictionary")

            for (path, found), expected in List.zip (Tree.leaves shuffled) (Tree.tensors expected) do
                Expect.isTrue (found.equal(expected).all().item<bool>()) path

            Expect.isFalse
                (shuffled.conditions.equal(texts.conditions).all().item<bool>())
                "another dictionary"

            Expect.notEqual (weightsOf control) (weightsOf plain) "another model")

let private learns =
    testCase "it learns: discs of a site that it never saw are found"
    <| fun () ->
        use segmenter = World.segmenter ()

        let evaluation =
            Outcome.ok (
                Evaluator.evaluate segmenter None Protocol.Micro (World.data ()) [ "c" ] Progress.none
            )

        let dice name =
            (evaluation.Answers |> List.find (fun answer -> answer.Name = name)).All.Dice.Mean

        Expect.isGreaterThan (dice "model") 0.5 "most of the discs"
        Expect.isGreaterThan (dice "model") (dice "mean training mask") "more than the best fixed answer"

let tests =
    testSequenced (testList "Trainer" [ resumed; longer; exchanges; leftOut; controls; learns ])
