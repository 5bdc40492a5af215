module Mcdrl.Tests.Program

open Expecto
open Mcdrl

let private tests () =
    [
        NativeTests.tests
        DeviceTests.tests
        PrecisionNameTests.tests
        TorchThreadsTests.tests
        SafetensorsTests.tests
        PreprocessingTests.tests
        WeightStorageTests.tests
        BundleTests.tests
        EmbeddedModelTests.tests
        SegmenterTests.tests
        SegmenterMirroredTests.tests
        SegmenterCustomTests.tests
        ExplainTests.tests
        ExplainSheetTests.tests
        SegmentFilesTests.tests
        SegmentFilesPlansTests.tests
    ]

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ -> ExpectoMtp.main (testList "Torch" (tests ())) argv
