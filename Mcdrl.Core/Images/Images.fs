namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Threading.Tasks
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

/// Image files (PNG, JPEG, WebP, BMP, GIF, TIFF) to upright 8-bit colour pictures. Alpha is ignored, not multiplied
/// in; grey is replicated; 16-bit and CMYK images are converted; of an animation or of several pages the first is read.
/// A damaged or truncated file is an error, never a half-grey picture.
[<RequireQualifiedAccess>]
module Images =
    /// The endings of the file names of the formats that are read.
    let extensions =
        [
            ".png"
            ".jpg"
            ".jpeg"
            ".jpe"
            ".jfif"
            ".webp"
            ".bmp"
            ".gif"
            ".tif"
            ".tiff"
        ]

    /// The formats that are read, in words.
    let internal formats = "PNG, JPEG, WebP, BMP, GIF or TIFF"

    /// Whether a file's name ends as an image's does.
    let isNamedAsImage (path: string) =
        extensions
        |> List.exists (fun ending -> path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))

    /// An image file's name without folder and ending. What follows the last dot is no ending where it begins with a digit: names of DICOM files may
    /// be identifiers.
    let stem (path: string) : string =
        let name = nonNull (Path.GetFileName path)
        let ending = nonNull (Path.GetExtension name)

        if ending.Length > 1 && Char.IsAsciiDigit ending[1] then
            name
        else
            nonNull (Path.GetFileNameWithoutExtension name)

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

    /// Whether the first bytes are those of a PNG, JPEG, GIF, WebP or BMP file.
    let private beginsAsImage (bytes: byte[]) =
        let hasAt place (text: string) =
            bytes.Length >= place + text.Length
            && bytes.AsSpan(place, text.Length).SequenceEqual(ReadOnlySpan(Text.Encoding.ASCII.GetBytes text))

        Png.isPng bytes
        || Jpeg.isJpeg bytes
        || hasAt 0 "GIF8"
        || (hasAt 0 "RIFF" && hasAt 8 "WEBP")
        || hasAt 0 "BM"

    /// Whether a file of which decoders would make a picture has all its parts.
    let private intact where (bytes: byte[]) =
        if Png.isPng bytes then Png.verify where bytes
        elif Jpeg.isJpeg bytes then Jpeg.verify where bytes
        else Ok()

    /// Opens the bytes, checks the size that the header claims and what else is to be checked, and hands the codec on.
    let private opened
        (check: byte[] -> Result<unit, McdrlError>)
        limits
        where
        (bytes: byte[])
        (read: SKCodec -> Result<'a, McdrlError>)
        =
        if bytes.Length = 0 then
            damaged where "the file is empty"
        else
            let pinned = GCHandle.Alloc(bytes, GCHandleType.Pinned)

            use _pinned =
                { new IDisposable with
                    member _.Dispose() = pinned.Free()
                }

            use data = SKData.Create(pinned.AddrOfPinnedObject(), bytes.Length)

            match SKCodec.Create data with
            | null when beginsAsImage bytes -> damaged where "the image is damaged: its header can't be read"
            | null ->
                Error(
                    McdrlError.data
                        "this is not an image that can be read (its first bytes belong to no known format)"
                        where
                        $"Give a {formats} file"
                )
            | codec ->
                use codec = codec

                ImageLimits.check limits where (int64 codec.Info.Width) (int64 codec.Info.Height)
                |> Result.bind (fun () -> check bytes)
                |> Result.bind (fun () -> read codec)

    /// How the file's rows and columns lie: what its EXIF says, in PNG its chunk eXIf.
    let private orientationOf (bytes: byte[]) (codec: SKCodec) =
        match ofOrigin codec.EncodedOrigin with
        | Orientation.TopLeft when Png.isPng bytes -> Png.orientation bytes
        | stated -> stated

    let private pixels where (bytes: byte[]) (codec: SKCodec) =
        let width, height = codec.Info.Width, codec.Info.Height
        let info = SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul)

        // The decoder's four bytes a pixel lie outside the managed heap, to be gone as soon as the three of the picture are there.
        let rgba = Marshal.AllocHGlobal(nativeint width * nativeint height * 4n)

        try
            match codec.GetPixels(info, rgba) with
            | SKCodecResult.Success ->
                Ok(
                    Picture.ofRows (orientationOf bytes codec) (width, height) (fun y row ->
                        Marshal.Copy(rgba + nativeint y * nativeint row.Length, row, 0, row.Length))
                )
            | SKCodecResult.IncompleteInput ->
                damaged where "the image is truncated: its pixels end too early"
            | SKCodecResult.ErrorInInput -> damaged where "the image is damaged: its data contradicts itself"
            | other -> damaged where $"the image can't be decoded ({other})"
        finally
            Marshal.FreeHGlobal rgba

    /// The picture as something to draw.
    let internal bitmap (picture: Picture) =
        let bitmap =
            new SKBitmap(SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque))

        let row = Array.zeroCreate<byte>(picture.Width * 4)
        let pixels = bitmap.GetPixels()

        for y in 0 .. picture.Height - 1 do
            Picture.copyRow picture y row
            Marshal.Copy(row, 0, pixels + nativeint y * nativeint bitmap.RowBytes, row.Length)

        // Whoever draws it needs no copy of what no longer changes.
        bitmap.SetImmutable()
        bitmap

    /// The picture as a PNG file; equal pictures give equal bytes.
    let png (picture: Picture) : byte[] =
        use bitmap = bitmap picture
        use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
        data.ToArray()

    /// Decodes an image held in memory; `where` names it in errors.
    let decode limits where (bytes: byte[]) : Result<Picture, McdrlError> =
        if Tiff.isTiff bytes then
            Tiff.read limits where bytes
        else
            opened (intact where) limits where bytes (pixels where bytes)

    /// How many pictures an image file held in memory has: frames of an animation (GIF, WebP, PNG), pages (TIFF), mostly 1. Of a file that
    /// can't be read it is 1 too.
    let pictures (bytes: byte[]) : int =
        let counted =
            if Tiff.isTiff bytes then
                Ok(Tiff.count bytes)
            elif Png.isPng bytes then
                Ok(Png.frames bytes)
            else
                opened (fun _ -> Ok()) ImageLimits.standard "" bytes (fun codec -> Ok codec.FrameCount)

        max 1 (Result.defaultValue 1 counted)

    /// Decodes an image file.
    let read limits (path: string) : Result<Picture, McdrlError> =
        Files.read limits.MaxBytes path |> Result.bind (decode limits path)

    /// Decodes the first picture of an image file, and counts those that it holds.
    let readFirst limits (path: string) : Result<Picture * int, McdrlError> =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            decode limits path bytes |> Result.map (fun picture -> picture, pictures bytes))

    let private withinLimit limits where (bytes: byte[] option) =
        match bytes with
        | Some bytes -> Ok bytes
        | None ->
            Error(
                McdrlError.resource
                    $"the stream has more than {limits.MaxBytes} bytes"
                    where
                    "Give a smaller image"
            )

    /// The bytes of a stream, read to its end or to the byte limit.
    let bytesOf limits where (stream: Stream) : Result<byte[], McdrlError> =
        Files.attempt where (fun () -> Files.toEnd limits.MaxBytes stream)
        |> Result.bind (withinLimit limits where)

    /// `bytesOf` by asynchronous reads alone. What reading throws is passed on: the stream is the caller's.
    let bytesOfAsync limits where (stream: Stream) cancel : Task<Result<byte[], McdrlError>> =
        task {
            let! bytes = Files.toEndAsync limits.MaxBytes stream cancel
            return withinLimit limits where bytes
        }

    /// Decodes an image from a stream, read to its end or to the byte limit.
    let readStream limits where (stream: Stream) : Result<Picture, McdrlError> =
        bytesOf limits where stream |> Result.bind (decode limits where)

    /// The upright size and orientation that an image file's header claims; no pixel is decoded.
    let header limits (path: string) : Result<ImageHeader, McdrlError> =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            if Tiff.isTiff bytes then
                Tiff.header limits path bytes
            else
                opened (intact path) limits path bytes (fun codec ->
                    Ok(struct (codec.Info.Width, codec.Info.Height, orientationOf bytes codec))))
        |> Result.map (fun (struct (width, height, orientation)) ->
            let width, height = Orientation.size orientation (width, height)

            {
                Width = width
                Height = height
                Orientation = orientation
            })

    /// How the rows and columns of an image file lie, from its header alone.
    let orientation limits (path: string) : Result<Orientation, McdrlError> =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            if Tiff.isTiff bytes then
                Tiff.header limits path bytes
                |> Result.map (fun (struct (_, _, orientation)) -> orientation)
            else
                opened (fun _ -> Ok()) limits path bytes (fun codec -> Ok(orientationOf bytes codec)))
