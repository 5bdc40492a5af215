module Mcdrl.Model.Tests.MethodTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private float64s (values: float list list) =
    torch.tensor (array2D values, dtype = torch.float64)

let private normal shape seed =
    (Seed.normal shape (Seed.create seed)).``to`` torch.float64

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

let private modes =
    [
        Marginalisation.Exact
        Marginalisation.FeatureMean
        Marginalisation.Nwgm
        Marginalisation.Attention
    ]

let private distance (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float>()

let private reordered (order: int64 array) (texts: Texts) =
    let pick (x: Tensor) = x.index_select (0L, torch.tensor order)

    { texts with
        conditions = pick texts.conditions
        log_prior = pick texts.log_prior
    }

let private regionTests =
    testList
        "regions"
        [
            testProperty
                "exactly round(α·cells) cells, midpoints up, at least one"
                (fun (NormalFloat alpha) (value: uint64) ->
                    let alpha = abs alpha % 1.0
                    let similarity = (normal [ 2L; 3L; 5L; 2L ] value).round()
                    let cells = Regions.select alpha similarity

                    cells.shape[1] =
                        max
                            1L
                            (int64 (System.Math.Round(alpha * 15.0, System.MidpointRounding.AwayFromZero))))

            testCase "half of 7×7 cells is 25, not 24"
            <| fun () -> Expect.equal (Regions.count 0.5 49L) 25L "midpoint away from zero"

            testCase "ties go to the lower cell and cells come in order"
            <| fun () ->
                let similarity =
                    torch.tensor([| 1.0; 2.0; 1.0; 1.0; 2.0; 0.0 |]).view(1L, 2L, 3L, 1L)

                Expect.equal
                    ((Regions.select 0.5 similarity).data<int64>().ToArray())
                    [| 0L; 1L; 4L |]
                    "cells"

            testProperty "a larger α keeps what a smaller one kept" (fun (value: uint64) ->
                let similarity = normal [ 1L; 4L; 4L; 3L ] value

                let kept alpha =
                    (Regions.select alpha similarity).data<int64>().ToArray() |> Set.ofArray

                Set.isSubset (kept 0.25) (kept 0.6))

            testProperty
                "similarity is a cosine: bounded, scale-free, zero for zero vectors"
                (fun (value: uint64) ->
                    let dense = normal [ 1L; 2L; 2L; 6L ] value
                    dense[0L, 0L, 0L].zero_() |> ignore
                    let classes = normal [ 3L; 6L ] (value + 1UL)
                    let s = Regions.similarity dense classes
                    let scaled = Regions.similarity (dense.mul (scalar 7.0)) (classes.mul (scalar 0.2))

                    s.abs().max().item<float>() <= 1.0 + 1e-12
                    && distance s scaled < 1e-12
                    && s[0L, 0L, 0L].abs().max().item<float>() = 0.0)

            testProperty "scatter undoes gather" (fun (value: uint64) ->
                let dense = normal [ 2L; 3L; 4L; 5L ] value
                let cells = Regions.select 0.4 (normal [ 2L; 3L; 4L; 2L ] (value + 1UL))
                distance (Regions.scatter cells dense (Regions.gather cells dense)) dense = 0.0)

            testCase "no gradient reaches unselected cells through F"
            <| fun () ->
                let dense = (normal [ 1L; 2L; 2L; 3L ] 1UL).requires_grad_ true
                let cells = torch.tensor([| 0L; 3L |]).view(1L, 2L)
                (Regions.gather cells dense).sum().backward()
                let gradient = nonNull dense.grad
                let perCell = gradient.sum([| -1L |]).flatten().data<float>().ToArray()
                Expect.equal perCell [| 3.0; 0.0; 0.0; 3.0 |] "gradient"
        ]

let private networkTests =
    testList
        "intervention"
        [
            testCase "a layer at d = 768 has the 6,291,456 weights of Table 5"
            <| fun () ->
                let layer = Intervention.create 768L 1 (Seed.create 1UL)
                let matrices = Tree.tensors layer |> List.filter (fun leaf -> leaf.dim () = 2L)
                Expect.equal (matrices |> List.sumBy (fun leaf -> leaf.numel ())) 6291456L "weights"

            testProperty
                "one confounder: F decides the result, and the logits of attention do not"
                (fun (value: uint64) ->
                    let intervene, _, texts, regions = problem 1 value
                    let once = intervene texts.log_prior (texts.conditions.unsqueeze 0L) regions

                    let other =
                        intervene texts.log_prior (texts.conditions.unsqueeze 0L) (regions.add (scalar 0.5))

                    distance once other > 1e-3)

            testProperty "each row depends on F through its own row only" (fun (value: uint64) ->
                let intervene, _, texts, regions = problem 3 value
                let z = texts.conditions.unsqueeze 0L
                let whole = intervene texts.log_prior z regions
                let part = intervene texts.log_prior z (regions.narrow (1L, 1L, 2L))
                distance (whole.narrow (1L, 1L, 2L)) part < 1e-10)
        ]

let private adjustmentTests =
    testList
        "backdoor adjustment"
        [
            testProperty "the order of the dictionary does not matter, in any mode" (fun (value: uint64) ->
                let intervene, logits, texts, regions = problem 4 value
                let turned = reordered [| 2L; 0L; 3L; 1L |] texts

                modes
                |> List.forall (fun mode ->
                    let p texts =
                        Backdoor.adjust mode intervene logits texts regions

                    distance (p texts) (p turned) < 1e-10))

            testProperty "a condition of no weight changes nothing" (fun (value: uint64) ->
                let intervene, logits, texts, regions = problem 3 value

                let widened =
                    { texts with
                        conditions = torch.cat ([| texts.conditions; normal [ 1L; 8L ] (value + 9UL) |], 0L)
                        log_prior = torch.cat ([| texts.log_prior; torch.tensor ([| -infinity |]) |], 0L)
                    }

                modes
                |> List.forall (fun mode ->
                    let p texts =
                        Backdoor.adjust mode intervene logits texts regions

                    distance (p texts) (p widened) < 1e-10))

            testProperty
                "splitting a condition's weight over two copies changes nothing"
                (fun (value: uint64) ->
                    let intervene, logits, texts, regions = problem 3 value
                    let half = texts.log_prior.select(0L, 0L).sub(scalar (log 2.0)).unsqueeze 0L

                    let split =
                        { texts with
                            conditions =
                                torch.cat ([| texts.conditions; texts.conditions.narrow (0L, 0L, 1L) |], 0L)
                            log_prior = torch.cat ([| half; texts.log_prior.narrow (0L, 1L, 2L); half |], 0L)
                        }

                    modes
                    |> List.forall (fun mode ->
                        let p texts =
                            Backdoor.adjust mode intervene logits texts regions

                        distance (p texts) (p split) < 1e-10))

            testProperty "with one condition all modes agree" (fun (value: uint64) ->
                let intervene, logits, texts, regions = problem 1 value

                let p mode =
                    Backdoor.adjust mode intervene logits texts regions

                modes
                |> List.forall (fun mode -> distance (p mode) (p Marginalisation.Exact) < 1e-10))

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

            testCase "kidney stones (Charig 1986): adjustment undoes the paradox"
            <| fun () ->
                // Success of treatments A and B for small and large stones; P(small) = 357/700.
                let prior = Backdoor.logPrior [ 357.0; 343.0 ]

                let table =
                    float64s [ [ 81.0 / 87.0; 234.0 / 270.0 ]; [ 192.0 / 263.0; 55.0 / 80.0 ] ]

                let adjusted = (Backdoor.expectation prior table).data<float>().ToArray()
                Expect.floatClose { absolute = 1e-6; relative = 0.0 } adjusted[0] 0.832546 "treatment A"
                Expect.floatClose { absolute = 1e-6; relative = 0.0 } adjusted[1] 0.778875 "treatment B"

            testCase "the mean of the features and exact adjustment may disagree about a pixel"
            <| fun () ->
                // Binary logits (−3, 1, 1): the sigmoid of the mean is below one half, the mean of the sigmoids above.
                let logits = torch.tensor([| 0.0; -3.0; 0.0; 1.0; 0.0; 1.0 |]).view(3L, 1L, 2L, 1L)
                let prior = Backdoor.logPrior [ 1.0; 1.0; 1.0 ]

                let nwgm = (Backdoor.nwgm prior logits).flatten().data<float>().ToArray()

                let exact = (Backdoor.exact prior logits).flatten().data<float>().ToArray()

                Expect.floatClose { absolute = 1e-4; relative = 0.0 } nwgm[1] 0.4174 "NWGM"
                Expect.floatClose { absolute = 1e-4; relative = 0.0 } exact[1] 0.5032 "exact"

            testProperty
                "disagreement lies in [0, min(log M, log K)] and is 0 where all conditions agree"
                (fun (value: uint64) ->
                    let prior = Backdoor.logPrior [ 1.0; 2.0; 3.0 ]
                    let logits = (normal [ 3L; 1L; 2L; 4L; 4L ] value).mul(scalar 5.0)
                    let d = Backdoor.disagreement prior logits
                    let same = logits.narrow(0L, 0L, 1L).expand_as logits

                    d.max().item<float>() <= log 2.0 + 1e-9
                    && d.min().item<float>() >= 0.0
                    && (Backdoor.disagreement prior same).max().item<float>() < 1e-9)
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
            testCase "Eq. 12 at the tabulated cosines"
            <| fun () ->
                let texts = torch.eye (5L, dtype = torch.float64)

                let image (cosines: float list) =
                    torch.tensor(List.toArray cosines).unsqueeze 0L

                let first = torch.tensor [| 0L |]

                close
                    0.432653
                    (Loss.contrast 0.5 texts first (image [ 1.0; 0.0; 0.0; 0.0; 0.0 ]))
                    "cos (1, 0, 0, 0, 0)"

                close
                    (log 5.0)
                    (Loss.contrast 0.5 texts first (image [ 1.0; 1.0; 1.0; 1.0; 1.0 ]))
                    "equal cosines"

                close
                    0.0
                    (Loss.contrast
                        0.5
                        (torch.ones (1L, 5L, dtype = torch.float64))
                        first
                        (image [ 0.3; 1.0; 2.0; 0.0; 1.0 ]))
                    "one class"

            testCase "Eq. 11 is (1 − ‖mean t‖)² at its best direction and 0 only without spread"
            <| fun () ->
                let t = torch.tensor([| 1.0; 0.0; 0.0; 1.0 |]).view(1L, 2L, 2L)
                let regions = torch.tensor([| 1.0; 1.0; 1.0; 1.0 |]).view(1L, 2L, 2L)
                close ((1.0 - sqrt 0.5) ** 2.0) (Loss.causal t (torch.tensor [| 0L |]) regions) "two texts"

                close
                    0.0
                    (Loss.causal
                        (torch.ones (1L, 2L, 2L, dtype = torch.float64))
                        (torch.tensor [| 0L |])
                        regions)
                    "one text"

            testCase "images that show no class do not count in Eq. 11 and 12"
            <| fun () ->
                let none = torch.tensor [| -1L |]
                let regions = normal [ 1L; 2L; 2L ] 3UL
                close 0.0 (Loss.causal (normal [ 1L; 2L; 2L ] 4UL) none regions) "causal"
                close 0.0 (Loss.contrast 0.5 (normal [ 3L; 2L ] 4UL) none (normal [ 1L; 2L ] 5UL)) "contrast"

            testCase "Eq. 10 is log K for uniform answers and unmoved by a constant"
            <| fun () ->
                let labels = torch.ones (1L, 2L, 2L, dtype = torch.int64)
                close (log 4.0) (Loss.segmentation (torch.zeros (1L, 4L, 2L, 2L)) labels) "uniform"
                let logits = normal [ 1L; 4L; 2L; 2L ] 1UL
                let moved = Loss.segmentation (logits.add (scalar 3.0)) labels
                Expect.isLessThan (distance moved (Loss.segmentation logits labels)) 1e-9 "constant"

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
    <| testList "Method" [ regionTests; networkTests; adjustmentTests; lossTests ]
