// Brings Mcdrl into F# Interactive: `#load "scripts/load.fsx"`, then `open Mcdrl`.
// Needs `dotnet fsi build.fsx build` once. libtorch is loaded here, before TorchSharp looks for it.
#I "../Mcdrl.Cli/bin/Release/net10.0/linux-x64"
#r "TorchSharp.dll"
#r "SkiaSharp.dll"
#r "FsToolkit.ErrorHandling.dll"
#r "Mcdrl.Core.dll"
#r "Mcdrl.Onnx.dll"
#r "Mcdrl.Phantom.dll"
#r "Mcdrl.Model.dll"
#r "Mcdrl.Torch.dll"
#r "Mcdrl.Training.dll"
#r "Mcdrl.Lab.dll"

match Mcdrl.Native.load () with
| Ok native -> printfn $"Mcdrl {Mcdrl.Product.version}, libtorch {native.Libtorch}"
| Error problem ->
    eprintfn "%s" (Mcdrl.McdrlError.describe problem)
    exit (Mcdrl.McdrlError.exitCode problem)
