namespace Mcdrl.Benchmarks

open System.IO
open BenchmarkDotNet.Attributes
open Mcdrl

/// What happens to pixels before the network and after it, on one frame of an endoscope's size.
[<MemoryDiagnoser>]
type PictureBenchmarks() =
    let width, height, side, classes = 1280, 1024, 224, 5

    let picture =
        let rendered = SampleFrames.picture 2
        let scale = 256

        {
            Width = width
            Height = height
            Rgb =
                Array.init (width * height * 3) (fun index ->
                    let pixel = index / 3
                    let x, y = pixel % width * scale / width, pixel / width * scale / height
                    rendered.Rgb[(y * scale + x) * 3 + index % 3])
            Orientation = Orientation.TopLeft
        }

    let labels =
        Array.init (width * height) (fun pixel ->
            let x, y = pixel % width - 600, pixel / width - 500
            if x * x + y * y < 90000 then 1uy else 0uy)

    let file =
        use stream = new MemoryStream()
        Png.write stream width height None labels
        stream.ToArray()

    let levels = RasterTensors.ofPicture picture

    let probabilities =
        (SeedTensors.normal [ int64 classes + 1L; int64 side; int64 side ] (Seed.create 1UL)).softmax 0L

    [<Benchmark>]
    member _.ResizeBicubic() =
        use frame = Resize.bicubic side side levels
        frame.numel ()

    [<Benchmark>]
    member _.FrameWithoutTorch() = (Resampling.frame side picture).Length

    [<Benchmark>]
    member _.UpsamplingLabels() =
        (Upsampling.labels height width probabilities).Labels.Length

    [<Benchmark>]
    member _.PngEncode() =
        use stream = new MemoryStream()
        Png.write stream width height None labels
        stream.Length

    [<Benchmark>]
    member _.PngDecode() =
        Masks.decode ImageLimits.standard "mask" file |> Result.isOk
