module Mcdrl.Tests.ResizeTests

open Expecto
open FsCheck
open Mcdrl
open Mcdrl.Tests
open TorchSharp

/// Share of the values that are off by more than one level, and the number of values that differ at all.
let private difference (actual: Tensor) (expected: Tensor) =
    let distance = (actual - expected.``to`` torch.ScalarType.Float32).abs()
    let count = float (distance.numel ())

    let above (limit: float) =
        float (distance.gt(limit.ToScalar()).sum().``to``(torch.int64).item<int64>())

    above 1.0 / count, above 0.0

let private fixture name =
    match Images.read ImageLimits.standard (Shared.path $"fixtures/preprocess/{name}") with
    | Ok picture -> RasterTensors.ofPicture picture
    | Error problem -> failtest (McdrlError.describe problem)

let private levels height width (seed: int) =
    let generator = System.Random seed
    let values = Array.init (height * width) (fun _ -> float32 (generator.Next 256))
    torch.tensor(values).reshape(1L, int64 height, int64 width)

let tests =
    testSequenced
    <| testList
        "Resize"
        [
            for name, resize in
                [
                    "squash224.png", Resize.bicubic 224 224
                    "clip224.png", Resize.clipSquare 224
                    "up512.png", Resize.bicubic 512 512
                ] do
                testCase $"{name} is what Pillow computes, bit for bit"
                <| fun () ->
                    use frame = fixture "frame.png"
                    use expected = fixture name
                    use actual = resize frame
                    Expect.equal (List.ofArray actual.shape) (List.ofArray expected.shape) "size"

                    Expect.equal
                        (difference actual expected)
                        (0.0, 0.0)
                        "share above one level, values that differ"

            testCase "a large picture, resized row by row, is what the matrices give, bit for bit"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let rgb = Array.zeroCreate<byte>(3 * 2300 * 1900)
                System.Random(5).NextBytes rgb

                let picture: Picture =
                    {
                        Width = 2300
                        Height = 1900
                        Rgb = rgb
                        Orientation = Orientation.TopLeft
                    }

                for height, width in [ 64, 64; 50, 70 ] do
                    let expected = Resize.bicubic height width (RasterTensors.ofPicture picture)
                    let found = Resize.picture height width picture
                    Expect.equal (List.ofArray found.shape) [ 3L; int64 height; int64 width ] "size"
                    Expect.equal (difference found expected) (0.0, 0.0) "values that differ"

            Property.check "weights of a pixel add up to one, within the rounding to 22 bits"
            <| fun (source: int) (target: int) ->
                let source, target = 1 + abs source % 60, 1 + abs target % 60

                [ 0 .. target - 1 ]
                |> List.forall (fun row ->
                    abs (Array.sum (snd (Resampling.taps source target row)) - 1.0) < 1e-5)

            Property.check "a plain colour stays the same colour at every size"
            <| fun (level: byte) (height: int) (width: int) ->
                let height, width = 1 + abs height % 40, 1 + abs width % 40
                use plain = torch.full ([| 3L; 17L; 23L |], (float level).ToScalar())
                use resized = Resize.bicubic height width plain
                resized.eq((float level).ToScalar()).all().item<bool>()

            Property.check "mirroring before or after resizing gives the same picture"
            <| fun (seed: int) (target: int) ->
                let target = 1 + abs target % 50
                use picture = levels 19 31 seed
                use mirroredFirst = Resize.bicubic target target (picture.flip -1L)
                use mirroredLast = (Resize.bicubic target target picture).flip -1L
                // The two normalisations sum in opposite orders, so a tie of a half may fall either way.
                fst (difference mirroredFirst mirroredLast) = 0.0

            testCase "the own size changes nothing"
            <| fun () ->
                use picture = levels 19 31 7
                use same = Resize.bicubic 19 31 picture
                Expect.equal (difference same picture) (0.0, 0.0) "identity"

            testCase "bytes and floats give the same result"
            <| fun () ->
                use picture = levels 19 31 8
                use bytes = picture.``to`` torch.ScalarType.Byte
                use left = Resize.bicubic 8 50 picture
                use right = Resize.bicubic 8 50 bytes
                Expect.equal (difference left right) (0.0, 0.0) "same"

            testCase "CLIP's square of a tall and of a square picture"
            <| fun () ->
                use tall = levels 40 20 9
                use square = levels 20 20 10
                use fromTall = Resize.clipSquare 20 tall
                use fromSquare = Resize.clipSquare 20 square
                use middle = tall.narrow (1L, 10L, 20L)
                Expect.equal (difference fromTall middle) (0.0, 0.0) "the centre is cut out"
                Expect.equal (difference fromSquare square) (0.0, 0.0) "nothing to do"

            Property.check "the banded product is the product with the whole matrix"
            <| fun (seed: int) (target: int) ->
                let target = 1 + abs target % 90
                use picture = levels 1 77 seed
                use actual = Resize.bicubic 1 target picture
                let matrix = Array2D.zeroCreate target 77

                for row in 0 .. target - 1 do
                    let first, weights = Resampling.taps 77 target row
                    weights |> Array.iteri (fun i weight -> matrix[row, first + i] <- weight)

                use matrix = torch.tensor matrix
                use exact = matrix.matmul (picture.reshape(77L).``to`` torch.ScalarType.Float64)

                use rounded =
                    exact.add((0.5).ToScalar()).floor().clamp((0.0).ToScalar(), (255.0).ToScalar())

                difference (actual.reshape (int64 target)) rounded = (0.0, 0.0)

            test "CLIP's square of a very long picture needs no more memory than the square" {
                use line = levels 1 32768 12
                use square = Resize.clipSquare 224 line
                Expect.equal (List.ofArray square.shape) [ 1L; 224L; 224L ] "size"
            }

            test "the result is a tensor of its own, also where there is nothing to do" {
                use picture = levels 5 5 13
                let same = Resize.bicubic 5 5 picture
                same.Dispose()
                Expect.equal (picture.numel ()) 25L "the argument lives on"
            }

            Property.check "nearest invents no label and keeps a map of the same size"
            <| fun (seed: int) (height: int) (width: int) ->
                let height, width = 1 + abs height % 40, 1 + abs width % 40
                use labels = (levels 13 9 seed).``to`` torch.ScalarType.Int64
                use resized = Resize.nearest height width labels
                use same = Resize.nearest 13 9 labels
                let values (x: Tensor) = x.data<int64>().ToArray() |> set

                Set.isSubset (values resized) (values labels)
                && (same - labels).abs().sum().``to``(torch.int64).item<int64>() = 0L

            testCase "nearest takes the pixel whose centre is closest"
            <| fun () ->
                use labels = torch.tensor([| 0L; 1L; 2L; 3L |]).reshape(1L, 4L)
                use half = Resize.nearest 1 2 labels
                use double = Resize.nearest 2 8 labels
                Expect.equal (half.data<int64>().ToArray()) [| 1L; 3L |] "4 to 2"
                Expect.equal (double[0].data<int64>().ToArray()) [| 0L; 0L; 1L; 1L; 2L; 2L; 3L; 3L |] "4 to 8"
        ]
