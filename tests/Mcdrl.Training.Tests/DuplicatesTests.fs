module Mcdrl.Tests.DuplicatesTests

open System
open System.IO
open System.Threading.Tasks
open Expecto
open Mcdrl
open Mcdrl.Tests
open SkiaSharp

let private decode bytes =
    match Images.decode ImageLimits.standard "made" bytes with
    | Ok picture -> picture
    | Error problem -> failtest (McdrlError.describe problem)

/// A picture as somebody else may have published it: `crop` of each side cut off, brightness times `bright`, sides times
/// `scale`, then a JPEG.
let private republished (crop: float) (bright: float) (scale: float) quality (picture: Picture) =
    let left, top = int (crop * float picture.Width), int (crop * float picture.Height)
    let width, height = picture.Width - 2 * left, picture.Height - 2 * top

    use bitmap =
        new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))

    let brightened =
        Array.init 256 (fun value -> byte (min 255.0 (bright * float value)))

    let bytes = Array.create (4 * width * height) 255uy

    for y in 0 .. height - 1 do
        for x in 0 .. width - 1 do
            let from = ((y + top) * picture.Width + x + left) * 3
            let at = (y * width + x) * 4

            for channel in 0..2 do
                bytes[at + channel] <- brightened[int picture.Rgb[from + channel]]

    Runtime.InteropServices.Marshal.Copy(bytes, 0, bitmap.GetPixels(), bytes.Length)

    use scaled =
        bitmap.Resize(
            SKImageInfo(int (scale * float width), int (scale * float height)),
            SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
        )

    use data = scaled.Encode(SKEncodedImageFormat.Jpeg, quality)
    data.ToArray()

let private frame site image fingerprint =
    {
        Site = site
        Image = image
        Fingerprint = fingerprint
    }

/// A look of which the first `ones` bits are set.
let private look ones =
    Array.init 8 (fun word ->
        let set = Math.Clamp(ones - 64 * word, 0, 64)
        if set = 64 then UInt64.MaxValue else (1UL <<< set) - 1UL)

let private known site name digest ones =
    frame site name { Digest = digest; Look = look ones }

let private names (report: DuplicateReport) =
    report.Pairs
    |> List.map (fun pair -> pair.First.Image, pair.Second.Image, pair.Distance, pair.SameFile)

