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

/// What makes a training with the tower and the texts of `World` small: one epoch, the intervention on.
let tinyTraining: string list =
    [
        for setting in
            [
                "method.input_size=32"
                """method.conditions=["blur","blood","mucus"]"""
                "method.layers=1"
                "method.head_width=8"
                "optimiser.epochs=1"
                "optimiser.activation_epoch=0"
                "optimiser.batch_size=4"
            ] do
            yield! [ "--set"; setting ]
    ]
