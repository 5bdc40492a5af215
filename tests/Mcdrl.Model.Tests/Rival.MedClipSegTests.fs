module Mcdrl.Tests.RivalMedClipSegTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.Causal
open Mcdrl.Tests.RivalPromptTests

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

/// A learner whose every leaf says something, asking for gradients.
let private learned (image: int64) (text: int64) =
    MedClipSeg.create image text (Filling.Drawn(Seed.create 3UL))
    |> Tree.mapi (fun path leaf ->
        let noise =
            SeedTensors.normal (List.ofArray leaf.shape) (Seed.named path (Seed.create 4UL))

        leaf.add(noise.mul (scalar 0.4), unity).detach().requires_grad_ true)

let private rows (x: Tensor) =
    [|
        for row in 0L .. x.shape[0] - 1L -> x[row].detach().data<float32>().ToArray() |> Array.map float
    |]

/// The same by loops over tokens and channels.
module private Naive =
    let linear (layer: Linear) (x: float array) =
        let bias =
            match layer.bias with
            | Some bias -> bias.detach().data<float32>().ToArray() |> Array.map float
            | None -> Array.zeroCreate (int layer.weight.shape[0])

        Array.map2
            (fun row bias -> bias + Array.sum (Array.map2 (fun w x -> w * x) row x))
            (rows layer.weight)
            bias

    let distribution (layer: GaussianLayer) (token: float array) =
        let raw = linear layer.mean token
        let mean = Array.average raw
        let variance = raw |> Array.averageBy (fun x -> (x - mean) * (x - mean))

        let scale, shift =
            rows (layer.norm.weight.unsqueeze 0L), rows (layer.norm.bias.unsqueeze 0L)

        Array.map3 (fun x w b -> (x - mean) / sqrt (variance + 1e-5) * w + b) raw scale[0] shift[0],
        linear layer.variance token |> Array.map (fun x -> log (1.0 + exp x) + 1e-6)

    let fused
        (noise: float array array option)
        (layer: ProbabilisticAttention)
        (context: float array array)
        (x: float array array)
        =
        let width = float x[0].Length
        let gate = 1.0 / (1.0 + exp (-float(layer.gate.item<float32>())))

        [|
            for token in x ->
                let query = linear layer.query token

                let scores =
                    [|
                        for other in context ->
                            let mean, variance = distribution layer.key other
                            let similar = Array.sum (Array.map2 (*) query mean) / sqrt width

                            let uncertain =
                                sqrt (
                                    Array.sum (Array.map2 (fun q v -> q * q * v) query variance) / width
                                    + 1e-6
                                )

                            exp (similar - 2.35 * uncertain)
                    |]

                let attended = Array.zeroCreate token.Length

                for index in 0 .. context.Length - 1 do
                    let mean, variance = distribution layer.value context[index]

                    for channel in 0 .. token.Length - 1 do
                        let drawn =
                            match noise with
                            | Some noise -> sqrt variance[channel] * noise[index][channel]
                            | None -> 0.0

                        attended[channel] <-
                            attended[channel] + scores[index] / Array.sum scores * (mean[channel] + drawn)

                Array.map2 (fun a t -> gate * a + (1.0 - gate) * t) (linear layer.out attended) token
        |]

    let exchange (learner: MedClipSeg) noise (image: float array array) (text: float array array) =
        let change up (before: float array array) (after: float array array) (x: float array array) =
            Array.map3
                (fun before after x -> Array.map2 (+) x (linear up (Array.map2 (-) after before)))
                before
                after
                x

        let cells = Array.map (linear learner.image_down) image
        let words = Array.map (linear learner.text_down) text
        let told = fused (Option.map fst noise) learner.image words cells
        let seen = fused (Option.map snd noise) learner.text told words
        change learner.image_up cells told image, change learner.text_up words seen text