let tests =
    testList
        "Duplicates"
        [
            test "pairs across sites only, nearest first, up to the threshold" {
                let report =
                    Duplicates.find
                        [|
                            known "a" "a1" "x" 0
                            known "a" "a2" "x" 0
                            known "b" "b1" "x" 0
                            known "b" "b2" "y" Duplicates.threshold
                            known "c" "c1" "z" (2 * Duplicates.threshold + 1)
                        |]

                Expect.equal
                    (names report)
                    [
                        "a1", "b1", 0, true
                        "a2", "b1", 0, true
                        "a1", "b2", Duplicates.threshold, false
                        "a2", "b2", Duplicates.threshold, false
                    ]
                    "pairs"

                Expect.equal (report.Frames, report.Count, report.SameFiles) (5, 4, 2) "figures"
            }

            test "of very many pairs the nearest are listed, and all are counted" {
                let report =
                    Duplicates.find
                        [|
                            for k in 0..59 do
                                known "a" $"a{k}" "x" 0
                                known "b" $"b{k}" "y" (k % 7)
                        |]

                Expect.equal report.Count 3600 "all"
                Expect.hasLength report.Pairs Duplicates.listed "listed"
                Expect.equal (report.Pairs |> List.map _.Distance |> List.max) 1 "the nearest"
            }

            test "of 10,000 frames every pair is compared, and random ones are far apart" {
                let random = Random 1

                let frames =
                    Array.init 10000 (fun k ->
                        frame
                            $"s{k % 5}"
                            $"f{k}"
                            {
                                Digest = string k
                                Look = Array.init 8 (fun _ -> uint64 (random.NextInt64()))
                            })

                Expect.equal (Duplicates.find frames).Count 0 "none"

                let ends =
                    { Array.last frames with
                        Site = "elsewhere"
                        Image = "again"
                    }

                Expect.equal
                    (names (Duplicates.find (Array.append [| ends |] frames)))
                    [ "again", "f9999", 0, true ]
                    "the first of all and the last"
            }

            test "a look takes no notice of size and brightness, and tells scenes apart" {
                let looks =
                    [
                        for seed in 1..12 ->
                            let picture = decode (Published.png 120 90 (Published.scene seed 120 90))
                            picture, Fingerprints.look picture
                    ]

                for picture, look in looks do
                    for crop, bright, scale in [ 0.0, 1.0, 0.5; 0.0, 0.8, 1.0; 0.0, 1.0, 2.0 ] do
                        let other = Fingerprints.look (decode (republished crop bright scale 80 picture))

                        Expect.isLessThanOrEqual
                            (Fingerprints.distance look other)
                            Duplicates.threshold
                            "the same"

                for (_, left), (_, right) in List.pairwise looks do
                    Expect.isGreaterThan (Fingerprints.distance left right) Duplicates.threshold "others"
            }

            test "a picture of one colour and one pixel has a look" {
                for width, height in [ 1, 1; 1, 300; 5, 3; 64, 64 ] do
                    let picture = decode (Published.png width height (fun _ _ -> 9uy, 9uy, 9uy))
                    Expect.equal (Fingerprints.look picture).Length 8 $"{width} x {height}"
            }

            test "real frames: no false alarm in 540,489 pairs, planted ones found" {
                let data = Shared.path "data/polypgen"

                let files =
                    [|
                        for site in [ "c1"; "c2"; "c3"; "c5" ] do
                            for path in Directory.GetFiles(Path.Combine(data, site, "images")) |> Array.sort ->
                                site, path
                    |]

                let read (_, path: string) =
                    let bytes = File.ReadAllBytes path
                    Fingerprints.create bytes (decode bytes)

                let prints = Array.zeroCreate<Fingerprint> files.Length
                Parallel.For(0, files.Length, (fun k -> prints[k] <- read files[k])) |> ignore

                let frames =
                    Array.map2 (fun (site, path) print -> frame site path print) files prints

                Expect.equal (Duplicates.find frames).Count 0 "no two hospitals share a frame"

                let changes =
                    [
                        "JPEG quality 60", (0.0, 1.0, 1.0, 60), 1.0
                        "half the size", (0.0, 1.0, 0.5, 80), 1.0
                        "brightness 0.8", (0.0, 0.8, 1.0, 85), 1.0
                        "2 % cut off each side", (0.02, 1.0, 1.0, 85), 0.98
                        "3 % cut off, brightness 1.15", (0.03, 1.15, 1.0, 80), 0.9
                    ]

                // Of each frame a fingerprint for each change.
                let planted =
                    [
                        for k in 0..12 .. files.Length - 1 do
                            let path = snd files[k]
                            let picture = decode (File.ReadAllBytes path)

                            [
                                for _, (crop, bright, scale, quality), _ in changes do
                                    let bytes = republished crop bright scale quality picture
                                    frame "elsewhere" path (Fingerprints.create bytes (decode bytes))
                            ]
                    ]

                for (name, _, share), planted in List.zip changes (List.transpose planted) do
                    let report = Duplicates.find (Array.append frames (Array.ofList planted))

                    // Neighbours in a video look alike, so that a planted frame may also be found by one of them.
                    for pair in report.Pairs do
                        Expect.equal
                            (Path.GetDirectoryName pair.Second.Image)
                            (Path.GetDirectoryName pair.First.Image)
                            "of the same hospital"

                    let own =
                        report.Pairs |> List.filter (fun pair -> pair.Second.Image = pair.First.Image)

                    let measured = float own.Length / float planted.Length
                    Expect.isGreaterThanOrEqual measured share $"{name}: {100.0 * measured:F0} %%"
            }
        ]
