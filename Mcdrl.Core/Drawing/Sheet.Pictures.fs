namespace Mcdrl

open System
open SkiaSharp

/// The pictures of an explanation sheet, made at the size at which they are shown.
module internal SheetPictures =
    /// A ramp of colours by control points at equal distances, for 0 to 1.
    let private ramp (points: (float * float * float)[]) (value: float) : struct (float * float * float) =
        let place = Math.Clamp(value, 0.0, 1.0) * float (points.Length - 1)
        let low = min (points.Length - 2) (int place)
        let part = place - float low
        let r1, g1, b1 = points[low]
        let r2, g2, b2 = points[low + 1]
        struct (r1 + part * (r2 - r1), g1 + part * (g2 - g1), b1 + part * (b2 - b1))

    /// Black over red to light yellow, for how much an answer depends on the conditions.
    let heat =
        ramp
            [|
                0.0, 0.0, 4.0
                87.0, 16.0, 110.0
                188.0, 55.0, 84.0
                249.0, 142.0, 9.0
                252.0, 255.0, 164.0
            |]

    /// Blue over green to yellow, for likeness and probability.
    let likeness =
        ramp
            [|
                68.0, 1.0, 84.0
                59.0, 82.0, 139.0
                33.0, 145.0, 140.0
                94.0, 201.0, 98.0
                253.0, 231.0, 37.0
            |]

    /// A colour for each condition: twelve around the wheel, neighbours of different lightness.
    let ofCondition (index: int) =
        SKColor.FromHsl(float32 (index * 30 % 360), 85f, (if index % 2 = 0 then 62f else 76f))

    /// The picture at another size.
    let resized (width: int) (height: int) (picture: Picture) : Picture =
        use source = Images.bitmap picture

        use target =
            new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))

        let sampling =
            if width < picture.Width then
                SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
            else
                SKSamplingOptions SKCubicResampler.Mitchell

        source.ScalePixels(target, sampling) |> ignore

        {
            Width = width
            Height = height
            Rgb = Picture.rgbOf target.Bytes
            Orientation = Orientation.TopLeft
        }

    /// The value of a map at a place of the picture given in shares of its sides, bilinear.
    let private at (map: ValueMap) (u: float) (v: float) =
        let place size share =
            Math.Clamp(share * float size - 0.5, 0.0, float (size - 1))

        let x, y = place map.Width u, place map.Height v
        let left, top = int x, int y
        let right, bottom = min (map.Width - 1) (left + 1), min (map.Height - 1) (top + 1)

        let value column row =
            float map.Values[row * map.Width + column]

        let over row =
            value left row + (x - float left) * (value right row - value left row)

        over top + (y - float top) * (over bottom - over top)

    /// Colours each pixel of a frame: `colour u v (r, g, b)` with the place in shares of the sides.
    let private coloured (frame: Picture) colour : Picture =
        let rgb = Array.zeroCreate<byte> frame.Rgb.Length

        for pixel in 0 .. frame.Width * frame.Height - 1 do
            let u = (float (pixel % frame.Width) + 0.5) / float frame.Width
            let v = (float (pixel / frame.Width) + 0.5) / float frame.Height
            let channel index = float frame.Rgb[pixel * 3 + index]
            let struct (r, g, b) = colour u v (struct (channel 0, channel 1, channel 2))
            rgb[pixel * 3] <- byte r
            rgb[pixel * 3 + 1] <- byte g
            rgb[pixel * 3 + 2] <- byte b

        { frame with Rgb = rgb }

    let private over alpha struct (r, g, b) (level: float) =
        let mix colour = (1.0 - alpha) * level + alpha * colour
        struct (mix r, mix g, mix b)

    /// The frame in dark grey, coloured where `share` (of a map's value, 0 to 1) is not small.
    let heated (share: float -> float) (map: ValueMap) (frame: Picture) =
        coloured frame (fun u v colour ->
            let value = share (at map u v)
            over (min 0.92 (value * 3.0)) (heat value) (0.55 * Luma.ofColour colour))

    /// The frame in dark grey, coloured where a map of probabilities is not small.
    let probable (map: ValueMap) (frame: Picture) =
        coloured frame (fun u v colour ->
            let value = at map u v
            over (Math.Clamp(value * 3.0, 0.0, 0.8)) (likeness value) (0.55 * Luma.ofColour colour))

    /// The frame, tinted by a map of cells between `low` and `high`; dark where no cell was selected.
    let looked (seen: LabelMap) (map: ValueMap) (low: float, high: float) (frame: Picture) =
        coloured frame (fun u v colour ->
            let cell = int (v * float seen.Height) * seen.Width + int (u * float seen.Width)

            let share = (at map u v - low) / max 1e-9 (high - low)

            if seen.Labels[cell] = 0uy then
                over 0.0 (struct (0.0, 0.0, 0.0)) (0.3 * Luma.ofColour colour)
            else
                over 0.55 (likeness share) (Luma.ofColour colour))

    /// The frame in dark grey, each pixel in the colour of the condition that matters most there, as strongly as it
    /// matters.
    let named (strongest: LabelMap) (share: float -> float) (influence: ValueMap) (frame: Picture) =
        coloured frame (fun u v colour ->
            let x, y = int (u * float strongest.Width), int (v * float strongest.Height)
            let label = int strongest.Labels[y * strongest.Width + x]
            let value = share (at influence u v)

            if label = 0 then
                over 0.0 (struct (0.0, 0.0, 0.0)) (0.55 * Luma.ofColour colour)
            else
                let tone = ofCondition (label - 1)
                let tone = struct (float tone.Red, float tone.Green, float tone.Blue)
                over (min 0.8 (value * 2.0)) tone (0.55 * Luma.ofColour colour))

    /// The frame with some of its pixels in one colour.
    let flagged (flags: LabelMap) (red, green, blue) (frame: Picture) =
        coloured frame (fun u v colour ->
            let x, y = int (u * float flags.Width), int (v * float flags.Height)

            if flags.Labels[y * flags.Width + x] = 0uy then
                over 0.0 (struct (0.0, 0.0, 0.0)) (0.75 * Luma.ofColour colour)
            else
                struct (red, green, blue))
