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
    let private enumeration =
        EnumerationOptions(RecurseSubdirectories = true, MaxRecursionDepth = 8, IgnoreInaccessible = false)

    /// Pictures below a folder as relative paths with slashes, sorted, without what file managers and archivers leave behind.
    let below (folder: string) : Result<string list, McdrlError> =
        Files.attempt folder (fun () ->
            Directory.EnumerateFiles(folder, "*", enumeration)
            |> Seq.map (fun path -> Path.GetRelativePath(folder, path).Replace('\\', '/'))
            |> Seq.filter (fun path ->
                Images.isNamedAsImage path
                && not (Leftovers.isPath path)
                && not (path.Split '/' |> Array.exists _.StartsWith('.')))
            |> Seq.sort
            |> List.ofSeq)

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
