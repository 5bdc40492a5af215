module Mcdrl.Tests.ExperimentCatalogueTests

open Expecto
open Mcdrl

let private duplicates keys =
    keys
    |> List.countBy id
    |> List.filter (fun (_, count) -> count > 1)
    |> List.map fst

let private settingsOf preset (method: ExperimentMethod) =
    Outcome.ok (Config.ofPreset preset method.Changes)

let tests =
    testList
        "Experiment.Catalogue"
        [
            for design in ExperimentCatalogue.all do
                testCase $"{design.Name}: keys and labels differ, and the reference is one of its methods"
                <| fun () ->
                    Expect.isEmpty (duplicates (design.Methods |> List.map _.Key)) "keys"
                    Expect.isEmpty (duplicates (design.Methods |> List.map _.Label)) "labels"
                    Expect.contains (design.Methods |> List.map _.Key) design.Reference "reference"
                    Expect.isGreaterThan design.Methods.Length 1 "something to compare with"

                    let reference =
                        design.Methods |> List.find (fun method -> method.Key = design.Reference)

                    Expect.isFalse reference.NeedsTextTower "every tower can run it"

                    for method in design.Methods do
                        Expect.isNotEmpty method.Note $"{method.Key} says what it is"
                        Expect.isFalse (method.Key.Contains ',') "--methods separates keys by commas"

                for preset in [ "demo"; "best" ] do
                    testCase $"{design.Name}: methods resolve on top of preset {preset}"
                    <| fun () ->
                        for method in design.Methods do
                            let settings = settingsOf preset method

                            Expect.equal
                                (Settings.validate settings)
                                (Ok settings)
                                $"{method.Key} is a whole configuration"

                    if design.Name <> "ablations" then
                        testCase $"{design.Name}: on top of preset {preset}, each method is another"
                        <| fun () ->
                            let same =
                                design.Methods
                                |> List.groupBy (settingsOf preset)
                                |> List.map (fun (_, methods) -> methods |> List.map _.Key)
                                |> List.filter (fun keys -> keys.Length > 1)

                            Expect.isEmpty same "settings"

            testCase "methods share everything but what they are compared in"
            <| fun () ->
                for design in ExperimentCatalogue.all do
                    let shared = Outcome.ok (Config.ofPreset "demo" [])

                    for method in design.Methods do
                        let settings = settingsOf "demo" method
                        Expect.equal settings.Augmentation shared.Augmentation $"{method.Key}: augmentation"
                        Expect.equal settings.Validation shared.Validation $"{method.Key}: validation"

                        Expect.equal
                            { settings.Optimiser with
                                ActivationEpoch = shared.Optimiser.ActivationEpoch
                            }
                            shared.Optimiser
                            $"{method.Key}: optimiser"

                        Expect.equal
                            (settings.Method.InputSize, settings.Method.HeadWidth, settings.Method.Refinements)
                            (shared.Method.InputSize, shared.Method.HeadWidth, shared.Method.Refinements)
                            $"{method.Key}: head"

            testCase "one that is never intervened on has no term that teaches interventions"
            <| fun () ->
                for design in ExperimentCatalogue.all do
                    for method in design.Methods do
                        let settings = settingsOf "demo" method

                        if settings.Method.TrainingMode = Marginalisation.Never then
                            Expect.equal
                                (settings.Loss.Causal, settings.Loss.Grounding, settings.Loss.Invariance)
                                (0.0, 0.0, 0.0)
                                $"{design.Name}, {method.Key}"

            testCase "an experiment is found by its name; for another, all names are listed"
            <| fun () ->
                Expect.isEmpty (duplicates (ExperimentCatalogue.all |> List.map _.Name)) "names"

                for design in ExperimentCatalogue.all do
                    Expect.equal (ExperimentCatalogue.find design.Name) (Ok design) design.Name

                ExperimentCatalogue.find "table9"
                |> Outcome.refusedWith 2 ("table9" :: (ExperimentCatalogue.all |> List.map _.Name))
        ]
