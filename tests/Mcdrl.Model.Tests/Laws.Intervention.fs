module Mcdrl.Tests.InterventionLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

/// The names of the network's leaves that have a gradient of `value`.
let private taught (network: Network) (value: Tensor) =
    for leaf in Tree.tensors network do
        leaf.grad <- null

    value.backward ()

    set
        [
            for path, leaf in Tree.leaves network do
                match leaf.grad with
                | null -> ()
                | grad when grad.abs().sum().``to``(torch.float64).item<float>() > 0.0 -> path
                | _ -> ()
        ]

/// A problem whose network is trained by the paper's loss, with what training adds to it.
let private training (world: World) mode =
    let settings =
        match Config.ofPreset "paper" [] with
        | Ok settings ->
            { settings with
                Method =
                    { settings.Method with
                        TrainingMode = mode
                        Alpha = world.Share
                    }
                Loss =
                    { settings.Loss with
                        Causal = 0.0
                        Contrast = 0.0
                    }
            }
        | Error problem -> failtest (McdrlError.describe problem)

    let problem = World.problem world

    let network =
        problem.Network |> Tree.map (fun leaf -> leaf.detach().requires_grad_ true)

    let images = int64 world.Images

    let numbered count modulus =
        torch.tensor [| for index in 0L .. count - 1L -> index % int64 modulus |]


    let batch: Batch =
        {
            Features = World.features world
            Labels = (numbered (images * 64L) (world.Classes + 1)).view(images, 8L, 8L)
            Classes = torch.zeros (images, dtype = torch.int64)
            Confounders = numbered images world.Conditions
            Transformed = None
        }

    network, problem.Texts, fun () -> fst (Objective.evaluate settings network problem.Texts mode batch)

let private coverage =
    Law.forAll
        30
        "I-34 every weight that an answer reads has a gradient in every training that intervenes"
        (fun world ->
            // Of two cells and two images or more: a norm over channels alone would hide a weight from some gradients.
            let world =
                { world with
                    Images = 3
                    Height = 2
                    Width = 2
                    Layers = min 2 world.Layers
                }

            for trainingMode in
                [
                    Marginalisation.Attention
                    Marginalisation.FeatureMean
                    Marginalisation.Sampled
                ] do
                let network, texts, terms = training world trainingMode
                let covered = taught network (terms ()).Total

                for mode in World.modes do
                    let observation = Network.observe network texts world.Share (World.features world)
                    let answer = Network.probabilities network texts mode 6L observation
                    let read = taught network (answer.square().sum())

                    Expect.isTrue
                        (read |> Set.exists (fun path -> path.Contains "in_proj_weight"))
                        $"{mode} asks with q and k"

                    Expect.isEmpty (read - covered) $"{mode} after training by {trainingMode}")

let private belonging =
    Law.forAll
        100
        "I-35 what the head reads under do(z) is what A made of it: the frame's own F, F_vis and style have no other way in"
        (fun world ->
            let world = { world with Background = true }
            let problem = World.problem world
            let observation = problem.Observation

            let other name (x: Tensor) =
                World.normal name (x.shape |> Array.map int) world

            let rows = other "rows" observation.Rows

            let stranger =
                { observation with
                    Dense = other "another map" observation.Dense
                    Image = other "another image" observation.Image
                    Similarity = other "another similarity" observation.Similarity
                    Regions = other "other regions" observation.Regions
                    Rows = other "other rows" observation.Rows
                    Details =
                        [
                            for detail in observation.Details ->
                                { detail with
                                    Style = other "another style" detail.Style
                                }
                        ]
                }

            let answer observation =
                Network.logits problem.Network 6L observation rows

            Law.same "answers" (answer observation) (answer stranger)

            let moved = Network.logits problem.Network 6L observation (other "others" rows)

            Expect.isGreaterThan
                (moved.sub(answer observation).abs().max().item<float>())
                1e-6
                "rows are read")

let tests = testList "intervention" [ coverage; belonging ]
