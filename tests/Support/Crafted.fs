/// Image files made byte by byte, good ones and bad ones.
module Mcdrl.Tests.Crafted

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Text
open Mcdrl
open SkiaSharp

let private big (value: int) =
    let bytes = Array.zeroCreate<byte> 4
    BinaryPrimitives.WriteInt32BigEndian(Span bytes, value)
    bytes

/// A PNG chunk with its length and checksum.
let chunk (name: string) (content: byte[]) =
    let body = Array.append (Encoding.ASCII.GetBytes name) content
    Array.concat [ big content.Length; body; big (int (Png.crc body 0 body.Length)) ]

let deflate (bytes: byte[]) =
    use packed = new MemoryStream()

    using (new ZLibStream(packed, CompressionLevel.Fastest, true)) (fun data ->
        data.Write(bytes, 0, bytes.Length))

    packed.ToArray()

let signature = [| 137uy; 80uy; 78uy; 71uy; 13uy; 10uy; 26uy; 10uy |]

let header width height depth colour interlace =
    chunk
        "IHDR"
        (Array.concat
            [
                big width
                big height
                [| byte depth; byte colour; 0uy; 0uy; byte interlace |]
            ])

/// A PNG file from its header's fields and the filtered rows (filter byte first), packed into one IDAT.
let pngFile width height depth colour interlace (extra: byte[]) (rows: byte[]) =
    Array.concat
        [
            signature
            header width height depth colour interlace
            extra
            chunk "IDAT" (deflate rows)
            chunk "IEND" [||]
        ]

/// Packs samples of `depth` bits into the bytes of one row.
let pack depth (samples: int[]) =
    if depth = 8 then
        Array.map byte samples
    else
        let row = Array.zeroCreate<byte>((samples.Length * depth + 7) / 8)

        samples
        |> Array.iteri (fun i sample ->
            let bit = i * depth
            row[bit / 8] <- row[bit / 8] ||| byte (sample <<< (8 - depth - bit % 8)))

        row

/// A one-channel PNG of any depth, colour type 0 (grey) or 3 (palette), plain or interlaced, unfiltered.
let indexed width height depth colour interlaced (samples: int[]) =
    let passes =
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

    let rows =
        [|
            for firstX, firstY, stepX, stepY in passes do
                for y in firstY..stepY .. height - 1 do
                    if firstX < width then
                        yield 0uy
                        yield! pack depth [| for x in firstX..stepX .. width - 1 -> samples[y * width + x] |]
        |]

    let palette =
        if colour = 3 then
            chunk
                "PLTE"
                [|
                    for i in 0 .. (1 <<< depth) - 1 do
                        yield! [| byte (255 - i); byte (i * 7); 3uy |]
                |]
        else
            [||]

    pngFile width height depth colour (if interlaced then 1 else 0) palette rows

/// Encodes upright RGB pixels through Skia.
let encode (format: SKEncodedImageFormat) quality width height (pixel: int -> int -> byte * byte * byte) =
    use bitmap =
        new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))

    let pixels = Array.zeroCreate (4 * width * height)

    for y in 0 .. height - 1 do
        for x in 0 .. width - 1 do
            let red, green, blue = pixel x y
            let offset = 4 * (y * width + x)
            pixels[offset] <- red
            pixels[offset + 1] <- green
            pixels[offset + 2] <- blue
            pixels[offset + 3] <- 255uy

    Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length)
    use data = bitmap.Encode(format, quality)
    data.ToArray()

/// A smooth picture that no two places share.
let gradient width height x y =
    byte (x * 255 / max 1 (width - 1)), byte (y * 255 / max 1 (height - 1)), byte ((x + y) * 3 % 256)

let jpeg width height =
    encode SKEncodedImageFormat.Jpeg 95 width height (gradient width height)

let png width height =
    encode SKEncodedImageFormat.Png 100 width height (gradient width height)

