module Mcdrl.Tests.PngTests

open System
open System.IO
open Expecto
open Mcdrl

let private limits = ImageLimits.standard
let private decode bytes = Png.decode limits "test.png" bytes

let private samples bytes =
    match decode bytes with
    | Ok raster -> raster.Samples |> Array.map int
    | Error problem -> failtest (McdrlError.describe problem)

let private refused parts bytes =
    decode bytes |> Outcome.refusedWith 4 parts

let private random seed count bound =
    let generator = Random(seed: int)
    Array.init count (fun _ -> generator.Next bound)

/// Filters the rows of 8-bit samples as PNG's encoder does, row `y` with filter `y % 5`.
let private filtered width channels (values: int[]) =
    let stride = width * channels

    let at row column =
        if row < 0 || column < 0 then
            0
        else
            values[row * stride + column]

    let paeth a b c =
        let p = a + b - c
        [ a; b; c ] |> List.minBy (fun candidate -> abs (p - candidate))

    [|
        for y in 0 .. values.Length / stride - 1 do
            yield byte (y % 5)

            for x in 0 .. stride - 1 do
                let left, above, corner =
                    at y (x - channels), at (y - 1) x, (if x < channels then 0 else at (y - 1) (x - channels))

                let predicted =
                    match y % 5 with
                    | 0 -> 0
                    | 1 -> left
                    | 2 -> above
                    | 3 -> (left + above) / 2
                    | _ -> paeth left above corner

                yield byte ((at y x - predicted + 512) % 256)
    |]

