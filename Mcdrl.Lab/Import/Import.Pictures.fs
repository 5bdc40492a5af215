namespace Mcdrl

open System
open System.IO

/// A published picture, decoded and as it goes into our dataset.
type internal ImportedPicture =
    {
        /// The decoded picture, upright.
        Picture: Picture
        /// The file's bytes where it is of a format that `Images` reads, else the same pixels as PNG.
        Bytes: byte[]
        /// The ending that the bytes need, with its dot.
        Extension: string
    }

/// Published picture files: what `Images` reads, and TIFF.
[<RequireQualifiedAccess>]
module internal ImportPictures =
    /// Whether a file's name ends as that of a picture that can be imported does.
    let isNamedAsPicture (path: string) =
        Images.isNamedAsImage path
        || List.exists
            (fun (ending: string) -> path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
            [ ".tif"; ".tiff" ]

    let private enumeration =
        EnumerationOptions(RecurseSubdirectories = true, MaxRecursionDepth = 8, IgnoreInaccessible = false)

    /// Pictures below a folder as relative paths with slashes, sorted, without what file managers and archivers leave behind.
    let below (folder: string) : Result<string list, McdrlError> =
        Files.attempt folder (fun () ->
            Directory.EnumerateFiles(folder, "*", enumeration)
            |> Seq.map (fun path -> Path.GetRelativePath(folder, path).Replace('\\', '/'))
            |> Seq.filter (fun path ->
                isNamedAsPicture path
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
