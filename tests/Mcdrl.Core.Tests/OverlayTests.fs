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

/// A frame of a video as it is drawn, without its alpha.
let private drawFrame picture named caption : Picture =
    let width, height, rgba = Overlay.frame picture named caption

    Expect.hasLength rgba (4 * width * height) "four bytes a pixel"

    Expect.isTrue
        (Seq.forall (fun pixel -> rgba[4 * pixel + 3] = 255uy) (seq { 0 .. width * height - 1 }))
        "opaque"

    {
        Width = width
        Height = height
        Rgb = Array.init (3 * width * height) (fun at -> rgba[at / 3 * 4 + at % 3])
        Orientation = Orientation.TopLeft
    }

let tests =
    testList
        "Overlay"
        [
            for level in [ 0uy; 128uy; 255uy ] do
                test $"bright line and dark halo are there on a frame of grey {level}" {
                    let overlay = draw [ "polyp" ] (grey level 700 700) (middle 1uy 700 700) None
                    Expect.isGreaterThan (count (ClassColours.ofLabel 1) overlay) 2000 "line and swatch"
                    let expected = int level * 65 / 255

                    let halo =
                        pixels overlay
                        |> Array.filter (fun (r, g, b) -> r = g && g = b && abs (int r - expected) < 4)

                    Expect.isGreaterThan halo.Length 1000 "halo"
                }

            test
                "the line runs along the boundary, what it encloses is tinted lightly, and all else is left as it is" {
                let overlay = draw [ "polyp" ] (grey 90uy 800 640) (middle 1uy 800 640) None
                let all = pixels overlay
                let at x y = all[y * overlay.Width + x]
                let red, green, blue = at 400 320
                Expect.equal (at 200 320) (ClassColours.ofLabel 1) "left edge"
                Expect.equal (at 400 160) (ClassColours.ofLabel 1) "upper edge"
                Expect.isTrue (red < 88uy && green > 92uy && blue > 92uy) "towards the colour of the class"
                Expect.isTrue (red > 60uy && green < 120uy && blue < 120uy) "lightly"
                Expect.equal (at 20 20) (90uy, 90uy, 90uy) "the outside"
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

            test
                "a frame of a video: at its own size, its regions outlined and named as given, a line of text below" {
                let picture = grey 90uy 900 600
                let regions = Contours.find (middle 2uy 900 600)
                let drawn = drawFrame picture [ regions.Head, "polyp 7" ] "frame 12"
                let all = pixels drawn
                let at x y = all[y * drawn.Width + x]
                Expect.equal drawn.Width 900 "not enlarged"
                Expect.isGreaterThan drawn.Height 600 "a strip below"
                Expect.isLessThan drawn.Height 640 "of one line"
                Expect.equal (at 10 10) (90uy, 90uy, 90uy) "the outside is left as it is"
                Expect.equal (at 225 300) (ClassColours.ofLabel 2) "the left edge, in the class's colour"
                Expect.notEqual (at 450 300) (90uy, 90uy, 90uy) "the inside is tinted"

                let bright picture =
                    pixels picture
                    |> Array.take (900 * 600)
                    |> Array.filter (fun (red, green, blue) -> red > 200uy && green > 200uy && blue > 200uy)
                    |> Array.length

                Expect.isGreaterThan (bright drawn) 10 "its name"
                Expect.equal (bright (drawFrame picture [] "frame 12")) 0 "no region, no name"
            }

            test
                "frames of a video have one size whatever is in them; the caption is written, and the notice where there is room" {
                let picture = grey 90uy 640 200
                let regions = Contours.find (middle 1uy 640 200)

                let frames =
                    [ drawFrame picture [] ""; drawFrame picture [ regions.Head, "1" ] "a caption" ]

                Expect.equal
                    (frames |> List.map (fun frame -> frame.Width, frame.Height) |> List.distinct)
                    [ frames.Head.Width, frames.Head.Height ]
                    "one size"

                let captioned caption =
                    inked 200 (drawFrame picture [] caption)

                Expect.isGreaterThan (captioned "a caption") (captioned "") "the caption"

                /// Pixels of the strip's right half that are not its ground: the notice's letters are grey.
                let noticed caption =
                    pixels (drawFrame picture [] caption)
                    |> Array.indexed
                    |> Array.filter (fun (at, (red, _, _)) ->
                        at / 640 >= 200 && at % 640 >= 320 && red > 100uy)
                    |> Array.length

                Expect.isGreaterThan (noticed "1") 20 "the notice"
                Expect.equal (noticed (String.replicate 300 " ")) 0 "no room for it"
            }

            test "the names of regions stand beside them, with numbers where a class has several" {
                let map: LabelMap =
                    {
                        Width = 800
                        Height = 640
                        Labels =
                            Array.init (800 * 640) (fun pixel ->
                                let x, y = pixel % 800, pixel / 800

                                let isIn left top =
                                    x >= left && x < left + 120 && y >= top && y < top + 120

                                if isIn 100 200 || isIn 500 200 then 1uy else 0uy)
                    }

                /// White pixels of a frame of grey within a box: strokes of letters.
                let ink overlay left top =
                    let all = pixels overlay

                    List.allPairs [ left .. left + 119 ] [ top .. top + 39 ]
                    |> List.filter (fun (x, y) -> all[y * overlay.Width + x] = (255uy, 255uy, 255uy))
                    |> List.length

                let overlay = draw [ "polyp" ] (grey 90uy 800 640) map None
                Expect.isGreaterThan (ink overlay 100 160) 30 "above the first"
                Expect.isGreaterThan (ink overlay 500 160) 30 "above the second"
                Expect.notEqual (ink overlay 100 160) (ink overlay 500 160) "another number"
                Expect.equal (ink overlay 300 160) 0 "nowhere else"
                let nameless = draw [ "" ] (grey 90uy 800 640) map None
                Expect.isLessThan (ink nameless 100 160) (ink overlay 100 160) "the name is in it"
            }

            test "a name has room where its region fills the frame, and many regions don't hide each other" {
                let whole: LabelMap =
                    { nothing 700 700 with
                        Labels = Array.create 490_000 1uy
                    }

                let overlay = draw [ "polyp" ] (grey 90uy 700 700) whole None
                let inside = pixels overlay |> Array.truncate (100 * 700)
                Expect.exists inside ((=) (255uy, 255uy, 255uy)) "inside, at its top"

                let many: LabelMap =
                    { nothing 700 700 with
                        Labels =
                            Array.init 490_000 (fun pixel ->
                                if pixel % 10 < 5 && pixel / 700 % 10 < 5 then 1uy else 0uy)
                    }

                let names =
                    draw [ "polyp" ] (grey 90uy 700 700) many None
                    |> pixels
                    |> Array.truncate 490_000

                let white = names |> Array.filter ((=) (255uy, 255uy, 255uy)) |> Array.length
                Expect.isLessThan white 12_000 "a dozen names"
            }

            test "the notice stands at the foot" {
                for width in [ 20; 352; 1920 ] do
                    let overlay = draw [ "polyp" ] (grey 90uy width 200) (nothing width 200) None

                    let last =
                        pixels overlay
                        |> Array.skip ((overlay.Height - overlay.Width / 24) * overlay.Width)

                    let ink =
                        last |> Array.indexed |> Array.filter (fun (_, (red, _, _)) -> red > 120uy)

                    Expect.isGreaterThan ink.Length 150 $"letters at {width}"
                    let right = ink |> Array.map (fun (pixel, _) -> pixel % overlay.Width) |> Array.max
                    Expect.isLessThan right (overlay.Width - 4) $"all of them at {width}"
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
                    (List.init 8 (fun k -> ClassColours.ofLabel (k + 1))
                     |> List.distinct
                     |> List.length)
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
