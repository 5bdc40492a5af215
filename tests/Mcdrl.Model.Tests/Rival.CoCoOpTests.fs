module Mcdrl.Tests.RivalCoCoOpTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.RivalPromptTests

let private learner frame =
    CoCoOp.create frame (Filling.Drawn(Seed.create 6UL))

let private images seed =
    SeedTensors.normal [ 3L; 64L ] (Seed.create seed)

let private rows (x: Tensor) =
    [|
        for row in 0L .. x.shape[0] - 1L -> x[row].data<float32>().ToArray() |> Array.map float
    |]

let private layer (layer: Linear) (x: float array) =
    let bias = (Option.get layer.bias).data<float32>().ToArray()

    Array.map2
        (fun weights bias -> Array.fold2 (fun sum w x -> sum + w * x) (float bias) weights x)
        (rows layer.weight)
        bias

let tests =
    testList
        "Rival.CoCoOp"
        [
            testProperty
                "every context token is shifted by the same h(F_vis / ‖F_vis‖)"
                (fun (seed: uint64) ->
                    use _scope = torch.NewDisposeScope()
                    let frame = frameOf 64L
                    let learner, images = learner frame, images seed
                    let found = CoCoOp.context learner images

                    for image, features in Array.indexed (rows images) do
                        let length = features |> Array.sumBy (fun x -> x * x) |> sqrt

                        let shift =
                            features
                            |> Array.map (fun x -> x / length)
                            |> layer learner.linear1
                            |> Array.map (max 0.0)
                            |> layer learner.linear2

                        let expected = rows frame.context |> Array.map (Array.map2 (+) shift) |> array2D

                        Law.close 1e-5 "context" (torch.tensor expected) found[int64 image])

            inScope "without a shift every image has the texts of the context alone" (fun () ->
                let frame = frameOf 64L

                let still =
                    { learner frame with
                        linear2 = Init.silent 4L 16L (Filling.Drawn(Seed.create 1UL))
                    }

                let plain = PromptFrame.features frame (frame.context.unsqueeze 0L)

                CoCoOp.classTexts frame still (images 2UL)
                |> Law.close 1e-5 "texts" (plain.expand (3L, -1L, -1L)))

            inScope "images differ, and so do their texts" (fun () ->
                let frame = frameOf 64L
                let texts = CoCoOp.classTexts frame (learner frame) (images 2UL)
                Expect.equal (List.ofArray texts.shape) [ 3L; 2L; 64L ] "a text for each image and class"
                Expect.isGreaterThan (texts[0L].sub(texts[1L]).abs().max().item<float32>()) 1e-3f "differ")
        ]
