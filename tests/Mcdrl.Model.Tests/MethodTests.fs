module Mcdrl.Tests.MethodTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private normal shape seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

/// An arbitrary small problem: B 2, N 4, d 8, M conditions, a random network and a nonlinear head.
let private problem (conditions: int) (value: uint64) =
    let seed = Seed.create value
    let width = 8L

    let double tree =
        tree |> Tree.map (fun (leaf: Tensor) -> leaf.``to`` torch.float64)

    let network = Intervention.create width 2 (Seed.named "network" seed) |> double

    let head = Init.linear width 3L (Seed.named "head" seed) |> double

    let logits (regions: Tensor) =
        (linear head regions).tanh().mul(scalar 3.0).permute(0L, 2L, 1L)

    let weights = List.init conditions (fun m -> 0.1 + Seed.uniform (Seed.split m seed))

    let texts: Texts =
        {
            classes = normal [ 2L; width ] value
            conditions = normal [ int64 conditions; width ] (value + 1UL)
            class_conditions = normal [ 2L; int64 conditions; width ] (value + 2UL)
            normal = normal [ width ] (value + 3UL)
            log_prior = Backdoor.logPrior weights
        }

    Intervention.apply network, logits, texts, normal [ 2L; 4L; width ] (value + 4UL)

let private distance (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float>()

let private networkTests =
    testList
        "intervention"
        [
            testCase "a layer at d = 768 has the 6,291,456 weights of Table 5"
            <| fun () ->
                let layer = Intervention.create 768L 1 (Seed.create 1UL)
                let matrices = Tree.tensors layer |> List.filter (fun leaf -> leaf.dim () = 2L)
                Expect.equal (matrices |> List.sumBy (fun leaf -> leaf.numel ())) 6291456L "weights"
        ]

let private adjustmentTests =
    testList
        "backdoor adjustment"
        [
            testProperty "exact is Σ π_m of the single answers" (fun (value: uint64) ->
                let intervene, logits, texts, regions = problem 3 value
                let prior = texts.log_prior.exp().data<float>().ToArray()

                let expected =
                    [
                        for m in 0..2 ->
                            let z = texts.conditions.narrow(0L, int64 m, 1L).unsqueeze 0L
                            let alone = intervene (torch.zeros (1L, dtype = torch.float64)) z regions
                            (logits alone).softmax(1L).mul(scalar prior[m])
                    ]
                    |> List.reduce (fun a b -> a.add b)

                distance (Backdoor.adjust Marginalisation.Exact intervene logits texts regions) expected <
                    1e-10)
        ]

let private textClassTests =
    let scores weights value =
        TextClasses.scores
            weights
            (normal [ 3L; 8L ] value)
            (normal [ 2L; 8L ] (value + 1UL))
            (normal [ 4L; 2L; 3L; 8L ] (value + 2UL))

    let weights cells image : TextClasses =
        {
            cells = (scalar cells).view 1L
            image = (scalar image).view 1L
        }

    testList
        "classes by texts"
        [
            testProperty "the texts split P(lesion) and leave it as it is" (fun (value: uint64) ->
                let lesion = normal [ 4L; 2L; 2L; 3L ] value
                let p = (TextClasses.split lesion (scores (weights 1.0 1.0) value)).softmax 1L
                distance (p.narrow(1L, 1L, 3L).sum 1L) ((lesion.softmax 1L).select(1L, 1L)) < 1e-10)

            testProperty "a cell's own text gains most, and so does the image's" (fun (value: uint64) ->
                let texts = normal [ 3L; 8L ] value
                let cell = texts.narrow(0L, 2L, 1L).view(1L, 1L, 1L, 8L)
                let image = texts.narrow (0L, 1L, 1L)

                let winner weights =
                    (TextClasses.scores weights texts image cell).argmax(1L).item<int64>()

                winner (weights 1.0 0.0) = 2L && winner (weights 0.0 1.0) = 1L)

            testProperty "each copy of the maps is read with its own image" (fun (value: uint64) ->
                let image = normal [ 2L; 8L ] value
                let texts = normal [ 3L; 8L ] (value + 1UL)
                let map = torch.zeros ([| 4L; 1L; 1L; 8L |], dtype = torch.float64)
                let found = (TextClasses.scores (weights 1.0 1.0) texts image map).squeeze()

                let expected =
                    (Regions.similarity (image.view (2L, 1L, 1L, 8L)) texts).squeeze().div(scalar 0.07)

                distance found (expected.repeat (2L, 1L)) < 1e-10)

            testProperty
                "texts of each image give it, and every copy of it, what they give it alone"
                (fun (value: uint64) ->
                    let texts, image = normal [ 2L; 3L; 8L ] value, normal [ 2L; 8L ] (value + 1UL)
                    let map = normal [ 4L; 2L; 3L; 8L ] (value + 2UL)
                    let both = TextClasses.scores (weights 0.7 1.3) texts image map

                    Seq.forall
                        (fun copy ->
                            let own = int64 copy % 2L

                            TextClasses.scores
                                (weights 0.7 1.3)
                                texts[own]
                                (image.narrow (0L, own, 1L))
                                (map.narrow (0L, int64 copy, 1L))
                            |> distance both[int64 copy]
                                <
                                1e-10)
                        [ 0..3 ])

            testProperty "without weights the classes are even" (fun (value: uint64) ->
                let lesion = normal [ 4L; 2L; 2L; 3L ] value
                let p = (TextClasses.split lesion (scores (weights 0.0 0.0) value)).softmax 1L
                distance (p.narrow (1L, 1L, 3L)) (p.narrow(1L, 1L, 1L).expand(4L, 3L, 2L, 3L)) < 1e-10)
        ]

let private lossTests =
    let close expected (actual: Tensor) =
        Expect.floatClose
            { absolute = 1e-5; relative = 0.0 }
            (actual.``to``(torch.float64).item<float>())
            expected

    testList
        "losses"
        [
            testCase "images that show no class do not count in Eq. 11 and 12"
            <| fun () ->
                let none = torch.tensor [| -1L |]
                let regions = normal [ 1L; 2L; 2L ] 3UL
                close 0.0 (Loss.causal (normal [ 1L; 2L; 2L ] 4UL) none regions) "causal"
                close 0.0 (Loss.contrast 0.5 (normal [ 3L; 2L ] 4UL) none (normal [ 1L; 2L ] 5UL)) "contrast"

            testProperty "each image's own texts contrast it as they would alone" (fun (value: uint64) ->
                let texts, image = normal [ 3L; 4L; 8L ] value, normal [ 3L; 8L ] (value + 1UL)

                let cost (row: int64) (label: int64) =
                    (Loss.contrast 0.5 texts[row] (torch.tensor [| label |]) (image.narrow (0L, row, 1L)))
                        .item<float>()

                let found =
                    (Loss.contrast 0.5 texts (torch.tensor [| 3L; -1L; 0L |]) image).item<float>()

                abs (found - (cost 0L 3L + cost 2L 0L) / 2.0) < 1e-10)

            testCase "Dice loss is near 0 for the truth and near 1 for its opposite"
            <| fun () ->
                let labels = torch.zeros (1L, 32L, 32L, dtype = torch.int64)
                labels.narrow(1L, 0L, 16L).fill_(1.0.ToScalar()) |> ignore

                let truth =
                    torch.nn.functional.one_hot(labels, 2L).permute(0L, 3L, 1L, 2L).``to`` torch.float64

                let logits = truth.mul (scalar 40.0)
                Expect.isLessThan ((Loss.dice logits labels).item<float>()) 1e-3 "truth"
                Expect.isGreaterThan ((Loss.dice (logits.neg ()) labels).item<float>()) 0.99 "opposite"
        ]

let tests =
    testSequenced
    <| testList "Method" [ networkTests; adjustmentTests; textClassTests; lossTests ]
