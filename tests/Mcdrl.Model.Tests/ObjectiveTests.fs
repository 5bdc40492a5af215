module Mcdrl.Tests.ObjectiveTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private labels (rows: int list list) =
    torch.tensor (array2D (rows |> List.map (List.map byte)), dtype = torch.uint8)

let settings =
    let changes =
        [
            "method.refinements=1"
            "method.layers=1"
            "method.head_width=8"
            "loss.causal=0.5"
            "loss.contrast=0.1"
            "loss.grounding=0.7"
            "loss.invariance=0.4"
            "method.classes_by=texts"
        ]

    match Config.ofPreset "best" changes with
    | Ok settings -> settings
    | Error problem -> failwith (McdrlError.describe problem)

/// A batch of two 16 px images with a 4 x 4 dense map, two classes and three conditions, and a network for it.
let problem (settings: Settings) =
    let normal shape seed =
        SeedTensors.normal shape (Seed.create seed)

    let texts: Texts =
        {
            classes = normal [ 1L; 2L; 8L ] 1UL
            conditions = normal [ 3L; 8L ] 2UL
            class_conditions = normal [ 2L; 3L; 8L ] 3UL
            normal = normal [ 8L ] 4UL
            log_prior = Backdoor.logPrior [ 1.0; 1.0; 1.0 ]
        }

    let network =
        NetworkTemplate.create
            settings.Method
            {
                IsAligned = true
                Width = 8L
                SkipChannels = [ 6L; 6L; 6L ]
            }
            texts
            (Filling.Drawn(Seed.create 5UL))
        |> Tree.map (fun leaf -> leaf.detach().requires_grad_ true)

    let marks = torch.zeros ([| 2L; 16L; 16L |], dtype = torch.int64)
    marks.narrow(1L, 0L, 8L).narrow(2L, 4L, 8L).fill_(2.0.ToScalar()) |> ignore

    let batch =
        {
            Features =
                {
                    Dense = normal [ 2L; 4L; 4L; 8L ] 6UL
                    Image = normal [ 2L; 8L ] 7UL
                    Skips = [ for seed in 8UL .. 10UL -> normal [ 2L; 6L; 8L; 8L ] seed ]
                }
            Labels = marks
            Classes = torch.tensor [| 1L; 1L |]
            Confounders = torch.tensor [| 0L; 2L |]
            Transformed =
                Some
                    {
                        Features =
                            {
                                Dense = normal [ 2L; 4L; 4L; 8L ] 11UL
                                Image = normal [ 2L; 8L ] 12UL
                                Skips = [ for seed in 13UL .. 15UL -> normal [ 2L; 6L; 8L; 8L ] seed ]
                            }
                        Weight = torch.tensor [| 1.0f; 0.0f |]
                    }
        }

    network, texts, batch

let private number (x: Tensor) = x.item<float32>()

let private labelTests =
    testList
        "labels"
        [
            testCase "a cell's class is the lesion that covers most of it, from a quarter on"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let map = labels [ [ 1; 0; 0; 0 ]; [ 0; 0; 2; 1 ]; [ 1; 1; 2; 2 ]; [ 0; 2; 2; 1 ] ]

                let cells = Objective.labelsPerCell 2 2L 2L ((map.``to`` torch.int64).unsqueeze 0L)

                Expect.equal
                    (cells.data<int64>().ToArray())
                    [| 1L; 1L; 1L; 2L |]
                    "a quarter, a tie, a majority"

                let sparse = torch.zeros ([| 1L; 8L; 8L |], dtype = torch.int64)
                sparse.narrow(1L, 0L, 1L).narrow(2L, 0L, 3L).fill_(1.0.ToScalar()) |> ignore
                let cells = Objective.labelsPerCell 2 2L 2L sparse
                Expect.equal (cells.sum().item<int64>()) 0L "three pixels of sixteen are too few"

            testCase "the class shown is the lesion of most pixels, -1 for none"
            <| fun () ->
                Expect.equal (Objective.classShown 2 (labels [ [ 0; 0; 0 ]; [ 1; 2; 2 ] ])) 1L "class 2"
                Expect.equal (Objective.classShown 2 (labels [ [ 0; 0; 0 ]; [ 0; 1; 0 ] ])) 0L "class 1"
                Expect.equal (Objective.classShown 2 (labels [ [ 0; 0 ] ])) -1L "none"

            testCase "Dice: 1 for nothing on nothing, 0 for anything on nothing, mean over the shown classes"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let dice predicted truth =
                    Objective.meanDice
                        2
                        (torch.stack (List.toArray (List.map labels predicted)))
                        (torch.stack (List.toArray (List.map labels truth)))

                let nothing = [ [ 0; 0; 0; 0 ] ]

                let close a b =
                    Expect.floatClose Accuracy.medium a b "Dice"

                close (dice [ nothing ] [ nothing ]) 1.0
                close (dice [ [ [ 0; 1; 0; 0 ] ] ] [ nothing ]) 0.0
                close (dice [ nothing ] [ [ [ 0; 1; 0; 0 ] ] ]) 0.0
                // Class 1: 2·1/(1 + 2); class 2 is shown by neither.
                close (dice [ [ [ 0; 1; 0; 0 ] ] ] [ [ [ 0; 1; 1; 0 ] ] ]) (2.0 / 3.0)
                // Class 1 right, class 2 missed.
                close (dice [ [ [ 1; 0; 0; 0 ] ] ] [ [ [ 1; 0; 0; 2 ] ] ]) 0.5
                // The mean over two images.
                close (dice [ nothing; [ [ 1; 0; 0; 0 ] ] ] [ nothing; [ [ 1; 0; 0; 2 ] ] ]) 0.75
        ]

