module Mcdrl.Tests.OverlayTests

open System.IO
open Expecto
open Mcdrl

let private grey level width height : Picture =
    {
        Width = width
        Height = height
        Rgb = Array.create (width * height * 3) level
        Orientation = Orientation.TopLeft
    }

/// A label map with `label` in the middle half of each side.
let private middle label width height : LabelMap =
    {
        Width = width
        Height = height
        Labels =
            Array.init (width * height) (fun pixel ->
                let x, y = pixel % width, pixel / width
                let inside v side = v >= side / 4 && v < side - side / 4
                if inside x width && inside y height then label else 0uy)
    }

let private nothing width height : LabelMap =
    {
        Width = width
        Height = height
        Labels = Array.zeroCreate (width * height)
    }

let private draw classes picture map truth =
    let bytes = Expect.wantOk (Overlay.png classes picture map truth) "drawn"
    Expect.wantOk (Images.decode ImageLimits.standard "overlay" bytes) "readable"

let private pixels (picture: Picture) =
    Array.init (picture.Width * picture.Height) (fun pixel ->
        picture.Rgb[pixel * 3], picture.Rgb[pixel * 3 + 1], picture.Rgb[pixel * 3 + 2])

let private count colour picture =
    pixels picture |> Array.filter ((=) colour) |> Array.length

/// Bright pixels of the legend below a frame of the given height: the strokes of its letters.
let private inked frameHeight (picture: Picture) =
    pixels picture
    |> Array.skip (frameHeight * picture.Width)
    |> Array.filter (fun (red, green, blue) -> red > 200uy && green > 200uy && blue > 200uy)
    |> Array.length

let tests =
    testList
        "Overlay"
        [
            for level in [ 0uy; 128uy; 255uy ] do
                test $"bright line and dark halo are there on a frame of grey {level}" {
                    let overlay = draw [ "polyp" ] (grey level 700 700) (middle 1uy 700 700) None
                    Expect.isGreaterThan (count (Drawing.colour 1) overlay) 2000 "line and swatch"
                    let expected = int level * 65 / 255

                    let halo =
                        pixels overlay
                        |> Array.filter (fun (r, g, b) -> r = g && g = b && abs (int r - expected) < 4)

                    Expect.isGreaterThan halo.Length 1000 "halo"
                }

            test "the line runs along the boundary, and only there" {
                let overlay = draw [ "polyp" ] (grey 90uy 800 640) (middle 1uy 800 640) None
                let all = pixels overlay
                let at x y = all[y * overlay.Width + x]
                Expect.equal (at 200 320) (Drawing.colour 1) "left edge"
                Expect.equal (at 400 160) (Drawing.colour 1) "upper edge"
                Expect.equal (at 400 320) (90uy, 90uy, 90uy) "the inside is left as it is"
                Expect.equal (at 20 20) (90uy, 90uy, 90uy) "so is the outside"
            }

            test "the legend has letters, without any font installed: its font is in the assembly" {
                let blank = draw [ "i" ] (grey 90uy 700 700) (nothing 700 700) None
                let short = draw [ "i" ] (grey 90uy 700 700) (middle 1uy 700 700) None

                let long =
                    draw [ "adenomatous polyp" ] (grey 90uy 700 700) (middle 1uy 700 700) None

                Expect.isGreaterThan (inked 700 blank) 100 "nothing marked"
                Expect.isGreaterThan (inked 700 long) (inked 700 short + 100) "a longer name has more ink"
            }

            for width, height in [ 1, 1; 1, 40; 40, 1; 7, 5; 64, 48; 352, 282; 1920, 1080; 1500, 2500 ] do
                test $"a sensible size for {width} x {height}" {
                    let overlay =
                        draw [ "polyp" ] (grey 90uy width height) (middle 1uy width height) None

                    let longSide = max overlay.Width overlay.Height
                    Expect.isGreaterThanOrEqual longSide 320 "large enough to read"
                    Expect.isLessThanOrEqual longSide 2200 "small enough to show"
                    Expect.isGreaterThanOrEqual overlay.Width 320 "room for the legend"
                }

            test "many and long names are wrapped and shortened, not cut off" {
                let classes = List.init 20 (fun k -> $"class with a rather long name, number {k}")

                let map =
                    { nothing 100 100 with
                        Labels = Array.init 10_000 (fun pixel -> byte (pixel / 500 + 1))
                    }

                let overlay = draw classes (grey 90uy 100 100) map None
                Expect.isGreaterThan overlay.Height (700 + 10 * 25) "several rows"

                let endless =
                    draw [ String.replicate 500 "m" ] (grey 90uy 50 50) (middle 1uy 50 50) None

                let all = pixels endless

                let column x =
                    Array.init endless.Height (fun y -> all[y * endless.Width + x])

                Expect.isTrue
                    (column (endless.Width - 3)
                     |> Array.skip 660
                     |> Array.forall (fun (r, _, _) -> r < 60uy))
                    "margin"
            }

            test "a true outline is drawn too" {
                let without = draw [ "polyp" ] (grey 90uy 700 700) (nothing 700 700) None

                let overlay =
                    draw [ "polyp" ] (grey 90uy 700 700) (nothing 700 700) (Some(middle 1uy 700 700))

                Expect.isGreaterThan
                    (count (255uy, 255uy, 255uy) overlay)
                    (count (255uy, 255uy, 255uy) without + 200)
                    "dashes"
            }

            test "names in any script, and labels without a name" {
                for name in [ "Пoлип αβγ ö"; "息肉 🙂"; ""; "\u0000" ] do
                    draw [ name ] (grey 90uy 100 100) (middle 2uy 100 100) None |> ignore
                    draw [ name ] (grey 90uy 100 100) (middle 1uy 100 100) None |> ignore
            }

            test "a mask of another size is refused" {
                match Overlay.png [ "polyp" ] (grey 90uy 10 10) (middle 1uy 10 11) None with
                | Ok _ -> failtest "accepted"
                | Error problem -> Expect.equal (McdrlError.exitCode problem) 4 "Data"
            }

            test "the first eight classes have eight colours" {
                Expect.equal
                    (List.init 8 (fun k -> Drawing.colour (k + 1)) |> List.distinct |> List.length)
                    8
                    "distinct"
            }

            test "the file holds what `png` returns" {
                Crafted.withFolder (fun folder ->
                    let path = Path.Combine(folder, "overlay.png")
                    let picture, map = grey 90uy 30 20, middle 1uy 30 20
                    Expect.isOk (Overlay.write path [ "polyp" ] picture map None) "written"

                    Expect.equal
                        (Ok(File.ReadAllBytes path))
                        (Overlay.png [ "polyp" ] picture map None)
                        "the same bytes")
            }
        ]
