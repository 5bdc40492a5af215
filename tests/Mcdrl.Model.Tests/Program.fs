module Mcdrl.Tests.Program

open Expecto
open Mcdrl

let private tests () =
    [
        SeedTensorsTests.tests
        RasterTensorsTests.tests
        TreeTests.tests
        OneDnnTests.tests
        LayersTests.tests
        ResizeTests.tests
        UpsamplingTests.tests
        ResamplingTests.tests
        RefinementTests.tests
        TextClassesTests.tests
        MethodTests.tests
        SoftDiceTests.tests
        AlignmentTests.tests
        ConditionsTests.tests
        RenderedTests.tests
        GroundingTests.tests
        InvarianceTests.tests
        TextsTests.tests
        SettingsTests.tests
        PromptTextsTests.tests
        DisagreementTests.tests
        ExplanationTests.tests
        ArchitectureTests.tests
        NamedTowerTests.tests
        TowerTests.tests
        PackingTests.tests
        PackingFrozenTests.tests
        FlopsTests.tests
        BertTextTests.tests
        RivalPromptTests.tests
        RivalCoCoOpTests.tests
        RivalStyLIPTests.tests
        RivalBiomedCoOpTests.tests
        RivalTests.tests
        SplitsTests.tests
        ColourExchangeTests.tests
        MirroredTests.tests
        AugmentationTests.tests
        ObjectiveTests.tests
        RivalMedClipSegTests.tests
        NetworkTemplateTests.tests
        PriorTests.tests
        Laws.tests
    ]

[<EntryPoint>]
let main argv =
    match Native.load () with
    | Error problem ->
        eprintfn "%s" (McdrlError.describe problem)
        McdrlError.exitCode problem
    | Ok _ -> ExpectoMtp.main (testList "Model" (tests ())) argv
