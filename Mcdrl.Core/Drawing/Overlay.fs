namespace Mcdrl

open System
open SkiaSharp

/// The frame with the marked regions outlined and named, and a legend below: what a person looks at.
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

    let private nameOf (classes: string list) label =
        List.tryItem (label - 1) classes |> Option.defaultValue $"label {label}"

    /// What the legend says: colour (`None` for plain text) and text.
    let private entries (classes: string list) (map: LabelMap) hasTruth =
        let present =
            [
                for label, share in LabelMap.shares map do
                    Some(Drawing.paintOf label), $"{nameOf classes label}  {Drawing.percent share}"
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

    /// What the regions are called, the largest of each class first: the class, and its number where the class has several.
    let private named classes (regions: Region list) =
        [
            for label, own in regions |> List.groupBy (fun region -> region.Label) do
                let name = nameOf classes label

                for index, region in List.indexed own do
                    region, (if own.Length = 1 then name else $"{name} {index + 1}")
        ]

    /// At most so many regions have their names beside them; of more the largest.
    let private mostNamed = 12

    /// The middle of a region's highest or lowest edge.
    let private edgeAt y (region: Region) =
        region.Outline
        |> Array.filter (fun struct (_, cornerY) -> cornerY = y)
        |> Array.averageBy (fun struct (x, _) -> float32 x)

    /// The regions' names, each above the highest point of its region or, where there is no room, below the lowest or inside; if that can be,
    /// where no other region is. None where it would cover another.
    let private drawNames (canvas: SKCanvas) (frame: SKRect) scale size (named: (Region * string) list) =
        let gap, height = size * 0.35f, size * 1.35f
        let regions = List.map fst named

        let boxOf (region: Region) =
            let left, top = scale * float32 region.X, scale * float32 region.Y
            SKRect(left, top, left + scale * float32 region.Width, top + scale * float32 region.Height)

        let place taken width (region: Region) =
            let own = boxOf region

            let at middle top =
                let left =
                    max frame.Left (min (frame.Right - width) (scale * middle - 0.5f * width))

                SKRect(left, top, left + width, top + height)

            let high, low = edgeAt region.Y region, edgeAt (region.Y + region.Height) region

            let free =
                [
                    at high (own.Top - gap - height)
                    at low (own.Bottom + gap)
                    at high (own.Top + gap)
                    at low (own.Bottom - gap - height)
                ]
                |> List.filter (fun box ->
                    frame.Contains box
                    && not (List.exists (fun (other: SKRect) -> other.IntersectsWith box) taken))

            let isAlone (box: SKRect) =
                regions
                |> List.forall (fun other ->
                    obj.ReferenceEquals(other, region) || not ((boxOf other).IntersectsWith box))

            free |> List.tryFind isAlone |> Option.orElse (List.tryHead free)

        use ground =
            new SKPaint(Color = SKColor(16uy, 16uy, 20uy, 190uy), IsAntialias = true)

        (([]: SKRect list),
         named
         |> List.sortByDescending (fun (region, _) -> region.Area)
         |> List.truncate mostNamed)
        ||> List.fold (fun taken (region, name) ->
            use font = Drawing.fontFor name size
            let name = Drawing.fitted font (0.5f * frame.Width) name
            let width = font.MeasureText name + size

            match place taken width region with
            | None -> taken
            | Some box ->
                use edge = Drawing.stroke (Drawing.paintOf region.Label) (size * 0.1f)
                canvas.DrawRoundRect(box, gap, gap, ground)
                canvas.DrawRoundRect(box, gap, gap, edge)
                let baseline = box.Top + size * 1.02f
                Drawing.write canvas SKColors.White size SKTextAlign.Center box.MidX baseline name
                box :: taken)
        |> ignore

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
        let notice = size * 0.75f
        let legend = size * 1.6f * float32 rows + size * 0.3f
        let strip = ceil (legend + notice * 1.7f)

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
                // A cubic takes two and a half times as long, as much as everything else about an overlay.
                SKSamplingOptions SKFilterMode.Linear

        let frame = SKRect(0f, 0f, frameWidth, frameHeight)
        use plain = new SKPaint()
        canvas.DrawImage(image, frame, sampling, plain)
        canvas.Save() |> ignore
        canvas.ClipRect frame

        let line = max 2f (max frameWidth frameHeight / 320f)

        let regions = Contours.find map
        Drawing.drawRegions canvas line scale regions
        truth |> Option.iter (Drawing.drawTruth canvas line scale)
        drawNames canvas frame scale (size * 0.8f) (named classes regions)
        canvas.Restore()
        drawLegend canvas frameHeight size placed

        Drawing.write
            canvas
            (SKColor(170uy, 170uy, 176uy))
            notice
            SKTextAlign.Left
            (size * 0.7f)
            (frameHeight + legend + notice)
            Product.notice

        Drawing.encode "overlay" surface

    /// The overlay as a PNG: the upright frame, each region tinted and outlined in the colour of its class on a dark halo, the largest
    /// regions named; optionally the true outline dashed in white; below it a legend with the share of the picture that each class covers,
    /// and the notice. The frame has its own size if its longer side has 640 to 2048 pixels; a smaller one is enlarged by the least whole
    /// factor that brings it to 640, a larger one reduced to 2048. The maps must have the picture's size.
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

    /// A frame of a video as it is looked at: at its own size, each region tinted and outlined in the colour of its class and named as given;
    /// below it a line with `caption` on the left and the notice on the right. Width, height, and four bytes a pixel, red first: drawings of
    /// frames of one size have one size.
    let frame (picture: Picture) (named: (Region * string) list) (caption: string) : int * int * byte[] =
        let width, height = picture.Width, picture.Height
        let size = max 10f (min 28f (float32 width / 56f))
        let strip = int (ceil (size * 1.7f))

        let info =
            SKImageInfo(width, height + strip, SKColorType.Rgba8888, SKAlphaType.Opaque)

        use surface = SKSurface.Create info
        let canvas = surface.Canvas
        canvas.Clear(SKColor(24uy, 24uy, 28uy))
        use bitmap = Images.bitmap picture
        use image = SKImage.FromBitmap bitmap
        canvas.DrawImage(image, 0f, 0f, SKSamplingOptions.Default)
        let frame = SKRect(0f, 0f, float32 width, float32 height)
        canvas.Save() |> ignore
        canvas.ClipRect frame
        Drawing.drawRegions canvas (max 1f (float32 (max width height) / 480f)) 1f (List.map fst named)
        drawNames canvas frame 1f size named
        canvas.Restore()
        let baseline = float32 height + size * 1.2f
        Drawing.write canvas SKColors.White size SKTextAlign.Left (size * 0.5f) baseline caption
        let small = size * 0.75f
        use font = Drawing.fontFor Product.notice small
        use caption' = Drawing.fontFor caption size
        let room = float32 width - caption'.MeasureText caption - size * 2f

        if room > small * 4f then
            Drawing.write
                canvas
                (SKColor(170uy, 170uy, 176uy))
                small
                SKTextAlign.Right
                (float32 width - size * 0.5f)
                baseline
                (Drawing.fitted font room Product.notice)

        use pixels = surface.PeekPixels()
        width, height + strip, pixels.GetPixelSpan().ToArray()
