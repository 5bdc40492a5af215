module Mcdrl.Tests.RivalSourceTests

open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private classes = [ "polyp"; "cyst" ]
let private all = [ Prompting.Cocoop; Prompting.Stylip; Prompting.Biomedcoop ]

/// The discs of every other frame become cysts.
let private withCysts data =
    for site in [ "a"; "b"; "c" ] do
        for number in [ 1; 3; 5 ] do
            let path = Path.Combine(data, site, "masks", $"frame{number}.png")
            let mask = Outcome.ok (Masks.read ImageLimits.standard path)

            { mask with
                Labels = mask.Labels |> Array.map (fun value -> if value = 255uy then 128uy else value)
            }
            |> Masks.write path
            |> Outcome.ok

    let description = Path.Combine(data, "dataset.json")

    File
        .ReadAllText(description)
        .Replace("[\"polyp\"]", "[\"polyp\", \"cyst\"]")
        .Replace("\"255\": \"polyp\"", "\"255\": \"polyp\", \"128\": \"cyst\"")
    |> fun text -> File.WriteAllText(description, text)

let private within work =
    World.within (fun folder ->
        World.writeClip folder classes
        withCysts (Path.Combine(folder, "data"))
        work folder)

/// By whom prompts are read, and the image tower that goes with it.
type private Reader =
    /// CLIP's own text tower.
    | Own
    /// A sentence encoder beside a tower that never saw text.
    | Sentences

let private sideOf reader =
    match reader with
    | Own -> 32
    | Sentences -> 64

let private settings prompting =
    let plain = World.settings

    { plain with
        Method =
            { plain.Method with
                TrainingMode = Marginalisation.Never
                Alpha = 1.0
                ClassesBy = ClassesBy.Texts
                Prompting = prompting
            }
        Optimiser = { plain.Optimiser with Averaging = 0.5 }
    }

let private request reader folder out prompting =
    let plain =
        { World.request folder out with
            Text = None
            Settings = settings prompting
        }

    match reader with
    | Own ->
        { plain with
            Weights = Path.Combine(folder, "clip")
        }
    | Sentences ->
        let encoder = Path.Combine(folder, "sentences")
        World.writeSentenceEncoder encoder

        { plain with
            Weights = Shared.path "weights/resnet50-imagenet"
            TextWeights = Some encoder
            Settings =
                { plain.Settings with
                    Method =
                        { plain.Settings.Method with
                            InputSize = sideOf reader
                        }
                }
        }

let private sourceOf (request: TrainRequest) =
    Outcome.ok (TextSource.choose request.Text request.TextWeights)

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
    World.sameScoreButForTies (heldBackDice folder whole) report.ValidationDice "the same answers"

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
        Expect.equal (first.equal(last).all().ToBoolean()) (not (Rival.isTrained path)) path

let private wording (rival: Rival) : PromptRival =
    match rival with
    | Rival.Prompts rival -> rival
    | Rival.Attention _ -> failtest "it words no prompts"

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
                        RivalTensors.load "here" settings model.Tower model.Texts [ "polyp" ] tensors

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

/// Texts that a rival which words its own doesn't read.
let private unread () =
    PromptTexts.ofEmbeddings 2 1 None (torch.zeros (6L, 32L))

