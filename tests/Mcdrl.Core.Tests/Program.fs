module Mcdrl.Tests.Program

open Expecto

let private tests () =
    [
        PrintableTests.tests
        FileNameTests.tests
        FileIdentityTests.tests
        FilesTests.tests
        GuardTests.tests
        SeedTests.tests
        RastersTests.tests
        MarginalisationTests.tests
        PromptsTests.tests
        ContoursTests.tests
        MarkingTests.tests
        MetricsTests.tests
        MetricsSurfaceTests.tests
        MetricsLesionsTests.tests
        MetricsStrataTests.tests
        MetricsCalibrationTests.tests
        MetricsRiskCoverageTests.tests
        SegmentationResultTests.tests
        ModelLimitsTests.tests
        EngineFiniteTests.tests
        StrangerJsonTests.tests
        SelfDigestTests.tests
        FolderSwapTests.tests
        RecordJsonTests.tests
        FileLockTests.tests
        ParallelTests.tests
        PngTests.tests
        ImagesTests.tests
        MasksTests.tests
        ProbabilityMapsTests.tests
        OverlayTests.tests
    ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Core" (tests ())) argv
