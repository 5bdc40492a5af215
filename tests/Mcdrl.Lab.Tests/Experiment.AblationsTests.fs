module Mcdrl.Tests.ExperimentAblationsTests

open Expecto
open Mcdrl

let private names = Prompts.conditions |> List.map _.Name
let private extra = Prompts.extraConditions |> List.map _.Name

let private settingsOf (method: ExperimentMethod) =
    Outcome.ok (Config.ofPreset "demo" method.Changes)

let private ours key =
    ExperimentAblations.ours |> List.find (fun method -> method.Key = key)

let tests =
    testList
        "Experiment.Ablations"
        [
            testCase "dictionaries of 3 to 15: their size, nested, in the order of the whole one"
            <| fun () ->
                let order =
                    names @ extra |> List.indexed |> List.map (fun (a, b) -> b, a) |> Map.ofList

                for m in 3..15 do
                    let words = ExperimentAblations.dictionary m
                    Expect.equal words.Length m $"{m}: size"
                    Expect.equal (List.distinct words) words $"{m}: each once"
                    let places = words |> List.map (fun word -> order[word])
                    Expect.equal places (List.sort places) $"{m}: order"

                    if m > 3 then
                        Expect.containsAll
                            words
                            (ExperimentAblations.dictionary (m - 1))
                            $"{m}: holds the smaller one"

                Expect.equal (ExperimentAblations.dictionary 12) names "twelve are the paper's"

                for m in [ 13; 15 ] do
                    Expect.equal
                        (ExperimentAblations.dictionary m)
                        (names @ List.truncate (m - 12) extra)
                        "then the extra ones"

            testCase "table 4's methods have the dictionaries that their labels say"
            <| fun () ->
                for m in [ 3; 6; 9; 12; 15 ] do
                    let method = ExperimentAblations.ofSize m
                    Expect.equal method.Label $"M = {m}" "label"
                    let conditions = (settingsOf method).Method.Conditions
                    Expect.equal conditions (ExperimentAblations.dictionary m) $"{m}"

            testCase "table 5's methods have as many layers as their labels say"
            <| fun () ->
                for layers in 1..5 do
                    let method = ExperimentAblations.ofDepth layers
                    Expect.equal method.Label $"L = {layers}" "label"
                    Expect.equal (settingsOf method).Method.Layers layers "layers"

            testCase "other words for every class and condition of the phantom, and no two the same"
            <| fun () ->
                for key in [ "classes-paraphrased"; "classes-gibberish" ] do
                    let words = Settings.wordsOf (settingsOf (ours key)).Method Phantom.classes
                    Expect.isEmpty (Set.intersect (set words) (set Phantom.classes)) $"{key}: other words"
                    Expect.equal (List.distinct words) words $"{key}: each its own"

                for key in [ "paraphrased"; "gibberish" ] do
                    let words = (settingsOf (ours key)).Method.Conditions
                    Expect.isEmpty (Set.intersect (set words) (set names)) $"{key}: other words"
                    Expect.equal (List.distinct words).Length names.Length $"{key}: each its own"

            testCase "what says other words or reads the frames' similarity to words needs a text tower"
            <| fun () ->
                let needing =
                    ExperimentAblations.ours
                    |> List.filter _.NeedsTextTower
                    |> List.map _.Key
                    |> set

                for method in ExperimentAblations.ours do
                    let m = (settingsOf method).Method

                    Expect.equal
                        (needing.Contains method.Key)
                        (m.ClassWords.IsSome
                         || m.Conditions <> names
                         || m.PriorSource = Some PriorSource.Estimated)
                        method.Key
        ]
