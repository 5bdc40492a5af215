module Mcdrl.Tests.ParityTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private fixture name = Shared.path $"fixtures/clip/{name}"

let private read path =
    (Expect.wantOk (Safetensors.read path) "readable").Tensors

let private loaded path =
    Expect.wantOk (Weights.load path) "loaded"

/// ‖a − b‖ / ‖b‖
let private distance (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    let a, b = a.to_type torch.ScalarType.Float64, b.to_type torch.ScalarType.Float64

    a.sub(b).norm().``to``(torch.float64).item<float>()
    / b.norm().``to``(torch.float64).item<float>()

let private near tolerance what a b =
    Expect.isLessThan (distance a b) tolerance what

let private inScope name work =
    testCase name
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        use _noGrad = torch.no_grad ()
        work ()

let private modes = [ DenseMode.Plain; DenseMode.Maskclip; DenseMode.Sclip ]

let private textOf (weights: Weights) =
    Expect.wantSome weights.Text "a text tower"

let private clip name =
    testList
        name
        [
            inScope "image, dense and text features equal OpenAI's code" (fun () ->
                let weights = loaded (fixture $"{name}.openai.safetensors")
                let expected = read (fixture $"{name}.expected.safetensors")

                let run mode =
                    Tower.forward mode weights.Tower expected["image"]

                let features = run DenseMode.Maskclip
                near 1e-5 "image" features.Image expected["image_features"]
                near 1e-5 "maskclip" features.Dense expected["dense_maskclip"]

                expected.TryFind "dense_plain"
                |> Option.iter (fun plain -> near 1e-5 "plain" (run DenseMode.Plain).Dense plain)

                near
                    1e-5
                    "text"
                    (ClipText.forward (textOf weights) expected["tokens"])
                    expected["text_features"])

            inScope "the class path gives the image features in every mode" (fun () ->
                let weights = loaded (fixture $"{name}.openai.safetensors")
                let expected = read (fixture $"{name}.expected.safetensors")

                for mode in modes do
                    near
                        1e-5
                        (string mode)
                        (Tower.forward mode weights.Tower expected["image"]).Image
                        expected["image_features"])

            inScope "what stands after the end token has no influence on the text features" (fun () ->
                let text = textOf (loaded (fixture $"{name}.openai.safetensors"))
                let tokens = (read (fixture $"{name}.expected.safetensors"))["tokens"]
                // Hugging Face pads with the end token instead of 0.
                let padded =
                    torch.where (
                        tokens.eq ((0L).ToScalar()),
                        torch.full_like (tokens, (49407L).ToScalar()),
                        tokens
                    )

                Expect.equal
                    (distance (ClipText.forward text padded) (ClipText.forward text tokens))
                    0.0
                    "equal"

                let rows =
                    torch.cat
                        [| for row in 0L .. 3L -> ClipText.forward text (tokens.narrow (0L, row, 1L)) |]

                near 1e-5 "one by one" rows (ClipText.forward text tokens))

            inScope "other sizes give maps of other sizes, and nothing is left behind" (fun () ->
                let weights = loaded (fixture $"{name}.openai.safetensors")
                let side = 2L * Tower.inputSize weights.Tower

                let images =
                    Drawn.uniform [| 1L; 3L; side; side + Tower.granularity weights.Tower |]

                for mode in modes do
                    let before = LiveTensors.count ()
                    let features = Tower.forward mode weights.Tower images
                    let kept = 2 + features.Skips.Length
                    Expect.equal (torch.Tensor.TotalCount - before) (int64 kept) "only the result lives"

                    Expect.equal
                        (List.ofArray features.Dense.shape)
                        [
                            1L
                            side / Tower.granularity weights.Tower
                            side / Tower.granularity weights.Tower + 1L
                            Tower.width weights.Tower
                        ]
                        "dense"

                    Expect.equal
                        [ for skip in features.Skips -> skip.shape[1] ]
                        (Tower.skipChannels weights.Tower)
                        "skips")
        ]

let private resnet50 =
    testList
        "resnet50"
        [
            for file in [ "expected"; "expected_photo" ] do
                inScope file (fun () ->
                    let weights = loaded (Shared.path "weights/resnet50-imagenet")
                    let expected = read (Shared.path $"fixtures/resnet50/{file}.safetensors")
                    let features = Tower.forward DenseMode.Plain weights.Tower expected["image"]
                    near 1e-4 "layer4" (features.Dense.permute (0L, 3L, 1L, 2L)) expected["layer4"]

                    for index, skip in List.indexed features.Skips do
                        near
                            1e-4
                            $"layer{index + 1}"
                            (skip.abs().mean())
                            expected[$"layer{index + 1}_mean_abs"]

                    match weights.Tower with
                    | Tower.PlainResNet tower ->
                        let classifier = Expect.wantSome tower.fc "classifier"
                        near 1e-4 "logits" (linear classifier features.Image) expected["logits"]
                    | Tower.ViT _
                    | Tower.ClipResNet _ -> failtest "another tower")

            inScope "stages one by one equal the whole" (fun () ->
                match (loaded (Shared.path "weights/resnet50-imagenet")).Tower with
                | Tower.PlainResNet tower ->
                    let images = Drawn.normal [| 1L; 3L; 64L; 64L |]
                    let maps = PlainResNet.stages tower |> List.scan (fun x stage -> stage x) images
                    let features = PlainResNet.features (List.skip 2 maps)
                    let whole = Tower.forward DenseMode.Plain (Tower.PlainResNet tower) images
                    Expect.equal (distance features.Dense whole.Dense) 0.0 "equal"
                | Tower.ViT _
                | Tower.ClipResNet _ -> failtest "another tower")
        ]

let private layouts =
    testList
        "layouts"
        [
            inScope "Hugging Face's layout gives the same bits as OpenAI's" (fun () ->
                let openAi = loaded (fixture "vit-tiny.openai.safetensors")
                let huggingFace = loaded (fixture "vit-tiny.hf.safetensors")

                let leaves (weights: Weights) =
                    Tree.leaves weights.Tower @ Tree.leaves (textOf weights)

                for (name, a), (other, b) in List.zip (leaves openAi) (leaves huggingFace) do
                    Expect.equal name other "name"
                    Expect.isTrue (a.equal(b).all().item<bool>()) name

                let images = (read (fixture "vit-tiny.expected.safetensors"))["image"]

                for mode in modes do
                    let a = Tower.forward mode openAi.Tower images
                    let b = Tower.forward mode huggingFace.Tower images
                    Expect.equal (distance a.Dense b.Dense) 0.0 "dense"
                    Expect.equal (distance a.Image b.Image) 0.0 "image")
        ]

let tests =
    testSequenced (testList "Parity" [ clip "vit-tiny"; clip "rn-tiny"; resnet50; layouts ])
