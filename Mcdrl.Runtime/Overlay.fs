namespace Mcdrl

open System
open System.Globalization
open System.Reflection
open System.Runtime.InteropServices
open SkiaSharp

/// The frame with the marked regions outlined, and a legend below: what a person looks at.
[<RequireQualifiedAccess>]
module Overlay =
    /// Bright colours that mucosa does not have, then others; class k takes the k-th.
    let private bright =
        [|
            0uy, 229uy, 255uy
            255uy, 234uy, 0uy
            118uy, 255uy, 3uy
            179uy, 136uy, 255uy
            68uy, 138uy, 255uy
            255uy, 255uy, 255uy
            255uy, 145uy, 0uy
            255uy, 128uy, 171uy
        |]

    /// The colour (red, green, blue) of class `label`, from 1; they repeat after eight.
    let colour (label: int) = bright[(label - 1) % bright.Length]

    /// Black for the background, then the colours of the classes: for `Masks.writePalette`.
    let palette (classes: int) =
        Array.init (classes + 1) (fun label -> if label = 0 then 0uy, 0uy, 0uy else colour label)

    let private paintOf label =
        let red, green, blue = colour label
        SKColor(red, green, blue)

    /// The font is part of the assembly: servers and containers often have none.
    let private font =
        lazy
            (match
                Assembly.GetExecutingAssembly().GetManifestResourceStream "Mcdrl.Runtime.fonts.DejaVuSans.ttf"
             with
             | null -> SKTypeface.Default
             | stream ->
                 SKTypeface.FromStream stream
                 |> Option.ofObj
                 |> Option.defaultValue SKTypeface.Default)

    /// A typeface that has the letters of a text: ours, or one of the system's for scripts that ours lacks.
    let private typefaceFor (text: string) =
        let own = font.Value

        use glyphs = new SKFont(own)

        let missing =
            text.EnumerateRunes()
            |> Seq.tryFind (fun rune -> not (glyphs.ContainsGlyph rune.Value))

        missing
        |> Option.bind (fun rune -> SKFontManager.Default.MatchCharacter rune.Value |> Option.ofObj)
        |> Option.defaultValue own

    /// Long side of the frame as drawn: small frames are enlarged by a whole factor, large ones reduced.
    let private scaleFor (width: int) (height: int) =
        let longSide = max width height

        if longSide < 640 then
            float32 ((640 + longSide - 1) / longSide)
        elif longSide > 2048 then
            2048f / float32 longSide
        else
            1f

    /// The polygon through the middles of the boundary's unit steps: stairs become slopes.
    let private addSmoothed (path: SKPathBuilder) (scale: float32) (corners: struct (int * int)[]) =
        let mutable started = false

        for i in 0 .. corners.Length - 1 do
            let struct (x1, y1) = corners[i]
            let struct (x2, y2) = corners[(i + 1) % corners.Length]
            let length = abs (x2 - x1) + abs (y2 - y1)
            let dx, dy = sign (x2 - x1), sign (y2 - y1)

            // On a straight stretch only its first and last middle are needed.
            for step in [ 0; length - 1 ] |> List.distinct do
                let x = (float32 (x1 + dx * step) + 0.5f * float32 dx) * scale
                let y = (float32 (y1 + dy * step) + 0.5f * float32 dy) * scale

                if started then
                    path.LineTo(x, y)
                else
                    path.MoveTo(x, y)
                    started <- true

        path.Close()

    let private outline scale (regions: Region list) =
        use builder = new SKPathBuilder()

        for region in regions do
            addSmoothed builder scale region.Outline

            for hole in region.Holes do
                addSmoothed builder scale hole

        builder.Detach()

    let private bitmapOf (picture: Picture) =
        let bitmap =
            new SKBitmap(SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque))

        let rgba = Array.create (picture.Width * picture.Height * 4) 255uy

        for pixel in 0 .. picture.Width * picture.Height - 1 do
            Array.blit picture.Rgb (pixel * 3) rgba (pixel * 4) 3

        Marshal.Copy(rgba, 0, bitmap.GetPixels(), rgba.Length)
        bitmap

    let private stroke (colour: SKColor) width =
        new SKPaint(
            Color = colour,
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = width,
            StrokeJoin = SKStrokeJoin.Round
        )

    /// Share of the picture as text: `12.3 %`, `<0.1 %`.
    let private percent (share: float) =
        let value = 100.0 * share

        if value > 0.0 && value < 0.05 then
            "<0.1 %"
        else
            value.ToString("0.0", CultureInfo.InvariantCulture) + " %"

    /// What the legend says: colour (`None` for plain text) and text.
    let private entries (classes: string list) (map: LabelMap) hasTruth =
        let counts = LabelMap.histogram map

        let present =
            [
                for label in 1..255 do
                    if counts[label] > 0L then
                        let name = List.tryItem (label - 1) classes |> Option.defaultValue $"label {label}"

                        let share = float counts[label] / float map.Labels.Length
                        yield Some(paintOf label), $"{name}  {percent share}"
            ]

        [
            if present.IsEmpty then
                yield None, "nothing marked"

            yield! present

            if hasTruth then
                yield None, "dashed: truth"
        ]

    /// The text, shortened with an ellipsis until it fits.
    let private fitted (font: SKFont) (room: float32) (text: string) =
        let rec shorten (length: int) =
            let candidate = text.Substring(0, length).TrimEnd() + "…"

            if length <= 1 || font.MeasureText candidate <= room then
                candidate
            else
                shorten (length - 1)

        if font.MeasureText text <= room then
            text
        else
            shorten (text.Length - 1)

    /// Legend entries with their place in the strip (x, row), from left to right and top to bottom.
    let private layout (width: float32) (size: float32) entries =
        let margin, swatch = size * 0.7f, size * 1.5f

        (([], margin, 0), entries)
        ||> List.fold (fun (placed, x, row) (colour, text) ->
            let lead = if Option.isSome colour then swatch else 0f
            use font = new SKFont(typefaceFor text, size)
            let text = fitted font (width - 2f * margin - lead) text
            let needed = lead + font.MeasureText text

            let x, row =
                if x > margin && x + needed > width - margin then
                    margin, row + 1
                else
                    x, row

            (colour, text, x, row) :: placed, x + needed + size * 1.4f, row)
        |> fun (placed, _, row) -> List.rev placed, row + 1

    let private drawLegend (canvas: SKCanvas) (top: float32) (size: float32) placed =
        let rowHeight = size * 1.6f

        for colour, text, x, row in placed do
            let baseline = top + size * 0.4f + rowHeight * float32 row + size

            let textX =
                match colour with
                | None -> x
                | Some colour ->
                    use swatch = new SKPaint(Color = colour, IsAntialias = true)

                    canvas.DrawRoundRect(
                        x,
                        baseline - size * 0.85f,
                        size,
                        size,
                        size * 0.2f,
                        size * 0.2f,
                        swatch
                    )

                    x + size * 1.5f

            use font =
                new SKFont(typefaceFor text, size, Subpixel = true, Edging = SKFontEdging.Antialias)

            use paint = new SKPaint(Color = SKColor(240uy, 240uy, 240uy), IsAntialias = true)
            canvas.DrawText(text, textX, baseline, SKTextAlign.Left, font, paint)

    let private draw (classes: string list) (picture: Picture) (map: LabelMap) (truth: LabelMap option) =
        let scale = scaleFor picture.Width picture.Height
        let frameWidth = max 1f (round (float32 picture.Width * scale))
        let frameHeight = max 1f (round (float32 picture.Height * scale))
        let width = max 320f frameWidth
        let size = max 16f (min 40f (width / 36f))
        let placed, rows = layout width size (entries classes map truth.IsSome)
        let strip = ceil (size * 1.6f * float32 rows + size * 0.6f)

        let info =
            SKImageInfo(int width, int (frameHeight + strip), SKColorType.Rgba8888, SKAlphaType.Opaque)

        use surface = SKSurface.Create info
        let canvas = surface.Canvas
        canvas.Clear(SKColor(24uy, 24uy, 28uy))

        use bitmap = bitmapOf picture
        use image = SKImage.FromBitmap bitmap

        let sampling =
            if scale < 1f then
                SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
            else
                SKSamplingOptions SKCubicResampler.Mitchell

        let frame = SKRect(0f, 0f, frameWidth, frameHeight)
        use plain = new SKPaint()
        canvas.DrawImage(image, frame, sampling, plain)
        canvas.Save() |> ignore
        canvas.ClipRect frame

        let line = max 2f (max frameWidth frameHeight / 320f)
        use halo = stroke (SKColor(0uy, 0uy, 0uy, 190uy)) (line * 3f)

        let outlines =
            Contours.find map
            |> List.groupBy _.Label
            |> List.map (fun (label, regions) -> label, outline scale regions)

        for _, path in outlines do
            canvas.DrawPath(path, halo)

        // The line runs on the inner side of its region, so neighbours show both their colours.
        for label, path in outlines do
            use path = path
            use edge = stroke (paintOf label) (line * 2f)
            canvas.Save() |> ignore
            canvas.ClipPath(path, SKClipOperation.Intersect, true)
            canvas.DrawPath(path, edge)
            canvas.Restore()

        truth
        |> Option.iter (fun truth ->
            use path = outline scale (Contours.find truth)
            use dark = stroke (SKColor(0uy, 0uy, 0uy, 190uy)) (line * 1.8f)
            use edge = stroke SKColors.White (line * 0.8f)
            use dashes = SKPathEffect.CreateDash([| line * 3f; line * 3f |], 0f)
            dark.PathEffect <- dashes
            edge.PathEffect <- dashes
            canvas.DrawPath(path, dark)
            canvas.DrawPath(path, edge))

        canvas.Restore()
        drawLegend canvas frameHeight size placed
        use pixels = surface.PeekPixels()

        match pixels.Encode(SKPngEncoderOptions(SKPngEncoderFilterFlags.Sub, 3)) with
        | null -> Error(McdrlError.resource "the overlay can't be encoded" "overlay" "Check the memory left")
        | data ->
            use data = data
            Ok(data.ToArray())

    /// The overlay as a PNG: the upright frame, each class outlined in its colour on a dark halo, optionally the
    /// true outline dashed in white, and a legend with the share of the picture that each class covers. The maps
    /// must have the picture's size.
    let png classes (picture: Picture) (map: LabelMap) (truth: LabelMap option) : Result<byte[], McdrlError> =
        let other =
            map :: Option.toList truth
            |> List.tryFind (fun m -> (m.Width, m.Height) <> (picture.Width, picture.Height))

        match other with
        | Some other ->
            Error(
                McdrlError.data
                    $"the mask is {other.Width} x {other.Height} pixels, its frame {picture.Width} x {picture.Height}"
                    "overlay"
                    "Bring the mask to the size of its frame first"
            )
        | None -> draw classes picture map truth

    /// `png` into a file.
    let write (path: string) classes picture map truth : Result<unit, McdrlError> =
        png classes picture map truth
        |> Result.bind (fun bytes ->
            Files.writeAtomically path (fun stream -> stream.Write(ReadOnlySpan bytes)))
