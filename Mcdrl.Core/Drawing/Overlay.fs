namespace Mcdrl

open System
open SkiaSharp

/// The frame with the marked regions outlined, and a legend below: what a person looks at.
[<RequireQualifiedAccess>]
module Overlay =
    /// Long side of the frame as drawn: small frames are enlarged by a whole factor, large ones reduced.
    let private scaleFor (width: int) (height: int) =
        let longSide = max width height

        if longSide < 640 then
            float32 ((640 + longSide - 1) / longSide)
        elif longSide > 2048 then
            2048f / float32 longSide
        else
            1f

    /// What the legend says: colour (`None` for plain text) and text.
    let private entries (classes: string list) (map: LabelMap) hasTruth =
        let present =
            [
                for label, share in LabelMap.shares map do
                    let name = List.tryItem (label - 1) classes |> Option.defaultValue $"label {label}"
                    Some(Drawing.paintOf label), $"{name}  {Drawing.percent share}"
            ]

        [
            if present.IsEmpty then
                yield None, "nothing marked"

            yield! present

            if hasTruth then
                yield None, "dashed: truth"
        ]

    /// Legend entries with their place in the strip (x, row), from left to right and top to bottom.
    let private layout (width: float32) (size: float32) entries =
        let margin, swatch = size * 0.7f, size * 1.5f

        (([], margin, 0), entries)
        ||> List.fold (fun (placed, x, row) (colour, text) ->
            let lead = if Option.isSome colour then swatch else 0f
            use font = new SKFont(Drawing.typefaceFor text, size)
            let text = Drawing.fitted font (width - 2f * margin - lead) text
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

            Drawing.write canvas (SKColor(240uy, 240uy, 240uy)) size SKTextAlign.Left textX baseline text

    /// Frames of more pixels are brought near the size that they are drawn at before the drawing library sees them, which would keep
    /// several copies of them.
    let private mostDrawn = 16_000_000L

    /// The frame as it is handed to the drawing library.
    let private drawable (picture: Picture) =
        let factor = max picture.Width picture.Height / 2048

        if int64 picture.Width * int64 picture.Height <= mostDrawn || factor < 2 then
            picture
        else
            Picture.reduced factor picture

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

        use bitmap = Images.bitmap (drawable picture)
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

        Drawing.drawMap canvas line scale map
        truth |> Option.iter (Drawing.drawTruth canvas line scale)
        canvas.Restore()
        drawLegend canvas frameHeight size placed
        Drawing.encode "overlay" surface

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
