module Mcdrl.Tests.SeedTests

open Expecto
open Mcdrl

let tests =
    testList
        "Seed"
        [
            Property.check "equal seeds give equal numbers, whatever was drawn before" (fun (value: uint64) ->
                let seed = Seed.create value
                let before = Seed.uniform seed
                Seed.uniform (Seed.split 3 seed) |> ignore
                Seed.uniform seed = before)

            Property.check "uniform lies in [0, 1)" (fun (value: uint64) ->
                let number = Seed.uniform (Seed.create value)
                number >= 0.0 && number < 1.0)

            testCase "uniform has the moments of U(0, 1)"
            <| fun () ->
                let numbers =
                    List.init 20000 (fun index -> Seed.create 1UL |> Seed.split index |> Seed.uniform)

                let mean = List.average numbers
                let variance = numbers |> List.averageBy (fun x -> (x - mean) ** 2.0)
                Expect.floatClose { absolute = 0.01; relative = 0.0 } mean 0.5 "mean"
                Expect.floatClose { absolute = 0.003; relative = 0.0 } variance (1.0 / 12.0) "variance"

            Property.check "a permutation holds every index once" (fun (value: uint64) (size: byte) ->
                let order = Seed.permutation (int size) (Seed.create value)
                Array.sort order = [| 0 .. int size - 1 |])

            testCase "parts are independent of each other and of their order"
            <| fun () ->
                let seed = Seed.create 7UL
                let parts = [ for key in 0..999 -> Seed.uniform (Seed.split key seed) ]
                Expect.equal (List.distinct parts).Length 1000 "no two parts agree"
                Expect.notEqual (Seed.named "a" seed) (Seed.named "b" seed) "names differ"
        ]
