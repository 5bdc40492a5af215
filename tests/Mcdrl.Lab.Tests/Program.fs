module Mcdrl.Tests.Program

open Expecto
open Mcdrl

let private tests () =
    [
        PublicMembersTests.tests
        PathPatternTests.tests
        PolygonsTests.tests
        ImportMasksTests.tests
        ImportTests.tests
        ImportSpoiltTests.tests
        AnnotationShapesTests.tests
        AnnotationsTests.tests
        FormatsTests.tests
        HubTests.listings
        HubTests.tests
        CaptionsTests.tests
        PretrainingTests.tests
        PretrainerTests.tests
        RandomModelTests.tests
        BenchTests.tests
        PageChartsTests.tests
        PagePlotsTests.tests
        RankingTests.tests
        RankingFilesTests.tests
        RankingSheetTests.tests
        CvatTaskTests.tests
        SilhouetteTests.tests
        TsneTests.tests
        ExperimentAblationsTests.tests
        ExperimentCatalogueTests.tests
        ExperimentFeaturesTests.tests
        ExperimentRobustnessTests.tests
        ExperimentSheetTests.tests
        ExperimentPlanTests.tests
        ExperimentTests.tests
        ExperimentSentencesTests.tests
        ExperimentPublishedTests.tests
        ExperimentMethodFiguresTests.tests
        ExperimentRivalryTests.tests
        ExperimentReportTests.tests
        ExperimentConditionedTests.tests
        ExperimentCsvTests.tests
        ExperimentWordingTests.tests
        ExperimentPageTests.tests
        ExperimentReportFilesTests.tests
        CardTests.tests
        DemoResultsTests.tests
        DemoPageTests.tests
        StudyPageTests.tests
        StudyPlanTests.tests
    ]

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ -> ExpectoMtp.main (testList "Lab" (tests ())) argv
