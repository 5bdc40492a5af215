module Mcdrl.Tests.ImagesTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests
open SkiaSharp

let private limits = ImageLimits.standard
let private decode bytes = Images.decode limits "test.png" bytes

let private picture bytes =
    match decode bytes with
    | Ok picture -> picture
    | Error problem -> failtest (McdrlError.describe problem)

/// The message of a refusal, after checking its exit code.
let private refusal code bytes =
    match decode bytes with
    | Ok picture -> failtest $"a picture of {picture.Width} x {picture.Height} came out"
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) code (McdrlError.describe problem)
        Expect.stringContains (McdrlError.describe problem) "test.png" "names the file"
        McdrlError.describe problem

let private pixel (picture: Picture) x y =
    let offset = (y * picture.Width + x) * 3
    picture.Rgb[offset], picture.Rgb[offset + 1], picture.Rgb[offset + 2]

/// Refused from the header alone: without room for the pixels, which would take gigabytes. For tests beside which no other runs: the
/// process has one memory.
let private refusedCheaply code bytes =
    let before = GC.GetAllocatedBytesForCurrentThread()

    let resident () =
        Process.GetCurrentProcess().WorkingSet64

    let residentBefore = resident ()
    let message = refusal code bytes
    Expect.isLessThan (GC.GetAllocatedBytesForCurrentThread() - before) 20_000_000L "managed memory"
    Expect.isLessThan (resident () - residentBefore) 500_000_000L "resident memory"
    message

