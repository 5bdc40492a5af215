module Mcdrl.Tests.TrainingLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.ExpectationLaws

/// The root of the mean squared error of `repeats` estimates of E[A] from `draws` sampled confounders each,
/// what it should be, and the length of the mean error.
let private sampled (world: World) (draws: int) =
    use _scope = torch.NewDisposeScope()
    let repeats = 300
    let problem = World.problem world
    let f = problem.Observation.Rows.narrow(0L, 0L, 1L).narrow(1L, 0L, 1L)
    let each = Backdoor.underEach (World.intervene problem) problem.Texts.conditions f
    let truth = Backdoor.expectation problem.Texts.log_prior each

    let spread =
        Backdoor.expectation problem.Texts.log_prior ((each.sub truth).square())

    let confounders =
        Objective.drawConfounders problem.Texts (World.seed $"draws {draws}" world) (repeats * draws)

    let error =
        (Network.intervene
            problem.Network
            problem.Texts
            Marginalisation.Sampled
            (Some confounders)
            (f.expand (int64 (repeats * draws), 1L, -1L)))
            .view(int64 repeats, int64 draws, -1L)
            .mean([| 1L |])
            .sub(truth.view (1L, -1L))

    let length (x: Tensor) = sqrt (x.sum().item<float>())

    length ((error.square ()).div(scalar (float repeats))),
    length (spread.div (scalar (float draws))),
    length ((error.mean [| 0L |]).square())

let private sampling =
    Law.example
        "I-13 sampled confounders are unbiased with RMS error √(Var/S): slope −1/2, three worlds, S = 1 … 64"
        (fun () ->
            for seed in [ 1UL; 2UL; 3UL ] do
                let world =
                    {
                        Images = 1
                        Height = 2
                        Width = 2
                        Features = 8
                        Classes = 2
                        Conditions = 5
                        Layers = 2
                        Share = 1.0
                        Background = false
                        TextClasses = false
                        Refinements = 0
                        Seed = seed
                    }

                let errors =
                    [
                        for draws in [ 1; 4; 16; 64 ] do
                            let found, expected, bias = sampled world draws
                            Expect.isLessThan (abs (found / expected - 1.0)) 0.15 $"RMS at S = {draws}"
                            Expect.isLessThan bias (4.0 * expected / sqrt 300.0) $"bias at S = {draws}"
                            found
                    ]

                let slope = log (errors[3] / errors[0]) / log 64.0
                Expect.isLessThan (abs (slope + 0.5)) 0.05 $"slope {slope}")

let private gradients =
    Law.forAll 100 "I-14 ∂E[A]/∂z_m = π_m ∂A(F, z_m)/∂z_m; no mass, no gradient, in every mode" (fun world ->
        let problem = World.problem world
        let weights = 0.0 :: problem.Weights.Tail

        let problem =
            if List.sum weights > 0.0 then
                priorOf weights problem
            else
                problem

        let z = problem.Texts.conditions.detach().clone().requires_grad_ true

        let tracked =
            { problem with
                Texts = { problem.Texts with conditions = z }
            }

        let gradient (value: Tensor) = World.gradient z (value)

        let each = World.underEach tracked
        let towards = World.normal "towards" (each.shape[1..] |> Array.map int) world
        let mean = Backdoor.expectation problem.Texts.log_prior each
        let expected = gradient ((World.underEach tracked).mul(towards).sum())
        let prior = problem.Texts.log_prior.exp().unsqueeze -1L
        Law.close 1e-10 "gradient" (expected.mul prior) (gradient (mean.mul(towards).sum()))
        let weightless = problem.Texts.log_prior.isneginf().nonzero().flatten()

        for mode in World.modes do
            let found = gradient ((World.answer mode tracked).square().sum())
            let nothing = found.index_select (0L, weightless)
            Law.same $"{mode}" (torch.zeros_like nothing) nothing)

/// A vision transformer of random weights, for an optimiser to hold.
let private tower (world: World) =
    VisionTransformer.template
        {
            Width = 8L
            Layers = 1
            Patch = 4L
            Grid = 2L
            Hidden = 8L
            Embed = 8L
        }
    |> Tree.mapi (fun path leaf -> SeedTensors.normal (List.ofArray leaf.shape) (World.seed path world))
    |> Tower.ViT

