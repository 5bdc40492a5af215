namespace Mcdrl

open System.Globalization
open System.Reflection
open SkiaSharp

/// What overlays and explanation sheets draw with: letters, frames and outlines.
module internal Drawing =
    let paintOf label =
        let red, green, blue = ClassColours.ofLabel label
        SKColor(red, green, blue)

    /// The font is part of the assembly: servers and containers often have none.
    let private font =
        lazy
            (match Assembly.GetExecutingAssembly().GetManifestResourceStream "Mcdrl.fonts.DejaVuSans.ttf" with
             | null -> SKTypeface.Default
             | stream ->
                 SKTypeface.FromStream stream
                 |> Option.ofObj
                 |> Option.defaultValue SKTypeface.Default)

    /// A typeface that has the letters of a text: ours, or one of the system's for scripts that ours lacks.
    let typefaceFor (text: string) =
        let own = font.Value

        use glyphs = new SKFont(own)

        let missing =
            text.EnumerateRunes()
            |> Seq.tryFind (fun rune -> not (glyphs.ContainsGlyph rune.Value))

        missing
        |> Option.bind (fun rune -> SKFontManager.Default.MatchCharacter rune.Value |> Option.ofObj)
        |> Option.defaultValue own

    /// Letters of this size for a text.
    let fontFor (text: string) (size: float32) =
        new SKFont(typefaceFor text, size, Subpixel = true, Edging = SKFontEdging.Antialias)

    /// The text, shortened with an ellipsis until it fits.
    let fitted (font: SKFont) (room: float32) (text: string) =
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

    /// The text in lines that fit the width; a word that is longer than a line is shortened.
    let wrapped (font: SKFont) (room: float32) (text: string) : string list =
        (([], ""), text.Split ' ')
        ||> Array.fold (fun (lines, line) word ->
            let longer = if line = "" then word else $"{line} {word}"

            if line = "" || font.MeasureText longer <= room then
                lines, longer
            else
                line :: lines, word)
        |> fun (lines, last) -> List.rev (last :: lines) |> List.map (fitted font room)

    /// Writes one line, its baseline at y.
    let write
        (canvas: SKCanvas)
        (colour: SKColor)
        (size: float32)
        (align: SKTextAlign)
        (x: float32)
        (y: float32)
        text
        =
        use font = fontFor text size
        use paint = new SKPaint(Color = colour, IsAntialias = true)
        canvas.DrawText(text, x, y, align, font, paint)

    /// Share of the picture as text: `12.3 %`, `<0.1 %`.
    let percent (share: float) =
        let value = 100.0 * share

        if value > 0.0 && value < 0.05 then
            "<0.1 %"
        else
            value.ToString("0.0", CultureInfo.InvariantCulture) + " %"

    let stroke (colour: SKColor) width =
        new SKPaint(
            Color = colour,
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = width,
            StrokeJoin = SKStrokeJoin.Round
        )

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

    let outline scale (regions: Region list) =
        use builder = new SKPathBuilder()

        for region in regions do
            addSmoothed builder scale region.Outline

            for hole in region.Holes do
                addSmoothed builder scale hole

        builder.Detach()

    /// Outlines of regions, each on a dark halo. The line runs on the inner side, so neighbours show both their colours.
    let drawOutlines (canvas: SKCanvas) (line: float32) (outlines: (SKColor * SKPath) list) =
        use halo = stroke (SKColor(0uy, 0uy, 0uy, 190uy)) (line * 3f)

        for _, path in outlines do
            canvas.DrawPath(path, halo)

        for colour, path in outlines do
            use edge = stroke colour (line * 2f)
            canvas.Save() |> ignore
            canvas.ClipPath(path, SKClipOperation.Intersect, true)
            canvas.DrawPath(path, edge)
            canvas.Restore()

    /// A white dashed line on dark dashes.
    let drawDashed (canvas: SKCanvas) (line: float32) (path: SKPath) =
        use dark = stroke (SKColor(0uy, 0uy, 0uy, 190uy)) (line * 1.8f)
        use edge = stroke SKColors.White (line * 0.8f)
        use dashes = SKPathEffect.CreateDash([| line * 3f; line * 3f |], 0f)
        dark.PathEffect <- dashes
        edge.PathEffect <- dashes
        canvas.DrawPath(path, dark)
        canvas.DrawPath(path, edge)

    /// The outlines of regions, each class in its colour, drawn by `draw`.
    let private withOutlines scale (regions: Region list) draw =
        let outlines =
            regions
            |> List.groupBy _.Label
            |> List.map (fun (label, regions) -> paintOf label, outline scale regions)

        draw outlines

        for _, path in outlines do
            path.Dispose()

    /// The outlines of a label map, each class in its colour.
    let drawMap (canvas: SKCanvas) (line: float32) (scale: float32) (map: LabelMap) =
        withOutlines scale (Contours.find map) (drawOutlines canvas line)

    /// Regions in the colours of their classes: what is inside lightly tinted, so that what the camera saw stays to be seen, and outlined.
    let drawRegions (canvas: SKCanvas) (line: float32) (scale: float32) (regions: Region list) =
        withOutlines scale regions (fun outlines ->
            for colour, path in outlines do
                use tint = new SKPaint(Color = colour.WithAlpha 36uy, IsAntialias = true)
                canvas.DrawPath(path, tint)

            drawOutlines canvas line outlines)

    /// The outlines of a label map dashed in white, whatever their class.
    let drawTruth (canvas: SKCanvas) (line: float32) (scale: float32) (truth: LabelMap) =
        use path = outline scale (Contours.find truth)
        drawDashed canvas line path

    /// The drawing as a PNG file. Packing is most of what an overlay costs: by the row above and at level 1 it takes 17 ms
    /// where the row's own left neighbours and level 3 took 45, for a file 3 % larger.
    let encode where (surface: SKSurface) : Result<byte[], McdrlError> =
        use pixels = surface.PeekPixels()

        match pixels.Encode(SKPngEncoderOptions(SKPngEncoderFilterFlags.Up, 1)) with
        | null -> Error(McdrlError.resource $"the {where} can't be encoded" where "Check the memory left")
        | data ->
            use data = data
            Ok(data.ToArray())
