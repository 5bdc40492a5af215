namespace Mcdrl

/// Architectures by name, without weights (torch's meta device): the published ones as `Tower.name` calls them, and `mini`.
[<RequireQualifiedAccess>]
module NamedTower =
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
        |> Tower.ViT

    let private resNet width blocks grid embed () =
        ModifiedResNet.template
            {
                Width = width
                Blocks = blocks
                Grid = grid
                Embed = embed
            }
        |> Tower.ClipResNet

    let private all =
        [
            "RN50", resNet 64L [ 3; 4; 6; 3 ] 7L 1024L
            "RN101", resNet 64L [ 3; 4; 23; 3 ] 7L 512L
            "ViT-B-32", vit 768L 12 32L 7L 512L
            "ViT-B-16", vit 768L 12 16L 14L 512L
            "ViT-L-14", vit 1024L 24 14L 16L 768L
            "ViT-L-14-336", vit 1024L 24 14L 24L 768L
            for depth in [ ResNetDepth.ResNet18; ResNetDepth.ResNet34; ResNetDepth.ResNet50 ] do
                ResNetDepth.name depth,
                (fun () -> Tower.PlainResNet(PlainResNet.template depth PlainResNet.torchvision None))
            "mini", resNet 32L [ 1; 3 ] 16L 128L
        ]

    /// All that `template` knows.
    let names = List.map fst all

    /// Its shapes. The caller disposes the tensors, which hold no memory.
    let template (name: string) : Tower option =
        all |> List.tryFind (fst >> (=) name) |> Option.map (fun (_, make) -> make ())

    /// The width of the texts that it goes with: its own, or for a tower that never saw text that of a small sentence encoder.
    let textWidth (tower: Tower) =
        if Tower.isAligned tower then Tower.width tower else 384L