let private frozen =
    Law.forAll
        20
        "I-15 optimiser steps change the network and leave Z, e_k and t_{k,m} bit-identical"
        (fun world ->
            let settings =
                match Config.ofPreset "paper" [ "method.head_width=4"; "method.layers=1" ] with
                | Ok settings -> settings
                | Error problem -> failtest (McdrlError.describe problem)

            let texts = (World.single (World.problem { world with Features = 8 })).Texts
            let before = texts |> Tree.map (fun leaf -> leaf.clone ())
            let seed = World.seed "start" world

            let sizes: TowerSizes =
                {
                    IsAligned = true
                    Width = 8L
                    SkipChannels = []
                }

            let network =
                NetworkTemplate.create settings.Method sizes texts (Filling.Drawn seed)

            let start =
                TrainState.start settings.Optimiser torch.CPU (fun _ -> true) network (tower world) None

            let first = start.Trained |> List.map (fun (_, leaf) -> leaf.detach().clone())
            let images = SeedTensors.normal [ 2L; 3L; 8L; 8L ] (World.seed "images" world)

            let batch: Batch =
                {
                    Features = Tower.forward settings.Method.DenseMode start.Tower images
                    Labels = torch.zeros ([| 2L; 8L; 8L |], dtype = torch.int64)
                    Classes = torch.tensor [| 0L; 0L |]
                    Confounders = torch.tensor [| 0L; 1L |]
                    Transformed = None
                }

            let step (state: TrainState) =
                let terms, _ =
                    Objective.evaluate
                        settings
                        state.Network
                        texts
                        settings.Method.TrainingMode
                        { batch with
                            Features = Tower.forward settings.Method.DenseMode state.Tower images
                        }

                TrainState.advance settings.Optimiser 10 state terms.Total

            let trained = (start |> step |> step |> step).Trained

            Expect.exists
                (List.zip first trained)
                (fun (before, (_, now)) -> before.sub(now).abs().max().item<float32>() > 0.0f)
                "trained"

            for (path, before), after in List.zip (Tree.leaves before) (Tree.tensors texts) do
                Law.same path before after)

/// The total loss of the paper's preset with other λ1 and λ2, in an epoch counted from 1, float32 as in training.
let private total (world: World) (epoch: int) (causal: float) (contrast: float) =
    let settings =
        match Config.ofPreset "paper" [ "method.head_width=4"; "method.layers=1" ] with
        | Ok settings ->
            { settings with
                Loss =
                    { settings.Loss with
                        Causal = causal
                        Contrast = contrast
                    }
            }
        | Error problem -> failtest (McdrlError.describe problem)

    let problem = World.single (World.problem { world with Refinements = 0 })

    let features: TowerFeatures =
        {
            Dense = problem.Observation.Dense
            Image = problem.Observation.Image
            Skips = []
        }

    let terms, _ =
        Objective.evaluate
            settings
            problem.Network
            problem.Texts
            (Schedule.mode settings (epoch - 1))
            {
                Features = features
                Labels = torch.zeros ([| int64 world.Images; 8L; 8L |], dtype = torch.int64)
                Classes = torch.zeros (int64 world.Images, dtype = torch.int64)
                Confounders = torch.zeros (int64 world.Images, dtype = torch.int64)
                Transformed = None
            }

    terms.Total

let private weighting =
    testList
        "L"
        [
            Law.forAll 100 "I-33 in float32 the total is affine in λ1 and λ2 to 1e-5" (fun world ->
                let lambda1, lambda2 =
                    4.0 * World.uniform "λ1" world, 4.0 * World.uniform "λ2" world

                let at a b =
                    float ((total world 11 a b).item<float32>())

                let origin = at 0.0 0.0
                let slope1, slope2 = at 1.0 0.0 - origin, at 0.0 1.0 - origin
                let expected = origin + lambda1 * slope1 + lambda2 * slope2
                Law.close 1e-5 "affine" (scalar expected) (scalar (at lambda1 lambda2))
                Expect.isGreaterThan slope1 0.0 "λ1 counts in epoch 11")

            Law.forAll 100 "I-33 before epoch 11 the total is independent of λ1, bit for bit" (fun world ->
                let epoch = 1 + Seed.below 10 (World.seed "epoch" world)
                Law.same "λ1" (total world epoch 0.5 0.1) (total world epoch 50.0 0.1))
        ]

let tests = testList "training" [ sampling; gradients; frozen; weighting ]