let private good =
    testList
        "good files"
        [
            test "the name without its ending, which begins with no digit" {
                for path, stem in
                    [
                        "a/b.png", "b"
                        "b.tar.gz", "b.tar"
                        "a/b", "b"
                        "1.2.840.113", "1.2.840.113"
                        "a/1.2.840.113#2", "1.2.840.113#2"
                        "1.2.840.113.dcm", "1.2.840.113"
                        "b.", "b"
                    ] do
                    Expect.equal (Images.stem path) stem path
            }

            test "a PNG comes out as it went in" {
                let got = picture (Crafted.png 13 7)
                Expect.equal (got.Width, got.Height, got.Orientation) (13, 7, Orientation.TopLeft) "size"

                for y in 0..6 do
                    for x in 0..12 do
                        Expect.equal (pixel got x y) (Crafted.gradient 13 7 x y) $"pixel {x}, {y}"
            }

            for format in [ SKEncodedImageFormat.Jpeg; SKEncodedImageFormat.Webp ] do
                test $"{format} keeps size and colours" {
                    let plain = Crafted.encode format 95 31 9 (fun _ _ -> 200uy, 100uy, 50uy)
                    let got = picture plain
                    let red, green, blue = pixel got 15 4
                    Expect.equal (got.Width, got.Height) (31, 9) "size"

                    Expect.isTrue
                        (abs (int red - 200) < 6 && abs (int green - 100) < 6 && abs (int blue - 50) < 6)
                        "colour"
                }

            for width, height in [ 1, 1; 1, 5; 5, 1; 7, 5 ] do
                test $"{width} x {height} pixels" {
                    let got = picture (Crafted.png width height)
                    Expect.equal got.Rgb.Length (width * height * 3) "bytes"
                }

            test "grey is replicated" {
                let got = picture (Crafted.indexed 2 1 8 0 false [| 17; 200 |])
                Expect.equal got.Rgb [| 17uy; 17uy; 17uy; 200uy; 200uy; 200uy |] "three equal channels"
            }

            test "16-bit grey is scaled to 8 bits" {
                let got =
                    picture (Crafted.pngFile 2 1 16 0 0 [||] [| 0uy; 0x80uy; 0x12uy; 0xFFuy; 0xFFuy |])

                let first, _, _ = pixel got 0 0
                let second, _, _ = pixel got 1 0
                Expect.equal (first, second) (0x80uy, 0xFFuy) "high bytes"
            }

            test "alpha is ignored, not multiplied in" {
                let rows = [| 0uy; 10uy; 20uy; 30uy; 0uy; 40uy; 50uy; 60uy; 128uy |]
                let got = picture (Crafted.pngFile 2 1 8 6 0 [||] rows)
                Expect.equal got.Rgb [| 10uy; 20uy; 30uy; 40uy; 50uy; 60uy |] "colours as stored"
            }

            test "a CMYK JPEG is converted" {
                let got = picture Crafted.cmykJpeg
                let red, green, blue = pixel got 4 4
                Expect.equal (got.Width, got.Height) (8, 8) "size"
                Expect.isTrue (red = green && green = blue && abs (int red - 64) < 4) $"grey 64, not {red}"
            }

            test "the first frame of an animated GIF is read" {
                Expect.equal (pixel (picture Crafted.animatedGif) 0 0) (255uy, 0uy, 0uy) "red, the first"
            }

            for tag in 1..8 do
                test $"EXIF orientation {tag} is applied and recorded" {
                    let file =
                        Crafted.encode SKEncodedImageFormat.Jpeg 100 32 16 (fun x y ->
                            (if x < 16 then 250uy else 5uy), (if y < 8 then 250uy else 5uy), 0uy)

                    let plain = picture file
                    let turned = picture (Crafted.withOrientation tag file)
                    let orientation = Orientation.all[tag - 1]
                    Expect.equal turned.Orientation orientation "recorded"
                    Expect.equal (turned.Width, turned.Height) (Orientation.size orientation (32, 16)) "size"
                    Expect.equal turned.Rgb (Orientation.apply orientation 3 (32, 16) plain.Rgb) "pixels"
                }

            for tag in 1..8 do
                test $"orientation {tag} of a PNG's eXIf is applied and recorded, in either order of bytes" {
                    let plain = Crafted.png 12 7

                    for isBig in [ true; false ] do
                        let turned = picture (Crafted.withChunk "eXIf" (Crafted.exif isBig tag) plain)
                        let orientation = Orientation.all[tag - 1]
                        Expect.equal turned.Orientation orientation "recorded"
                        Expect.equal (Orientation.exif orientation) tag "by number"

                        Expect.equal
                            turned.Rgb
                            (Orientation.apply orientation 3 (12, 7) (picture plain).Rgb)
                            "pixels"
                }

            test "a PNG's eXIf that is cut or states nonsense leaves it upright" {
                for exif in
                    [
                        [||]
                        Array.truncate 13 (Crafted.exif true 3)
                        Array.truncate 18 (Crafted.exif false 3)
                        Crafted.exif true 0
                        Crafted.exif true 9
                        Array.create 40 0xFFuy
                    ] do
                    let got = picture (Crafted.withChunk "eXIf" exif (Crafted.png 12 7))
                    Expect.equal got.Orientation Orientation.TopLeft "upright"
            }

            test "a large picture costs its own three bytes a pixel of managed memory, turned or not" {
                for tag in [ 1; 3 ] do
                    let file = Crafted.withOrientation tag (Crafted.jpeg 2000 1500)
                    let before = GC.GetAllocatedBytesForCurrentThread()
                    let got = picture file
                    let bytes = float (GC.GetAllocatedBytesForCurrentThread() - before)
                    Expect.isLessThan (bytes / float (got.Width * got.Height)) 3.5 "bytes a pixel"
            }

            test "path, stream and memory give the same picture, and the header its size" {
                Crafted.withFolder (fun folder ->
                    let path = Path.Combine(folder, "a b 🙂.jpg")
                    let bytes = Crafted.withOrientation 6 (Crafted.jpeg 20 10)
                    File.WriteAllBytes(path, bytes)
                    let fromPath = Expect.wantOk (Images.read limits path) "path"

                    let fromStream =
                        Expect.wantOk (Images.readStream limits "stream" (new MemoryStream(bytes))) "stream"

                    let header = Expect.wantOk (Images.header limits path) "header"
                    Expect.equal fromPath (picture bytes) "path"
                    Expect.equal fromStream fromPath "stream"

                    Expect.equal
                        (header.Width, header.Height, header.Orientation)
                        (10, 20, Orientation.RightTop)
                        "header")
            }

            test "the frame of the fixtures has the size that its page states" {
                let got =
                    Expect.wantOk (Images.read limits (Shared.path "fixtures/preprocess/frame.png")) "frame"

                Expect.equal (got.Width, got.Height) (352, 282) "size"
            }
        ]

