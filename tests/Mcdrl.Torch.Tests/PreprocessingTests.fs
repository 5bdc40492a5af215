module Mcdrl.Tests.PreprocessingTests

open Expecto
open TorchSharp
open Mcdrl

let tests =
    testList
        "Preprocessing"
        [
            testCase "levels of any type become float32 from 0 to 1"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for kind in [ torch.uint8; torch.float32; torch.float64 ] do
                    let frame = torch.tensor([| 0L; 51L; 255L |]).``to``(kind) |> Preprocessing.ofLevels

                    Expect.equal frame.dtype torch.float32 $"from {kind}"
                    Expect.equal (frame.data<float32>().ToArray()) [| 0.0f; 0.2f; 1.0f |] $"from {kind}"

            testCase "each channel less its mean, by its deviation"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frames = torch.ones([| 2L; 3L; 1L; 2L |]).mul(scalar 0.5)

                let found =
                    Preprocessing.normalised [| 0.5f; 0.25f; 1.0f |] [| 0.1f; 0.5f; 0.25f |] frames

                Expect.equal found.shape frames.shape "shape"

                Expect.equal
                    (found.data<float32>().ToArray())
                    (Array.concat (List.replicate 2 [| 0.0f; 0.0f; 0.5f; 0.5f; -2.0f; -2.0f |]))
                    "values"
        ]
