module Mcdrl.Tests.MarginalisationTests

open Expecto
open Mcdrl

let tests =
    testList
        "Marginalisation"
        [
            testCase "the modes that answer are read by their names, in configurations' spelling"
            <| fun () ->
                Expect.equal
                    (Marginalisation.names Marginalisation.answering)
                    "exact, feature-mean, nwgm, attention, rendered"
                    "in this order"

                for mode in Marginalisation.answering do
                    let name = Marginalisation.name mode
                    Expect.equal (Marginalisation.parse name) (Ok mode) name
                    Expect.stringContains (RecordJson.render {| Mode = mode |}) $"\"{name}\"" "as JSON has it"

            testCase "no other name is a mode that answers; the fault is where the name is"
            <| fun () ->
                for name in [ "sampled"; "never"; "custom"; "Exact"; "" ] do
                    match Marginalisation.parse name with
                    | Ok mode -> failtest $"{name} is {mode}"
                    | Error problem ->
                        Expect.equal
                            (McdrlError.describe problem)
                            $"{name}: there is no such mode. Choose one of exact, feature-mean, nwgm, attention, rendered."
                            "words"

            testCase "training takes what may be taught through, and the baseline"
            <| fun () ->
                Expect.equal
                    (Marginalisation.names Marginalisation.training)
                    "attention, feature-mean, sampled, never"
                    "in this order"

            testCase
                "a function of one's own is in no list: nothing stores it, nothing is exported or trained in it"
            <| fun () ->
                for list in
                    [
                        Marginalisation.answering
                        Marginalisation.inFeatures
                        Marginalisation.training
                    ] do
                    Expect.isFalse (List.contains Marginalisation.Custom list) "not there"

            testCase "all that answer but rendered do it from one look at the frame, as an exported file must"
            <| fun () ->
                Expect.equal
                    (List.except Marginalisation.inFeatures Marginalisation.answering)
                    [ Marginalisation.Rendered ]
                    "the others"
        ]
