// Exports a segmenter of random weights on each of the published towers, 224 px, in every mode, and compares it with our
// own answers in ONNX Runtime. ViT-L-14 needs 8 GB of memory.
//
//   dotnet fsi scripts/onnx-towers.fsx [TOWER...]        default: resnet50 RN50 ViT-B-16 ViT-L-14
#load "load.fsx"
#r "Microsoft.ML.OnnxRuntime.dll"

open System
open System.IO
open Mcdrl
open TorchSharp

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let asked =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [] -> [ "resnet50"; "RN50"; "ViT-B-16"; "ViT-L-14" ]
    | asked when asked |> List.forall (fun name -> List.contains name NamedTower.names) -> asked
    | _ ->
        eprintfn
            "Usage: dotnet fsi scripts/onnx-towers.fsx [TOWER...], of %s"
            (String.Join(", ", NamedTower.names))

        exit 2

printfn "| tower | mode | file | probabilities differ by at most | pixels of masks that differ |"
printfn "|---|---|---|---|---|"

for name in asked do
    use _scope = torch.NewDisposeScope()
    let model = get (RandomModel.create name (Seed.create 5UL))

    for mode in BenchRequest.modes do
        let file = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}.onnx")

        try
            let bytes = get (OnnxExport.write file model mode)

            let _, found = get (VerifiedExport.compare file model Progress.none)

            printfn
                $"| {name} | {Marginalisation.name mode} | {float bytes / 1e6:F0} MB | {found.Probabilities:E1} | {found.DifferingPixels} of {found.Pixels} |"
        finally
            File.Delete file
