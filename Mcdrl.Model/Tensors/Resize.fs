namespace Mcdrl

open System
open TorchSharp

/// Resizing as Pillow computes it: two small matrices, one for the columns and one for the rows.
[<RequireQualifiedAccess>]
module Resize =
    /// To whole levels, halves up, clipped to 0…255.
    let private toLevels (x: Tensor) =
        x.add(scalar 0.5, unity).floor().clamp(scalar 0.0, scalar 255.0)

    /// The matrix is a band around its diagonal: this many rows at a time are multiplied with the part of the
    /// source that they read, which for a large frame is a small part.
    let private blockRows = 32

    /// One pass along `dimension` (-1 columns, -2 rows) from `source` to `target` pixels, of which only `count` from
    /// `offset` on are computed. Levels in, levels out.
    let private pass (dimension: int64) source target offset count (x: Tensor) =
        let block start rows =
            scoped (fun () ->
                let taps =
                    Array.init rows (fun i -> Resampling.taps source target (offset + start + i))

                let first = taps |> Array.map fst |> Array.min

                let last =
                    taps
                    |> Array.map (fun (begins, weights) -> begins + weights.Length)
                    |> Array.max

                let stretch = last - first
                let matrix = Array.zeroCreate<float>(rows * stretch)

                taps
                |> Array.iteri (fun row (begins, weights) ->
                    Array.blit weights 0 matrix (row * stretch + begins - first) weights.Length)

                let matrix = torch.tensor(matrix).reshape(int64 rows, int64 stretch).``to`` x.device

                let part =
                    x.narrow(dimension, int64 first, int64 stretch).``to`` torch.ScalarType.Float64

                toLevels (
                    if dimension = -1L then
                        part.matmul (matrix.t ())
                    else
                        matrix.matmul part
                ))

        if source = target && offset = 0 && count = target then
            x
        else
            let blocks =
                [|
                    for start in 0..blockRows .. count - 1 -> block start (min blockRows (count - start))
                |]

            torch.cat (blocks, dimension)

    /// Part of the resized frame: `count` rows and columns are given as (offset, count).
    let private window (height, (top, rows)) (width, (left, columns)) (levels: Tensor) =
        scoped (fun () ->
            let sourceHeight = int levels.shape[levels.shape.Length - 2]
            let sourceWidth = int levels.shape[levels.shape.Length - 1]

            let resized =
                levels
                |> pass -1L sourceWidth width left columns
                |> pass -2L sourceHeight height top rows

            resized.``to``(torch.ScalarType.Float32, copy = true).contiguous())

    /// Pillow's `resize((width, height), BICUBIC)`, bit for bit: columns first, rounded to 8 bits after each
    /// pass. `levels` is [...; H; W] with whole values 0…255 of any type; the result is float32
    /// [...; height; width], whole values 0…255.
    let bicubic (height: int) (width: int) (levels: Tensor) : Tensor =
        window (height, (0, height)) (width, (0, width)) levels

    /// `bicubic` of a picture, [3, height, width]: the same numbers, from plain loops, which copy nothing of it and take half the time.
    let picture (height: int) (width: int) (picture: Picture) : Tensor =
        scoped (fun () ->
            let levels = Resampling.levels height width picture

            torch
                .tensor(levels, ReadOnlySpan [| int64 height; int64 width; 3L |])
                .permute(2L, 0L, 1L)
                .``to``(torch.ScalarType.Float32)
                .contiguous())

    /// CLIP's own preprocessing geometry: the shorter side to `size` (the longer one rounded down), then the
    /// centre square, of which alone the values are computed. [...; H; W] to [...; size; size], levels as in
    /// `bicubic`.
    let clipSquare (size: int) (levels: Tensor) : Tensor =
        let height = int levels.shape[levels.shape.Length - 2]
        let width = int levels.shape[levels.shape.Length - 1]

        let longer side shorter =
            int (int64 size * int64 side / int64 shorter)

        let newHeight, newWidth =
            if height <= width then
                size, longer width height
            else
                longer height width, size

        let offset side =
            int (Math.Round(float (side - size) / 2.0, MidpointRounding.ToEven))

        window (newHeight, (offset newHeight, size)) (newWidth, (offset newWidth, size)) levels

    /// Labels [...; H; W] of any type to [...; height; width] by the nearest pixel centre: no label is invented.
    let nearest (height: int) (width: int) (labels: Tensor) : Tensor =
        scoped (fun () ->
            let indices source target =
                let nearestTo row =
                    min (source - 1) (int ((float row + 0.5) * float source / float target))
                    |> int64

                torch.tensor(Array.init target nearestTo).``to`` labels.device

            let sourceHeight = int labels.shape[labels.shape.Length - 2]
            let sourceWidth = int labels.shape[labels.shape.Length - 1]

            labels
                .index_select(-2L, indices sourceHeight height)
                .index_select(-1L, indices sourceWidth width))
