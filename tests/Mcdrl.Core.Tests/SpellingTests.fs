module Mcdrl.Tests.SpellingTests

open Expecto
open Mcdrl

let private known =
    [ "epochs"; "batch_size"; "learning_rate"; "warmup_epochs"; "data check" ]


let tests =
    testList
        "Spelling"
        [
            for written, meant in
                [
                    "epohcs", "epochs"
                    "epoch", "epochs"
                    "Epochs", "epochs"
                    "batch-size", "batch_size"
                    "batchsize", "batch_size"
                    "lerning_rat", "learning_rate"
                    "data chekc", "data check"
                ] do
                test $"{written} is {meant}" {
                    Expect.equal (Spelling.near known written) (Some meant) "near"
                    Expect.equal (Spelling.hint known written) $"Did you mean {meant}? " "hint"
                }

            test "a word that is far from all says nothing" {
                Expect.equal (Spelling.near known "sites") None "far"
                Expect.equal (Spelling.hint known "") "" "nothing"
                Expect.equal (Spelling.near known (String.replicate 100_000 "e")) None "long"
            }
        ]
