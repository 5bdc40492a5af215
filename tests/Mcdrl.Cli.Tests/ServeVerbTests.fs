module Mcdrl.Cli.Tests.ServeVerbTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

/// What serves a tiny model, by each engine.
let private engines (folder: string) =
    let file = Path.Combine(folder, "model.onnx")

    VerifiedExport.run
        {
            Model = World.bundle ()
            Mode = None
            Out = file
        }
        Progress.none
    |> Outcome.ok
    |> ignore

    [ [ "--model"; World.bundle () ]; [ "--onnx"; file ] ]

/// A service at a free port that is told to stop before it begins: it starts, says where it is, and stops.
let private served arguments =
    mcdrlWith (CancellationToken true) ([ "serve"; "--port"; "0"; "--json" ] @ arguments)

let tests =
    testList
        "serve"
        [
            test "a device that is there is the engine's, whichever engine" {
                Folder.temporary (fun folder ->
                    for engine in engines folder do
                        for device in [ []; [ "--device"; "cpu" ]; [ "--device"; "auto" ] ] do
                            let outcome = served (engine @ device)
                            Expect.equal outcome.Code 0 $"{engine} {device}: {outcome.Err}"

                            Expect.stringStarts
                                ((objects outcome).[0].GetProperty("address").GetString())
                                "http://127.0.0.1:"
                                "it was at work")
            }

            test "a device that can't be had is refused before anything is served, by its flag" {
                Folder.temporary (fun folder ->
                    for engine in engines folder do
                        for device, told in
                            [
                                "cuda:99", "Use "
                                "cuda:-1", "unknown device"
                                "gpu", "Use cpu, cuda, cuda:N (N from 0) or auto"
                            ] do
                            let outcome = served (engine @ [ "--device"; device ])
                            Expect.equal outcome.Code 2 $"{engine} {device}: {outcome.Err}"
                            Expect.equal outcome.Out "" "nothing is served"
                            Expect.stringContains outcome.Err $"--device {device}" "which flag"
                            Expect.stringContains outcome.Err told "what to do")
            }

            test "one model a service" {
                let outcome = served [ "--onnx"; "a.onnx"; "--model"; World.bundle () ]
                Expect.equal outcome.Code 2 outcome.Err
                Expect.stringContains outcome.Err "--onnx doesn't go with --model" "said"
            }
        ]
