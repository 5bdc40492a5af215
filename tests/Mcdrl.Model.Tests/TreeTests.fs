module Mcdrl.Tests.TreeTests

open Expecto
open TorchSharp
open Mcdrl

[<NoComparison; NoEquality>]
type private Leafy =
    {
        first: Linear
        layers: LayerNorm list
        absent: Tensor option
        depth: int
    }

let private drawn = Filling.Drawn(Seed.create 1UL)

let private sample () : Leafy =
    {
        first = Init.linear 3L 2L drawn
        layers = [ Init.layerNorm 2L drawn; Init.layerNorm 5L drawn ]
        absent = None
        depth = 4
    }

let private names tree = Tree.leaves tree |> List.map fst

let private byName tree = tree |> Tree.leaves |> Map.ofList

let private faultOf result =
    match result with
    | Error error -> McdrlError.describe error
    | Ok _ -> failtest "expected an error"

let tests =
    testList
        "Tree"
        [
            testCase "paths are field names and list positions, depth first"
            <| fun () ->
                Expect.equal
                    (names (sample ()))
                    [
                        "first.weight"
                        "first.bias"
                        "layers.0.weight"
                        "layers.0.bias"
                        "layers.1.weight"
                        "layers.1.bias"
                    ]
                    "leaves"

            testCase "map keeps the structure and what is not a tensor"
            <| fun () ->
                let doubled = sample () |> Tree.map (fun leaf -> leaf.mul (scalar 2.0))
                Expect.equal doubled.depth 4 "constant"
                Expect.isNone doubled.absent "absent leaf"

                Expect.equal
                    (doubled.layers[1].weight.data<float32>().ToArray())
                    (Array.create 5 2.0f)
                    "values"

            testCase "load puts every tensor at its path and gives back what leaves wrote"
            <| fun () ->
                let source = sample () |> Tree.map (fun leaf -> leaf.add (scalar 1.0))

                match Tree.load "here" (sample ()) (byName source) with
                | Error error -> failtest (McdrlError.describe error)
                | Ok loaded ->
                    for (path, a), b in List.zip (Tree.leaves loaded) (Tree.tensors source) do
                        Expect.isTrue (a.equal(b).all().item<bool>()) path

            testCase "load names all missing, unexpected and mismatching tensors at once"
            <| fun () ->
                let source =
                    (byName (sample ()))
                        .Remove("first.bias")
                        .Add("stray", torch.zeros 1L)
                        .Add("layers.1.weight", torch.zeros 3L)

                let message = Tree.load "the file" (sample ()) source |> faultOf

                for part in [ "the file"; "first.bias"; "stray"; "layers.1.weight is [3] instead of [5]" ] do
                    Expect.stringContains message part "complete message"

            testCase "load widens to the template's element type"
            <| fun () ->
                let source = sample () |> Tree.map (fun leaf -> leaf.``to`` torch.float16)

                match Tree.load "here" (sample ()) (byName source) with
                | Error error -> failtest (McdrlError.describe error)
                | Ok loaded -> Expect.equal loaded.first.weight.dtype torch.float32 "float32"
        ]
