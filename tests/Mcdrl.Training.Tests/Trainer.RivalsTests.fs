module Mcdrl.Tests.TrainerRivalsTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.RivalWorld

/// Mean Dice of a model on the frames that were held back, as training measures it.
let private heldBackDice folder (request: TrainRequest) =
    use _scope = torch.NewDisposeScope()
    let dataset, _, held = World.split request
    let prepared = Path.Combine(folder, "held-back.bin")

    let frames =
        Outcome.ok (
            Frames.prepare
                prepared
                ""
                request.Settings.Method.InputSize
                dataset
                (Array.ofList held)
                Progress.none
        )

    use _store: System.IDisposable = frames.Store
    let seen, labels = List.init held.Length (Frames.read frames) |> List.unzip
    use segmenter = Outcome.ok (Segmenter.load (Bundle.ofRun request.Out) "cpu")

    let found =
        (Segmenter.probabilitiesOfFrames segmenter None (torch.stack (Array.ofList seen))).argmax(1L)

    Objective.meanDice dataset.Classes.Length (found.``to`` torch.uint8) (torch.stack (Array.ofList labels))

let private weightsOf (request: TrainRequest) =
    File.ReadAllBytes(Path.Combine(Bundle.ofRun request.Out, "weights.safetensors")),
    File.ReadAllBytes(Path.Combine(Bundle.ofRun request.Out, "text.safetensors"))

let private interrupted steps (request: TrainRequest) =
    use stop = new CancellationTokenSource()

    let tell (progress: ProgressStep) =
        if progress.Stage = "training" && progress.Done = steps then
            stop.Cancel()

    Trainer.train request { Tell = tell; Cancel = stop.Token }

/// Trains to the end, and in two parts, which must come to the same bytes; and compares the bundle's answers with training's.
let private trainedTwice folder (whole: TrainRequest) =
    let report = Outcome.ok (World.train whole)

    World.sameScoreButForTies
        (heldBackDice folder whole)
        (Option.get report.ValidationDice)
        "the same answers"

    let cut =
        { whole with
            Out = Path.Combine(folder, "cut")
        }

    Expect.equal (interrupted 4 cut) (Error McdrlError.Cancelled) "stopped"
    Outcome.ok (World.train { cut with Resume = true }) |> ignore
    Expect.equal (weightsOf cut) (weightsOf whole) "the same bytes"

/// The model and its rival before training.
let private ends (request: TrainRequest) (classes: string list) =
    let weights = Outcome.ok (Weights.load request.Weights)
    let model = Outcome.ok (Bundle.load request.Out)

    let start =
        RivalSource.create
            request.Settings.Method
            weights
            (sourceOf request)
            model.Texts
            classes
            (Seed.create request.Seed |> Seed.named "prompts")
        |> Outcome.ok
        |> Option.get

    model, start

/// What is trained has changed, nothing else.
let private changed before after =
    for (path, first: Tensor), last in List.zip (Tree.leaves before) (Tree.tensors after) do
        Expect.equal (first.equal(last).all().item<bool>()) (not (Rival.isTrained path)) path

let private trained reader prompting =
    testCase
        $"{prompting}, {reader}: the bundle answers as in training; a stopped run ends with the same bytes; the prompts are learned"
    <| fun () ->
        within (fun folder ->
            let whole = request reader folder "whole" (Some prompting)
            trainedTwice folder whole
            use _scope = torch.NewDisposeScope()
            let model, start = ends whole classes

            match model.Rival with
            | Some rival ->
                Expect.notEqual prompting Prompting.Biomedcoop "its texts say it all"
                changed { wording start with ensemble = None } (wording rival)
            | None ->
                Expect.equal prompting Prompting.Biomedcoop "the others need the text tower"
                let first = (fst (Rival.settled (Some start) model.Texts)).classes

                Expect.isGreaterThan
                    ((unit first).sub(unit model.Texts.classes).abs().max().item<float32>())
                    1e-3f
                    "its texts have changed")

