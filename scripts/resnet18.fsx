// The ResNet-18 of the package Microsoft.ML.DnnImageFeaturizer.ResNet18 (MIT, ImageNet) as weights that `--weights` takes:
// model.safetensors with torchvision's names, 22 MB, and its licence. How to come by the package: docs/recipe.md.
//
//   dotnet fsi scripts/resnet18.fsx PACKAGE OUT      PACKAGE: the package's unpacked folder
#load "load.fsx"

open System.IO
open Mcdrl

let package, out =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [ package; out ] -> package, out
    | _ ->
        eprintfn "Usage: dotnet fsi scripts/resnet18.fsx PACKAGE OUT"
        exit 2

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let inside name = Path.Combine(package, name)
let file = Path.Combine(out, "model.safetensors")
Directory.CreateDirectory out |> ignore

get (ResNet18Package.convert (inside ResNet18Package.networkFile) (inside ResNet18Package.meanFile) file)
File.Copy(inside "LICENSE", Path.Combine(out, "LICENSE"), true)

let weights = get (Weights.load file)
let digest = get (Files.sha256 file)

File.WriteAllText(
    Path.Combine(out, "README.md"),
    $"""# ResNet-18, ImageNet-1k

`model.safetensors`: torchvision's names, kernels in F16, normalisations in F32; {Tree.count weights.Tower} weights, running statistics included.
Made by scripts/resnet18.fsx of Mcdrl from Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1 (Microsoft, trained with CNTK 2.6 on ImageNet),
MIT, see LICENSE. Stem turned from BGR to RGB; the mean picture averaged to one number a channel, no scaling of levels; the third block that
the package has in its last stage is left out, as the published ResNet-18 has none.
sha256: {digest}
"""
)

printfn $"{file}: {Tower.name weights.Tower}, sha256 {digest}"
