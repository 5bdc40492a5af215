/// Small trees in the layouts that datasets are published in, with generated pictures, and TIFF files made byte by byte.
module Mcdrl.Tests.Published

open System
open System.IO
open BitMiracle.LibTiff.Classic
open Expecto
open Mcdrl
open SkiaSharp

/// Writes a file, its folders included.
let write (folder: string) (name: string) (bytes: byte[]) =
    let path = Path.Combine(folder, name)

    Path.GetDirectoryName path
    |> Option.ofObj
    |> Option.iter (Directory.CreateDirectory >> ignore)

    File.WriteAllBytes(path, bytes)

/// An uncompressed little-endian TIFF of one strip, 8 bits a sample: 1 sample a pixel is grey, 3 or 4 are colour.
let tiff width height samples (pixels: byte[]) =
    use memory = new MemoryStream()
    use out = new BinaryWriter(memory)
    let entries = 9
    let bitsAt = 8 + 2 + entries * 12 + 4
    let dataAt = bitsAt + 8

    let entry (tag: int) (kind: int) (count: int) (value: int) =
        out.Write(uint16 tag)
        out.Write(uint16 kind)
        out.Write count
        out.Write value

    out.Write("II"B)
    out.Write 42us
    out.Write 8
    out.Write(uint16 entries)
    entry 256 4 1 width
    entry 257 4 1 height

    if samples = 1 then
        entry 258 3 1 8
    else
        entry 258 3 samples bitsAt

    entry 259 3 1 1
    entry 262 3 1 (if samples = 1 then 1 else 2)
    entry 273 4 1 dataAt
    entry 277 3 1 samples
    entry 278 4 1 height
    entry 279 4 1 pixels.Length
    out.Write 0

    for _ in 1..4 do
        out.Write 8us

    out.Write pixels
    out.Flush()
    memory.ToArray()

/// By the library, in any compression and depth it has, one picture for each of `pages`, which are its packed rows.
let tiffPages
    (compression: Compression)
    bits
    samples
    (photometric: Photometric)
    width
    height
    (pages: byte[][] list)
    =
    use memory = new MemoryStream()

    using (Tiff.ClientOpen("made", "w", memory, TiffStream())) (fun tiff ->
        for rows in pages do
            for tag, value in
                [
                    TiffTag.IMAGEWIDTH, box width
                    TiffTag.IMAGELENGTH, box height
                    TiffTag.BITSPERSAMPLE, box bits
                    TiffTag.SAMPLESPERPIXEL, box samples
                    TiffTag.ROWSPERSTRIP, box 2
                    TiffTag.COMPRESSION, box compression
                    TiffTag.PHOTOMETRIC, box photometric
                    TiffTag.PLANARCONFIG, box PlanarConfig.CONTIG
                ] do
                Expect.isTrue (tiff.SetField(tag, value)) $"{tag}"

            rows
            |> Array.iteri (fun y row -> Expect.isTrue (tiff.WriteScanline(row, y)) "row")

            Expect.isTrue (tiff.WriteDirectory()) "page")

    memory.ToArray()

/// `tiffPages` of one page.
let tiffBy compression bits samples photometric width height rows =
    tiffPages compression bits samples photometric width height [ rows ]

/// A picture that depends on `seed`: blobs of light on a dark ground, unlike those of other seeds.
let scene seed width height x y =
    let wave k =
        sin (
            float (seed * 7 + k) * 1.7
            + float x / float width * float (2 + (seed + k) % 5) * 3.0
        )
        * cos (
            float (seed * 3 + k) * 2.3
            + float y / float height * float (2 + (seed * 5 + k) % 4) * 3.0
        )

    let level k =
        byte (Math.Clamp(128.0 + 60.0 * wave k + 50.0 * wave (k + 3), 0.0, 255.0))

    level 0, level 1, level 2

/// Pixels of a scene, red, green and blue of each.
let pixels width height (pixel: int -> int -> byte * byte * byte) =
    [|
        for y in 0 .. height - 1 do
            for x in 0 .. width - 1 do
                let red, green, blue = pixel x y
                yield! [| red; green; blue |]
    |]

/// White within a disc in the middle, black elsewhere.
let disc width height x y =
    let dx, dy = float x - float width / 2.0, float y - float height / 2.0

    if dx * dx + dy * dy < float (min width height * min width height) / 16.0 then
        255uy, 255uy, 255uy
    else
        0uy, 0uy, 0uy

let jpeg quality width height pixel =
    Crafted.encode SKEncodedImageFormat.Jpeg quality width height pixel

let png width height pixel =
    Crafted.encode SKEncodedImageFormat.Png 100 width height pixel

/// Pixels inside the disc.
let discArea width height =
    Seq.allPairs (seq { 0 .. height - 1 }) (seq { 0 .. width - 1 })
    |> Seq.filter (fun (y, x) -> disc width height x y <> (0uy, 0uy, 0uy))
    |> Seq.length
