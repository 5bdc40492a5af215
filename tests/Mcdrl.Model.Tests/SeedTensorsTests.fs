module Mcdrl.Tests.SeedTensorsTests

open Expecto
open Mcdrl

let tests =
    testList
        "SeedTensors"
        [
            testCase "normal draws repeat and have unit variance"
            <| fun () ->
                let draw () =
                    use numbers = SeedTensors.normal [ 10000L ] (Seed.create 5UL)
                    numbers.data<float32>().ToArray()

                let numbers = draw ()
                Expect.equal (draw ()) numbers "same seed, same bits"
                let variance = numbers |> Array.averageBy (fun x -> float x * float x)
                Expect.floatClose { absolute = 0.05; relative = 0.0 } variance 1.0 "variance"
        ]
