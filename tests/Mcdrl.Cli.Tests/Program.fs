module Mcdrl.Cli.Tests.Program

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
                "Cli"
                [
                    FlagsTests.tests
                    OutletTests.tests
                    SessionTests.tests
                    ProgressBarTests.tests
                    VerbTests.tests
                    CompletionTests.tests
                    AppTests.tests
                    ShellWordTests.tests
                    DeployPlanTests.tests
                    DeploySlurmTests.tests
                    DeployKubernetesTests.tests
                    DeployParallelTests.tests
                    DeployVerbTests.tests
                    PartOfRunTests.tests
                    SegmentVerbTests.tests
                    SegmentListTests.tests
                    MergeVerbTests.tests
                    ServeVerbTests.tests
                    SegmentDicomTests.tests
                    SegmentVideosTests.tests
                    BadModelsTests.tests
                    TrainVerbTests.tests
                    SettingsVerbTests.tests
                    ExperimentVerbTests.tests
                    EvaluateVerbTests.tests
                    EncodeVerbTests.tests
                    WeightsGetVerbTests.tests
                    RankVerbTests.tests
                    ExportOnnxVerbTests.tests
                    ExportCvatVerbTests.tests
                    BenchVerbTests.tests
                    PhantomVerbTests.tests
                    PretrainVerbTests.tests
                    CardVerbTests.tests
                    DemoVerbTests.tests
                    StudyVerbTests.tests
                    DataImportVerbTests.tests
                    DataExportVerbTests.tests
                    DataCheckVerbTests.tests
                    DataInitVerbTests.tests
                    DoctorVerbTests.tests
                    ProcessTests.tests
                    OnnxLibraryTests.tests
                    QuietTests.tests
                    StoppingTests.tests
                    ClocksTests.tests
                    DescriptorsTests.tests
                    BadInputsTests.tests
                    ReadmeTests.tests
                    PagesTests.tests
                    FSharpRecipesTests.tests
                ])
            argv
