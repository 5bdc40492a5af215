namespace Mcdrl

open System
open System.IO
open BitMiracle.LibTiff.Classic

/// TIFF files without loss. What 8 bits a sample can't hold is refused, never rounded.
[<RequireQualifiedAccess>]
module internal Tiff =
    /// The library would write what it complains about to the console.
    type private Silent() =
        inherit TiffErrorHandler()
        override _.ErrorHandler(_, _, _, _) = ()
        override _.ErrorHandlerExt(_, _, _, _, _) = ()
        override _.WarningHandler(_, _, _, _) = ()
        override _.WarningHandlerExt(_, _, _, _, _) = ()

    let private silence = lazy (Tiff.SetErrorHandler(Silent()) |> ignore)

    let private damaged where what =
        Error(McdrlError.data what where "Replace the file with an intact copy")

    let private refused where what =
        Error(McdrlError.data what where "Save the picture as PNG, with 8 bits a sample")

    /// Whether the bytes begin as a TIFF file does, in either byte order.
    let isTiff (bytes: byte[]) =
        bytes.Length >= 4
        && (bytes.AsSpan(0, 4).SequenceEqual(ReadOnlySpan "II*\000"B)
            || bytes.AsSpan(0, 4).SequenceEqual(ReadOnlySpan "MM\000*"B))

    type private Header =
        {
            Width: int
            Height: int
            Bits: int
            /// Samples a pixel as stored, alpha included.
            Samples: int
            Photometric: Photometric
            /// Each sample in a plane of its own.
            Planes: bool
        }

    let private number (tiff: Tiff) tag fallback =
        match tiff.GetFieldDefaulted tag with
        | null -> fallback
        | values when values.Length = 0 -> fallback
        | values -> values[0].ToInt()

    let private header limits where (tiff: Tiff) =
        let found =
            {
                Width = number tiff TiffTag.IMAGEWIDTH 0
                Height = number tiff TiffTag.IMAGELENGTH 0
                Bits = number tiff TiffTag.BITSPERSAMPLE 1
                Samples = number tiff TiffTag.SAMPLESPERPIXEL 1
                Photometric = enum (number tiff TiffTag.PHOTOMETRIC (int Photometric.MINISBLACK))
                Planes = number tiff TiffTag.PLANARCONFIG 1 = int PlanarConfig.SEPARATE
            }

        ImageLimits.check limits where (int64 found.Width) (int64 found.Height)
        |> Result.bind (fun () ->
            if tiff.IsTiled() then
                refused where "the TIFF file is stored in tiles, which are not read"
            elif tiff.NumberOfDirectories() > 1s then
                refused
                    where
                    $"the TIFF file holds {tiff.NumberOfDirectories()} pictures where one is expected"
            elif number tiff TiffTag.ORIENTATION 1 <> 1 then
                refused where "the TIFF picture is stored turned or mirrored"
            else
                match found.Photometric, found.Bits, found.Samples with
                | (Photometric.MINISBLACK | Photometric.MINISWHITE), (1 | 8), (1 | 2)
                | Photometric.PALETTE, 8, 1
                | Photometric.RGB, 8, (3 | 4) -> Ok found
                | kind, bits, samples ->
                    refused
                        where
                        $"the TIFF file stores {samples} samples of {bits} bits a pixel ({kind}), which would lose something")

    /// The stored samples, `Height * Width * Samples`, one byte each, planes interleaved.
    let private samples where (tiff: Tiff) header =
        let stored = Array.zeroCreate<byte>(header.Width * header.Height * header.Samples)
        let line = Array.zeroCreate<byte>(max 1 (tiff.ScanlineSize()))

        let planes, each =
            if header.Planes then
                header.Samples, 1
            else
                1, header.Samples

        let needed = (header.Width * each * header.Bits + 7) / 8

        let place plane y =
            for i in 0 .. header.Width * each - 1 do
                let value =
                    if header.Bits = 8 then
                        line[i]
                    else
                        (line[i / 8] >>> (7 - i % 8)) &&& 1uy

                stored[(y * header.Width + i / each) * header.Samples + plane + i % each] <- value

        let rec next plane y =
            if plane = planes then
                Ok stored
            elif y = header.Height then
                next (plane + 1) 0
            elif not (tiff.ReadScanline(line, y, int16 plane)) then
                damaged where $"the TIFF file is truncated or damaged: row {y} can't be read"
            else
                place plane y
                next plane (y + 1)

        if line.Length < needed then
            damaged where "the TIFF header contradicts itself: its rows are shorter than its width"
        else
            next 0 0

    /// The colour map as red, green, blue tables of 256 values; TIFF stores 16 bits of each.
    let private palette where (tiff: Tiff) =
        match tiff.GetField TiffTag.COLORMAP with
        | null -> damaged where "the TIFF file has no colour map"
        | maps ->
            maps
            |> Array.map (fun map ->
                map.ToShortArray() |> Array.map (fun value -> byte ((uint16 value) >>> 8)))
            |> Ok

    /// Grey or colour without alpha, which is ignored, not multiplied in.
    let private raster where (tiff: Tiff) header (stored: byte[]) =
        let pixels = header.Width * header.Height

        let made channels (sample: int -> int -> byte) =
            {
                PngRaster.Width = header.Width
                Height = header.Height
                Channels = channels
                Samples = Array.init (pixels * channels) (fun i -> sample (i / channels) (i % channels))
            }

        let first pixel = stored[pixel * header.Samples]
        let full = if header.Bits = 1 then 255uy else 1uy

        match header.Photometric with
        | Photometric.RGB -> Ok(made 3 (fun pixel channel -> stored[pixel * header.Samples + channel]))
        | Photometric.PALETTE ->
            palette where tiff
            |> Result.map (fun tables -> made 3 (fun pixel channel -> tables[channel][int (first pixel)]))
        | Photometric.MINISWHITE -> Ok(made 1 (fun pixel _ -> 255uy - first pixel * full))
        | _ -> Ok(made 1 (fun pixel _ -> first pixel * full))

    /// Reads a TIFF file of one picture held in memory: 8-bit grey, colour or palette, or bilevel (as 0 and 255), in
    /// strips, in any compression that the library knows. `where` names it in errors.
    let decode limits where (bytes: byte[]) : Result<PngRaster, McdrlError> =
        if not (isTiff bytes) then
            Error(McdrlError.data "this is not a TIFF file" where "Give a TIFF file")
        else
            silence.Force()
            use memory = new MemoryStream(bytes, false)

            try
                match Tiff.ClientOpen(where, "r", memory, TiffStream()) with
                | null -> damaged where "the TIFF file's directory can't be read"
                | tiff ->
                    use tiff = tiff

                    header limits where tiff
                    |> Result.bind (fun header ->
                        samples where tiff header |> Result.bind (raster where tiff header))
            with
            | :? OutOfMemoryException -> reraise ()
            // The library trips over its own arrays in many ways when a file lies about itself.
            | problem -> damaged where $"the TIFF file is damaged: {problem.Message.TrimEnd '.'}"