let private sources =
    testList
        "sources"
        [
            testCase "a descriptive prompt too long for the tower is left out for every class"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let weights = Outcome.ok (Weights.load (Path.Combine(folder, "clip")))
                    let tokenizer = Outcome.ok (Weights.tokenizer weights)

                    let fits (prompt: string) =
                        (ClipTokenizer.encode tokenizer prompt).Length <= 24

                    let usable =
                        List.zip (BiomedPrompts.ofClass "polyp") (BiomedPrompts.ofClass "cyst")
                        |> List.filter (fun (polyp, cyst) -> fits polyp && fits cyst)

                    let create =
                        RivalSource.create
                            (settings (Some Prompting.Biomedcoop)).Method
                            weights
                            TextSource.Own
                            (unread ())
                            classes
                            (Seed.create 1UL)

                    let ensemble = (wording (Option.get (Outcome.ok create))).ensemble |> Option.get
                    Expect.isGreaterThanOrEqual usable.Length 12 "the sentences of captions fit"
                    Expect.isLessThan usable.Length 20 "others don't"
                    Expect.equal (List.ofArray ensemble.shape) [ 2L; int64 usable.Length; 32L ] "the rest"

                    let expected =
                        Outcome.ok (
                            TextEncoder.features
                                (TextEncoder.Clip(Option.get weights.Text, tokenizer))
                                [ snd usable[1] ]
                        )

                    Expect.isTrue (ensemble[1L, 1L].allclose(expected[0L], 1e-4, 1e-5)) "class by class")

            testCase
                "a new rival's prompts are those of its context's words and of what the settings call the classes"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let weights = Outcome.ok (Weights.load (Path.Combine(folder, "clip")))
                    let tokenizer = Outcome.ok (Weights.tokenizer weights)

                    let m =
                        { (settings (Some Prompting.Biomedcoop)).Method with
                            ClassWords = Some(Map [ "cyst", "mucus" ])
                        }

                    let rival =
                        RivalSource.create m weights TextSource.Own (unread ()) classes (Seed.create 1UL)
                        |> Outcome.ok
                        |> Option.get
                        |> wording

                    let expected =
                        [ "endoscopic image of a polyp"; "endoscopic image of a mucus" ]
                        |> TextEncoder.features (TextEncoder.Clip(Option.get weights.Text, tokenizer))
                        |> Outcome.ok

                    let found = PromptFrame.features rival.frame (rival.frame.context.unsqueeze 0L)
                    Expect.isTrue (found.allclose (expected.unsqueeze 0L, 1e-4, 1e-5)) "the plain prompts")

            testCase
                "prompts of a sentence encoder: [CLS], context, class words, [SEP]; its tower keeps their tokens alone"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let request = request Sentences folder "run" (Some Prompting.Biomedcoop)
                    let weights = Outcome.ok (Weights.load request.Weights)

                    let m =
                        { request.Settings.Method with
                            ClassWords = Some(Map [ "cyst", "normal mucosa" ])
                        }

                    let rival =
                        RivalSource.create m weights (sourceOf request) (unread ()) classes (Seed.create 1UL)
                        |> Outcome.ok
                        |> Option.get
                        |> wording

                    let encoder = Outcome.ok (TextEncoder.find weights (sourceOf request)) |> Option.get

                    let expected =
                        [ "endoscopic image of a polyp"; "endoscopic image of a normal mucosa" ]
                        |> TextEncoder.features encoder
                        |> Outcome.ok

                    let found = PromptFrame.features rival.frame (rival.frame.context.unsqueeze 0L)
                    Expect.isTrue (found.allclose (expected.unsqueeze 0L, 1e-4, 1e-5)) "the plain prompts"

                    match rival.frame.text with
                    | TextTower.Bert text ->
                        Expect.equal (BertText.vocabulary text) 9L "4 + 3 words and 2 ends"
                    | TextTower.Clip _ -> failtest "another tower"

                    let ensemble = Option.get rival.ensemble
                    Expect.equal ensemble.shape[2] 8L "descriptive prompts by the same encoder")

            testCase
                "refused: a bundle's sentence encoder without its number of heads, or with one that can't be"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let request = request Sentences folder "run" (Some Prompting.Cocoop)
                    let weights = Outcome.ok (Weights.load request.Weights)
                    let m = request.Settings.Method

                    let rival =
                        RivalSource.create m weights (sourceOf request) (unread ()) classes (Seed.create 1UL)
                        |> Outcome.ok
                        |> Option.get
                        |> wording

                    let leaves = Map.ofList (Tree.leaves rival)

                    let load tensors =
                        RivalTensors.load "here" m weights.Tower (unread ()) classes tensors

                    Expect.isSome (Outcome.ok (load leaves)) "whole"

                    for spoilt in
                        [
                            leaves.Remove "frame.text.heads"
                            leaves.Add("frame.text.heads", torch.tensor 3L)
                            leaves.Add("frame.text.heads", torch.tensor 0L)
                            leaves.Add("frame.text.heads", torch.tensor 2.0f)
                        ] do
                        load spoilt |> Outcome.refusedWith 3 [ "prompts.frame.text.heads" ])

            testCase "refused: a sentence encoder for a tower with texts of its own, and beside a table"
            <| fun () ->
                within (fun folder ->
                    let own = request Own folder "run" None
                    let encoder = Path.Combine(folder, "sentences")
                    World.writeSentenceEncoder encoder

                    { own with TextWeights = Some encoder }
                    |> World.train
                    |> Outcome.refusedWith 2 [ "“text_weights”"; "Leave" ]

                    { World.request folder "run" with
                        TextWeights = Some encoder
                    }
                    |> World.train
                    |> Outcome.refusedWith 2 [ "“text” and “text_weights”" ])

            testCase "the digest of a sentence encoder's weights is the run's of its texts"
            <| fun () ->
                within (fun folder ->
                    let request = request Sentences folder "run" None
                    let file = Path.Combine(folder, "sentences", "model.safetensors")

                    Expect.equal
                        (TextSource.sha256 (sourceOf request))
                        (Ok(Some(Outcome.ok (Files.sha256 file))))
                        "weights"

                    Outcome.ok (World.train request) |> ignore
                    let identity = File.ReadAllText(Run.identityFile request.Out)
                    Expect.stringContains identity (Outcome.ok (Files.sha256 file)) "kept"

                    use _scope = torch.NewDisposeScope()
                    let texts = (Outcome.ok (Bundle.load request.Out)).Texts
                    let lengths = texts.class_conditions.norm 2
                    Expect.isTrue (lengths.allclose (torch.ones_like lengths, 1e-5, 1e-6)) "rows of length 1")

            for prompting in all do
                testCase $"refused: {prompting} without a text tower"
                <| fun () ->
                    World.within (fun folder ->
                        { World.request folder "run" with
                            Settings = settings (Some prompting)
                        }
                        |> World.train
                        |> Outcome.refusedWith 2 [ "no text tower"; "method.prompting" ])

            testCase "refused: tokens that the text tower doesn't know, and prompts missing or one too many"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    let weights = Outcome.ok (Weights.load (Path.Combine(folder, "clip")))
                    let m = (settings (Some Prompting.Cocoop)).Method

                    let rival =
                        RivalSource.create m weights TextSource.Own (unread ()) classes (Seed.create 1UL)
                        |> Outcome.ok
                        |> Option.get
                        |> wording

                    let leaves = Map.ofList (Tree.leaves rival)

                    let load m tensors =
                        RivalTensors.load "here" m weights.Tower (unread ()) classes tensors

                    Expect.isSome (Outcome.ok (load m leaves)) "whole"
                    let unknown = rival.frame.tokens.add (torch.tensor 100000L)

                    load m (leaves.Add("frame.tokens", unknown))
                    |> Outcome.refusedWith 3 [ "prompts.frame.tokens" ]

                    load m (leaves.Remove "learner.context")
                    |> Outcome.refusedWith 3 [ "learner.context" ]

                    load (settings None).Method leaves
                    |> Outcome.refusedWith 3 [ "prompts that its settings don't have" ])
        ]

let tests =
    testSequenced (
        testList
            "RivalSource"
            (sources
             :: fusion
             :: [
                 for reader in [ Own; Sentences ] do
                     yield! List.map (trained reader) all
                     yield! List.map (answers reader) all
             ])
    )
