module Mcdrl.Tests.SilhouetteTests

open System
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

let private rows (values: float list list) =
    torch.tensor(values |> List.concat |> Array.ofList).view(int64 values.Length, -1L)

/// As the definition says it, pair by pair.
let private naive (x: float array array) (groups: int array) =
    let distance (a: float array) (b: float array) =
        let dot u v = Array.map2 (*) u v |> Array.sum
        1.0 - dot a b / sqrt (dot a a * dot b b)

    Array.init x.Length (fun i ->
        let meanTo group =
            [ 0 .. x.Length - 1 ]
            |> List.filter (fun j -> j <> i && groups[j] = group)
            |> List.averageBy (fun j -> distance x[i] x[j])

        let own = groups[i]

        if groups |> Array.filter ((=) own) |> Array.length = 1 then
            0.0
        else
            let a = meanTo own

            let b =
                groups
                |> Array.distinct
                |> Array.filter ((<>) own)
                |> Array.map meanTo
                |> Array.min

            (b - a) / max a b)

let tests =
    testList
        "Silhouette"
        [
            Law.example
                "directions that agree within groups and not between them are 1, mixed up below 0"
                (fun () ->
                    let x = rows [ [ 1.0; 0.0 ]; [ 3.0; 0.0 ]; [ 0.0; 1.0 ]; [ 0.0; 2.0 ] ]
                    Expect.floatClose Accuracy.high (Silhouette.mean x [| "a"; "a"; "b"; "b" |]) 1.0 "apart"

                    // a = 1; b = (0 + 1) / 2.
                    Expect.floatClose
                        Accuracy.high
                        (Silhouette.mean x [| "a"; "b"; "a"; "b" |])
                        -0.5
                        "mixed up")

            Law.example "by hand: cosines of 60 and 90 degrees" (fun () ->
                let x = rows [ [ 1.0; 0.0 ]; [ 0.5; sqrt 0.75 ]; [ 0.0; -4.0 ] ]
                // Row 0: a = 0.5, b = 1. Row 1: a = 0.5, b = 1 + √0.75. Row 2 is alone.
                let expected = [| 0.5; 1.0 - 0.5 / (1.0 + sqrt 0.75); 0.0 |]

                for one, other in Array.zip expected (Silhouette.ofEach x [| 0; 0; 1 |]) do
                    Expect.floatClose Accuracy.high other one "row")

            Property.check "the definition, pair by pair"
            <| fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let seed = Seed.create seed
                let count = 8 + Seed.below 20 (Seed.named "count" seed)
                let x = (SeedTensors.normal [ int64 count; 3L ] seed).``to`` torch.float64
                let groups = Array.init count (fun i -> Seed.below 4 (Seed.split i seed))

                if (Array.distinct groups).Length > 1 then
                    let table = x.data<float>().ToArray() |> Array.chunkBySize 3

                    for one, other in Array.zip (naive table groups) (Silhouette.ofEach x groups) do
                        Expect.floatClose Accuracy.medium other one "row"
                        Expect.isTrue (abs other <= 1.0) "range"

            Law.example "nothing to compare: one group is NaN, no feature too, equal features 0" (fun () ->
                let x = rows [ [ 1.0; 2.0 ]; [ 1.0; 2.0 ]; [ 2.0; 4.0 ]; [ 1.0; 2.0 ] ]
                Expect.isTrue (Double.IsNaN(Silhouette.mean x [| 1; 1; 1; 1 |])) "one group"
                Expect.isTrue (Double.IsNaN(Silhouette.mean (torch.zeros (0L, 2L)) [||])) "none"
                Expect.equal (Silhouette.mean x [| 1; 1; 2; 2 |]) 0.0 "equal")

            Law.example "a zero vector is 1 from everything" (fun () ->
                let x = rows [ [ 0.0; 0.0 ]; [ 1.0; 0.0 ]; [ 0.0; 1.0 ]; [ 0.0; 1.0 ] ]
                // Row 0: a = 1, b = 1. Row 1: a = 1, b = 1. Rows 2 and 3: a = 0.
                Expect.equal (Silhouette.ofEach x [| 0; 0; 1; 1 |]) [| 0.0; 0.0; 1.0; 1.0 |] "rows")
        ]
