namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open SkiaSharp

/// What an image file's header says.
type ImageHeader =
    {
        /// Width of the upright picture.
        Width: int
        /// Height of the upright picture.
        Height: int
        /// How the file's rows and columns lie; width and height are already turned.
        Orientation: Orientation
    }

/// Image files (PNG, JPEG, WebP, BMP, GIF) to upright 8-bit colour pictures. Alpha is ignored, not multiplied
/// in; grey is replicated; 16-bit and CMYK images are converted; of an animation the first frame is read.
/// A damaged or truncated file is an error, never a half-grey picture.
[<RequireQualifiedAccess>]
module Images =
    /// The endings of the file names of the formats that are read.
    let extensions = [ ".png"; ".jpg"; ".jpeg"; ".webp"; ".bmp"; ".gif" ]

    /// Whether a file's name ends as an image's does.
    let isNamedAsImage (path: string) =
        extensions
        |> List.exists (fun ending -> path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))

    let private ofOrigin origin =
        match origin with
        | SKEncodedOrigin.TopRight -> Orientation.TopRight
        | SKEncodedOrigin.BottomRight -> Orientation.BottomRight
        | SKEncodedOrigin.BottomLeft -> Orientation.BottomLeft
        | SKEncodedOrigin.LeftTop -> Orientation.LeftTop
        | SKEncodedOrigin.RightTop -> Orientation.RightTop
        | SKEncodedOrigin.RightBottom -> Orientation.RightBottom
        | SKEncodedOrigin.LeftBottom -> Orientation.LeftBottom
        | _ -> Orientation.TopLeft

    let private damaged where what =
        Error(McdrlError.data what where "Replace the file with an intact copy")

    /// Opens the bytes, checks the size that the header claims, and hands codec and data on.
    let private opened limits where (bytes: byte[]) (read: SKCodec -> Result<'a, McdrlError>) =
        if bytes.Length = 0 then
            damaged where "the file is empty"
        else
            let intact = if Png.isPng bytes then Png.verify where bytes else Ok()

            use data = SKData.CreateCopy bytes

            match SKCodec.Create data with
            | null ->
                Error(
                    McdrlError.data
                        "this is not an image that can be read (its first bytes belong to no known format)"
                        where
                        "Give a PNG, JPEG, WebP, BMP or GIF file"
                )
            | codec ->
                use codec = codec

                ImageLimits.check limits where (int64 codec.Info.Width) (int64 codec.Info.Height)
                |> Result.bind (fun () -> intact)
                |> Result.bind (fun () -> read codec)

    let private pixels where (codec: SKCodec) =
        let width, height = codec.Info.Width, codec.Info.Height

        let info = SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul)

        let rgba = Array.zeroCreate<byte>(width * height * 4)
        let pinned = GCHandle.Alloc(rgba, GCHandleType.Pinned)

        let outcome =
            try
                codec.GetPixels(info, pinned.AddrOfPinnedObject())
            finally
                pinned.Free()

        match outcome with
        | SKCodecResult.Success ->
            let orientation = ofOrigin codec.EncodedOrigin
            let uprightWidth, uprightHeight = Orientation.size orientation (width, height)

            Ok
                {
                    Width = uprightWidth
                    Height = uprightHeight
                    Rgb = Orientation.apply orientation 3 (width, height) (Picture.rgbOf rgba)
                    Orientation = orientation
                }
        | SKCodecResult.IncompleteInput -> damaged where "the image is truncated: its pixels end too early"
        | SKCodecResult.ErrorInInput -> damaged where "the image is damaged: its data contradicts itself"
        | other -> damaged where $"the image can't be decoded ({other})"

    /// The picture as something to draw.
    let internal bitmap (picture: Picture) =
        let bitmap =
            new SKBitmap(SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque))

        let rgba = Picture.rgba picture
        Marshal.Copy(rgba, 0, bitmap.GetPixels(), rgba.Length)
        bitmap

    /// The picture as a PNG file; equal pictures give equal bytes.
    let png (picture: Picture) : byte[] =
        use bitmap = bitmap picture
        use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
        data.ToArray()

    /// Decodes an image held in memory; `where` names it in errors.
    let decode limits where (bytes: byte[]) : Result<Picture, McdrlError> =
        opened limits where bytes (pixels where)

    /// Decodes an image file.
    let read limits (path: string) : Result<Picture, McdrlError> =
        Files.read limits.MaxBytes path |> Result.bind (decode limits path)

    /// Decodes an image from a stream, read to its end or to the byte limit.
    let readStream limits where (stream: Stream) : Result<Picture, McdrlError> =
        let tooLarge () =
            McdrlError.resource
                $"the stream has more than {limits.MaxBytes} bytes"
                where
                "Give a smaller image"

        Files.attempt where (fun () ->
            use memory = new MemoryStream()
            let buffer = Array.zeroCreate 81920
            let mutable count = stream.Read(buffer, 0, buffer.Length)

            while count > 0 && memory.Length <= limits.MaxBytes do
                memory.Write(buffer, 0, count)
                count <- stream.Read(buffer, 0, buffer.Length)

            if memory.Length > limits.MaxBytes then
                Error(tooLarge ())
            else
                Ok(memory.ToArray()))
        |> Result.bind id
        |> Result.bind (decode limits where)

    /// The upright size and orientation that an image file's header claims; no pixel is decoded.
    let header limits (path: string) : Result<ImageHeader, McdrlError> =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            opened limits path bytes (fun codec ->
                let orientation = ofOrigin codec.EncodedOrigin

                let width, height =
                    Orientation.size orientation (codec.Info.Width, codec.Info.Height)

                Ok
                    {
                        Width = width
                        Height = height
                        Orientation = orientation
                    }))
