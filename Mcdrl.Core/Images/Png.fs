namespace Mcdrl

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression

/// The samples of a PNG file as they are stored: palette indices stay indices, 1-, 2- and 4-bit values are
/// not scaled.
type PngRaster =
    {
        /// Pixels a row.
        Width: int
        /// Rows.
        Height: int
        /// 1 grey or palette index, 2 grey and alpha, 3 colour, 4 colour and alpha.
        Channels: int
        /// `Height * Width * Channels` samples, row by row.
        Samples: byte[]
    }

/// PNG without loss of labels: the common image libraries turn indices into colours and 2-bit values into
/// 0, 85, 170, 255. Every checksum is verified, and nothing is allocated beyond what the header's checked
/// size allows.
[<RequireQualifiedAccess>]
module Png =
    let private signature = [| 137uy; 80uy; 78uy; 71uy; 13uy; 10uy; 26uy; 10uy |]

    let private crcTable =
        Array.init 256 (fun n ->
            (uint32 n, [ 1..8 ])
            ||> List.fold (fun c _ -> if c &&& 1u = 1u then 0xEDB88320u ^^^ (c >>> 1) else c >>> 1))

    /// CRC-32 of a part of a byte array, as PNG chunks carry it.
    let crc (bytes: byte[]) offset count =
        let mutable c = 0xFFFFFFFFu

        for i in offset .. offset + count - 1 do
            c <- crcTable[int ((c ^^^ uint32 bytes[i]) &&& 0xFFu)] ^^^ (c >>> 8)

        c ^^^ 0xFFFFFFFFu

    type private Header =
        {
            Width: int
            Height: int
            Depth: int
            Channels: int
            Interlaced: bool
        }

    let private damaged where what =
        Error(McdrlError.data what where "Replace the file with an intact copy")

    /// Whether the bytes begin as a PNG file does.
    let isPng (bytes: byte[]) =
        bytes.Length >= 8 && bytes.AsSpan(0, 8).SequenceEqual(ReadOnlySpan signature)

    let private word (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan(bytes, offset, 4))

    /// A chunk's name as the number that its four letters are.
    let private named (name: string) =
        BinaryPrimitives.ReadUInt32BigEndian(ReadOnlySpan(Text.Encoding.ASCII.GetBytes name))

    let private ihdr, private plte, private idat, private iend, private exif, private actl =
        named "IHDR", named "PLTE", named "IDAT", named "IEND", named "eXIf", named "acTL"

    /// Calls `visit name offset length` for the content of every chunk before IEND, each with a good checksum if that `isChecked`.
    let private overChunks isChecked where (bytes: byte[]) (visit: uint32 -> int -> int -> unit) =
        let rec next offset =
            if int64 offset + 12L > int64 bytes.Length then
                damaged where "the PNG file is truncated: it ends before its IEND chunk"
            else
                let length = int64 (word bytes offset)

                let name () =
                    Text.Encoding.ASCII.GetString(bytes, offset + 4, 4)

                if int64 offset + 12L + length > int64 bytes.Length then
                    damaged where $"the PNG file is truncated inside its {name ()} chunk at byte {offset}"
                elif
                    isChecked
                    && word bytes (offset + 8 + int length) <> crc bytes (offset + 4) (int length + 4)
                then
                    damaged where $"the {name ()} chunk at byte {offset} has a wrong checksum"
                elif word bytes (offset + 4) = iend then
                    Ok()
                else
                    visit (word bytes (offset + 4)) (offset + 8) (int length)
                    next (offset + 12 + int length)

        next 8

    /// Whether every chunk is there, up to the last, with a good checksum. Decoders stop caring once they have
    /// all pixels.
    let verify where (bytes: byte[]) : Result<unit, McdrlError> =
        overChunks true where bytes (fun _ _ _ -> ())

    /// The orientation that EXIF data (a TIFF header and what follows) states; upright where it states none.
    let private exifOrientation (bytes: byte[]) offset length =
        let data = ReadOnlyMemory(bytes, offset, length)

        let read (count: int) at =
            if at < 0L || at + int64 count > int64 length then
                0L
            else
                let part = data.Span.Slice(int at, count)

                match bytes[offset], count with
                | 'I'B, 2 -> int64 (BinaryPrimitives.ReadUInt16LittleEndian part)
                | 'I'B, _ -> int64 (BinaryPrimitives.ReadUInt32LittleEndian part)
                | _, 2 -> int64 (BinaryPrimitives.ReadUInt16BigEndian part)
                | _ -> int64 (BinaryPrimitives.ReadUInt32BigEndian part)

        if length < 14 || read 2 2L <> 42L then
            Orientation.TopLeft
        else
            let first = read 4 4L

            seq { 0L .. read 2 first - 1L }
            |> Seq.map (fun entry -> first + 2L + 12L * entry)
            |> Seq.tryFind (fun entry -> read 2 entry = 0x0112L && read 2 (entry + 2L) = 3L)
            |> Option.bind (fun entry -> List.tryItem (int (read 2 (entry + 8L)) - 1) Orientation.all)
            |> Option.defaultValue Orientation.TopLeft

    /// How the rows and columns of a PNG file lie: what its chunk eXIf says, as EXIF does in a JPEG.
    let internal orientation (bytes: byte[]) : Orientation =
        let mutable found = ValueNone

        let note name offset length =
            if name = exif && found.IsNone then
                found <- ValueSome(exifOrientation bytes offset length)

        overChunks false "" bytes note |> ignore
        ValueOption.defaultValue Orientation.TopLeft found

    /// How many frames a PNG file says it has: 1, or what the chunk acTL of an animation says.
    let internal frames (bytes: byte[]) : int =
        let mutable found = 1

        let note name offset length =
            if name = actl && length = 8 then
                found <- int (word bytes offset)

        overChunks false "" bytes note |> ignore
        found

    let private header limits where (bytes: byte[]) offset =
        let width, height = int64 (word bytes offset), int64 (word bytes (offset + 4))
        let depth, colour = int bytes[offset + 8], int bytes[offset + 9]

        let accept channels =
            ImageLimits.check limits where width height
            |> Result.bind (fun () ->
                if
                    bytes[offset + 10] <> 0uy
                    || bytes[offset + 11] <> 0uy
                    || bytes[offset + 12] > 1uy
                then
                    damaged where "the PNG header names an unknown compression, filter or interlace method"
                else
                    Ok
                        {
                            Width = int width
                            Height = int height
                            Depth = depth
                            Channels = channels
                            Interlaced = bytes[offset + 12] = 1uy
                        })

        match colour, depth with
        | _, 16 ->
            Error(
                McdrlError.data
                    "the mask has 16 bits a sample, and reading it as 8 bits would lose labels"
                    where
                    "Save the mask as an 8-bit grey or palette PNG with one label value a pixel"
            )
        | (0 | 3), (1 | 2 | 4 | 8) -> accept 1
        | 4, 8 -> accept 2
        | 2, 8 -> accept 3
        | 6, 8 -> accept 4
        | _ -> damaged where $"the PNG header's colour type {colour} with {depth} bits does not exist"

    /// The predictor of PNG's filter 4.
    let private paeth a b c =
        let p = a + b - c
        let pa, pb, pc = abs (p - a), abs (p - b), abs (p - c)

        if pa <= pb && pa <= pc then a
        elif pb <= pc then b
        else c

    /// Undoes a row's filter in place. `step` is the distance in bytes to the pixel on the left.
    let private unfilter filter step (row: byte[]) (above: byte[]) count =
        let at (values: byte[]) i = if i < 0 then 0 else int values[i]

        match filter with
        | 0 -> true
        | 1
        | 2
        | 3
        | 4 ->
            for i in 0 .. count - 1 do
                let predicted =
                    match filter with
                    | 1 -> at row (i - step)
                    | 2 -> int above[i]
                    | 3 -> (at row (i - step) + int above[i]) / 2
                    | _ -> paeth (at row (i - step)) (int above[i]) (at above (i - step))

                row[i] <- row[i] + byte predicted

            true
        | _ -> false

    /// Adam7: first column and row, and the distance between columns and rows, of each pass.
    let private passes interlaced =
        if interlaced then
            [
                0, 0, 8, 8
                4, 0, 8, 8
                0, 4, 4, 8
                2, 0, 4, 4
                0, 2, 2, 4
                1, 0, 2, 2
                0, 1, 1, 2
            ]
        else
            [ 0, 0, 1, 1 ]

    let private readRows where (header: Header) (data: Stream) : Result<PngRaster, McdrlError> =
        let samples = Array.zeroCreate<byte>(header.Width * header.Height * header.Channels)
        let step = max 1 (header.Channels * header.Depth / 8)

        /// Spreads a row's samples over the pixels of row `y` that the pass covers.
        let place (row: byte[]) firstX stepX y count =
            for i in 0 .. count - 1 do
                let pixel = y * header.Width + firstX + i * stepX

                if header.Depth = 8 then
                    for channel in 0 .. header.Channels - 1 do
                        samples[pixel * header.Channels + channel] <- row[i * header.Channels + channel]
                else
                    let bit = i * header.Depth
                    let shift = 8 - header.Depth - bit % 8
                    samples[pixel] <- (row[bit / 8] >>> shift) &&& byte ((1 <<< header.Depth) - 1)

        let readPass (firstX, firstY, stepX, stepY) =
            let columns = (header.Width - firstX + stepX - 1) / stepX
            let rows = (header.Height - firstY + stepY - 1) / stepY
            let count = (columns * header.Channels * header.Depth + 7) / 8

            let rec readRow index (row: byte[]) (above: byte[]) =
                if index = rows || columns <= 0 then
                    Ok()
                else
                    let filter = data.ReadByte()

                    if filter < 0 || data.ReadAtLeast(row.AsSpan(0, count), count, false) < count then
                        damaged where "the mask is truncated: its pixels end too early"
                    elif not (unfilter filter step row above count) then
                        damaged where $"the PNG row filter {filter} does not exist"
                    else
                        place row firstX stepX (firstY + index * stepY) columns
                        readRow (index + 1) above row

            readRow 0 (Array.zeroCreate (max 0 count)) (Array.zeroCreate (max 0 count))

        (Ok(), passes header.Interlaced)
        ||> List.fold (fun outcome pass -> outcome |> Result.bind (fun () -> readPass pass))
        |> Result.bind (fun () ->
            if data.ReadByte() >= 0 then
                damaged where "the PNG file holds more pixels than its header claims"
            else
                Ok
                    {
                        Width = header.Width
                        Height = header.Height
                        Channels = header.Channels
                        Samples = samples
                    })

    /// Reads a PNG file held in memory. `where` names it in errors.
    let decode limits where (bytes: byte[]) : Result<PngRaster, McdrlError> =
        if not (isPng bytes) then
            Error(McdrlError.data "this is not a PNG file" where "Give a PNG file")
        else
            let mutable first, unknown = ValueNone, ValueNone
            let parts = ResizeArray<struct (int * int)>()

            let note name offset length =
                if first.IsNone then
                    first <- ValueSome(struct (name, offset, length))
                elif name = idat then
                    if length > 0 then
                        parts.Add(struct (offset, length))
                elif unknown.IsNone && name <> plte && Char.IsAsciiLetterUpper(char (name >>> 24)) then
                    unknown <- ValueSome(Text.Encoding.ASCII.GetString(bytes, offset - 4, 4))

            overChunks true where bytes note
            |> Result.bind (fun () ->
                match first, unknown with
                | _, ValueSome name -> damaged where $"the PNG file needs the unknown chunk {name}"
                | ValueSome(struct (name, offset, 13)), ValueNone when name = ihdr ->
                    header limits where bytes offset
                    |> Result.bind (fun header ->
                        let packed = new MemoryStream()

                        for struct (start, length) in parts do
                            packed.Write(bytes, start, length)

                        packed.Position <- 0L

                        try
                            use data = new ZLibStream(packed, CompressionMode.Decompress)
                            readRows where header data
                        with
                        | :? InvalidDataException
                        // What the decompressor throws where it asks for a dictionary.
                        | :? IOException -> damaged where "the PNG file's compressed data is damaged")
                | _ -> damaged where "the PNG file does not begin with its header")

    /// Writes rows of `rowBytes` bytes as they are. `overRows visit` calls `visit bytes offset` for each row in turn.
    let private writeRows
        (target: Stream)
        width
        height
        depth
        colourType
        (palette: byte[] option)
        rowBytes
        (overRows: (byte[] -> int -> unit) -> unit)
        =
        let chunk (name: string) (content: byte[]) =
            let body = Array.append (Text.Encoding.ASCII.GetBytes name) content
            let number = Array.zeroCreate<byte> 4
            BinaryPrimitives.WriteInt32BigEndian(Span number, content.Length)
            target.Write(number, 0, 4)
            target.Write(body, 0, body.Length)
            BinaryPrimitives.WriteUInt32BigEndian(Span number, crc body 0 body.Length)
            target.Write(number, 0, 4)

        let ihdr = Array.zeroCreate<byte> 13
        BinaryPrimitives.WriteInt32BigEndian(Span(ihdr, 0, 4), width)
        BinaryPrimitives.WriteInt32BigEndian(Span(ihdr, 4, 4), height)
        ihdr[8] <- depth
        ihdr[9] <- colourType

        use packed = new MemoryStream()

        using (new ZLibStream(packed, CompressionLevel.Optimal, true)) (fun data ->
            overRows (fun bytes offset ->
                data.WriteByte 0uy
                data.Write(bytes, offset, rowBytes)))

        target.Write(signature, 0, signature.Length)
        chunk "IHDR" ihdr
        Option.iter (chunk "PLTE") palette
        chunk "IDAT" (packed.ToArray())
        chunk "IEND" [||]

    /// The rows of an array that holds them one after the other.
    let private rowsOf height rowBytes (rows: byte[]) visit =
        for row in 0 .. height - 1 do
            visit rows (row * rowBytes)

    /// Writes an 8-bit PNG, one sample a pixel: grey, or indices into a palette of up to 256 colours.
    let write
        (target: Stream)
        (width: int)
        (height: int)
        (palette: (byte * byte * byte)[] option)
        (samples: byte[])
        =
        let colours =
            palette
            |> Option.map (Array.collect (fun (red, green, blue) -> [| red; green; blue |]))

        rowsOf height width samples
        |> writeRows target width height 8uy (if palette.IsSome then 3uy else 0uy) colours width

    /// Writes an 8-bit colour PNG: `samples` are red, green and blue of each pixel, row by row.
    let writeColour (target: Stream) (width: int) (height: int) (samples: byte[]) =
        rowsOf height (3 * width) samples
        |> writeRows target width height 8uy 2uy None (3 * width)

    /// Writes a 16-bit grey PNG, one sample a pixel. `overRows visit` calls `visit row` with the samples of each row in turn.
    let write16 (target: Stream) (width: int) (height: int) (overRows: (uint16[] -> unit) -> unit) =
        let bytes = Array.zeroCreate<byte>(2 * width)

        writeRows target width height 16uy 0uy None bytes.Length (fun visit ->
            overRows (fun row ->
                for x in 0 .. width - 1 do
                    BinaryPrimitives.WriteUInt16BigEndian(Span(bytes, 2 * x, 2), row[x])

                visit bytes 0))
