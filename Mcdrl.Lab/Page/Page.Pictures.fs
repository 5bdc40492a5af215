namespace Mcdrl

open SkiaSharp

/// Frames as pictures of a page.
[<RequireQualifiedAccess>]
module internal PagePictures =
    /// Good enough that no block is seen, and about a tenth of a PNG, which noise makes large.
    let private quality = 88

    /// A drawn or scaled picture as a JPEG.
    let private encoded downsample (alt: string) (pixels: SKPixmap) : Result<PageImage, McdrlError> =
        let options =
            SKJpegEncoderOptions(quality, downsample, SKJpegEncoderAlphaOption.Ignore)

        match pixels.Encode options |> Option.ofObj with
        | None -> Error(McdrlError.resource "the picture can't be encoded" alt "Check the memory left")
        | Some data ->
            use data = data

            Ok
                {
                    Bytes = data.ToArray()
                    MediaType = "image/jpeg"
                    Width = pixels.Width
                    Height = pixels.Height
                    Alt = alt
                }

    let private sampling share =
        if share > 1.0 then
            SKSamplingOptions SKCubicResampler.Mitchell
        else
            SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)

    let private scaled share (length: int) =
        max 1 (int (round (share * float length)))

    /// The frame as a JPEG, brought to at most `side` pixels on its longer side.
    let jpeg (side: int) (alt: string) (picture: Picture) : Result<PageImage, McdrlError> =
        let share = min 1.0 (float side / float (max picture.Width picture.Height))
        use full = Images.bitmap picture

        use small =
            new SKBitmap(full.Info.WithSize(scaled share picture.Width, scaled share picture.Height))

        full.ScalePixels(small, sampling share) |> ignore
        use pixels = small.PeekPixels()
        encoded SKJpegEncoderDownsample.Downsample420 alt pixels

    /// The frame as a JPEG of this width, each class of `map` outlined in its colour (see `ClassColours.ofLabel`) and the true
    /// outline, where given, dashed in white; what is ignored is not outlined. The maps must have the picture's size.
    let outlined
        (width: int)
        (alt: string)
        (picture: Picture)
        (map: LabelMap)
        (truth: LabelMap option)
        : Result<PageImage, McdrlError> =
        let share = float width / float picture.Width

        let info =
            SKImageInfo(
                scaled share picture.Width,
                scaled share picture.Height,
                SKColorType.Rgba8888,
                SKAlphaType.Opaque
            )

        use surface = SKSurface.Create info
        use bitmap = Images.bitmap picture
        use image = SKImage.FromBitmap bitmap
        use plain = new SKPaint()
        let line = max 1.25f (float32 (max info.Width info.Height) / 256f)

        surface.Canvas.DrawImage(
            image,
            SKRect(0f, 0f, float32 info.Width, float32 info.Height),
            sampling share,
            plain
        )

        let counted (map: LabelMap) =
            { map with
                Labels = Ignored.asBackground map.Labels
            }

        Drawing.drawMap surface.Canvas line (float32 share) (counted map)
        // Wider than the answer's, whose line is drawn twice this wide: under two pixels, white dashes are grey.
        truth
        |> Option.iter (counted >> Drawing.drawTruth surface.Canvas (1.6f * line) (float32 share))

        use pixels = surface.PeekPixels()
        // At a quarter of the colours a thin line would lose its own.
        encoded SKJpegEncoderDownsample.Downsample444 alt pixels
