module Mcdrl.Tests.UpsamplingTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private maps classes side seed =
    SeedTensors.normal [ classes; side; side ] (Seed.create seed)

/// Torch's own enlargement, [C, height, width].
let private torchs (height: int) (width: int) (x: Tensor) =
    torch.nn.functional
        .interpolate(
            x.unsqueeze 0L,
            size = [| int64 height; int64 width |],
            mode = torch.InterpolationMode.Bilinear,
            align_corners = false
        )
        .squeeze
        0L

let private apart (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float32>()

/// How much less probable than its pixel's most probable class a label is, at most. Between classes that are equally probable
/// but for rounding, the processor's kernels choose.
let behind (probabilities: Tensor) (map: LabelMap) =
    let enlarged = torchs map.Height map.Width probabilities
    let chosen = (RasterTensors.ofLabels map).``to``(torch.int64).unsqueeze 0L
    apart (enlarged.amax [| 0L |]) ((enlarged.gather (0L, chosen)).squeeze 0L)

let tests =
    testSequenced
    <| testList
        "Upsampling"
        [
            testCase "torch's bilinear enlargement, at any size"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for side, height, width in
                    [
                        32L, 40, 48
                        7L, 1, 1
                        1L, 5, 3
                        2L, 1, 9
                        5L, 5, 5
                        16L, 9, 33
                        224L, 300, 201
                    ] do
                    let map = maps 1L side 5UL
                    let expected = torchs height width map
                    let found = Upsampling.values height width (map.squeeze 0L)
                    Expect.equal found.Length (height * width) "every pixel"

                    Expect.isLessThan
                        (apart (torch.tensor(found).view(1L, int64 height, int64 width)) expected)
                        1e-3f
                        $"{side} to {height} x {width}"

            testCase "band by band the rows of the whole, in order, every row once"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                // A million values of all classes a band: here bands of 12 rows.
                let map, height, width = maps 2L 8L 6UL, 250, 40_000
                let expected = torchs height width map
                let mutable next = 0

                Upsampling.overBands height width map (fun first values ->
                    Expect.equal first next "the row after the last band's"
                    let rows = values.shape[1]
                    Expect.isLessThanOrEqual (2L * rows * int64 width) 1_000_000L "bounded"
                    let difference = apart values (expected.narrow (1L, int64 first, rows))
                    Expect.isLessThan difference 1e-4f "the whole's rows"
                    next <- first + int rows)

                Expect.equal next height "to the last row"

            testCase "labels are the most probable class, the lower of equals"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let probabilities = (maps 4L 8L 7UL).softmax 0L
                let found = Upsampling.labels 30 21 probabilities
                Expect.equal (found.Width, found.Height) (21, 30) "size"
                Expect.isLessThan (behind probabilities found) 1e-5f "arg max"
                Expect.isGreaterThan (Array.distinct found.Labels).Length 2 "several classes"

                Expect.all
                    (Upsampling.labels 3 4 (torch.full ([| 3L; 2L; 2L |], (1.0 / 3.0).ToScalar()))).Labels
                    ((=) 0uy)
                    "equals"

            testCase "it leaves no tensor behind"
            <| fun () ->
                use map = maps 3L 8L 8UL
                let before = LiveTensors.count ()
                Upsampling.labels 30 21 map |> ignore
                Expect.equal torch.Tensor.TotalCount before "none"
        ]
