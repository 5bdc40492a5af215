module Mcdrl.Tests.RivalSourceTests

open System.IO
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.RivalWorld

/// Texts that a rival which words its own doesn't read.
let private unread () =
    PromptTexts.ofEmbeddings 2 1 None (torch.zeros (6L, 32L))

let tests =
    testList
        "RivalSource"
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
                        RivalTensors.load "here" Map.empty m weights.Tower (unread ()) classes tensors

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

            testCase "a bundle's text tower computes the activation that its weights were published with"
            <| fun () ->
                within (fun folder ->
                    use _scope = torch.NewDisposeScope()
                    use _noGrad = torch.no_grad ()
                    let clip = Path.Combine(folder, "clip")
                    File.WriteAllText(Path.Combine(clip, "open_clip_config.json"), """{"model_cfg": {}}""")
                    let weights = Outcome.ok (Weights.load clip)
                    let m = (settings (Some Prompting.Cocoop)).Method

                    let rival =
                        RivalSource.create m weights TextSource.Own (unread ()) classes (Seed.create 1UL)
                        |> Outcome.ok

                    let words (rival: Rival option) =
                        let frame = (wording (Option.get rival)).frame
                        PromptFrame.features frame (frame.context.unsqueeze 0L)

                    let load facts =
                        RivalTensors.load
                            "here"
                            facts
                            m
                            weights.Tower
                            (unread ())
                            classes
                            (Map.ofList (Tree.leaves (wording (Option.get rival))))
                        |> Outcome.ok
                        |> words

                    let facts = Rival.facts rival
                    Expect.equal facts (Map [ "text_activation", "gelu" ]) "stated"
                    Expect.isTrue ((load facts).equal(words rival).all().item<bool>()) "the same"
                    Expect.isFalse ((load Map.empty).equal(words rival).all().item<bool>()) "another's")

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
                        RivalTensors.load "here" Map.empty m weights.Tower (unread ()) classes tensors

                    Expect.isSome (Outcome.ok (load m leaves)) "whole"
                    let unknown = rival.frame.tokens.add (torch.tensor 100000L)

                    load m (leaves.Add("frame.tokens", unknown))
                    |> Outcome.refusedWith 3 [ "prompts.frame.tokens" ]

                    load m (leaves.Remove "learner.context")
                    |> Outcome.refusedWith 3 [ "learner.context" ]

                    load (settings None).Method leaves
                    |> Outcome.refusedWith 3 [ "prompts that its settings don't have" ])
        ]
