module Mcdrl.Tests.ArchitectureTests

open Expecto
open TorchSharp
open Mcdrl

/// The trained weights of a tree: running statistics are no parameters.
let private parameters tree =
    use _scope = torch.NewDisposeScope()

    Tree.leaves (tree ())
    |> List.filter (fun (path, _) -> Tower.isTrainable path)
    |> List.sumBy (fun (_, leaf) -> leaf.numel ())

let private vit width layers patch grid embed () =
    VisionTransformer.template
        {
            Width = width
            Layers = layers
            Patch = patch
            Grid = grid
            Hidden = 4L * width
            Embed = embed
        }

let private resNet50 () =
    ModifiedResNet.template
        {
            Width = 64L
            Blocks = [ 3; 4; 6; 3 ]
            Grid = 7L
            Embed = 1024L
        }

let private text width embed () =
    ClipText.template
        {
            Context = 77L
            Vocabulary = 49408L
            Width = width
            Layers = 12
            Hidden = 4L * width
            Embed = embed
        }

/// vision, text without logit_scale, total with it
let private totals name vision text expected =
    testCase name
    <| fun () ->
        let vision, text = parameters vision, parameters text
        Expect.equal (vision, text - 1L, vision + text) expected "open_clip's model profile"

let private parameterTotals =
    testList
        "parameter totals"
        [
            totals "RN50" resNet50 (text 512L 1024L) (38_316_896L, 63_690_240L, 102_007_137L)
            totals
                "ViT-B/16"
                (vit 768L 12 16L 14L 512L)
                (text 512L 512L)
                (86_192_640L, 63_428_096L, 149_620_737L)
            totals
                "ViT-L/14"
                (vit 1024L 24 14L 16L 768L)
                (text 768L 768L)
                (303_966_208L, 123_650_304L, 427_616_513L)
            totals
                "ViT-L/14@336"
                (vit 1024L 24 14L 24L 768L)
                (text 768L 768L)
                (304_293_888L, 123_650_304L, 427_944_193L)
            for depth, total in
                [
                    ResNetDepth.ResNet18, 11_689_512L
                    ResNetDepth.ResNet34, 21_797_672L
                    ResNetDepth.ResNet50, 25_557_032L
                ] do
                testCase (ResNetDepth.name depth)
                <| fun () ->
                    Expect.equal
                        (parameters (fun () ->
                            PlainResNet.template depth PlainResNet.torchvision (Some 1000L)))
                        total
                        "torchvision's figure"
        ]

let private readOff =
    testList
        "read off shapes"
        [
            testCase "a ViT's shape is what its template was made from"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let wanted = vit 1024L 24 14L 24L 768L ()
                let shapes = Shapes.ofTensors "test" (Map.ofList (Tree.leaves wanted))
                let found = Expect.wantOk (VisionTransformer.shape shapes) "readable"

                Expect.equal
                    found
                    {
                        Width = 1024L
                        Layers = 24
                        Patch = 14L
                        Grid = 24L
                        Hidden = 4096L
                        Embed = 768L
                    }
                    "shape"

            testCase "towers are named, whatever their size"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for tree, name in
                    [
                        Tree.leaves (vit 768L 12 16L 14L 512L ()), "ViT-B-16"
                        Tree.leaves (vit 1024L 24 14L 16L 768L ()), "ViT-L-14"
                        Tree.leaves (vit 1024L 24 14L 24L 768L ()), "ViT-L-14-336"
                        Tree.leaves (resNet50 ()), "RN50"
                        for depth in [ ResNetDepth.ResNet18; ResNetDepth.ResNet34; ResNetDepth.ResNet50 ] do
                            Tree.leaves (PlainResNet.template depth PlainResNet.torchvision None),
                            ResNetDepth.name depth
                    ] do
                    let tower =
                        Expect.wantOk (Tower.assemble "test" Map.empty (Map.ofList tree)) "assembled"

                    Expect.equal (Tower.name tower) name "name"
                    let inputSize = if name.EndsWith "336" then 336L else 224L
                    Expect.equal (Tower.inputSize tower) inputSize "input"

            testCase "what the architecture can't be read from is named, all of it"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let leaves = Map.ofList (Tree.leaves (vit 64L 2 16L 4L 32L ()))

                let error =
                    Expect.wantError
                        (Tower.assemble
                            "test"
                            Map.empty
                            (leaves |> Map.remove "conv1.weight" |> Map.remove "proj"))
                        "refused"
                    |> McdrlError.describe

                Expect.stringContains error "conv1.weight is missing" "first"
                Expect.stringContains error "proj is missing" "second"

            testCase "a ResNet-18 that lacks a block is told of as a ResNet-18"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let leaves =
                    Tree.leaves (PlainResNet.template ResNetDepth.ResNet18 PlainResNet.torchvision None)
                    |> List.filter (fun (name, _) -> not (name.StartsWith "layer4.1."))

                let error =
                    Expect.wantError (Tower.assemble "test" Map.empty (Map.ofList leaves)) "refused"
                    |> McdrlError.describe

                Expect.stringContains error "missing tensors (10): layer4.1.conv1.weight" "the block's ten"
                Expect.isFalse (error.Contains "unexpected") "nothing else"

            testCase "positions that are no square grid are refused"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let leaves = Map.ofList (Tree.leaves (vit 64L 2 16L 4L 32L ()))
                let odd = Map.add "positional_embedding" (Template.tensor [ 16L; 64L ]) leaves

                Expect.stringContains
                    (McdrlError.describe (Expect.wantError (Tower.assemble "test" Map.empty odd) "refused"))
                    "not a square grid"
                    "reason"
        ]

let private facts =
    testList
        "facts of a plain ResNet"
        [
            testCase "metadata and back"
            <| fun () ->
                let wanted =
                    {
                        BatchNormEps = 0.001
                        MaxPoolPadding = 0L
                        StrideIn = StrideIn.Conv1
                        Mean = [ 0.1; 0.2; 1.0 / 3.0 ]
                        Std = [ 1.0 / 255.0; 0.5; 1e-3 ]
                        InputSize = 256L
                        InstanceNorm = 2
                    }

                for depth in [ ResNetDepth.ResNet18; ResNetDepth.ResNet50 ] do
                    Expect.equal
                        (PlainResNet.facts "test" (PlainResNet.metadata depth wanted))
                        (Ok wanted)
                        "same"

            testCase "nothing stated: torchvision"
            <| fun () ->
                Expect.equal (PlainResNet.facts "test" Map.empty) (Ok PlainResNet.torchvision) "torchvision"

            testCase "everything that is stated wrongly is named; nothing becomes a default"
            <| fun () ->
                let wrong =
                    [
                        "bn_eps", "0,001"
                        "maxpool_padding", "-1"
                        "stride_in", "conv3"
                        "image_mean", "[0.5, 0.5]"
                        "image_std", "[1, 0, 1]"
                        "input", "1e99"
                        "instance_norm", "4"
                    ]

                let error = Expect.wantError (PlainResNet.facts "test" (Map.ofList wrong)) "refused"

                Expect.equal (McdrlError.flatten error |> List.length) wrong.Length "all"

                for key, _ in wrong do
                    Expect.stringContains (McdrlError.describe error) key "named"
        ]

let tests =
    testSequenced (testList "Architecture" [ parameterTotals; readOff; facts ])
