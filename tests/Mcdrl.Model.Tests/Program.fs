module Mcdrl.Model.Tests.Program

open Expecto
open Mcdrl

let private tests =
    [
        MarginalisationTests.tests
        SeedTests.tests
        TreeTests.tests
        OneDnnTests.tests
        LayersTests.tests
        RastersTests.tests
        ResizeTests.tests
        RefinementTests.tests
        TextClassesTests.tests
        MethodTests.tests
        SoftDiceTests.tests
        AlignmentTests.tests
        GroundingTests.tests
        MetricsTests.tests
        PraNetTests.tests
        SummaryTests.tests
        SilhouetteTests.tests
        BootstrapTests.tests
        InterventionalTests.tests
        DisagreementTests.tests
        ExplanationTests.tests
        ContoursTests.tests
        ArchitectureTests.tests
        NamedTowerTests.tests
        FlopsTests.tests
        TowerTests.tests
        PackingTests.tests
        PackingFrozenTests.tests
        UpsamplingTests.tests
        ResamplingTests.tests
        PromptsTests.tests
        SettingsTests.tests
        PriorTests.tests
        ConditionsTests.tests
        AugmentationTests.tests
        PhantomTests.tests
        SplitsTests.tests
        RivalPromptTests.tests
        RivalCoCoOpTests.tests
        RivalStyLIPTests.tests
        RivalBiomedCoOpTests.tests
        RivalTests.tests
        ObjectiveTests.tests
        NetworkTemplateTests.tests
        CaptionsTests.tests
        VocabularyTests.tests
        PretrainingTests.tests
        TsneTests.tests
        Laws.tests
    ]

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ -> ExpectoMtp.main (testList "Model" tests) argv
