namespace Mcdrl

open System
open TorchSharp

/// From the network's probabilities to an image of any size, in bands of rows so that memory stays bounded.
[<RequireQualifiedAccess>]
module Upsampling =
    /// Pixels up to which a picture is one band.
    let private bandPixels = 4_000_000L

    /// Values of all classes together that a band of a larger picture holds.
    let private bandValues = 1_000_000

    /// The two source positions between which each target position lies, and the weight of the second:
    /// bilinear, half-pixel centres, edges held.
    let private between (source: int64) (target: int) (first: int) (count: int) =
        let at position =
            max 0.0 ((float (first + position) + 0.5) * float source / float target - 0.5)

        let low = Array.init count (fun position -> min (source - 1L) (int64 (at position)))
        let high = low |> Array.map (fun position -> min (source - 1L) (position + 1L))

        let weight =
            Array.init count (fun position -> float32 (at position - float low[position]))

        torch.tensor low, torch.tensor high, torch.tensor weight

    let private blend
        (axis: int64)
        (shape: int64 array)
        (low: Tensor, high: Tensor, weight: Tensor)
        (x: Tensor)
        =
        scoped (fun () ->
            let device = x.device
            let from = x.index_select (axis, low.``to`` device)
            let into = x.index_select (axis, high.``to`` device)
            from.lerp (into, weight.view(shape).``to`` device))

    /// Calls `band firstRow values` for consecutive bands, values [C, rows, width], of the bilinear enlargement of
    /// `maps` [C, S, S] to height × width.
    let overBands (height: int) (width: int) (maps: Tensor) (band: int -> Tensor -> unit) =
        use _scope = torch.NewDisposeScope()
        let wide = blend 2L [| 1L; 1L; -1L |] (between maps.shape[2] width 0 width) maps

        let rows =
            if int64 height * int64 width <= bandPixels then
                height
            else
                max 1 (bandValues / (width * int maps.shape[0]))

        for first in 0..rows .. height - 1 do
            use _scope = torch.NewDisposeScope()
            let count = min rows (height - first)
            band first (blend 1L [| 1L; -1L; 1L |] (between maps.shape[1] height first count) wide)

    /// The most probable class of every pixel; ties go to the lower class. Probabilities [K + 1, S, S].
    let labels (height: int) (width: int) (probabilities: Tensor) : LabelMap =
        let labels = Array.zeroCreate<byte>(height * width)

        overBands height width probabilities (fun first values ->
            let best = values.argmax(0L).``to``(torch.uint8).cpu().contiguous()
            best.bytes.CopyTo(Span(labels, first * width, int (best.numel ()))))

        {
            Width = width
            Height = height
            Labels = labels
        }

    /// The labels of an image, marked as told, on plain arrays, where they take a fifth of the time. Probabilities [K + 1, S, S].
    let marked (marking: Marking) (height: int) (width: int) (probabilities: Tensor) : LabelMap =
        use _scope = torch.NewDisposeScope()
        let values = probabilities.cpu().contiguous().data<float32>().ToArray()
        Marking.labels marking height width (int probabilities.shape[2]) values

    /// One map at full size, row by row. Map [S, S].
    let values (height: int) (width: int) (map: Tensor) : float32 array =
        let enlarged = Array.zeroCreate<float32>(height * width)

        overBands height width (map.unsqueeze 0L) (fun first values ->
            values.cpu().contiguous().data<float32>().CopyTo(enlarged, first * width))

        enlarged
