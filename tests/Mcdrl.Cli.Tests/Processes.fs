/// Runs `mcdrl` as a process of its own.
module Mcdrl.Cli.Tests.Processes

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

[<DllImport("libc", EntryPoint = "kill")>]
extern int signal(int processId, int number)

/// SIGINT does the same as SIGTERM, but a process in the background may be deaf to it.
let SIGTERM, SIGHUP = 15, 1

let infoOfProgram program arguments =
    ProcessStartInfo(
        "dotnet",
        program :: arguments,
        RedirectStandardOutput = true,
        RedirectStandardError = true
    )

let infoOf arguments =
    infoOfProgram (Path.Combine(AppContext.BaseDirectory, "mcdrl.dll")) arguments

/// The command that knows ONNX Runtime alone, as it was built beside this one.
let slim =
    let target =
        Path.GetRelativePath(
            Path.Combine(Repository.root, "tests", "Mcdrl.Cli.Tests"),
            AppContext.BaseDirectory
        )

    Path.Combine(Repository.root, "Mcdrl.Cli.Onnx", target)

let begun (info: ProcessStartInfo) =
    Process.Start info
    |> Option.ofObj
    |> Option.defaultWith (fun () -> failtest "dotnet does not start")

let ended (info: ProcessStartInfo) =
    use child = begun info
    let err = child.StandardError.ReadToEndAsync()
    let out = child.StandardOutput.ReadToEnd()
    child.WaitForExit()

    {
        Code = child.ExitCode
        Out = out
        Err = err.Result
    }
