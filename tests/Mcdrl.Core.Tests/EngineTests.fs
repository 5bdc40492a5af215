module Mcdrl.Tests.EngineTests

open System
open System.Runtime.InteropServices
open Expecto
open Mcdrl

/// An engine that throws.
let private broken (problem: exn) : Engine =
    {
        Classes = [ "polyp" ]
        Segment = fun _ _ _ -> raise problem
        Explain = Some(fun _ _ _ -> raise problem)
        Share =
            fun _ ->
                { new IDisposable with
                    member _.Dispose() = ()
                }
        Free = ignore
    }

let private picture: Picture =
    {
        Width = 2
        Height = 1
        Rgb = Array.zeroCreate 6
        Orientation = Orientation.TopLeft
    }

let tests =
    testList
        "Engine"
        [
            testCase "what an engine throws is an error about the picture"
            <| fun () ->
                for problem, says in
                    [
                        (OutOfMemoryException(): exn), "not enough memory"
                        ExternalException "can't allocate memory: 1 TB", "not enough memory"
                        InvalidOperationException "odd", "odd"
                    ] do
                    let engine = broken problem

                    Engine.segment engine None Marking.standard picture
                    |> Outcome.refusedWith 5 [ "2 x 1 pixels"; says ]

                    Engine.explain engine None Marking.standard picture
                    |> Outcome.refusedWith 5 [ "2 x 1 pixels"; says ]
        ]