let private draws =
    testCase "confounders are drawn from π, the same for the same seed"
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        let _, texts, _ = problem settings

        let texts =
            { texts with
                log_prior = Backdoor.logPrior [ 1.0; 0.0; 3.0 ]
            }

        let draw seed =
            (Objective.drawConfounders texts (Seed.create seed) 4000).data<int64>().ToArray()

        let shares = draw 1UL |> Array.countBy id |> Map.ofArray
        Expect.isFalse (shares.ContainsKey 1L) "no weight, no draw"
        Expect.floatClose { absolute = 0.03; relative = 0.0 } (float shares[2L] / 4000.0) 0.75 "share"
        Expect.equal (draw 1UL) (draw 1UL) "the same seed"
        Expect.notEqual (draw 1UL) (draw 2UL) "another"

let private evaluated settings isOpen =
    let network, texts, batch = problem settings
    let mode = Gate.through isOpen settings.Method.TrainingMode
    let terms, logits = Objective.evaluate settings network texts mode batch
    network, terms, logits

let private causal weight =
    { settings with
        Loss = { settings.Loss with Causal = weight }
    }

let private gradients (network: Network) (loss: Tensor) =
    loss.backward ()

    Tree.tensors network.intervention
    |> List.map (fun leaf ->
        match leaf.grad with
        | null -> 0.0f
        | grad -> grad.abs().sum() |> number)

let private terms =
    testList
        "terms"
        [
            testCase "the total is the weighted sum of Eq. 9 and ours, with logits for every pixel"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for mode in
                    [
                        Marginalisation.Attention
                        Marginalisation.FeatureMean
                        Marginalisation.Sampled
                    ] do
                    let settings =
                        { settings with
                            Method =
                                { settings.Method with
                                    TrainingMode = mode
                                }
                        }

                    let _, terms, logits = evaluated settings true
                    Expect.equal (List.ofArray logits.shape) [ 2L; 3L; 16L; 16L ] "logits"
                    let w = settings.Loss

                    let expected =
                        [
                            1.0, terms.Segmentation
                            w.Causal, terms.Causal
                            w.Contrast, terms.Contrast
                            w.Dice, terms.Dice
                            w.Alignment, terms.Alignment
                            w.Grounding, terms.Grounding
                            w.Invariance, terms.Invariance
                        ]
                        |> List.sumBy (fun (weight, term) ->
                            Expect.isGreaterThan (number term) 0.0f "each part counts"
                            weight * float (number term))

                    Expect.floatClose Accuracy.low (float (number terms.Total)) expected "sum"

            testCase "before activation neither λ1 nor the intervention matters"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let network, terms, _ = evaluated (causal 0.5) false
                let _, heavier, _ = evaluated (causal 50.0) false
                Expect.equal (number heavier.Total) (number terms.Total) "λ1"
                Expect.equal (number terms.Causal) 0.0f "no causal term"

                let others = terms.Total.sub (terms.Grounding.mul (scalar settings.Loss.Grounding))
                Expect.all (gradients network others) (fun norm -> norm < 1e-6f) "no gradient for A"

            testCase "grounding teaches A alone, before activation too"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let network, terms, _ = evaluated settings false
                Expect.isGreaterThan (gradients network terms.Grounding |> List.sum) 0.0f "A"

                Expect.isNull network.head.conv_2.weight.grad "the head is not asked"

            testCase "after activation both matter"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let network, terms, _ = evaluated (causal 0.5) true
                let _, heavier, _ = evaluated (causal 50.0) true
                Expect.isGreaterThan (number heavier.Total) (number terms.Total) "λ1"
                Expect.isGreaterThan (gradients network terms.Total |> List.sum) 0.0f "a gradient for A"

            testCase "the baseline never intervenes"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let never =
                    { causal 0.0 with
                        Method =
                            { settings.Method with
                                TrainingMode = Marginalisation.Never
                            }
                    }

                let network, terms, _ = evaluated never true
                Expect.all (gradients network terms.Total) ((=) 0.0f) "no gradient for A"

            testCase "a weight of zero takes its term away"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let bare =
                    { settings with
                        Loss =
                            { settings.Loss with
                                Causal = 0.0
                                Contrast = 0.0
                                Dice = 0.0
                                Alignment = 0.0
                                Grounding = 0.0
                                Invariance = 0.0
                            }
                    }

                let _, terms, _ = evaluated bare true
                Expect.equal (number terms.Total) (number terms.Segmentation) "cross-entropy alone"

            testCase
                "frames in pairs: the second is learned from, and is what grounding and invariance compare with"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let network, texts, batch = problem settings

                let terms transformed =
                    Objective.evaluate
                        settings
                        network
                        texts
                        Marginalisation.Sampled
                        { batch with Transformed = transformed }
                    |> fst

                let transformed = Option.get batch.Transformed

                let moved part =
                    terms (
                        Some
                            { transformed with
                                Features = part transformed.Features
                            }
                    )

                let paired, alone = terms (Some transformed), terms None

                Expect.equal
                    (number alone.Grounding, number alone.Invariance)
                    (0.0f, 0.0f)
                    "nothing to compare"

                Expect.notEqual
                    (number alone.Segmentation)
                    (number paired.Segmentation)
                    "both are learned from"

                for name, other in
                    [
                        "dense", moved (fun seen -> { seen with Dense = seen.Dense.neg () })
                        "image", moved (fun seen -> { seen with Image = seen.Image.neg () })
                        "skips",
                        moved (fun seen ->
                            { seen with
                                Skips = [ for skip in seen.Skips -> skip.neg () ]
                            })
                    ] do
                    Expect.notEqual (number other.Grounding) (number paired.Grounding) $"{name} are foretold"

                    if name <> "image" then
                        Expect.notEqual
                            (number other.Invariance)
                            (number paired.Invariance)
                            $"{name} are answered"

            testCase "evaluating leaves its terms and logits behind, nothing else"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use _noGrad = torch.no_grad ()
                let network, texts, batch = problem settings

                Objective.evaluate settings network texts Marginalisation.Sampled batch
                |> ignore

                let before = LiveTensors.count ()

                Objective.evaluate settings network texts Marginalisation.Sampled batch
                |> ignore

                Expect.equal torch.Tensor.TotalCount (before + 9L) "eight terms and the logits"
        ]