/// The JPEG file with an EXIF orientation tag put after its first marker.
let withOrientation (tag: int) (file: byte[]) =
    let tiff =
        Array.concat
            [
                Encoding.ASCII.GetBytes "MM\000*"
                big 8
                [|
                    0uy
                    1uy
                    0x01uy
                    0x12uy
                    0uy
                    3uy
                    0uy
                    0uy
                    0uy
                    1uy
                    0uy
                    byte tag
                    0uy
                    0uy
                    0uy
                    0uy
                    0uy
                    0uy
                |]
            ]

    let content =
        Array.concat [ Encoding.ASCII.GetBytes "Exif\000\000"; tiff; [| 0uy; 0uy |] ]

    let length = content.Length + 2

    Array.concat
        [
            Array.sub file 0 2
            [| 0xFFuy; 0xE1uy; byte (length / 256); byte (length % 256) |]
            content
            Array.skip 2 file
        ]

/// An 8 x 8 JPEG of four colours (CMYK, Adobe's inverted convention), every sample 128.
let cmykJpeg =
    let marker code (content: byte[]) =
        let length = content.Length + 2
        Array.concat [ [| 0xFFuy; code; byte (length / 256); byte (length % 256) |]; content ]

    /// A Huffman table whose only symbol is 0, with the one-bit code 0.
    let table id =
        Array.concat [ [| id; 1uy |]; Array.zeroCreate 15; [| 0uy |] ]

    Array.concat
        [
            [| 0xFFuy; 0xD8uy |]
            marker
                0xEEuy
                (Array.append (Encoding.ASCII.GetBytes "Adobe") [| 0uy; 100uy; 0uy; 0uy; 0uy; 0uy; 0uy |])
            marker 0xDBuy (Array.append [| 0uy |] (Array.create 64 1uy))
            marker
                0xC0uy
                (Array.append
                    [| 8uy; 0uy; 8uy; 0uy; 8uy; 4uy |]
                    [|
                        for id in 1uy .. 4uy do
                            yield! [| id; 0x11uy; 0uy |]
                    |])
            marker 0xC4uy (table 0x00uy)
            marker 0xC4uy (table 0x10uy)
            marker
                0xDAuy
                (Array.concat
                    [
                        [| 4uy |]
                        [|
                            for id in 1uy .. 4uy do
                                yield! [| id; 0uy |]
                        |]
                        [| 0uy; 63uy; 0uy |]
                    ])
            [| 0uy; 0xFFuy; 0xD9uy |]
        ]

/// A progressive JPEG of 48 x 40 pixels in ten scans, colours and edges in it, made by libjpeg-turbo's cjpeg.
let progressiveJpeg =
    [
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA4KCw0LCQ4NDA0QDw4RFiQXFhQUFiwgIRokNC43NjMuMjI6QVNGOj1OPjIySGJJTlZY"
        "XV5dOEVmbWVabFNbXVn/2wBDAQ8QEBYTFioXFypZOzI7WVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZ"
        "WVlZWVlZWVn/wgARCAAoADADASIAAhEBAxEB/8QAGQABAQADAQAAAAAAAAAAAAAAAwABAgQF/8QAGAEAAwEBAAAAAAAAAAAAAAAA"
        "AQIEAwX/2gAMAwEAAhADEAAAAfBdbcE62dQ9CyV83QuF4JO2M6yZxSjR6HFnpKsa0H//xAAaEAEBAAIDAAAAAAAAAAAAAAAAEQIx"
        "AQMh/9oACAEBAAEFAoiIiIiIiIiIjXERERn5hEREd2v/xAAaEQADAQADAAAAAAAAAAAAAAAAAQIRBBMj/9oACAEDAQE/AYrSK0it"
        "IrSK07Mlslks5D8mf//EAB0RAAICAgMBAAAAAAAAAAAAAAABAhMDMQQSIoH/2gAIAQIBAT8BcqhyqHKocqhyqO1f0wvZhezjP0f/"
        "xAAXEAEAAwAAAAAAAAAAAAAAAAABACBA/9oACAEBAAY/As7Yn//EABoQAQEBAAMBAAAAAAAAAAAAAAEAESExUaH/2gAIAQEAAT8h"
        "KUpSlKUpSlKUpS5o+RSlKU/FFKUpRxZ27f/aAAwDAQACAAMAAAAQaLok2SeB9//EABoRAQEAAgMAAAAAAAAAAAAAAAEAIWERILH/"
        "2gAIAQMBAT8Q6pJJ0EWTEmJTg16X/8QAHhEAAQUAAgMAAAAAAAAAAAAAAAERMXGBIaFRkfD/2gAIAQIBAT8QtPkFp8gtPkFp8gtP"
        "kHKiT6CnQU6CjvvJ/8QAHRABAQEBAAEFAAAAAAAAAAAAAGEBESExQXGh8f/aAAgBAQABPxCSSSSSSSSSSSSSSSSTc6ObzG7vEkkk"
        "knjG5m74Xvr9dSSSSScfdjr4/X//2Q=="
    ]
    |> String.concat ""
    |> Convert.FromBase64String

