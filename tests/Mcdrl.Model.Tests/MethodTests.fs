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

    let drawn name = Filling.Drawn(Seed.named name seed)

    let network = NetworkTemplate.intervention width 2 (drawn "network") |> double

    let head = Init.linear width 3L (drawn "head") |> double

    let logits (regions: Tensor) =
        (linear head regions).tanh().mul(scalar 3.0).permute(0L, 2L, 1L)

    let weights = List.init conditions (fun m -> 0.1 + Seed.uniform (Seed.split m seed))

    let texts: Texts =
        {
            classes = normal [ 1L; 2L; width ] value
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
                let layer = NetworkTemplate.intervention 768L 1 Filling.Shapes
                let matrices = Tree.tensors layer |> List.filter (fun leaf -> leaf.dim () = 2L)
                Expect.equal (matrices |> List.sumBy (fun leaf -> leaf.numel ())) 6291456L "weights"

            testCase
                "heads divide the width: of 64 channels wherever those do, else of the next width above that does"
            <| fun () ->
                for width in 1L .. 1024L do
                    let heads = Intervention.heads width
                    Expect.equal (width % heads) 0L $"{width}: whole heads"

                    if width % 64L = 0L then
                        Expect.equal (width / heads) 64L $"{width}: 64 channels"
                    elif width > 64L then
                        Expect.isGreaterThan (width / heads) 64L $"{width}: no fewer channels"
                    else
                        Expect.equal heads 1L $"{width}: one head"

                Expect.equal (Intervention.heads 200L) 2L "two of 100, not three"

            testCase "a dictionary of width 200 teaches every layer"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let network =
                    NetworkTemplate.intervention 200L 2 (Filling.Drawn(Seed.create 1UL))
                    |> Tree.map (fun leaf -> leaf.requires_grad_ true)

                let conditions = SeedTensors.normal [ 1L; 12L; 200L ] (Seed.create 2UL)
                let regions = SeedTensors.normal [ 2L; 6L; 200L ] (Seed.create 3UL)
                let prior = Backdoor.logPrior (List.replicate 12 1.0)
                let found = Intervention.apply network prior conditions regions
                Expect.equal found.shape regions.shape "the regions' shape"
                (squared found).sum().backward()

                for name, leaf in Tree.leaves network do
                    let gradient = (nonNull leaf.grad).abs().max().item<float32>()
                    Expect.isGreaterThan gradient 0.0f name
        ]

let private adjustmentTests =
    testList
        "backdoor adjustment"
        [
            Property.check "exact is Σ π_m of the single answers" (fun (value: uint64) ->
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

            Property.check
                "a function of one's own sees every single answer, in the order of the conditions, and log π"
                (fun (value: uint64) ->
                    let intervene, logits, texts, regions = problem 3 value

                    let second (logPrior: Tensor) (each: Tensor) =
                        if logPrior.shape <> [| 3L |] then
                            invalidArg "logPrior" "one number a condition"

                        each.select(0L, 1L).softmax 1L

                    let z = texts.conditions.narrow(0L, 1L, 1L).unsqueeze 0L
                    let alone = intervene (torch.zeros (1L, dtype = torch.float64)) z regions

                    distance
                        (Backdoor.adjustBy second intervene logits texts regions)
                        ((logits alone).softmax 1L)
                        <
                        1e-10
                    && distance
                        (Backdoor.adjustBy Backdoor.nwgm intervene logits texts regions)
                        (Backdoor.adjust Marginalisation.Nwgm intervene logits texts regions)
                        <
                        1e-10)

            Property.check
                "a drawn confounder is the one done; undrawn it is the mean"
                (fun (value: uint64) ->
                    let intervene, logits, texts, regions = problem 3 value

                    let invariant drawn =
                        Backdoor.invariant Marginalisation.Sampled drawn intervene texts regions

                    let each = Backdoor.underEach intervene texts.conditions regions
                    let found = invariant (Some(torch.tensor [| 2L; 0L |]))
                    let mean = Backdoor.expectation texts.log_prior each

                    distance found (torch.stack ([| each[2L, 0L]; each[0L, 1L] |], 0L)) < 1e-10
                    && distance (invariant None) mean < 1e-10
                    && distance
                        (Backdoor.adjust Marginalisation.Sampled intervene logits texts regions)
                        ((logits mean).softmax 1L)
                        <
                        1e-10)
        ]

let private gateTests =
    testList
        "gate"
        [
            testCase "closed for so many epochs, it lets nothing through; then every mode as it is"
            <| fun () ->
                for mode in Marginalisation.answering @ Marginalisation.training do
                    Expect.equal
                        (List.map (fun epoch -> Gate.inEpoch 2 epoch mode) [ 0..3 ])
                        [ Marginalisation.Never; Marginalisation.Never; mode; mode ]
                        $"{mode}"
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
            testCase "Eq. 9 is L_seg + λ1 L_causal + λ2 L_contrast, in L_seg's element type"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let found = Loss.total 0.5 0.1 (torch.tensor 2.0f) (scalar 3.0) (scalar 7.0)
                Expect.equal found.dtype torch.float32 "element type"
                close 4.2 found "sum"

            testCase "images that show no class do not count in Eq. 11 and 12"
            <| fun () ->
                let none = torch.tensor [| -1L |]
                let regions = normal [ 1L; 2L; 2L ] 3UL
                close 0.0 (Loss.causal (normal [ 1L; 2L; 2L ] 4UL) none regions) "causal"

                close
                    0.0
                    (Loss.contrast 0.5 (normal [ 1L; 3L; 2L ] 4UL) none (normal [ 1L; 2L ] 5UL))
                    "contrast"

            Property.check "each image's own texts contrast it as they would alone" (fun (value: uint64) ->
                let texts, image = normal [ 3L; 4L; 8L ] value, normal [ 3L; 8L ] (value + 1UL)

                let cost (row: int64) (label: int64) =
                    (Loss.contrast
                        0.5
                        (texts.narrow (0L, row, 1L))
                        (torch.tensor [| label |])
                        (image.narrow (0L, row, 1L)))
                        .item<float>()

                let found =
                    (Loss.contrast 0.5 texts (torch.tensor [| 3L; -1L; 0L |]) image).item<float>()

                abs (found - (cost 0L 3L + cost 2L 0L) / 2.0) < 1e-10)
        ]

let tests =
    testSequenced
    <| testList "Method" [ networkTests; adjustmentTests; gateTests; lossTests ]
