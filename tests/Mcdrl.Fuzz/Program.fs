/// Feeds the readers what afl++ makes up. `dotnet fsi build.fsx fuzz` calls it; by hand, `Mcdrl.Fuzz try TARGET FILE` runs one
/// input and shows what it comes to.
module Mcdrl.Tests.Fuzz.Program

#nowarn "9" // the counters are a pointer

open System.IO
open System.Runtime.InteropServices
open Microsoft.FSharp.NativeInterop
open SharpFuzz

/// Where the counters of instrumented code go until the fuzzer says where.
let private untilTheFuzzerSays () =
    let counters = Marshal.AllocHGlobal 65536
    Common.Trace.SharedMem <- NativePtr.ofNativeInt counters

let private named name =
    Targets.all |> List.find (fun target -> target.Name = name)

/// Puts the fuzzer's counters into our own assemblies in a folder.
let private instrument (folder: string) =
    for path in Directory.GetFiles(folder, "Mcdrl.*.dll") do
        if Path.GetFileName path <> "Mcdrl.Fuzz.dll" then
            let types = Fuzzer.Instrument(path, (fun _ -> true), Options.Value)
            printfn $"{Path.GetFileName path}: {Seq.length types} types instrumented"

let private seeds (folder: string) =
    for target in Targets.all do
        let inside = Path.Combine(folder, target.Name)
        Directory.CreateDirectory inside |> ignore

        for name, content in target.Seeds do
            File.WriteAllBytes(Path.Combine(inside, name), content)

let private readAll (stream: Stream) =
    use memory = new MemoryStream()
    stream.CopyTo memory
    memory.ToArray()

[<EntryPoint>]
let main argv =
    untilTheFuzzerSays ()

    match List.ofArray argv with
    | [ "list" ] ->
        for target in Targets.all do
            printfn "%s" target.Name

        0
    | [ "instrument"; folder ] ->
        instrument folder
        0
    | [ "seeds"; folder ] ->
        seeds folder
        0
    | [ "run"; name ] ->
        let target = named name
        Fuzzer.OutOfProcess.Run(fun stream -> target.Read(readAll stream))
        0
    | "try" :: name :: files ->
        let target = named name

        for file in files do
            target.Read(File.ReadAllBytes file)
            printfn $"{file}: fine"

        0
    | _ ->
        eprintfn "Usage: Mcdrl.Fuzz list | instrument FOLDER | seeds FOLDER | run TARGET | try TARGET FILE…"
        2
