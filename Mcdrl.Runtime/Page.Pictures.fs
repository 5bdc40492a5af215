namespace Mcdrl

open System
open SkiaSharp

/// Frames as pictures of a page.
[<RequireQualifiedAccess>]
module PagePictures =
    /// Good enough that no block is seen, and about a tenth of a PNG, which noise makes large.
    let private quality = 88

    /// The frame as a JPEG, brought to at most `side` pixels on its longer side.
    let jpeg (side: int) (alt: string) (picture: Picture) : Result<PageImage, McdrlError> =
        let rgba = Array.create (picture.Width * picture.Height * 4) 255uy

        for pixel in 0 .. picture.Width * picture.Height - 1 do
            Array.blit picture.Rgb (pixel * 3) rgba (pixel * 4) 3

        let info =
            SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque)

        use full = SKImage.FromPixelCopy(info, ReadOnlySpan rgba, picture.Width * 4)
        let share = min 1.0 (float side / float (max picture.Width picture.Height))
        let width = max 1 (int (round (share * float picture.Width)))
        let height = max 1 (int (round (share * float picture.Height)))
        use small = new SKBitmap(info.WithSize(width, height))
        use target = small.PeekPixels()

        let encoded =
            if full.ScalePixels(target, SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)) then
                small.Encode(SKEncodedImageFormat.Jpeg, quality) |> Option.ofObj
            else
                None

        match encoded with
        | None -> Error(McdrlError.resource "the picture can't be encoded" alt "Check the memory left")
        | Some data ->
            use data = data

            Ok
                {
                    Bytes = data.ToArray()
                    MediaType = "image/jpeg"
                    Width = width
                    Height = height
                    Alt = alt
                }

    /// A PNG file as it is.
    let png (width: int) (height: int) (alt: string) (bytes: byte[]) : PageImage =
        {
            Bytes = bytes
            MediaType = "image/png"
            Width = width
            Height = height
            Alt = alt
        }
