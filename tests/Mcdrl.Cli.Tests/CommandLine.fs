/// Runs `mcdrl` inside the test process.
module Mcdrl.Cli.Tests.CommandLine

open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Mcdrl.Cli

type Outcome = { Code: int; Out: string; Err: string }

let mcdrlWith cancel arguments =
    use out = new StringWriter()
    use err = new StringWriter()

    let code =
        App.run
            Verbs.all
            {
                Json = false
                Out = out
                Err = err
                Terminal = false
                Cancel = cancel
            }
            (Array.ofList arguments)

    {
        Code = code
        Out = string out
        Err = string err
    }

/// Exit code and both outputs of one command line.
let mcdrl arguments =
    mcdrlWith CancellationToken.None arguments

/// The JSON objects on stdout; fails if anything else stands there.
let objects outcome =
    outcome.Out.Split '\n'
    |> Array.filter ((<>) "")
    |> Array.map (fun line ->
        try
            let value = JsonDocument.Parse(line).RootElement
            Expect.equal value.ValueKind JsonValueKind.Object $"one object per line, not {line}"
            value
        with :? JsonException ->
            failtest $"not JSON on stdout: {line}")
