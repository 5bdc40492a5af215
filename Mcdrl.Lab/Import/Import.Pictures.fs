namespace Mcdrl

open System.IO

/// A published picture, decoded and as it goes into our dataset.
type internal ImportedPicture =
    {
        /// The decoded picture, upright.
        Picture: Picture
        /// The file's bytes, of a TIFF file the same pixels as PNG.
        Bytes: byte[]
        /// The ending that the bytes need, with its dot.
        Extension: string
    }

/// Published picture files; of TIFF those alone that lose nothing as PNG.
[<RequireQualifiedAccess>]
module internal ImportPictures =
    let private rgb (raster: PngRaster) =
        if raster.Channels = 3 then
            raster.Samples
        else
            raster.Samples |> Array.collect (fun value -> [| value; value; value |])

    let private asPng (raster: PngRaster) =
        use memory = new MemoryStream()

        if raster.Channels = 3 then
            Png.writeColour memory raster.Width raster.Height raster.Samples
        else
            Png.write memory raster.Width raster.Height None raster.Samples

        memory.ToArray()

    let private ofTiff (raster: PngRaster) =
        {
            Picture =
                {
                    Width = raster.Width
                    Height = raster.Height
                    Rgb = rgb raster
                    Orientation = Orientation.TopLeft
                }
            Bytes = asPng raster
            Extension = ".png"
        }

    /// Reads a picture file.
    let read limits (path: string) : Result<ImportedPicture, McdrlError> =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            if Tiff.isTiff bytes then
                Tiff.decode limits path bytes |> Result.map ofTiff
            else
                Images.decode limits path bytes
                |> Result.map (fun picture ->
                    {
                        Picture = picture
                        Bytes = bytes
                        Extension =
                            (Path.GetExtension path |> Option.ofObj |> Option.defaultValue "")
                                .ToLowerInvariant()
                    }))