/// Every way to ask the segmenter of the model that `request` trains, and to export it.
let private asked folder (request: TrainRequest) =
    Outcome.ok (World.train request) |> ignore
    let empty = LiveTensors.count ()
    let segmenter = Outcome.ok (Segmenter.load (Bundle.ofRun request.Out) "cpu")
    let path = Path.Combine(request.Data, "c", "images", "frame1.png")
    let picture = Outcome.ok (Images.read ImageLimits.standard path)

    let ask () =
        let found = Segmenter.segment segmenter None picture
        let explained = Segmenter.explain segmenter None picture
        Expect.equal explained.Segmentation found "explained"

        Expect.equal
            explained.Regions.Similarity.Length
            segmenter.Manifest.Classes.Length
            "a map for each class"

        use frame = Preprocessing.frame request.Settings.Method.InputSize picture
        let answers = Segmenter.underConditions segmenter None frame [ "blur", frame ]
        use expected = Segmenter.probabilities segmenter None picture
        Expect.isEmpty answers.Foretold "a rival foretells nothing"

        for found in answers.Answers @ answers.Plain do
            Expect.isTrue (found.allclose (expected.unsqueeze 0L, 1e-4, 1e-5)) "the same frame"
            found.Dispose()

    ask ()
    let before = LiveTensors.count ()
    ask ()
    Expect.equal (LiveTensors.count ()) before "none left behind"
    (segmenter :> System.IDisposable).Dispose()
    Expect.isLessThanOrEqual (LiveTensors.count ()) empty "none after closing"

    VerifiedExport.run
        {
            Model = request.Out
            Mode = None
            Out = Path.Combine(folder, "model.onnx")
        }
        Progress.none

let private answers reader prompting =
    testCase $"{prompting}, {reader}: every way to ask the segmenter, and no tensor is left behind"
    <| fun () ->
        within (fun folder ->
            let export = asked folder (request reader folder "run" (Some prompting))

            if prompting = Prompting.Biomedcoop then
                Outcome.ok export |> ignore
            else
                export |> Outcome.refusedWith 2 [ "text tower"; "biomedcoop" ])

/// MedCLIPSeg's attention, with a table of texts and no text tower.
let private fusing folder out =
    let plain = settings None

    { World.request folder out with
        Settings =
            { plain with
                Method =
                    { plain.Method with
                        Fusion = Some Fusion.Medclipseg
                    }
            }
    }

let private fusion =
    testList
        "fusion"
        [
            testCase
                "by a table of texts: the bundle answers as in training; a stopped run ends with the same bytes; every leaf is learned"
            <| fun () ->
                World.within (fun folder ->
                    let whole = fusing folder "whole"
                    trainedTwice folder whole
                    use _scope = torch.NewDisposeScope()
                    let model, start = ends whole [ "polyp" ]
                    changed start (Option.get model.Rival)

                    let leaves = Map.ofList (Tree.leaves (Option.get model.Rival))

                    let load settings tensors =
                        RivalTensors.load
                            "here"
                            Map.empty
                            settings
                            model.Tower
                            model.Texts
                            [ "polyp" ]
                            tensors

                    Expect.isSome (Outcome.ok (load whole.Settings.Method leaves)) "whole"

                    load whole.Settings.Method (leaves.Remove "image.gate")
                    |> Outcome.refusedWith 3 [ "image.gate" ]

                    load (settings None).Method leaves
                    |> Outcome.refusedWith 3 [ "prompts that its settings don't have" ])

            testCase "every way to ask the segmenter; no tensor is left behind; not exported"
            <| fun () ->
                World.within (fun folder ->
                    asked folder (fusing folder "run") |> Outcome.refusedWith 2 [ "method.fusion" ])
        ]

let tests =
    testSequenced (
        testList
            "Trainer.Rivals"
            [
                fusion
                for reader in [ Own; Sentences ] do
                    yield! List.map (trained reader) all
                    yield! List.map (answers reader) all
            ]
    )
