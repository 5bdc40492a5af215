module Mcdrl.Tests.MasksTests

open System
open System.IO
open Expecto
open Mcdrl
open SkiaSharp

let private limits = ImageLimits.standard
let private decode bytes = Masks.decode limits "mask.png" bytes

let private labels bytes =
    match decode bytes with
    | Ok map -> map.Labels |> Array.map int
    | Error problem -> failtest (McdrlError.describe problem)

let private refused parts bytes =
    decode bytes |> Outcome.refusedWith 4 parts

let tests =
    testList
        "Masks"
        [
            test "2-bit grey and palette keep their indices" {
                Expect.equal
                    (labels (Crafted.indexed 4 1 2 0 false [| 0; 1; 2; 3 |]))
                    [| 0; 1; 2; 3 |]
                    "not 0, 85, 170, 255"

                Expect.equal
                    (labels (Crafted.indexed 4 1 8 3 false [| 0; 6; 1; 255 |]))
                    [| 0; 6; 1; 255 |]
                    "not colours"
            }

            test "colour whose channels agree is grey; alpha is ignored" {
                Expect.equal
                    (labels (Crafted.pngFile 2 1 8 2 0 [||] [| 0uy; 5uy; 5uy; 5uy; 9uy; 9uy; 9uy |]))
                    [| 5; 9 |]
                    "RGB"

                Expect.equal
                    (labels (Crafted.pngFile 2 1 8 6 0 [||] [| 0uy; 5uy; 5uy; 5uy; 0uy; 9uy; 9uy; 9uy; 1uy |]))
                    [| 5; 9 |]
                    "RGBA"

                Expect.equal
                    (labels (Crafted.pngFile 2 1 8 4 0 [||] [| 0uy; 5uy; 0uy; 9uy; 1uy |]))
                    [| 5; 9 |]
                    "grey and alpha"
            }

            test "a mask that its alpha alone marks is refused, with a threshold too" {
                let marked = Crafted.pngFile 2 1 8 4 0 [||] [| 0uy; 255uy; 0uy; 255uy; 255uy |]
                refused [ "alpha" ] marked

                Masks.decodeThreshold limits "mask.png" 128uy (0uy, 255uy) marked
                |> Outcome.refusedWith 4 [ "alpha" ]

                let opaque = Crafted.pngFile 2 1 8 4 0 [||] [| 0uy; 255uy; 255uy; 255uy; 255uy |]
                Expect.equal (labels opaque) [| 255; 255 |] "wholly marked and opaque"
            }

            test "a mask's own EXIF is not used" {
                let mask = Crafted.indexed 3 1 8 0 false [| 0; 1; 2 |]
                let turned = Crafted.withChunk "eXIf" (Crafted.exif true 3) mask
                Expect.equal (labels turned) [| 0; 1; 2 |] "as stored"
            }

            test "real colour, 16 bits, another format and an empty file are refused" {
                refused [ "colour" ] (Crafted.pngFile 1 1 8 2 0 [||] [| 0uy; 5uy; 5uy; 6uy |])

                refused [ "lose labels" ] (Crafted.pngFile 1 1 16 0 0 [||] [| 0uy; 5uy; 5uy |])

                refused [ "threshold" ] (Crafted.jpeg 8 8)
                refused [ "empty" ] [||]
            }

            test "a threshold turns a JPEG mask into two values" {
                let mask =
                    Crafted.encode SKEncodedImageFormat.Jpeg 60 32 16 (fun x _ ->
                        if x < 16 then 0uy, 0uy, 0uy else 255uy, 255uy, 255uy)

                let map =
                    Expect.wantOk (Masks.decodeThreshold limits "mask.jpg" 128uy (0uy, 255uy) mask) "read"

                let expected =
                    Array.init (32 * 16) (fun pixel -> if pixel % 32 < 16 then 0uy else 255uy)

                Expect.equal map.Labels expected "left 0, right 255"
            }

            test "brightness equal to the threshold is below it" {
                let mask = Crafted.indexed 3 1 8 0 false [| 127; 128; 129 |]

                let map =
                    Expect.wantOk (Masks.decodeThreshold limits "mask.png" 128uy (0uy, 1uy) mask) "read"

                Expect.equal map.Labels [| 0uy; 0uy; 1uy |] "only above"
            }

            test "a thresholded mask keeps its file's own orientation" {
                let mask =
                    Crafted.encode SKEncodedImageFormat.Jpeg 90 16 8 (fun x _ ->
                        if x < 8 then 0uy, 0uy, 0uy else 255uy, 255uy, 255uy)

                let read file =
                    Masks.decodeThreshold limits "mask.jpg" 128uy (0uy, 1uy) file

                Expect.equal (read (Crafted.withOrientation 6 mask)) (read mask) "as stored"
            }

            Property.check "what is written is read again, whatever the labels"
            <| fun (seed: int) (width: int) ->
                let width = 1 + abs width % 40
                let generator = Random seed

                let map: LabelMap =
                    {
                        Width = width
                        Height = 11
                        Labels = Array.init (width * 11) (fun _ -> byte (generator.Next 256))
                    }

                let mutable same = false

                Crafted.withFolder (fun folder ->
                    let own, coloured = Path.Combine(folder, "a.png"), Path.Combine(folder, "b.png")
                    Masks.write own map |> ignore

                    Masks.writePalette coloured (Array.init 256 (fun i -> byte i, 0uy, 0uy)) map
                    |> ignore

                    same <-
                        Masks.read limits own = Ok map
                        && Masks.read limits coloured = Ok map
                        && File.ReadAllBytes own = Masks.png map)

                same

            test "a mask is shown in the colours of its classes" {
                let map: LabelMap =
                    {
                        Width = 4
                        Height = 1
                        Labels = [| 0uy; 1uy; 2uy; 255uy |]
                    }

                let picture =
                    Expect.wantOk (Images.decode limits "mask.png" (Masks.png map)) "a picture"

                let expected =
                    map.Labels
                    |> Array.collect (fun label ->
                        let red, green, blue = ClassColours.palette[int label]
                        [| red; green; blue |])

                Expect.equal picture.Rgb expected "colours"
            }

            test "fuzzed: compressed data that asks for a dictionary which no PNG has" {
                let packed =
                    Array.append [| 0x78uy; 0x20uy |] (Array.skip 2 (Crafted.deflate (Array.zeroCreate 36)))

                Array.concat
                    [
                        Crafted.signature
                        Crafted.header 8 4 8 0 0
                        Crafted.chunk "IDAT" packed
                        Crafted.chunk "IEND" [||]
                    ]
                |> refused [ "mask.png"; "compressed data" ]
            }

            test "a folder that can't be written is a resource error" {
                let map: LabelMap =
                    {
                        Width = 1
                        Height = 1
                        Labels = [| 0uy |]
                    }

                match Masks.write "/proc/none/mask.png" map with
                | Ok() -> failtest "written"
                | Error problem -> Expect.equal (McdrlError.exitCode problem) 5 "Resource"
            }
        ]