/// A baseline file of 40 x 24 pixels in six units, with a restart marker behind each second one (cjpeg -restart 2B).
let restartingJpeg =
    [
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKB"
        "TmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
        "fHz/wAARCAAYACgDASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAMEBQb/xAAXEAADAQAAAAAAAAAAAAAAAAAAAgRh/8QAGQEA"
        "AwADAAAAAAAAAAAAAAAAAwQFAQIG/8QAGREAAwEBAQAAAAAAAAAAAAAAAAECAxEh/90ABAAC/9oADAMBAAIRAxEAPwDmEnwek+FqT4PS"
        "fDE0Cz3Iknwek+FqT4UJPgaaKGe5/9CVJ8A1EnwBpUWZ38Jknwek+ABNlnFZ2z//0dBJ8HpPgAayxPO2PSfAAAyY9Nvh/9k="
    ]
    |> String.concat ""
    |> Convert.FromBase64String

/// A GIF file of one pixel in two frames, the first red, the second green.
let animatedGif =
    let frame colour =
        [|
            0x2Cuy
            yield! [| 0uy; 0uy; 0uy; 0uy; 1uy; 0uy; 1uy; 0uy; 0uy |]
            yield! [| 2uy; 2uy; byte (0x44 + 8 * colour); 1uy; 0uy |]
        |]

    Array.concat
        [
            Encoding.ASCII.GetBytes "GIF89a"
            [| 1uy; 0uy; 1uy; 0uy; 0x80uy; 0uy; 0uy; 255uy; 0uy; 0uy; 0uy; 255uy; 0uy |]
            frame 0
            frame 1
            [| 0x3Buy |]
        ]

/// The file up to a byte, and an end marker: what a reader that looks at the end alone takes for whole.
let endedAt length (jpeg: byte[]) =
    Array.append (Array.truncate length jpeg) [| 0xFFuy; 0xD9uy |]

/// The PNG file with a chunk put behind its header.
let withChunk name content (png: byte[]) =
    Array.concat [ Array.truncate 33 png; chunk name content; Array.skip 33 png ]

/// EXIF data that states an orientation, as PNG's eXIf and JPEG's APP1 hold it, big- or little-endian.
let exif isBig (tag: int) : byte[] =
    let number (bytes: byte list) = if isBig then bytes else List.rev bytes

    Array.concat
        [
            Encoding.ASCII.GetBytes(if isBig then "MM" else "II")
            Array.ofList (
                number [ 0uy; 42uy ]
                @ number [ 0uy; 0uy; 0uy; 8uy ]
                @ number [ 0uy; 1uy ]
                @ number [ 0x01uy; 0x12uy ]
                @ number [ 0uy; 3uy ]
                @ number [ 0uy; 0uy; 0uy; 1uy ]
                @ number [ 0uy; byte tag ]
                @ [ 0uy; 0uy; 0uy; 0uy; 0uy; 0uy ]
            )
        ]

/// The bytes with one bit of the last byte before the tail of `distance` bytes flipped.
let flip offset (bytes: byte[]) =
    let copy = Array.copy bytes
    copy[offset] <- copy[offset] ^^^ 1uy
    copy

/// Where the content of the first chunk or marker of this name begins.
let find (name: string) (bytes: byte[]) =
    bytes.AsSpan().IndexOf(ReadOnlySpan(Encoding.ASCII.GetBytes name)) + name.Length

/// Runs a test with a folder of its own, removed afterwards.
let withFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("mcdrl ünit ").FullName

    try
        test folder
    finally
        Directory.Delete(folder, true)
