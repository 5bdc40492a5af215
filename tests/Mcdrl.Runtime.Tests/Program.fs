module Mcdrl.Runtime.Tests.Program

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
                "Runtime"
                [
                    NativeTests.tests
                    DeviceTests.tests
                    PrecisionNameTests.tests
                    SafetensorsTests.tests
                    ClipTokenizerTests.tests
                    WeightsTests.tests
                    PromptTableTests.tests
                    EncoderTests.tests
                    ParityTests.tests
                    TiffTests.tests
                    ImagesTests.tests
                    PngTests.tests
                    MasksTests.tests
                    DatasetTests.tests
                    DuplicatesTests.tests
                    DatasetCheckTests.tests
                    DatasetDigestTests.tests
                    FileLockTests.tests
                    PathPatternTests.tests
                    PolygonsTests.tests
                    ImportMasksTests.tests
                    ImportTests.tests
                    ImportSpoiltTests.tests
                    OverlayTests.tests
                    BundleTests.tests
                    AdamWStepTests.tests
                    TrainerTests.tests
                    RivalSourceTests.tests
                    AheadTests.tests
                    TrainingViewsTests.tests
                    TrainingPriorTests.tests
                    TrainingPreparationTests.tests
                    RecordJsonTests.tests
                    ConfigTests.tests
                    StoreTests.tests
                    FramesTests.tests
                    CheckpointTests.tests
                    SegmenterTests.tests
                    BatchTests.tests
                    PhantomDatasetTests.tests
                    EvaluatorTests.tests
                    InterventionsTests.tests
                    InterventionalEvaluatorTests.tests
                    ExplainTests.tests
                    EmbeddedModelTests.tests
                    SegmentingTests.tests
                    OnnxLayersTests.tests
                    OnnxSegmenterTests.tests
                    OnnxExporterTests.tests
                    RandomModelTests.tests
                    BenchTests.tests
                    PageChartsTests.tests
                    ExperimentAblationsTests.tests
                    ExperimentCatalogueTests.tests
                    ExperimentFeaturesTests.tests
                    ExperimentRobustnessTests.tests
                    ExperimentSheetTests.tests
                    ExperimentPlanTests.tests
                    ExperimentTests.tests
                    DemoPageTests.tests
                    PretrainerTests.tests
                    DemoPlanTests.tests
                    PagePlotsTests.tests
                    ExperimentPublishedTests.tests
                    ExperimentMethodFiguresTests.tests
                    ExperimentRivalryTests.tests
                    ExperimentReportTests.tests
                    ExperimentCsvTests.tests
                    ExperimentWordingTests.tests
                    ExperimentPageTests.tests
                    ExperimentWritingTests.tests
                ])
            argv
