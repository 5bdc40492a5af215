// Exports a segmenter of random weights on each of the published towers, 224 px, in every mode, and compares it with our
// own answers in ONNX Runtime. ViT-L-14 needs 8 GB of memory.
//
//   dotnet fsi scripts/onnx-towers.fsx [TOWER...]        towers: ViT-B-16, ViT-L-14, RN50, resnet50
#load "load.fsx"
#r "Microsoft.ML.OnnxRuntime.dll"

open System
open System.IO
open System.Threading
open Mcdrl
open TorchSharp

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let seed = Seed.create 5UL

let vit patch grid width layers embed () =
    VisionTransformer.template
        {
            Width = width
            Layers = layers
            Patch = patch
            Grid = grid
            Hidden = 4L * width
            Embed = embed
        }
    |> FirstWeights.ofTemplate seed
    |> Tower.ViT

/// Each with the width of its texts.
let towers: Map<string, (unit -> Tower) * int64> =
    Map
        [
            "ViT-B-16", (vit 16L 14L 768L 12 512L, 512L)
            "ViT-L-14", (vit 14L 16L 1024L 24 768L, 768L)
            "RN50",
            ((fun () ->
                ModifiedResNet.template
                    {
                        Width = 64L
                        Blocks = [ 3; 4; 6; 3 ]
                        Grid = 7L
                        Embed = 1024L
                    }
                |> FirstWeights.ofTemplate seed
                |> Tower.ClipResNet),
             1024L)
            "resnet50",
            ((fun () ->
                ResNet50.template ResNet50.torchvision None
                |> FirstWeights.ofTemplate seed
                |> Tower.ResNet50),
             384L)
        ]

let asked =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [] -> List.ofSeq towers.Keys
    | asked when List.forall towers.ContainsKey asked -> asked
    | _ ->
        eprintfn
            "Usage: dotnet fsi scripts/onnx-towers.fsx [TOWER...], of %s"
            (String.Join(", ", towers.Keys))

        exit 2

let model name : Model =
    let make, width = towers[name]
    let tower = make ()
    let best = get (Config.ofPreset "best" [])

    let settings =
        { best with
            Method =
                { best.Method with
                    InputSize = 224
                    Conditions = Phantom.conditions
                    Prior = []
                }
        }

    let text part shape =
        Seed.normal shape (Seed.named part seed)

    let classes, conditions =
        int64 Phantom.classes.Length, int64 Phantom.conditions.Length

    let texts =
        {
            classes = text "classes" [ classes; width ]
            conditions = text "conditions" [ conditions; width ]
            class_conditions = text "both" [ classes; conditions; width ]
            normal = text "normal" [ width ]
            log_prior = Backdoor.logPrior (List.replicate Phantom.conditions.Length 1.0)
        }

    let mean, std = Tower.normalisation tower
    let embedded = get (EmbeddedModel.folder () |> Result.bind Bundle.load)

    {
        Manifest =
            { embedded.Manifest with
                Tower = Tower.name tower
                TowerFacts = Tower.facts tower
                Classes = Phantom.classes
                Active = true
                Settings = settings
                Preprocessing =
                    { embedded.Manifest.Preprocessing with
                        InputSize = 224
                        Mean = mean
                        Std = std
                    }
            }
        Tower = tower
        Texts = texts
        Network =
            Objective.createNetwork
                settings
                (Tower.isAligned tower)
                (Tower.width tower)
                (Tower.skipChannels tower)
                texts
                seed
    }

printfn "| tower | mode | file | probabilities differ by at most | pixels of masks that differ |"
printfn "|---|---|---|---|---|"

for name in asked do
    use _scope = torch.NewDisposeScope()
    let model = model name

    for mode in
        [
            Marginalisation.Exact
            Marginalisation.FeatureMean
            Marginalisation.Nwgm
            Marginalisation.Attention
        ] do
        let file = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}.onnx")

        try
            let bytes = get (OnnxExport.write file model mode)

            let _, found =
                get (OnnxExporter.compare file model Report.none CancellationToken.None)

            printfn
                $"| {name} | {MarginalisationName.ofMode mode} | {float bytes / 1e6:F0} MB | {found.Probabilities:E1} | {found.DifferingPixels} of {found.Pixels} |"
        finally
            File.Delete file
