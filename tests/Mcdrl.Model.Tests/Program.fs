module Mcdrl.Model.Tests.Program

open Expecto
open Mcdrl

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ ->
        ExpectoMtp.main
            (testList
                "Model"
                [
                    LayersTests.tests
                    RastersTests.tests
                    ResizeTests.tests
                    MetricsTests.tests
                    PraNetTests.tests
                    SummaryTests.tests
                ])
            argv
