namespace Mcdrl

open System.Globalization
open SkiaSharp

/// What an explanation sheet is laid out with: letters, outlines, colour bars and rows of panels.
module internal SheetLayout =
    let width = 1680f
    let margin = 36f
    let space = 28f
    let background = SKColor(24uy, 24uy, 28uy)
    let bright = SKColor(245uy, 245uy, 245uy)
    let plain = SKColor(205uy, 205uy, 210uy)
    let amber = SKColor(255uy, 200uy, 60uy)
    let magenta = 255.0, 60.0, 220.0

    /// Sizes of letters: headings, and the rest.
    let large, normal = 23f, 17f
    let rowHeight = 24f

    let number (format: string) (value: float) =
        value.ToString(format, CultureInfo.InvariantCulture)

    let text canvas colour size x y words =
        Drawing.write canvas colour size SKTextAlign.Left x y words

    /// Lines below each other; returns where the next would begin.
    let paragraph canvas colour size x y room (words: string) =
        use font = Drawing.fontFor words size
        let lines = Drawing.wrapped font room words
        let step = size * 1.42f

        lines
        |> List.iteri (fun index line -> text canvas colour size x (y + size + step * float32 index) line)

        y + step * float32 lines.Length

    let linesOf size room (words: string) =
        use font = Drawing.fontFor words size
        (Drawing.wrapped font room words).Length

    let fitted size room (words: string) =
        use font = Drawing.fontFor words size
        Drawing.fitted font room words

    let drawPicture (canvas: SKCanvas) (box: SKRect) (picture: Picture) =
        use bitmap = Images.bitmap picture
        use image = SKImage.FromBitmap bitmap
        use paint = new SKPaint()
        canvas.DrawImage(image, box, SKSamplingOptions SKCubicResampler.Mitchell, paint)

    /// Draws in a box with the origin at its corner and nothing outside it.
    let inside (canvas: SKCanvas) (box: SKRect) draw =
        canvas.Save() |> ignore
        canvas.ClipRect box
        canvas.Translate(box.Left, box.Top)
        draw ()
        canvas.Restore()

    /// The mask at no more than twice the size at which it is shown, and its scale there.
    let shown (box: SKRect) (mask: LabelMap) =
        let side = max 1 (int (2f * box.Width))

        let mask =
            if mask.Width <= side then
                mask
            else
                LabelMap.resized side (max 1 (int (int64 mask.Height * int64 side / int64 mask.Width))) mask

        mask, box.Width / float32 mask.Width

    let outlines box mask =
        let mask, scale = shown box mask

        Contours.find mask
        |> List.groupBy _.Label
        |> List.map (fun (label, regions) -> Drawing.paintOf label, Drawing.outline scale regions)

    let drawMask canvas (box: SKRect) line mask =
        inside canvas box (fun () -> Drawing.drawOutlines canvas line (outlines box mask))

    let drawDashed canvas (box: SKRect) line mask =
        inside canvas box (fun () ->
            for _, path in outlines box mask do
                Drawing.drawDashed canvas line path)

    let swatch (canvas: SKCanvas) (colour: SKColor) x y =
        use paint = new SKPaint(Color = colour, IsAntialias = true)
        canvas.DrawRoundRect(x, y, 15f, 15f, 3f, 3f, paint)

    /// A bar of colours with numbers below and words at its ends; returns where it ends.
    let colourBar (canvas: SKCanvas) x y room (ramp: float -> struct (float * float * float)) low high ticks =
        let steps = int room

        for step in 0 .. steps - 1 do
            let struct (r, g, b) = ramp (float step / float (steps - 1))
            use paint = new SKPaint(Color = SKColor(byte r, byte g, byte b))
            canvas.DrawRect(x + float32 step, y, 1.5f, 16f, paint)

        use border = Drawing.stroke (SKColor(120uy, 120uy, 126uy)) 1f
        canvas.DrawRect(x, y, room, 16f, border)

        for share, label in ticks do
            let place = x + float32 share * room

            let align =
                if share < 0.03 then SKTextAlign.Left
                elif share > 0.97 then SKTextAlign.Right
                else SKTextAlign.Center

            Drawing.write canvas plain 15f align place (y + 34f) label

        let half = room / 2f - 8f
        text canvas bright normal x (y + 56f) (fitted normal half low)
        Drawing.write canvas bright normal SKTextAlign.Right (x + room) (y + 56f) (fitted normal half high)
        y + 70f

    /// A heading, a sentence and a picture with whatever belongs to it.
    [<NoComparison; NoEquality>]
    type Panel =
        {
            Title: string
            Words: string
            /// Draws the picture in a box.
            Draw: SKRect -> unit
            /// Draws what belongs below it, in a room that may be wider than the picture; returns where it ends.
            Foot: SKRect -> float32 -> float32
        }

    /// The width of each of so many panels side by side.
    let panelRoom (panels: int) =
        (width - 2f * margin - float32 (panels - 1) * space) / float32 panels

    /// The height of their pictures.
    let pictureHeight panels (aspect: float32) = min (panelRoom panels / aspect) 540f

    /// Panels side by side, pictures in line; returns where the next row begins.
    let row canvas y (aspect: float32) (panels: Panel list) =
        let room = panelRoom panels.Length
        let height = pictureHeight panels.Length aspect

        let lines =
            panels |> List.map (fun panel -> linesOf normal room panel.Words) |> List.max

        let top = y + 40f + float32 lines * normal * 1.42f + 10f

        panels
        |> List.mapi (fun index panel ->
            let x = margin + float32 index * (room + space)
            text canvas bright large x (y + large) (fitted large room panel.Title)
            paragraph canvas plain normal x (y + 36f) room panel.Words |> ignore
            let box = SKRect.Create(x, top, height * aspect, height)
            panel.Draw box
            panel.Foot box room)
        |> List.max
        |> (+) space
