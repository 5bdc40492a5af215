module Mcdrl.Tests.TiffTests

open System
open System.IO
open BitMiracle.LibTiff.Classic
open Expecto
open Mcdrl

let private decode bytes =
    Mcdrl.Tiff.decode ImageLimits.standard "x.tif" bytes

let private good bytes =
    match decode bytes with
    | Ok raster -> raster
    | Error problem -> failtest (McdrlError.describe problem)

let private refused bytes =
    match decode bytes with
    | Ok _ -> failtest "accepted"
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) 4 "a data error"
        McdrlError.describe problem

let private colour = Published.pixels 7 5 (Crafted.gradient 7 5)

/// A file of 7 x 5 pixels with these tags, of rows, each with its number and its plane.
let private made (tags: (TiffTag * obj array) list) (rows: (byte[] * int * int) list) =
    use memory = new MemoryStream()

    using (Tiff.ClientOpen("made", "w", memory, TiffStream())) (fun tiff ->
        let common: (TiffTag * obj array) list =
            [
                TiffTag.IMAGEWIDTH, [| 7 |]
                TiffTag.IMAGELENGTH, [| 5 |]
                TiffTag.BITSPERSAMPLE, [| 8 |]
                TiffTag.ROWSPERSTRIP, [| 2 |]
            ]

        for tag, values in common @ tags do
            Expect.isTrue (tiff.SetField(tag, values)) $"{tag}"

        for row, y, plane in rows do
            Expect.isTrue (tiff.WriteScanline(row, y, int16 plane)) "row")

    memory.ToArray()

