/// BenchmarkDotNet on the parts of a segmentation. The arguments are BenchmarkDotNet's own, `--filter '*Png*'` for instance.
module Mcdrl.Benchmarks.Program

open System.Reflection
open BenchmarkDotNet.Configs
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.NoEmit
open Mcdrl

/// In this process: a generated project would have to find libtorch again.
let private config =
    DefaultConfig.Instance
        .AddJob(Job.ShortRun.WithIterationCount(10).WithToolchain InProcessNoEmitToolchain.Instance)
        .WithArtifactsPath("out/benchmarks")

[<EntryPoint>]
let main arguments =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ ->
        BenchmarkSwitcher.FromAssembly(Assembly.GetExecutingAssembly()).Run(arguments, config)
        |> ignore

        0