let tests =
    testList
        "Png"
        [
            test "a million empty chunks cost nothing but the reading" {
                let empty = Crafted.chunk "teXt" [||]
                let file = Array.zeroCreate<byte>(1_000_000 * empty.Length)

                for index in 0..999_999 do
                    Array.blit empty 0 file (index * empty.Length) empty.Length

                let whole = Crafted.png 4 4
                let many = Array.concat [ Array.truncate 33 whole; file; Array.skip 33 whole ]
                let before = GC.GetAllocatedBytesForCurrentThread()
                Expect.isOk (Png.verify "x" many) "sound"
                Expect.isOk (Png.decode ImageLimits.standard "x" many) "decoded"
                Expect.isLessThan (GC.GetAllocatedBytesForCurrentThread() - before) 1_000_000L "bytes"
            }

            test "the checksum of IEND, as the specification prints it" {
                Expect.equal (Png.crc "IEND"B 0 4) 0xAE426082u "CRC-32"
            }

            for depth in [ 1; 2; 4; 8 ] do
                for colour in [ 0; 3 ] do
                    for interlaced in [ false; true ] do
                        testProperty
                            $"{depth} bits, colour type {colour}, interlaced {interlaced}: every index is kept"
                        <| fun (seed: int) (width: int) (height: int) ->
                            let width, height = 1 + abs width % 21, 1 + abs height % 21
                            let values = random seed (width * height) (1 <<< depth)
                            samples (Crafted.indexed width height depth colour interlaced values) = values

            for colour, channels in [ 0, 1; 4, 2; 2, 3; 6, 4 ] do
                Property.check $"all five row filters, {channels} channels"
                <| fun (seed: int) (width: int) ->
                    let width = 1 + abs width % 9
                    let values = random seed (width * 10 * channels) 256

                    samples (Crafted.pngFile width 10 8 colour 0 [||] (filtered width channels values)) =
                        values

            Property.check "what is written is read again, grey and palette"
            <| fun (seed: int) (width: int) (height: int) ->
                let width, height = 1 + abs width % 30, 1 + abs height % 30
                let values = random seed (width * height) 200 |> Array.map byte

                [ None; Some(Array.init 200 (fun i -> byte i, byte (255 - i), 7uy)) ]
                |> List.forall (fun palette ->
                    use stream = new MemoryStream()
                    Png.write stream width height palette values
                    samples (stream.ToArray()) = Array.map int values)

            Property.check "Skia reads what is written, so other software does too"
            <| fun (seed: int) ->
                let values = random seed 35 256 |> Array.map byte
                use stream = new MemoryStream()
                Png.write stream 7 5 None values

                match Images.decode limits "x" (stream.ToArray()) with
                | Ok picture -> Array.init 35 (fun pixel -> picture.Rgb[pixel * 3]) = values
                | Error _ -> false

            test "IDAT may come in many parts, among chunks that don't matter" {
                let packed = Crafted.deflate [| 0uy; 1uy; 2uy; 0uy; 3uy; 4uy |]

                let file =
                    Array.concat
                        [
                            Crafted.signature
                            Crafted.header 2 2 8 0 0
                            Crafted.chunk "tEXt" "k\000v"B
                            Crafted.chunk "IDAT" [||]
                            yield! packed |> Array.map (fun part -> Crafted.chunk "IDAT" [| part |])
                            Crafted.chunk "IEND" [||]
                            "trailing"B
                        ]

                Expect.equal (samples file) [| 1; 2; 3; 4 |] "all of it"
            }

            test "16 bits would lose labels" {
                let file = Crafted.pngFile 2 1 16 0 0 [||] [| 0uy; 0uy; 1uy; 1uy; 0uy |]
                refused [ "would lose labels" ] file
            }

            Property.check "every cut is refused"
            <| fun (seed: int) ->
                let file = Crafted.indexed 9 9 8 0 false (random seed 81 256)

                [ 0 .. file.Length - 1 ]
                |> List.forall (fun length -> Result.isError (decode (Array.truncate length file)))

            Property.check "every flipped bit behind the signature is refused"
            <| fun (seed: int) ->
                let file = Crafted.indexed 9 9 8 0 false (random seed 81 256)

                [ 8 .. file.Length - 1 ]
                |> List.forall (fun offset -> Result.isError (decode (Crafted.flip offset file)))

            test "headers that contradict themselves" {
                for file in
                    [
                        Crafted.pngFile 1 1 3 0 0 [||] [| 0uy; 0uy |]
                        Crafted.pngFile 1 1 4 2 0 [||] [| 0uy; 0uy |]
                        Crafted.pngFile 1 1 8 5 0 [||] [| 0uy; 0uy |]
                        Crafted.pngFile 1 1 8 0 2 [||] [| 0uy; 0uy |]
                        Crafted.pngFile 0 1 8 0 0 [||] [| 0uy |]
                        Crafted.pngFile 1 1 8 0 0 (Crafted.chunk "NEED" [||]) [| 0uy; 0uy |]
                        Crafted.pngFile 1 1 8 0 0 [||] [| 9uy; 0uy |]
                    ] do
                    refused [] file
            }

            test "fewer and more pixels than the header claims" {
                refused [ "truncated" ] (Crafted.pngFile 4 4 8 0 0 [||] (Array.zeroCreate 19))

                refused [ "more pixels" ] (Crafted.pngFile 4 4 8 0 0 [||] (Array.zeroCreate 21))
            }

            test "a size over the budget is refused before anything is allocated" {
                let before = GC.GetAllocatedBytesForCurrentThread()

                for width, height in
                    [
                        50_000, 50_000
                        30_000, 30_000
                        Int32.MaxValue, Int32.MaxValue
                        1, 500_000_000
                        -1, 5
                    ] do
                    match decode (Crafted.pngFile width height 8 0 0 [||] (Array.zeroCreate 6000)) with
                    | Ok _ -> failtest "accepted"
                    | Error problem -> Expect.equal (McdrlError.exitCode problem) 5 $"{width} x {height}"

                Expect.isLessThan
                    (GC.GetAllocatedBytesForCurrentThread() - before)
                    20_000_000L
                    "bytes allocated"
            }

            test "16 bits are written as such, the high byte first" {
                use stream = new IO.MemoryStream()
                let samples = [| 0us; 1us; 256us; 0xABCDus; 65535us; 513us |]
                Png.write16 stream 3 2 (fun visit -> samples |> Array.chunkBySize 3 |> Array.iter visit)
                let bytes = stream.ToArray()
                Expect.isOk (Png.verify "made" bytes) "whole"
                Expect.equal (bytes[24], bytes[25]) (16uy, 0uy) "16-bit grey"
                let start = Array.findIndex ((=) (byte 'I')) bytes[26..] + 26
                let packed = new IO.MemoryStream(bytes, start + 4, bytes.Length - start - 4)

                use data =
                    new IO.Compression.ZLibStream(packed, IO.Compression.CompressionMode.Decompress)

                let rows = Array.zeroCreate<byte> 14
                data.ReadExactly(rows, 0, 14)

                let high, low = (fun s -> byte (s >>> 8)), (fun (s: uint16) -> byte s)

                let expected =
                    [|
                        for row in 0..1 do
                            0uy

                            for sample in samples[3 * row .. 3 * row + 2] do
                                high sample
                                low sample
                    |]

                Expect.equal rows expected "filter byte and samples of each row"
            }

            Property.check "no mutilated file crashes"
            <| fun (seed: int) ->
                let generator = Random seed
                let file = Crafted.indexed 9 9 4 3 true (random seed 81 16)

                for _ in 0..3 do
                    file[generator.Next file.Length] <- byte (generator.Next 256)

                decode file |> ignore
        ]
