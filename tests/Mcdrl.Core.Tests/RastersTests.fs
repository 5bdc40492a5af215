module Mcdrl.Tests.RastersTests

open Expecto
open FsCheck
open Mcdrl

/// 2 x 3 pixels (width 2, height 3), named row by row as the file stores them.
let private file = [| 1uy; 2uy; 3uy; 4uy; 5uy; 6uy |]

let private bytes count seed =
    let generator = System.Random(seed: int)
    Array.init count (fun _ -> byte (generator.Next 256))

let private sides a b = 1 + abs a % 9, 1 + abs b % 9

let private pixel (red, green, blue) : Picture =
    {
        Width = 1
        Height = 1
        Rgb = [| red; green; blue |]
        Orientation = Orientation.TopLeft
    }

let tests =
    testList
        "Rasters"
        [
            Property.check
                "a picture smaller by a whole factor holds the means of the pixels that each stands for"
            <| fun (width: int) (height: int) (factor: int) (seed: int) ->
                let width, height = sides width height
                let factor = 1 + abs (factor % 4)

                let picture: Picture =
                    {
                        Width = width
                        Height = height
                        Rgb = bytes (width * height * 3) seed
                        Orientation = Orientation.TopLeft
                    }

                let smaller = Picture.reduced factor picture
                let fewer side = int (ceil (float side / float factor))
                Expect.equal (smaller.Width, smaller.Height) (fewer width, fewer height) "sides"

                for place in 0 .. smaller.Rgb.Length - 1 do
                    let pixel, channel = place / 3, place % 3
                    let left, top = pixel % smaller.Width * factor, pixel / smaller.Width * factor

                    let mean =
                        [
                            for y in top .. min height (top + factor) - 1 do
                                for x in left .. min width (left + factor) - 1 do
                                    float picture.Rgb[(y * width + x) * 3 + channel]
                        ]
                        |> List.average

                    Expect.isLessThanOrEqual (abs (float smaller.Rgb[place] - mean)) 0.5 $"{place}"

            Property.check "three bytes a pixel to four and back is the identity, and the fourth is opaque"
            <| fun (width: int) (height: int) (seed: int) ->
                let width, height = sides width height

                let picture: Picture =
                    {
                        Width = width
                        Height = height
                        Rgb = bytes (width * height * 3) seed
                        Orientation = Orientation.TopLeft
                    }

                let rgba = Picture.rgba picture

                Picture.rgbOf rgba = picture.Rgb
                && rgba.Length = width * height * 4
                && Seq.forall (fun pixel -> rgba[pixel * 4 + 3] = 255uy) (seq { 0 .. width * height - 1 })

            test "shares: of the labels that are there, in their order, background left out" {
                let map: LabelMap =
                    {
                        Width = 4
                        Height = 2
                        Labels = [| 0uy; 7uy; 0uy; 2uy; 7uy; 0uy; 0uy; 0uy |]
                    }

                Expect.equal (LabelMap.shares map) [ 2, 0.125; 7, 0.25 ] "two"

                Expect.isEmpty (LabelMap.shares { map with Labels = Array.zeroCreate 8 }) "none"
            }

            test "luma: green counts most, blue least, and white is brightest" {
                let level red green blue = Luma.level (pixel (red, green, blue)) 0

                Expect.equal
                    [
                        level 255uy 0uy 0uy
                        level 0uy 255uy 0uy
                        level 0uy 0uy 255uy
                        level 255uy 255uy 255uy
                    ]
                    [ 76; 150; 29; 255 ]
                    "levels"
            }

            Property.check "luma of a grey is its level, and in any scale the same to a rounding"
            <| fun (red: byte) (green: byte) (blue: byte) ->
                let colour = pixel (red, green, blue)
                let exact = Luma.ofColour (struct (float red, float green, float blue))

                Luma.level (pixel (red, red, red)) 0 = int red
                && abs (float (Luma.thousandths colour 0) / 1000.0 - exact) < 1e-9
                && abs (float (Luma.level colour 0) - exact) <= 0.5 + 1e-9

            testTheory
                "each EXIF orientation shows the file as the tag says"
                [
                    1, [ 1; 2; 3; 4; 5; 6 ]
                    2, [ 2; 1; 4; 3; 6; 5 ]
                    3, [ 6; 5; 4; 3; 2; 1 ]
                    4, [ 5; 6; 3; 4; 1; 2 ]
                    // From here on the upright picture is 3 wide and 2 high.
                    5, [ 1; 3; 5; 2; 4; 6 ]
                    6, [ 5; 3; 1; 6; 4; 2 ]
                    7, [ 6; 4; 2; 5; 3; 1 ]
                    8, [ 2; 4; 6; 1; 3; 5 ]
                ]
            <| fun (tag, expected) ->
                let upright = Orientation.apply Orientation.all[tag - 1] 1 (2, 3) file
                Expect.equal (upright |> Array.map int |> List.ofArray) expected $"EXIF {tag}"

            testProperty
                "turning upright and back is the identity, for every orientation, size and channel count"
            <| fun (width: int) (height: int) (seed: int) ->
                let width, height = sides width height

                Orientation.all
                |> List.forall (fun orientation ->
                    [ 1; 3 ]
                    |> List.forall (fun channels ->
                        let raster = bytes (width * height * channels) seed

                        let back =
                            raster
                            |> Orientation.apply orientation channels (width, height)
                            |> Orientation.revert orientation channels (width, height)

                        back = raster))

            testProperty
                "a label map keeps its labels through upright and inFile, and its sides swap and swap back"
            <| fun (width: int) (height: int) (seed: int) ->
                let width, height = sides width height

                let map: LabelMap =
                    {
                        Width = width
                        Height = height
                        Labels = bytes (width * height) seed
                    }

                Orientation.all
                |> List.forall (fun orientation ->
                    let upright = LabelMap.upright orientation map

                    (upright.Width, upright.Height) = Orientation.size orientation (width, height)
                    && LabelMap.inFile orientation upright = map
                    && LabelMap.histogram upright = LabelMap.histogram map)
        ]