let private golden =
    testList
        "by loops"
        [
            for name, seed in [ "drawn", Some(Seed.create 9UL); "means", None ] do
                inScope name (fun () ->
                    let learner = learned 5L 4L
                    let image, text = normal [ 2L; 3L; 5L ] 1UL, normal [ 1L; 2L; 4L ] 2UL
                    let struct (cells, words) = MedClipSeg.exchange learner seed image text

                    for index in 0L .. 1L do
                        let noise =
                            seed
                            |> Option.map (fun seed ->
                                let draw name tokens =
                                    rows
                                        (SeedTensors.normal [ 2L; tokens; 4L ] (Seed.named name seed))
                                            .[index]

                                draw "image" 2L, draw "text" 3L)

                        let expectedCells, expectedWords =
                            Naive.exchange learner noise (rows image[index]) (rows text[0L])

                        for found, expected in [ cells[index], expectedCells; words[index], expectedWords ] do
                            for a, b in Seq.zip (Seq.concat (rows found)) (Seq.concat expected) do
                                Expect.floatClose { absolute = 1e-4; relative = 1e-4 } a b $"image {index}")
        ]

let private certain (layer: GaussianLayer) =
    { layer with
        variance =
            {
                weight = torch.zeros_like layer.variance.weight
                bias = layer.variance.bias |> Option.map (fun bias -> torch.full_like (bias, -200.0f))
            }
    }

let private attention =
    testList
        "attended"
        [
            inScope "without uncertainty, or where it doesn't count, it is plain attention" (fun () ->
                let layer = (learned 6L 6L).image
                let x, context = normal [ 2L; 3L; 6L ] 1UL, normal [ 2L; 4L; 6L ] 2UL

                let mean (gaussian: GaussianLayer) =
                    (linear gaussian.mean --> layerNorm gaussian.norm) context

                let plain =
                    (linear layer.query x)
                        .matmul((mean layer.key).transpose(1L, 2L))
                        .div(scalar (sqrt 6.0))
                        .softmax(-1L)
                        .matmul(mean layer.value)

                let sure =
                    { layer with
                        key = certain layer.key
                        value = certain layer.value
                    }

                MedClipSeg.attended 0.0 None layer context x |> Law.close 1e-5 "β = 0" plain

                MedClipSeg.attended MedClipSeg.beta None sure context x
                |> Law.close 1e-5 "no variance" plain

                MedClipSeg.attended MedClipSeg.beta (Some(normal [ 2L; 4L; 6L ] 5UL)) sure context x
                |> Law.close 1e-2 "nothing to draw" plain

                let uncertain = MedClipSeg.attended MedClipSeg.beta None layer context x
                Expect.isFalse (uncertain.allclose (plain, 1e-2, 1e-2)) "uncertainty tells")

            inScope "an uncertain key counts less" (fun () ->
                let identity: Linear = { weight = torch.eye 2L; bias = None }

                let gaussian scale : GaussianLayer =
                    {
                        mean = identity
                        norm =
                            {
                                weight = (torch.ones 2L).mul(scalar scale)
                                bias = torch.zeros 2L
                            }
                        variance = identity
                    }

                // Keys are 0, of variances softplus of the tokens; values are (0, 0) and about (1, −1).
                let layer =
                    { (learned 2L 2L).image with
                        query = identity
                        key = gaussian 0.0
                        value = gaussian 1.0
                    }

                let context =
                    (torch.tensor (array2D [ [ 0.0f; 0.0f ]; [ 5.0f; 4.0f ] ])).unsqueeze 0L

                let share =
                    MedClipSeg.attended MedClipSeg.beta None layer context (torch.ones (1L, 1L, 2L))

                let weight = share[0L, 0L, 0L].item<float32>()
                Expect.isGreaterThan weight 0.0f "it counts"
                Expect.isLessThan weight 0.25f "but less than the certain one")
        ]

let private texts () : Texts =
    {
        classes = normal [ 1L; 2L; 6L ] 1UL
        conditions = normal [ 3L; 6L ] 2UL
        class_conditions = normal [ 2L; 3L; 6L ] 3UL
        normal = normal [ 6L ] 4UL
        log_prior = Backdoor.logPrior [ 1.0; 1.0; 1.0 ]
    }

let private features () : TowerFeatures =
    {
        Dense = normal [ 2L; 2L; 3L; 7L ] 5UL
        Image = normal [ 2L; 7L ] 6UL
        Skips = []
    }

