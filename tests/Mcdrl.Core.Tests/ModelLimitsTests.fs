module Mcdrl.Tests.ModelLimitsTests

open System
open Expecto
open Mcdrl

let private named count = List.init count (sprintf "name %d")

let private holds faults what = Expect.isEmpty faults what

let private breaks (part: string) (faults: string list) =
    Expect.isNonEmpty faults part
    Expect.stringContains (String.concat "; " faults) part "says what"

/// Within the bounds, and just beyond them.
let private bounded title (faults: 'a -> string list) within beyond =
    testCase title
    <| fun () ->
        for value in within do
            holds (faults value) $"{value}"

        for value, part in beyond do
            breaks part (faults value)

let tests =
    testList
        "ModelLimits"
        [
            bounded
                "classes"
                ModelLimits.classFaults
                [ named 1; named 255; [ String('x', 200) ] ]
                [
                    [], "no class"
                    named 256, "256"
                    [ "polyp"; "" ], "empty"
                    [ " " ], "empty"
                    [ "a"; "b"; "a" ], "\"a\" is named 2 times"
                    [ "background" ], "background"
                    [ String('x', 201) ], "more than 200"
                ]

            bounded
                "conditions"
                ModelLimits.conditionFaults
                [ named 1; named 256 ]
                [
                    [], "no condition"
                    named 257, "257"
                    named 5000, "5000"
                    [ "blur"; "blur" ], "2 times"
                    [ "" ], "empty"
                ]

            bounded
                "the side of the input"
                ModelLimits.sideFaults
                [ 32; 224; 2048 ]
                [
                    for side in [ 31; 0; -1; 2049; 46341; 65536; Int32.MaxValue; Int32.MinValue ] ->
                        side, string side
                ]

            bounded
                "all answers together"
                (fun (classes, conditions, side) -> ModelLimits.answerFaults classes conditions side)
                [ 1, 12, 2048; 255, 12, 512; 1, 128, 2048; 3, 0, 2048 ]
                [ (1, 129, 2048), "129 conditions"; (255, 256, 2048), "numbers" ]

            bounded
                "colours"
                (fun (mean, std) -> ModelLimits.colourFaults mean std)
                [
                    List.replicate 3 -10.0, List.replicate 3 1e-3
                    List.replicate 3 10.0, List.replicate 3 1e3
                ]
                [
                    ([ 0.0; 0.0 ], [ 1.0; 1.0; 1.0 ]), "three channels"
                    ([ 0.0; 0.0; 0.0 ], [ 1.0 ]), "three channels"
                    ([ nan; 0.0; 0.0 ], [ 1.0; 1.0; 1.0 ]), "mean"
                    ([ 1e300; 0.0; 0.0 ], [ 1.0; 1.0; 1.0 ]), "mean"
                    ([ 10.001; 0.0; 0.0 ], [ 1.0; 1.0; 1.0 ]), "mean"
                    ([ 0.0; 0.0; 0.0 ], [ 0.0; 1.0; 1.0 ]), "std"
                    ([ 0.0; 0.0; 0.0 ], [ 1e-300; 1.0; 1.0 ]), "std"
                    ([ 0.0; 0.0; 0.0 ], [ 9e-4; 1.0; 1.0 ]), "std"
                    ([ 0.0; 0.0; 0.0 ], [ -1.0; 1.0; 1.0 ]), "std"
                    ([ 0.0; 0.0; 0.0 ], [ 1.0; 1.0; nan ]), "std"
                    ([ 0.0; 0.0; 0.0 ], [ 1.0; 1.0; 1001.0 ]), "std"
                ]
        ]