let private bad =
    testSequenced
    <| testList
        "bad files"
        [
            test "empty" { Expect.stringContains (refusal 4 [||]) "empty" "says so" }

            test "text and random bytes" {
                let random = Array.zeroCreate 5000
                Random(1).NextBytes random

                Expect.stringContains
                    (refusal 4 (Text.Encoding.UTF8.GetBytes "hello, I am a PNG"))
                    "not an image"
                    "text"

                Expect.stringContains (refusal 4 random) "not an image" "noise"
            }

            test "a file that begins as an image does and ends in its header is damaged, not unknown" {
                for format in [ "png"; "jpeg"; "gif"; "webp"; "bmp" ] do
                    let whole =
                        match format with
                        | "png" -> Crafted.png 9 7
                        | "jpeg" -> Crafted.jpeg 9 7
                        | "gif" -> Text.Encoding.ASCII.GetBytes "GIF89a\001"
                        | "webp" -> Text.Encoding.ASCII.GetBytes "RIFF\020\000\000\000WEBPVP8 "
                        | _ -> Text.Encoding.ASCII.GetBytes "BM\001\000"

                    Expect.stringContains (refusal 4 (Array.truncate 14 whole)) "damaged" format
            }

            test "a PNG cut anywhere" {
                let file = Crafted.png 64 48

                for length in
                    [
                        8
                        30
                        60
                        file.Length / 4
                        file.Length / 2
                        file.Length * 9 / 10
                        file.Length - 20
                    ] do
                    refusal 4 (Array.truncate length file) |> ignore
            }

            test "a JPEG cut in half, and one without its end marker" {
                let file = Crafted.jpeg 64 48
                Expect.stringContains (refusal 4 (Array.truncate (file.Length / 2) file)) "truncated" "half"
                Expect.stringContains (refusal 4 (Array.truncate (file.Length - 2) file)) "truncated" "no end"
            }

            test "a PNG with a wrong checksum" {
                let file = Crafted.png 64 48

                Expect.stringContains
                    (refusal 4 (Crafted.flip (file.Length - 14) file))
                    "checksum"
                    "checksum of IDAT"

                Expect.stringContains
                    (refusal 4 (Crafted.flip (Crafted.find "IDAT" file + 40) file))
                    "checksum"
                    "data"
            }

            test "50,000 x 50,000 is over the budget" {
                let rows = Array.zeroCreate (50_000 / 8 * 1000)
                let file = Crafted.pngFile 50_000 50_000 1 0 0 [||] rows
                Expect.stringContains (refusedCheaply 5 file) "50000 x 50000" "names the size"
            }
            |> testSequenced

            for width, height, code in
                [
                    30_000, 30_000, 5
                    Int32.MaxValue, Int32.MaxValue, 4
                    1, 500_000_000, 4
                    32_769, 1, 5
                    0, 48, 4
                ] do
                test $"a small PNG claiming {width} x {height}" {
                    let file = Crafted.pngFile width height 8 0 0 [||] (Array.zeroCreate 6000)

                    match decode file with
                    | Ok _ -> failtest "accepted"
                    | Error problem ->
                        Expect.contains [ 4; 5 ] (McdrlError.exitCode problem) "Data or Resource"

                        refusedCheaply (if code = 5 then 5 else McdrlError.exitCode problem) file
                        |> ignore
                }
                |> testSequenced

            test "the limits are the caller's" {
                let strict = { limits with MaxPixels = 100L }
                Expect.isOk (Images.decode strict "x" (Crafted.png 10 10)) "100 pixels"
                Expect.isError (Images.decode strict "x" (Crafted.png 10 11)) "110 pixels"
                Expect.isError (Images.decode { limits with MaxSide = 9 } "x" (Crafted.png 10 1)) "side"
                let few = { limits with MaxBytes = 50L }

                match Images.readStream few "stream" (new MemoryStream(Crafted.png 20 20)) with
                | Ok _ -> failtest "accepted"
                | Error problem -> Expect.equal (McdrlError.exitCode problem) 5 "bytes"
            }

            test "a missing file and a folder" {
                Crafted.withFolder (fun folder ->
                    for path in [ folder; Path.Combine(folder, "none.png") ] do
                        match Images.read limits path with
                        | Ok _ -> failtest "accepted"
                        | Error problem -> Expect.equal (McdrlError.exitCode problem) 4 "Data")
            }

            Property.check "no mutilated file crashes" (fun (seed: int) ->
                let generator = Random seed

                let source =
                    if seed % 2 = 0 then
                        Crafted.png 24 18
                    else
                        Crafted.jpeg 24 18

                let bytes = Array.truncate (1 + generator.Next source.Length) source

                for _ in 1 .. generator.Next 6 do
                    bytes[generator.Next bytes.Length] <- byte (generator.Next 256)

                decode bytes |> ignore)
        ]

let tests = testList "Images" [ good; bad ]
