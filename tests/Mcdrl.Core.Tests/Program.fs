module Mcdrl.Tests.Program

open Expecto

let private tests () =
    [
        PrintableTests.tests
        MarkdownTests.tests
        CsvTests.tests
        FileNameTests.tests
        SpellingTests.tests
        PartTests.tests
        RastersTests.tests
        ContoursTests.tests
        OutlineSimplificationTests.tests
        ClassColoursTests.tests
        MarkingTests.tests
        SeedTests.tests
        MetricsTests.tests
        MetricsSurfaceTests.tests
        MetricsLesionsTests.tests
        MetricsStrataTests.tests
        MetricsCalibrationTests.tests
        MetricsRiskCoverageTests.tests
        MarginalisationTests.tests
        PromptsTests.tests
        ModelLimitsTests.tests
        SegmentationResultTests.tests
        LeftoversTests.tests
        NameLimitTests.tests
        FileIdentityTests.tests
        InterruptionTests.tests
        TemporariesTests.tests
        InputsTests.tests
        FilesTests.tests
        LineReaderTests.tests
        DeviceNameTests.tests
        ElfTests.tests
        SharedLibraryTests.tests
        GuardTests.tests
        FileLockTests.tests
        LeaseTests.tests
        FolderSwapTests.tests
        SelfDigestTests.tests
        StrangerJsonTests.tests
        RecordJsonTests.tests
        ParallelTests.tests
        PngTests.tests
        JpegTests.tests
        TiffTests.tests
        ImagesTests.tests
        ImageFolderTests.tests
        MasksTests.tests
        ProbabilityMapsTests.tests
        RegionRunsTests.tests
        MaskFilesTests.tests
        OverlayTests.tests
        EngineTests.tests
        ImageListTests.tests
        PartsPlanTests.tests
        PartLineTests.tests
        SegmentPartTests.tests
        MergePartsTests.tests
    ]

[<EntryPoint>]
let main argv =
    match List.ofArray argv with
    | [ word; path ] when word = HoldLease.word -> HoldLease.hold path
    | [ word; path ] when word = HoldLease.lookWord -> HoldLease.look path
    | _ -> ExpectoMtp.main (testList "Core" (tests ())) argv
