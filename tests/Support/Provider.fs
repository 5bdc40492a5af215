/// A folder that looks like an ONNX Runtime with CUDA, whose provider needs a library that nobody has.
module Mcdrl.Tests.Provider

open System
open System.IO
open System.Text

/// The library that the provider asks for.
let needed = "libcunone.so.6"

/// What stands there in the library that it is made of; of the same length.
let private replaced = "libstdc++.so.6"

let private bridge = "libonnxruntime_providers_shared.so"

/// As they lie beside the program that runs.
let private own (name: string) =
    Path.Combine(AppContext.BaseDirectory, name)

let private replace (content: byte[]) =
    let from, by = Encoding.ASCII.GetBytes replaced, Encoding.ASCII.GetBytes needed
    let at = content.AsSpan().IndexOf(ReadOnlySpan from)
    by.CopyTo(content, at)
    content

/// A library that loads anywhere.
let harmless = own bridge

/// Puts the provider and its bridge there.
let write (folder: string) =
    File.Copy(own bridge, Path.Combine(folder, bridge))

    File.WriteAllBytes(
        Path.Combine(folder, "libonnxruntime_providers_cuda.so"),
        replace (File.ReadAllBytes(own bridge))
    )

/// `write`, with ONNX Runtime's own library, which has no CUDA.
let writeRuntime (folder: string) =
    let name = "libonnxruntime.so"
    File.CreateSymbolicLink(Path.Combine(folder, name), own name) |> ignore
    write folder
