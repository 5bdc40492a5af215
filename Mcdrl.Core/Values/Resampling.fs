namespace Mcdrl

open System
open System.Numerics

/// Resizing as Pillow computes it, and enlarging as torch does, on plain arrays: for programs that run without libtorch.
[<RequireQualifiedAccess>]
module Resampling =
    /// Keys' cubic kernel with a = -0.5.
    let private cubic x =
        let a = -0.5
        let x = abs x

        if x < 1.0 then ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        elif x < 2.0 then (((x - 5.0) * x + 8.0) * x - 4.0) * a
        else 0.0

    /// Pillow keeps its weights as multiples of 2^-22.
    let private fixedPoint = float (1 <<< 22)

    /// Antialiased bicubic weights of one target pixel: the first source pixel that it reads, and a weight for each from
    /// there on. Half-pixel centres, kernel widened by the scale when shrinking, normalised and rounded to 22 bits: in
    /// double precision their products with whole levels are then exact.
    let taps (source: int) (target: int) (index: int) =
        let scale = float source / float target
        let stretch = max 1.0 scale
        let support = 2.0 * stretch
        let centre = (float index + 0.5) * scale
        let first = max 0 (int (centre - support + 0.5))
        let last = min source (int (centre + support + 0.5)) - 1

        let raw =
            Array.init (last - first + 1) (fun i -> cubic ((float (first + i) - centre + 0.5) / stretch))

        let total = Array.sum raw

        let weights =
            raw
            |> Array.map (fun weight ->
                let scaled = weight / total * fixedPoint
                Math.Truncate(scaled + 0.5 * float (sign scaled)) / fixedPoint)

        first, weights

    /// Bits after the point in Pillow's weights.
    let private bits = 22

    let private toLevel (sum: int) =
        byte (Math.Clamp((sum + (1 <<< (bits - 1))) >>> bits, 0, 255))

    /// The weights of every target position as whole multiples of 2^-22.
    let private wholeTaps source target =
        Array.init target (fun index ->
            let first, weights = taps source target index
            first, weights |> Array.map (fun weight -> int (weight * float (1 <<< bits))))

    /// One pass over an axis of `source` positions: `lines` before it, `stride` values within each position.
    let private pass (lines: int) (stride: int) source target (levels: byte array) : byte array =
        if source = target then
            levels
        else
            let taps = wholeTaps source target
            let resized = Array.zeroCreate<byte>(lines * target * stride)

            for line in 0 .. lines - 1 do
                for position in 0 .. target - 1 do
                    let first, weights = taps[position]
                    let from = (line * source + first) * stride
                    let into = (line * target + position) * stride

                    // Red, green and blue together: of a large picture nearly all the work is here.
                    for value in 0..3 .. stride - 1 do
                        let mutable red, green, blue = 0, 0, 0
                        let mutable at = from + value

                        for weight in weights do
                            red <- red + weight * int levels[at]
                            green <- green + weight * int levels[at + 1]
                            blue <- blue + weight * int levels[at + 2]
                            at <- at + stride

                        resized[into + value] <- toLevel red
                        resized[into + value + 1] <- toLevel green
                        resized[into + value + 2] <- toLevel blue

            resized

    /// Pillow's `resize((width, height), BICUBIC)` of a picture, row by row, red, green and blue; of the picture nothing is copied.
    let levels (height: int) (width: int) (picture: Picture) : byte array =
        picture.Rgb
        |> pass picture.Height 3 picture.Width width
        |> pass 1 (3 * width) picture.Height height

    /// A picture as a network of this input size takes it: Pillow's antialiased bicubic and a division by 255. 3·side·side numbers in
    /// [0, 1], channel by channel.
    let frame (side: int) (picture: Picture) : float32 array =
        let levels = levels side side picture
        let area = side * side
        Array.init (3 * area) (fun index -> float32 levels[index % area * 3 + index / area] / 255.0f)

    /// torch's `lerp`, with its rounding.
    let private lerp (a: float32) (b: float32) (weight: float32) =
        if weight < 0.5f then
            MathF.FusedMultiplyAdd(weight, b - a, a)
        else
            MathF.FusedMultiplyAdd(weight - 1.0f, b - a, b)

    /// The two source positions around each target position and the weight of the second: bilinear, half-pixel
    /// centres, edges held.
    let private between (source: int) (target: int) =
        Array.init target (fun position ->
            let at = max 0.0 ((float position + 0.5) * float source / float target - 0.5)

            let low = min (source - 1) (int at)
            struct (low, min (source - 1) (low + 1), float32 (at - float low)))

    /// Maps [n, side, side] as wide as a picture, row by row: [n, side, width].
    let private acrossColumns (width: int) (side: int) (maps: float32 array) =
        let lines = maps.Length / side
        let wide = Array.zeroCreate<float32>(lines * width)
        let columns = between side width

        for line in 0 .. lines - 1 do
            for x in 0 .. width - 1 do
                let struct (low, high, weight) = columns[x]
                let from = line * side
                wide[line * width + x] <- lerp maps[from + low] maps[from + high] weight

        wide

    /// `lerp` of two stretches of `values`, as long as `row`, into it.
    let private lerpRows (values: float32 array) low high (weight: float32) (row: float32 array) =
        // The two formulas of `lerp` are one of the nearer stretch.
        let near, far, share =
            if weight < 0.5f then
                low, high, weight
            else
                high, low, 1.0f - weight

        let wide = Vector<float32>.Count
        let shares = Vector<float32> share
        let mutable at = 0

        while at <= row.Length - wide do
            let a = Vector<float32>(values, near + at)
            let b = Vector<float32>(values, far + at)
            Vector.FusedMultiplyAdd(shares, b - a, a).CopyTo(row, at)
            at <- at + wide

        while at < row.Length do
            let a = values[near + at]
            row[at] <- MathF.FusedMultiplyAdd(share, values[far + at] - a, a)
            at <- at + 1

    /// Calls `visit y row` for every row of a picture, `row` a map [side, side] between columns; one array is used for all rows.
    let overRows
        (height: int)
        (width: int)
        (side: int)
        (map: float32 array)
        (visit: int -> float32 array -> unit)
        =
        let wide = acrossColumns width side map
        let row = Array.zeroCreate<float32> width

        between side height
        |> Array.iteri (fun y (struct (low, high, weight)) ->
            lerpRows wide (low * width) (high * width) weight row
            visit y row)

    /// `overRows` for the rows of a file whose upright picture has this size.
    let overFileRows orientation (height: int) (width: int) (side: int) (map: float32 array) visit =
        match orientation with
        | Orientation.TopLeft -> overRows height width side map visit
        | turned ->
            let wide, rows = acrossColumns width side map, between side height
            let fileWidth, fileHeight = Orientation.size turned (width, height)
            let row = Array.zeroCreate<float32> fileWidth

            for fileY in 0 .. fileHeight - 1 do
                for fileX in 0 .. fileWidth - 1 do
                    let struct (x, y) =
                        Orientation.upright turned (width, height) (struct (fileX, fileY))

                    let struct (low, high, weight) = rows[y]
                    row[fileX] <- lerp wide[low * width + x] wide[high * width + x] weight

                visit fileY row

    /// A map [side, side] at the size of a picture.
    let values (height: int) (width: int) (side: int) (map: float32 array) : ValueMap =
        let values = Array.zeroCreate<float32>(height * width)
        overRows height width side map (fun y row -> Array.blit row 0 values (y * width) width)

        {
            Width = width
            Height = height
            Values = values
        }

    /// The class of every pixel that `choose` picks from its probabilities, background first. Probabilities
    /// [classes, side, side], row by row.
    let private chosen
        choose
        (height: int)
        (width: int)
        (side: int)
        (probabilities: float32 array)
        : LabelMap =
        let classes = probabilities.Length / (side * side)
        let wide, rows = acrossColumns width side probabilities, between side height
        let labels = Array.zeroCreate<byte>(height * width)
        let each = Array.zeroCreate<float32> classes

        for y in 0 .. height - 1 do
            let struct (low, high, weight) = rows[y]

            for x in 0 .. width - 1 do
                for number in 0 .. classes - 1 do
                    let map = number * side * width + x
                    each[number] <- lerp wide[map + low * width] wide[map + high * width] weight

                labels[y * width + x] <- choose each

        {
            Width = width
            Height = height
            Labels = labels
        }

    /// The place of the largest, the first of equals, from `first` on.
    let private largest first (values: float32 array) =
        let mutable best = first

        for place in first + 1 .. values.Length - 1 do
            if values[place] > values[best] then
                best <- place

        byte best

    /// The most probable class of every pixel of a picture, ties to the lower class. Probabilities [classes, side, side], row by row.
    let labels height width side probabilities : LabelMap =
        chosen (largest 0) height width side probabilities

    /// Where P(lesion) = 1 − P(background) is at least `threshold`, the most probable lesion class, ties to the lower one; background
    /// elsewhere. Probabilities as in `labels`.
    let labelsFrom (threshold: float) height width side probabilities : LabelMap =
        let most = float32 threshold

        probabilities
        |> chosen (fun each -> if 1.0f - each[0] >= most then largest 1 each else 0uy) height width side
