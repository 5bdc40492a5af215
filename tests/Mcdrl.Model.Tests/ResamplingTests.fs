module Mcdrl.Tests.ResamplingTests

open System
open Expecto
open TorchSharp
open Mcdrl

let private picture (width: int) (height: int) (seed: uint64) : Picture =
    let rgb = Array.zeroCreate<byte>(3 * width * height)
    Random(int seed).NextBytes rgb

    {
        Width = width
        Height = height
        Rgb = rgb
        Orientation = Orientation.TopLeft
    }

/// Between 1 and `most`.
let private size most (value: uint16) = 1 + int value % most

let tests =
    testList
        "Resampling"
        [
            Property.check "a frame is Resize's, bit for bit"
            <| fun (width: uint16) (height: uint16) (side: uint16) (seed: uint16) ->
                use _scope = torch.NewDisposeScope()
                let side = size 70 side
                let picture = picture (size 120 width) (size 120 height) (uint64 seed)

                let expected =
                    (Resize.bicubic side side (RasterTensors.ofPicture picture)).div(scalar 255.0)

                Resampling.frame side picture = expected.``to``(torch.float32).data<float32>().ToArray()

            Property.check "labels are the most probable class"
            <| fun (width: uint16) (height: uint16) (side: uint16) (classes: uint16) (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let side, width, height = size 40 side, size 130 width, size 130 height

                let probabilities =
                    (SeedTensors.normal [ int64 (size 6 classes); int64 side; int64 side ] (Seed.create seed))
                        .softmax
                        0L

                let found =
                    Resampling.labels height width side (probabilities.data<float32>().ToArray())

                (found.Width, found.Height) = (width, height)
                && UpsamplingTests.behind probabilities found < 1e-5f

            testCase "of equally probable classes the lower one"
            <| fun () ->
                let map = Resampling.labels 5 7 2 (Array.create 12 0.25f)
                Expect.all map.Labels ((=) 0uy) "background"
        ]
