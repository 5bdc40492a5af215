module Mcdrl.Tests.PackingTests

open System.Collections.Generic
open Expecto
open Mcdrl
open TorchSharp

let private seed = Seed.create 9UL

let private vit () =
    VisionTransformer.template
        {
            Width = 128L
            Layers = 4
            Patch = 8L
            Grid = 4L
            Hidden = 512L
            Embed = 24L
        }
    |> FirstWeights.ofTemplate seed

let towers: (string * (unit -> Tower)) list =
    [
        "ViT", vit >> Tower.ViT
        "ViT with GELU",
        fun () ->
            let tower = vit ()

            Tower.ViT
                { tower with
                    transformer = Transformer.activatedBy Activation.Gelu tower.transformer
                }
        "CLIP's ResNet",
        fun () ->
            ModifiedResNet.template
                {
                    Width = 16L
                    Blocks = [ 1; 2; 1; 1 ]
                    Grid = 1L
                    Embed = 24L
                }
            |> FirstWeights.ofTemplate seed
            |> Tower.ClipResNet
        "resnet50",
        fun () ->
            PlainResNet.template ResNetDepth.ResNet50 PlainResNet.torchvision None
            |> FirstWeights.ofTemplate seed
            |> Tower.PlainResNet
        for parts in [ 0; 2 ] do
            $"resnet18, instance normalisation in {parts} parts",
            fun () ->
                PlainResNet.template
                    ResNetDepth.ResNet18
                    { PlainResNet.torchvision with
                        InstanceNorm = parts
                    }
                    None
                |> FirstWeights.ofTemplate seed
                |> Tower.PlainResNet
    ]

let private packing precision linears : Packing =
    {
        Precision = precision
        Linears = linears
        Release = ignore
    }

let private inScope name work =
    testCase name (fun () ->
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        work ())

let relative (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    let a, b = a.``to`` torch.float32, b.``to`` torch.float32
    a.sub(b).norm().div(b.norm ()).item<float32>()

/// Statistics and scales other than 0 and 1, so that folding them has something to get wrong.
let disturbed (tower: Tower) =
    tower
    |> Tree.mapi (fun path leaf ->
        let noise =
            (SeedTensors.normal (List.ofArray leaf.shape) (Seed.named path seed)).mul(scalar 0.1)

        if path.EndsWith "running_var" then
            leaf.mul (noise.exp ())
        else
            leaf.add (noise.mul (leaf.std ()), unity))

let maps (features: TowerFeatures) =
    features.Dense :: features.Image :: features.Skips

let tests =
    testList
        "Packing"
        [
            for name, make in towers do
                inScope $"{name}: the same answers in fp32, close ones in bf16, every dense mode" (fun () ->
                    let tower = disturbed (make ())
                    let images = SeedTensors.normal [ 2L; 3L; 64L; 64L ] seed

                    let precisions =
                        [
                            Precision.Fp32, true, 2e-5f
                            Precision.Fp32, false, 2e-5f
                            if OneDnn.supportsBf16 () then
                                Precision.Bf16, true, 0.05f
                        ]

                    for precision, linears, tolerance in precisions do
                        let packed = Packing.tower (packing precision linears) tower
                        let images' = images.``to`` (Precision.dtype precision)

                        let modes =
                            match tower, linears with
                            | Tower.PlainResNet _, _ -> [ DenseMode.Maskclip ]
                            | _ -> [ DenseMode.Plain; DenseMode.Maskclip; DenseMode.Sclip ]

                        for mode in modes do
                            List.iter2
                                (fun found expected ->
                                    Expect.isLessThan
                                        (relative found expected)
                                        tolerance
                                        $"{precision} {mode}")
                                (maps (Tower.forward mode packed images'))
                                (maps (Tower.forward mode tower images)))

            inScope "every weight that is replaced is released, once" (fun () ->
                let tower = (snd towers[0]) ()
                let released = List<Tensor>()

                Packing.tower
                    { packing Precision.Fp32 true with
                        Release = released.Add
                    }
                    tower
                |> ignore

                let replaced =
                    Tree.leaves tower
                    |> List.filter (fun (path, leaf) ->
                        path.EndsWith "weight" && leaf.dim () > 1L || path.EndsWith "in_proj_weight")
                    |> List.map (fun (_, leaf) -> leaf.Handle)
                    |> List.sort

                Expect.equal (released |> Seq.map _.Handle |> List.ofSeq |> List.sort) replaced "weights")
        ]