let tests =
    testList
        "TIFF"
        [
            test "colour and grey, byte for byte" {
                let raster = good (Published.tiff 7 5 3 colour)
                Expect.equal (raster.Width, raster.Height, raster.Channels) (7, 5, 3) "size"
                Expect.equal raster.Samples colour "pixels"
                let grey = Array.init 35 (fun i -> byte (i * 7))
                Expect.equal (good (Published.tiff 7 5 1 grey)).Samples grey "grey"
            }

            test "alpha is ignored, not multiplied in" {
                let rgba =
                    colour
                    |> Array.chunkBySize 3
                    |> Array.collect (fun pixel -> Array.append pixel [| 10uy |])

                Expect.equal (good (Published.tiff 7 5 4 rgba)).Samples colour "pixels"
            }

            for compression in
                [ Compression.LZW; Compression.DEFLATE; Compression.PACKBITS; Compression.NONE ] do
                test $"{compression}" {
                    let rows = colour |> Array.chunkBySize 21
                    let file = Published.tiffBy compression 8 3 Photometric.RGB 7 5 rows
                    Expect.equal (good file).Samples colour "pixels"
                }

            test "bilevel masks become 0 and 255, whichever is white" {
                let rows = [| [| 0b10110000uy; 0b10000000uy |] |]
                let expected = [| 255; 0; 255; 255; 0; 0; 0; 0; 255 |]

                let file kind =
                    Published.tiffBy Compression.NONE 1 1 kind 9 1 rows

                Expect.equal
                    ((good (file Photometric.MINISBLACK)).Samples |> Array.map int)
                    expected
                    "black is 0"

                Expect.equal
                    ((good (file Photometric.MINISWHITE)).Samples |> Array.map int)
                    (expected |> Array.map (fun value -> 255 - value))
                    "white is 0"
            }

            test "each colour in a plane of its own" {
                let planes =
                    [
                        for plane in 0..2 do
                            for y in 0..4 -> Array.init 7 (fun x -> colour[(y * 7 + x) * 3 + plane]), y, plane
                    ]

                let file =
                    made
                        [
                            TiffTag.SAMPLESPERPIXEL, [| 3 |]
                            TiffTag.PHOTOMETRIC, [| Photometric.RGB |]
                            TiffTag.PLANARCONFIG, [| PlanarConfig.SEPARATE |]
                        ]
                        planes

                Expect.equal (good file).Samples colour "pixels"
            }

            test "a palette's numbers become its colours" {
                let numbers = Array.init 35 (fun i -> byte (i * 7))
                // 16 bits each, of which the upper eight are the colour.
                let map factor =
                    Array.init 256 (fun i -> uint16 ((i * factor % 256) * 257))

                let file =
                    made
                        [
                            TiffTag.SAMPLESPERPIXEL, [| 1 |]
                            TiffTag.PHOTOMETRIC, [| Photometric.PALETTE |]
                            TiffTag.COLORMAP, [| map 1; map 3; map 5 |]
                        ]
                        [ for y in 0..4 -> numbers[y * 7 .. y * 7 + 6], y, 0 ]

                let expected =
                    numbers
                    |> Array.collect (fun number ->
                        [| for factor in [ 1; 3; 5 ] -> byte (int number * factor) |])

                Expect.equal (good file).Samples expected "pixels"
            }

            test "16 bits would lose something" {
                let file =
                    Published.tiffBy
                        Compression.NONE
                        16
                        1
                        Photometric.MINISBLACK
                        2
                        1
                        [| [| 1uy; 2uy; 3uy; 4uy |] |]

                Expect.stringContains (refused file) "16 bits" "says so"
            }

            test "a picture of 16 bits, of each orientation" {
                let wide = colour |> Array.collect (fun value -> [| 77uy; value |])

                for orientation in 1..8 do
                    let file =
                        made
                            [
                                TiffTag.BITSPERSAMPLE, [| 16 |]
                                TiffTag.SAMPLESPERPIXEL, [| 3 |]
                                TiffTag.PHOTOMETRIC, [| Photometric.RGB |]
                                TiffTag.PLANARCONFIG, [| PlanarConfig.CONTIG |]
                                TiffTag.ORIENTATION,
                                [| enum<BitMiracle.LibTiff.Classic.Orientation> orientation |]
                            ]
                            [ for y in 0..4 -> wide[y * 42 .. y * 42 + 41], y, 0 ]

                    let expected = Orientation.all[orientation - 1]
                    let picture = Outcome.ok (Images.decode ImageLimits.standard "x.tif" file)
                    Expect.equal picture.Orientation expected "as stated"

                    Expect.equal
                        picture.Rgb
                        (Orientation.apply expected 3 (7, 5) colour)
                        $"upright from {orientation}"
            }

            test "a picture in tiles, and one with a palette" {
                use memory = new MemoryStream()

                using (Tiff.ClientOpen("made", "w", memory, TiffStream())) (fun tiff ->
                    for tag, value in
                        [
                            TiffTag.IMAGEWIDTH, box 20
                            TiffTag.IMAGELENGTH, box 18
                            TiffTag.BITSPERSAMPLE, box 8
                            TiffTag.SAMPLESPERPIXEL, box 3
                            TiffTag.TILEWIDTH, box 16
                            TiffTag.TILELENGTH, box 16
                            TiffTag.COMPRESSION, box Compression.LZW
                            TiffTag.PHOTOMETRIC, box Photometric.RGB
                            TiffTag.PLANARCONFIG, box PlanarConfig.CONTIG
                        ] do
                        Expect.isTrue (tiff.SetField(tag, value)) $"{tag}"

                    for top in [ 0; 16 ] do
                        for left in [ 0; 16 ] do
                            let tile =
                                Array.init (16 * 16 * 3) (fun i ->
                                    byte (((left + i / 3 % 16) * 5 + (top + i / 48) * 3 + i % 3 * 40) % 256))

                            Expect.isGreaterThan (tiff.WriteTile(tile, left, top, 0, 0s)) 0 "tile")

                let picture =
                    Outcome.ok (Images.decode ImageLimits.standard "x.tif" (memory.ToArray()))

                Expect.equal (picture.Width, picture.Height) (20, 18) "size"

                Expect.equal
                    picture.Rgb
                    (Array.init (20 * 18 * 3) (fun i ->
                        byte ((i / 3 % 20 * 5 + i / 60 * 3 + i % 3 * 40) % 256)))
                    "pixels"

                Expect.stringContains (refused (memory.ToArray())) "tiles" "a mask"
            }

            test "of several pages the first is the picture, and they are counted" {
                let rows = colour |> Array.chunkBySize 21
                let other = colour |> Array.rev |> Array.chunkBySize 21

                let file =
                    Published.tiffPages Compression.LZW 8 3 Photometric.RGB 7 5 [ rows; other; other ]

                Expect.equal (Images.pictures file) 3 "counted"

                Expect.equal
                    (Outcome.ok (Images.decode ImageLimits.standard "x.tif" file)).Rgb
                    colour
                    "the first"

                Expect.equal (Images.pictures (Published.tiff 7 5 3 colour)) 1 "one"
            }

            test "pages that lead back to themselves come to an end" {
                let file = Published.tiff 7 5 3 colour
                Array.Copy(BitConverter.GetBytes 8, 0, file, 8 + 2 + 9 * 12, 4)
                Expect.isGreaterThanOrEqual (Images.pictures file) 1 "counted"
                Expect.equal (Outcome.ok (Images.decode ImageLimits.standard "x.tif" file)).Rgb colour "read"
            }

            test "a few bytes that claim gigabytes are refused before a library believes them" {
                let file = Published.tiff 7 5 3 colour
                let at entry = 8 + 2 + 12 * entry

                let lie place (value: int) =
                    let copy = Array.copy file
                    Array.Copy(BitConverter.GetBytes value, 0, copy, place, 4)
                    copy

                let made = [ for i in 0..8 -> BitConverter.ToUInt16(file, at i) ]
                let entry tag = made |> List.findIndex ((=) tag) |> at

                for what, copy in
                    [
                        "bits that lie elsewhere", lie (entry 258us + 4) 0x7fff0000
                        "strips outside", lie (entry 273us + 8) 0x7fff0000
                        "strips larger than the file", lie (entry 279us + 8) 0x7fff0000
                        "strips without number", lie (entry 279us + 4) 0x7fff0000
                        "strips of numbers of eight bytes", lie (entry 279us + 2) 0x00010010
                        "samples", lie (entry 277us + 8) 60000
                        "a directory outside", lie 4 0x7fff0000
                    ] do
                    let before = GC.GetAllocatedBytesForCurrentThread()

                    match Images.decode ImageLimits.standard "x.tif" copy with
                    | Error problem -> Expect.equal (McdrlError.exitCode problem) 4 what
                    | Ok _ -> failtest what

                    Expect.isLessThan (GC.GetAllocatedBytesForCurrentThread() - before) 1_000_000L what
            }

            test "what a picture's samples hold besides is refused" {
                let file =
                    made
                        [
                            TiffTag.BITSPERSAMPLE, [| 32 |]
                            TiffTag.SAMPLEFORMAT, [| SampleFormat.IEEEFP |]
                            TiffTag.SAMPLESPERPIXEL, [| 1 |]
                            TiffTag.PHOTOMETRIC, [| Photometric.MINISBLACK |]
                        ]
                        [ for y in 0..4 -> Array.zeroCreate 28, y, 0 ]

                Images.decode ImageLimits.standard "x.tif" file
                |> Outcome.refusedWith 4 [ "x.tif"; "32 bits"; "PNG" ]
            }

            test "of two pages none is the one" {
                let rows = colour |> Array.chunkBySize 21

                let file =
                    Published.tiffPages Compression.NONE 8 3 Photometric.RGB 7 5 [ rows; rows ]

                Expect.stringContains (refused file) "2 pictures" "says so"
            }

            test "cut short anywhere it is refused" {
                let whole = Published.tiff 7 5 3 colour

                let packed =
                    Published.tiffBy Compression.LZW 8 3 Photometric.RGB 7 5 (colour |> Array.chunkBySize 21)

                for file in [ whole; packed ] do
                    for length in 0..8 .. file.Length - 8 do
                        refused (Array.truncate length file) |> ignore

                Expect.stringContains
                    (refused (Array.truncate (whole.Length - 20) whole))
                    "truncated"
                    "its pixels"

                Expect.stringContains (refused [| 1uy; 2uy; 3uy; 4uy; 5uy |]) "not a TIFF" "no TIFF"
            }

            test "a size over the limit is refused before anything is allocated" {
                let file = Published.tiff 7 5 3 colour
                // The widths of the first two entries of the directory.
                Array.Copy(BitConverter.GetBytes 40000, 0, file, 8 + 2 + 8, 4)
                Array.Copy(BitConverter.GetBytes 40000, 0, file, 8 + 2 + 12 + 8, 4)

                match decode file with
                | Error problem -> Expect.equal (McdrlError.exitCode problem) 5 "a resource error"
                | Ok _ -> failtest "accepted"
            }

            test "any byte may lie" {
                let file =
                    Published.tiffBy Compression.LZW 8 3 Photometric.RGB 7 5 (colour |> Array.chunkBySize 21)

                for at in 0 .. file.Length - 1 do
                    for value in [ 0uy; 1uy; 255uy ] do
                        let copy = Array.copy file
                        copy[at] <- value

                        match Images.decode ImageLimits.standard "x.tif" copy with
                        | Ok picture ->
                            Expect.equal picture.Rgb.Length (picture.Width * picture.Height * 3) "whole"
                        | Error _ -> ()

                        match decode copy with
                        | Ok raster ->
                            Expect.equal
                                raster.Samples.Length
                                (raster.Width * raster.Height * raster.Channels)
                                $"byte {at} = {value}"
                        | Error _ -> ()
            }
        ]
