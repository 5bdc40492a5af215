module Mcdrl.Tests.ImportMasksTests

open System.IO
open Expecto
open Mcdrl

let private read rule classes (name: string) (bytes: byte[]) =
    let mutable outcome = Error McdrlError.Cancelled

    Crafted.withFolder (fun folder ->
        let path = Path.Combine(folder, name)
        File.WriteAllBytes(path, bytes)
        outcome <- ImportMasks.read ImageLimits.standard rule classes path)

    outcome

let private good rule classes name bytes =
    match read rule classes name bytes with
    | Ok map -> map
    | Error problem -> failtest (McdrlError.describe problem)

let private refused rule classes name bytes =
    match read rule classes name bytes with
    | Ok _ -> failtest "accepted"
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) 4 "a data error"
        McdrlError.describe problem

let private bright = MaskRule.Bright 128uy
let private redGreen = MaskRule.Colours [ 255uy, 0uy, 0uy; 0uy, 255uy, 0uy ]

let private count label (map: LabelMap) =
    map.Labels |> Array.filter ((=) label) |> Array.length

/// Red on the left, green on the right, black between and around.
let private twoPolyps x y =
    if y < 16 || y >= 80 then 0uy, 0uy, 0uy
    elif x >= 16 && x < 56 then 255uy, 0uy, 0uy
    elif x >= 72 && x < 112 then 0uy, 255uy, 0uy
    else 0uy, 0uy, 0uy

let tests =
    testList
        "Published masks"
        [
            test "a JPEG mask holds values of every size, and counts from 129" {
                let file = Published.jpeg 60 120 90 (Published.disc 120 90)

                match Images.decode ImageLimits.standard "mask" file with
                | Error problem -> failtest (McdrlError.describe problem)
                | Ok picture ->
                    let odd = picture.Rgb |> Array.filter (fun value -> value > 0uy && value < 255uy)
                    Expect.isGreaterThan odd.Length 1000 "the trap is there"

                let area = Published.discArea 120 90
                let marked = count 1uy (good bright 1 "m.jpg" file)
                Expect.isLessThan (abs (marked - area)) (area / 50) "within 2 % of the disc"
                let careless = count 1uy (good (MaskRule.Bright 0uy) 1 "m.jpg" file)
                Expect.isGreaterThan careless (area * 6 / 5) "above 0 it would grow by more than a fifth"
            }

            test "a TIFF mask, and one that is all background" {
                let area = Published.discArea 60 40

                let grey =
                    Published.pixels 60 40 (Published.disc 60 40)
                    |> Array.chunkBySize 3
                    |> Array.map Array.head

                Expect.equal (count 1uy (good bright 1 "m.tif" (Published.tiff 60 40 1 grey))) area "exact"
                let black = Published.jpeg 60 60 40 (fun _ _ -> 0uy, 0uy, 0uy)
                Expect.equal (count 1uy (good bright 1 "m.jpg" black)) 0 "none"
            }

            test "a mask of 0 and 1 is not taken for an empty one" {
                let file = Crafted.indexed 8 8 8 0 false (Array.init 64 (fun i -> i % 2))
                Expect.stringContains (refused bright 1 "m.png" file) "from 0 to 1" "says so"
            }

            test "an image in a mask's place is refused" {
                let file = Published.jpeg 90 64 64 (Published.scene 1 64 64)
                Expect.stringContains (refused bright 1 "m.jpg" file) "neither black nor white" "says so"
            }

            test "red and green slightly off by JPEG are told apart" {
                let file = Published.jpeg 70 128 96 twoPolyps

                match Images.decode ImageLimits.standard "mask" file with
                | Error problem -> failtest (McdrlError.describe problem)
                | Ok picture ->
                    let plain =
                        picture.Rgb
                        |> Array.chunkBySize 3
                        |> Array.filter (fun pixel -> pixel = [| 255uy; 0uy; 0uy |])

                    Expect.isLessThan plain.Length (40 * 64) "hardly any pixel is pure red"

                let map = good redGreen 2 "m.jpeg" file
                Expect.isLessThan (abs (count 1uy map - 40 * 64)) 130 "red within 5 %"
                Expect.isLessThan (abs (count 2uy map - 40 * 64)) 130 "green within 5 %"
                Expect.equal map.Labels[48 * 128 + 36] 1uy "red is the first"
                Expect.equal map.Labels[48 * 128 + 92] 2uy "green is the second"
            }

            test "a colour that means nothing is named" {
                let withWhite x y =
                    if x < 12 && y < 12 then 255uy, 255uy, 255uy
                    elif x >= 40 && x < 60 && y < 20 then 255uy, 0uy, 0uy
                    else 0uy, 0uy, 0uy

                let message = refused redGreen 2 "m.png" (Published.png 64 48 withWhite)
                Expect.stringContains message "144 pixels" "how many"
                Expect.stringContains message "(224, 224, 224)" "which"
            }

            test "numbers are the classes, others are named" {
                let file = Crafted.indexed 7 1 8 0 false [| 0; 1; 2; 3; 4; 5; 6 |]
                Expect.equal (good MaskRule.Numbers 6 "m.png" file).Labels [| 0uy .. 6uy |] "as stored"

                Expect.stringContains
                    (refused MaskRule.Numbers 4 "m.png" file)
                    "5 (1 pixels), 6 (1 pixels)"
                    "named"

                let tiff = Published.tiff 7 1 1 [| 0uy .. 6uy |]
                Expect.equal (good MaskRule.Numbers 6 "m.tif" tiff).Labels [| 0uy .. 6uy |] "in TIFF too"
            }
        ]
