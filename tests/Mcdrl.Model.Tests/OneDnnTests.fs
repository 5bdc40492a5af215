module Mcdrl.Tests.OneDnnTests

open Expecto
open Mcdrl
open TorchSharp
open type TorchSharp.torch.nn

let private normal (seed: uint64) (shape: int64 list) =
    SeedTensors.normal shape (Seed.create seed)

let private apart (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    a.sub(b).abs().max().item<float32>()

let private inScope name work =
    testCase name (fun () ->
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        work ())

/// What each epilogue does, by the book.
let private epilogues (other: Tensor) : (string * Epilogue * (Tensor -> Tensor)) list =
    [
        "nothing", Epilogue.Nothing, id
        "relu", Epilogue.Relu, functional.relu
        "gelu", Epilogue.Gelu, functional.gelu
        "swish", Epilogue.Swish, functional.silu
        "add", Epilogue.Add other, fun x -> x.add other
        "add, relu", Epilogue.AddRelu other, fun x -> functional.relu (x.add other)
    ]

let tests =
    testList
        "OneDnn"
        [
            inScope "a packed weight is told from a plain one and keeps its sizes" (fun () ->
                let weight = normal 1UL [ 6L; 10L ]
                let packed = OneDnn.packLinear weight
                Expect.isFalse (OneDnn.isPacked weight) "plain"
                Expect.isTrue (OneDnn.isPacked packed) "packed"
                Expect.equal packed.shape [| 6L; 10L |] "sizes")

            inScope "linear layers with every epilogue" (fun () ->
                let x, weight, bias =
                    normal 1UL [ 2L; 7L; 10L ], normal 2UL [ 6L; 10L ], normal 3UL [ 6L ]

                let packed = OneDnn.packLinear weight

                for name, epilogue, follow in epilogues (normal 4UL [ 2L; 7L; 6L ]) do
                    for bias in [ None; Some bias ] do
                        let plain =
                            match bias with
                            | Some bias -> functional.linear (x, weight, bias)
                            | None -> functional.linear (x, weight)

                        Expect.isLessThan
                            (apart (OneDnn.linear epilogue packed bias x) (follow plain))
                            1e-5f
                            name)

            inScope "convolutions with every epilogue, 1×1 ones included" (fun () ->
                for side, stride, padding in [ 3L, 1L, 1L; 3L, 2L, 1L; 7L, 2L, 3L; 1L, 1L, 0L; 1L, 2L, 0L ] do
                    let x, weight, bias =
                        normal 1UL [ 2L; 5L; 11L; 9L ], normal 2UL [ 6L; 5L; side; side ], normal 3UL [ 6L ]

                    let plain =
                        functional.conv2d (
                            x,
                            weight,
                            bias,
                            strides = [| stride; stride |],
                            padding = [| padding; padding |]
                        )

                    let packed = OneDnn.packConvolution stride padding weight

                    for name, epilogue, follow in epilogues (normal 4UL (List.ofArray plain.shape)) do
                        Expect.isLessThan
                            (apart
                                (OneDnn.convolution epilogue stride padding packed (Some bias) x)
                                (follow plain))
                            1e-4f
                            $"{side}×{side}, stride {stride}, {name}")

            inScope "bf16 rounds and no more" (fun () ->
                if OneDnn.supportsBf16 () then
                    let x, weight = normal 1UL [ 7L; 64L ], normal 2UL [ 6L; 64L ]
                    let packed = OneDnn.packLinear (weight.bfloat16 ())
                    let found = OneDnn.linear Epilogue.Nothing packed None (x.bfloat16 ())
                    let plain = functional.linear (x, weight)

                    let relative =
                        found.``to``(torch.float32).sub(plain).norm().div(plain.norm ()).item<float32>()

                    Expect.isLessThan relative 0.01f "two roundings of 2^-9"
                else
                    skiptest "skipped, this processor can't compute in bf16")

            inScope "what libtorch refuses is an error, and what ran before goes on" (fun () ->
                let packed = OneDnn.packLinear (normal 2UL [ 6L; 10L ])

                Expect.throws
                    (fun () ->
                        OneDnn.linear
                            Epilogue.Nothing
                            packed
                            None
                            (torch.ones (7L, 10L, dtype = torch.float64))
                        |> ignore)
                    "another element type"

                Expect.isTrue (OneDnn.isPacked packed) "still packed")
        ]
