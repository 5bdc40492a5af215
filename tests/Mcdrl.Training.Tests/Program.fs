module Mcdrl.Tests.Program

open Expecto
open Mcdrl

let private tests () =
    [
        DatasetTests.tests
        DatasetGroupsTests.tests
        DatasetCheckTests.tests
        DatasetTurnedTests.tests
        DatasetDigestTests.tests
        DuplicatesTests.tests
        DatasetKeysTests.tests
        ProblemGroupsTests.tests
        IgnoredTests.tests
        PhantomDatasetTests.tests
        VocabularyTests.tests
        ClipTokenizerTests.tests
        BertTokenizerTests.tests
        ClipConfigTests.tests
        WeightsTests.tests
        ResNet18PackageTests.tests
        SentenceEncoderTests.tests
        PromptTableTests.tests
        RivalSourceTests.tests
        TrainerRivalsTests.tests
        EncoderTests.tests
        ParityTests.tests
        ConfigTests.tests
        SettingKeysTests.tests
        StoreTests.tests
        FramesTests.tests
        CheckpointTests.tests
        AheadTests.tests
        AdamWStepTests.tests
        TrainingViewsTests.tests
        TrainingPriorTests.tests
        TrainingPreparationTests.tests
        TrainerTests.tests
        TrainerRefusedTests.tests
        FineTuningTests.tests
        PraNetTests.tests
        SummaryTests.tests
        BootstrapTests.tests
        AurocTests.tests
        WarningTests.tests
        FindingsTests.tests
        EvaluatorTests.tests
        InterventionalTests.tests
        InterventionsTests.tests
        InterventionalEvaluatorTests.tests
        OnnxLibraryTests.tests
        OnnxCudaTests.tests
        OnnxDeviceTests.tests
        OnnxRuntimeTests.tests
        OnnxLayersTests.tests
        OnnxSegmenterTests.tests
        VerifiedExportTests.tests
        OnnxTrustTests.tests
        StrangerFilesTests.tests
    ]

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ -> ExpectoMtp.main (testList "Training" (tests ())) argv