let private wholes =
    testList
        "apply"
        [
            inScope "before training everything is what it was, for every image" (fun () ->
                let start = MedClipSeg.create 7L 6L (Filling.Drawn(Seed.create 3UL))
                let features, texts = features (), texts ()
                let seen, read = MedClipSeg.apply start (Some(Seed.create 1UL)) features texts
                Law.same "dense" features.Dense seen.Dense
                Law.same "classes" (texts.classes.expand (2L, 2L, 6L)) read.classes
                Law.same "prompts" ((Texts.prompts texts).expand(2L, 3L, 6L)) (Texts.prompts read))

            inScope "cells in another order give the same cells in that order, and the same texts" (fun () ->
                let learner, features, texts = learned 7L 6L, features (), texts ()
                let order = torch.tensor [| 4L; 0L; 5L; 3L; 1L; 2L |]

                let moved (dense: Tensor) =
                    dense.flatten(1L, 2L).index_select(1L, order).view_as dense

                let seen, read = MedClipSeg.apply learner None features texts

                let seenMoved, readMoved =
                    MedClipSeg.apply
                        learner
                        None
                        { features with
                            Dense = moved features.Dense
                        }
                        texts

                Law.close 1e-5 "cells" (moved seen.Dense) seenMoved.Dense
                Law.close 1e-5 "classes" read.classes readMoved.classes
                Law.close 1e-5 "normal mucosa" read.normal readMoved.normal
                Expect.isFalse (seen.Dense.allclose (features.Dense, 1e-2, 1e-2)) "cells have changed"

                Expect.isFalse
                    (read.normal[0L].allclose(read.normal[1L], 1e-2, 1e-2))
                    "each image has texts of its own")

            inScope "values are drawn by the seed, and not without one; conditions and F_vis stay" (fun () ->
                let learner, features, texts = learned 7L 6L, features (), texts ()

                let from seed =
                    MedClipSeg.apply learner (Option.map Seed.create seed) features texts

                let dense seed = (fst (from seed)).Dense
                Law.same "by the seed" (dense (Some 1UL)) (dense (Some 1UL))
                Law.same "means" (dense None) (dense None)

                for a, b in [ Some 1UL, Some 2UL; Some 1UL, None ] do
                    Expect.isFalse ((dense a).allclose(dense b, 1e-3, 1e-3)) $"{a} and {b}"

                let seen, read = from None
                Expect.isTrue (obj.ReferenceEquals(seen.Image, features.Image)) "F_vis"
                Expect.isTrue (obj.ReferenceEquals(read.conditions, texts.conditions)) "conditions")

            inScope "nothing but cells and texts is left behind" (fun () ->
                use _noGrad = torch.no_grad ()
                let learner, features, texts = learned 7L 6L, features (), texts ()

                let work () =
                    MedClipSeg.apply learner (Some(Seed.create 1UL)) features texts |> ignore

                work ()
                let before = LiveTensors.count ()
                work ()
                Expect.equal torch.Tensor.TotalCount (before + 3L) "cells, classes, normal mucosa")
        ]

let private learning =
    inScope "segmentation teaches every leaf, the gates too, in both views" (fun () ->
        let settings =
            { ObjectiveTests.settings with
                Method =
                    { ObjectiveTests.settings.Method with
                        TrainingMode = Marginalisation.Never
                        Alpha = 1.0
                    }
                Loss =
                    { ObjectiveTests.settings.Loss with
                        Alignment = 0.0
                        Contrast = 5.0
                    }
            }

        let network, texts, batch = ObjectiveTests.problem settings
        let learner = learned 8L 8L

        let evaluate batch =
            Objective.evaluateRival
                settings
                network
                (Rival.Attention learner)
                texts
                Marginalisation.Never
                (Seed.create 1UL)
                batch
            |> fst

        let terms = evaluate batch
        Expect.equal (terms.Contrast.item<float32>()) 0.0f "no loss of its own"

        for part in [ batch; { batch with Transformed = None } ] do
            for leaf in Tree.tensors learner do
                leaf.grad <- Unchecked.defaultof<Tensor>

            (evaluate part).Segmentation.backward()

            for path, leaf in Tree.leaves learner do
                match leaf.grad with
                | null -> failtest $"{path}: no gradient"
                | grad -> Expect.isGreaterThan (grad.abs().max().item<float32>()) 0.0f path)

let tests =
    testSequenced (testList "Rival.MedClipSeg" [ golden; attention; wholes; learning ])