let private ofRival =
    testCase "a rival's objective takes the place of Eq. 12; nothing is left behind besides terms and logits"
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        use _noGrad = torch.no_grad ()

        let settings =
            { settings with
                Method =
                    { settings.Method with
                        TrainingMode = Marginalisation.Never
                        ClassesBy = ClassesBy.Texts
                    }
                Loss =
                    { settings.Loss with
                        Contrast = 9.0
                        Alignment = 0.5
                    }
            }

        let network, texts, pair = problem settings
        let batch = { pair with Transformed = None }
        let rival = RivalTests.rivalOf 8L Prompting.Cocoop

        let evaluate batch =
            Objective.evaluateRival
                settings
                network
                (Rival.Prompts rival)
                texts
                Marginalisation.Never
                (Seed.create 1UL)
                batch

        evaluate pair |> ignore
        let before = LiveTensors.count ()
        let ofPair, _ = evaluate pair
        Expect.equal torch.Tensor.TotalCount (before + 9L) "eight terms and the logits"
        let terms, logits = evaluate batch

        let ofOther, _ =
            evaluate
                { batch with
                    Features = (Option.get pair.Transformed).Features
                }

        Expect.floatClose
            Accuracy.medium
            (float (number ofPair.Segmentation))
            (float (number terms.Segmentation + number ofOther.Segmentation) / 2.0)
            "each view in words of its own"

        let _, worded =
            Rival.read (Some(Rival.Prompts rival)) network None batch.Features texts

        let own = PromptRival.loss rival worded.classes batch.Classes batch.Features.Image
        Expect.equal (number terms.Contrast) (number own) "its own"

        let bare =
            { settings with
                Loss = { settings.Loss with Contrast = 0.0 }
            }

        let method, same =
            Objective.evaluate bare network worded Marginalisation.Never batch

        Expect.isTrue (logits.equal(same).all().item<bool>()) "the head reads the rival's texts"

        Expect.floatClose
            Accuracy.medium
            (float (number terms.Total))
            (float (number method.Total + number own))
            "added in full"

        let fixed', _ = Objective.evaluate bare network texts Marginalisation.Never batch

        Expect.notEqual
            (number fixed'.Alignment)
            (number terms.Alignment)
            "alignment reads the rival's texts too"

let tests =
    testSequenced (testList "Objective" [ labelTests; draws; terms; ofRival ])
