// Loads libtorch before anything touches TorchSharp, whose own way of looking for it fails in F# Interactive.
match Mcdrl.Native.load () with
| Ok _ -> ()
| Error problem -> eprintfn "%s" (Mcdrl.McdrlError.describe problem)
