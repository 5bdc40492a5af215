namespace Mcdrl.Benchmarks

open System
open System.IO
open BenchmarkDotNet.Attributes
open Mcdrl

/// Every prompt of a model of the phantom's classes, by the vocabulary of `models/mini`.
[<MemoryDiagnoser>]
type TextBenchmarks() =
    let prompts = Prompts.all Phantom.classes Phantom.conditions

    let tokenizer =
        let file name =
            Path.Combine(AppContext.BaseDirectory, "mini", name)

        ClipTokenizer.ofVocabulary (file "vocab.json") (file "merges.txt")
        |> Result.defaultWith (McdrlError.describe >> failwith)

    [<Benchmark>]
    member _.Tokenize() =
        prompts |> List.sumBy (ClipTokenizer.encode tokenizer >> List.length)
