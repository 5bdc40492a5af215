module Mcdrl.Tests.AurocTests

open Expecto
open Mcdrl

/// Every pair of a positive and a negative case: won 1, tied 1/2.
let private byPairs (cases: struct (float * bool) array) =
    let scores kind =
        [
            for struct (score, positive) in cases do
                if positive = kind then
                    score
        ]

    [
        for p in scores true do
            for n in scores false do
                if p > n then 1.0
                elif p = n then 0.5
                else 0.0
    ]
    |> function
        | [] -> nan
        | won -> List.average won

/// Scores of few values, so that many are tied.
let private casesOf (cases: (byte * bool) array) =
    [| for score, positive in cases -> struct (float (score % 7uy), positive) |]

let private same expected actual =
    System.Double.IsNaN expected && System.Double.IsNaN actual
    || abs (expected - actual) < 1e-12

let tests =
    testList
        "Auroc"
        [
            Property.check "the share of pairs that are in order, ties counting half"
            <| fun cases ->
                let cases = casesOf cases
                same (byPairs cases) (Auroc.ofCases cases)

            Property.check
                "a rising function of the scores changes nothing, turning them round gives the rest"
            <| fun cases ->
                let cases = casesOf cases

                let change f =
                    [| for struct (score, positive) in cases -> struct (f score, positive) |]

                let area = Auroc.ofCases cases

                same area (Auroc.ofCases (change exp))
                && same (1.0 - area) (Auroc.ofCases (change (~-)))

            testCase "by hand: apart, inside out, all tied, one tie of four pairs"
            <| fun () ->
                let area cases = Auroc.ofCases (Array.ofList cases)
                let yes score = struct (score, true)
                let no score = struct (score, false)
                Expect.equal (area [ no 0.1; yes 0.4; no 0.3; yes 0.9 ]) 1.0 "apart"
                Expect.equal (area [ yes 0.1; no 0.4 ]) 0.0 "inside out"
                Expect.equal (area [ yes 2.0; no 2.0; no 2.0 ]) 0.5 "tied"
                Expect.equal (area [ yes 2.0; no 2.0; yes 3.0; no 1.0 ]) 0.875 "three and a half of four"

            testCase "all positive, none, or a score that isn't a number: undefined"
            <| fun () ->
                for cases in
                    [
                        []
                        [ struct (1.0, true) ]
                        [ struct (1.0, false); struct (2.0, false) ]
                        [ struct (nan, false); struct (2.0, true) ]
                    ] do
                    Expect.isTrue (System.Double.IsNaN(Auroc.ofCases (Array.ofList cases))) $"{cases}"
        ]
