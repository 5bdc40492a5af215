namespace Mcdrl

open System
open TorchSharp

/// Resizing as Pillow computes it: two small matrices, one for the columns and one for the rows.
[<RequireQualifiedAccess>]
module Resize =
    /// Keys' cubic kernel with a = -0.5.
    let private cubic x =
        let a = -0.5
        let x = abs x

        if x < 1.0 then ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        elif x < 2.0 then (((x - 5.0) * x + 8.0) * x - 4.0) * a
        else 0.0

    /// Pillow keeps its weights as multiples of 2^-22.
    let private fixedPoint = float (1 <<< 22)

    /// Antialiased bicubic weights [target; source]: half-pixel centres, kernel widened by the scale when
    /// shrinking, each row normalised and rounded to 22 bits. In double precision a product with whole levels
    /// is then exact.
    let weights (source: int) (target: int) : float[,] =
        let scale = float source / float target
        let stretch = max 1.0 scale
        let support = 2.0 * stretch
        let matrix = Array2D.zeroCreate target source

        for row in 0 .. target - 1 do
            let centre = (float row + 0.5) * scale
            let first = max 0 (int (centre - support + 0.5))
            let last = min source (int (centre + support + 0.5)) - 1

            let raw =
                Array.init (last - first + 1) (fun i -> cubic ((float (first + i) - centre + 0.5) / stretch))

            let total = Array.sum raw

            raw
            |> Array.iteri (fun i weight ->
                let scaled = weight / total * fixedPoint
                matrix[row, first + i] <- Math.Truncate(scaled + 0.5 * float (sign scaled)) / fixedPoint)

        matrix

    /// To whole levels, halves up, clipped to 0…255.
    let private toLevels (x: Tensor) =
        x.add((0.5).ToScalar()).floor().clamp((0.0).ToScalar(), (255.0).ToScalar())

    /// Pillow's `resize((width, height), BICUBIC)`, bit for bit: columns first, rounded to 8 bits after each
    /// pass. `levels` is [...; H; W] with whole values 0…255 of any type; the result is float32
    /// [...; height; width], whole values 0…255.
    let bicubic (height: int) (width: int) (levels: Tensor) : Tensor =
        scoped (fun () ->
            let sourceHeight = int levels.shape[levels.shape.Length - 2]
            let sourceWidth = int levels.shape[levels.shape.Length - 1]

            let matrix source target =
                torch.tensor(weights source target).``to`` levels.device

            let columns (x: Tensor) =
                if sourceWidth = width then
                    x
                else
                    toLevels (x.matmul ((matrix sourceWidth width).t()))

            let rows (x: Tensor) =
                if sourceHeight = height then
                    x
                else
                    toLevels ((matrix sourceHeight height).matmul x)

            let resized = levels.``to`` torch.ScalarType.Float64 |> columns |> rows
            resized.``to``(torch.ScalarType.Float32).contiguous())

    /// CLIP's own preprocessing geometry: the shorter side to `size` (the longer one rounded down), then the
    /// centre square. [...; H; W] to [...; size; size], levels as in `bicubic`.
    let clipSquare (size: int) (levels: Tensor) : Tensor =
        scoped (fun () ->
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
                int64 (Math.Round(float (side - size) / 2.0, MidpointRounding.ToEven))

            let resized = bicubic newHeight newWidth levels

            resized
                .narrow(-2L, offset newHeight, int64 size)
                .narrow(-1L, offset newWidth, int64 size)
                .contiguous())

    /// Smooth maps (probabilities, logits) [N; C; H; W] to [N; C; height; width]: bilinear, half-pixel centres,
    /// no antialiasing. Values stay within the range of the input.
    let bilinear (height: int) (width: int) (maps: Tensor) : Tensor =
        torch.nn.functional.interpolate (
            maps,
            size = [| int64 height; int64 width |],
            mode = torch.InterpolationMode.Bilinear,
            align_corners = false
        )

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
