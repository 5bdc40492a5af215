namespace Mcdrl

open System
open System.IO
open BitMiracle.LibTiff.Classic

/// TIFF files: masks without loss, where what 8 bits a sample can't hold is refused and never rounded, and pictures as 8-bit colour.
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
    let isTiff (bytes: byte[]) = TiffDirectory.isTiff bytes

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
            Orientation: Mcdrl.Orientation
        }

    let private number (tiff: Tiff) tag fallback =
        match tiff.GetFieldDefaulted tag with
        | null -> fallback
        | values when values.Length = 0 -> fallback
        | values -> values[0].ToInt()

    let private stored limits where (tiff: Tiff) =
        let found =
            {
                Width = number tiff TiffTag.IMAGEWIDTH 0
                Height = number tiff TiffTag.IMAGELENGTH 0
                Bits = number tiff TiffTag.BITSPERSAMPLE 1
                Samples = number tiff TiffTag.SAMPLESPERPIXEL 1
                Photometric = enum (number tiff TiffTag.PHOTOMETRIC (int Photometric.MINISBLACK))
                Planes = number tiff TiffTag.PLANARCONFIG 1 = int PlanarConfig.SEPARATE
                Orientation =
                    List.tryItem (number tiff TiffTag.ORIENTATION 1 - 1) Mcdrl.Orientation.all
                    |> Option.defaultValue Mcdrl.Orientation.TopLeft
            }

        ImageLimits.check limits where (int64 found.Width) (int64 found.Height)
        |> Result.map (fun () -> found)

    /// How many pictures a TIFF file holds.
    let count (bytes: byte[]) : int = TiffDirectory.count bytes

    /// The header of a file whose samples can be taken as they are.
    let private exact limits where pictures (tiff: Tiff) =
        stored limits where tiff
        |> Result.bind (fun found ->
            if tiff.IsTiled() then
                refused where "the TIFF file is stored in tiles, which are not read"
            elif pictures > 1 then
                refused where $"the TIFF file holds {pictures} pictures where one is expected"
            elif found.Orientation <> Mcdrl.Orientation.TopLeft then
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

    /// The stored samples, `Height * Width * Samples`, one byte each, of 16 bits the upper eight; planes interleaved.
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
                    match header.Bits with
                    | 8 -> line[i]
                    | 16 -> byte (BitConverter.ToUInt16(line, 2 * i) >>> 8)
                    | _ -> (line[i / 8] >>> (7 - i % 8)) &&& 1uy

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

    /// Opens a file held in memory and hands it on; `where` names it in errors.
    let private opened where (bytes: byte[]) (read: Tiff -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        if not (isTiff bytes) then
            Error(McdrlError.data "this is not a TIFF file" where "Give a TIFF file")
        else
            TiffDirectory.check where bytes
            |> Result.bind (fun () ->
                silence.Force()
                use memory = new MemoryStream(bytes, false)

                try
                    match Tiff.ClientOpen(where, "r", memory, TiffStream()) with
                    | null -> damaged where "the TIFF file's directory can't be read"
                    | tiff ->
                        use tiff = tiff
                        read tiff
                with
                | :? OutOfMemoryException -> reraise ()
                // The library trips over its own arrays in many ways when a file lies about itself.
                | problem -> damaged where $"the TIFF file is damaged: {problem.Message.TrimEnd '.'}")

    /// Reads a TIFF file of one picture held in memory: 8-bit grey, colour or palette, or bilevel (as 0 and 255), in
    /// strips, in any compression that the library knows. `where` names it in errors.
    let decode limits where (bytes: byte[]) : Result<PngRaster, McdrlError> =
        opened where bytes (fun tiff ->
            exact limits where (count bytes) tiff
            |> Result.bind (fun header ->
                samples where tiff header |> Result.bind (raster where tiff header)))

    /// Four bytes a pixel from one or three.
    let private ofRaster orientation (raster: PngRaster) =
        let step = raster.Channels

        Picture.ofRows orientation (raster.Width, raster.Height) (fun y row ->
            for x in 0 .. raster.Width - 1 do
                let from = (y * raster.Width + x) * step

                for channel in 0..2 do
                    row[4 * x + channel] <- raster.Samples[from + min channel (step - 1)])

    /// What the library makes of files that are not taken sample by sample.
    let private converted where (tiff: Tiff) (header: Header) =
        let colours =
            match header.Photometric with
            | Photometric.MINISBLACK
            | Photometric.MINISWHITE
            | Photometric.PALETTE -> 1
            | Photometric.SEPARATED -> 4
            | _ -> 3

        if header.Samples <> colours then
            refused where $"the TIFF file stores {header.Samples} samples a pixel in a way that is not read"
        else
            let pixels = Array.zeroCreate<int>(header.Width * header.Height)
            // The library turns nothing where what is asked for is what is stored.
            let orientation =
                enum (1 + List.findIndex ((=) header.Orientation) Mcdrl.Orientation.all)

            if tiff.ReadRGBAImageOriented(header.Width, header.Height, pixels, orientation, true) then
                Ok(
                    Picture.ofRows header.Orientation (header.Width, header.Height) (fun y row ->
                        Buffer.BlockCopy(pixels, y * row.Length, row, 0, row.Length))
                )
            else
                refused
                    where
                    $"the TIFF file can't be decoded: it is damaged, or stores its samples ({header.Samples} of {header.Bits} bits, {header.Photometric}) in a way that is not read"

    let private picture where (tiff: Tiff) (header: Header) =
        match header.Photometric, header.Bits, header.Samples with
        | (Photometric.MINISBLACK | Photometric.MINISWHITE), (1 | 8 | 16), (1 | 2)
        | Photometric.PALETTE, 8, 1
        | Photometric.RGB, (8 | 16), (3 | 4) when not (tiff.IsTiled()) ->
            samples where tiff header
            |> Result.bind (raster where tiff header)
            |> Result.map (ofRaster header.Orientation)
        | _ -> converted where tiff header

    /// Reads the first picture of a TIFF file held in memory as 8-bit colour: grey, palette, RGB, CMYK or CIELAB of 1 to 16 bits a
    /// sample, in strips or tiles, not packed as JPEG. Alpha is ignored.
    let read limits where (bytes: byte[]) : Result<Picture, McdrlError> =
        opened where bytes (fun tiff -> stored limits where tiff |> Result.bind (picture where tiff))

    /// Width and height as stored, and how rows and columns lie.
    let header limits where (bytes: byte[]) : Result<struct (int * int * Mcdrl.Orientation), McdrlError> =
        opened where bytes (fun tiff ->
            stored limits where tiff
            |> Result.map (fun found -> struct (found.Width, found.Height, found.Orientation)))
