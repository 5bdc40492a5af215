module Mcdrl.Tests.ClassColoursTests

open System
open Expecto
open Mcdrl

let private linear (value: byte) =
    let share = float value / 255.0

    if share <= 0.04045 then
        share / 12.92
    else
        ((share + 0.055) / 1.055) ** 2.4

/// CIELAB (D65) of linear sRGB.
let private lab (red, green, blue) =
    let f value =
        if value > 216.0 / 24389.0 then
            Math.Cbrt value
        else
            (24389.0 / 27.0 * value + 16.0) / 116.0

    let x = f ((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    let y = f (0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    let z = f ((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)

/// CIEDE2000 of two colours in CIELAB.
let private difference (l1, a1, b1) (l2, a2, b2) =
    let power7 value =
        sqrt (value ** 7.0 / (value ** 7.0 + 25.0 ** 7.0))

    let radians degrees = degrees * Math.PI / 180.0
    let chroma a b = sqrt (a * a + b * b)
    let grey = 0.5 * (1.0 - power7 (0.5 * (chroma a1 b1 + chroma a2 b2)))
    let a1, a2 = a1 * (1.0 + grey), a2 * (1.0 + grey)
    let c1, c2 = chroma a1 b1, chroma a2 b2

    let hue a b =
        (Math.Atan2(b, a) * 180.0 / Math.PI + 360.0) % 360.0

    let h1, h2 = hue a1 b1, hue a2 b2
    let isGrey = c1 * c2 = 0.0

    let turn = if isGrey then 0.0 else (h2 - h1 + 540.0) % 360.0 - 180.0

    let meanHue =
        if isGrey then h1 + h2
        elif abs (h1 - h2) <= 180.0 then 0.5 * (h1 + h2)
        elif h1 + h2 < 360.0 then 0.5 * (h1 + h2 + 360.0)
        else 0.5 * (h1 + h2 - 360.0)

    let l, c = 0.5 * (l1 + l2), 0.5 * (c1 + c2)

    let t =
        1.0 - 0.17 * cos (radians (meanHue - 30.0))
        + 0.24 * cos (radians (2.0 * meanHue))
        + 0.32 * cos (radians (3.0 * meanHue + 6.0))
        - 0.20 * cos (radians (4.0 * meanHue - 63.0))

    let byLightness =
        (l2 - l1) / (1.0 + 0.015 * (l - 50.0) ** 2.0 / sqrt (20.0 + (l - 50.0) ** 2.0))

    let byChroma = (c2 - c1) / (1.0 + 0.045 * c)

    let byHue =
        2.0 * sqrt (c1 * c2) * sin (radians (0.5 * turn)) / (1.0 + 0.015 * c * t)

    let rotation =
        -2.0
        * power7 c
        * sin (radians (60.0 * exp (-(((meanHue - 275.0) / 25.0) ** 2.0))))

    sqrt (
        byLightness ** 2.0
        + byChroma ** 2.0
        + byHue ** 2.0
        + rotation * byChroma * byHue
    )

/// What someone sees instead of linear sRGB (Machado, Oliveira and Fernandes, 2009, severity 1).
let private visions =
    [
        "full colour vision", [ [ 1.0; 0.0; 0.0 ]; [ 0.0; 1.0; 0.0 ]; [ 0.0; 0.0; 1.0 ] ]
        "protanopia",
        [
            [ 0.152286; 1.052583; -0.204868 ]
            [ 0.114503; 0.786281; 0.099216 ]
            [ -0.003882; -0.048116; 1.051998 ]
        ]
        "deuteranopia",
        [
            [ 0.367322; 0.860646; -0.227968 ]
            [ 0.280085; 0.672501; 0.047413 ]
            [ -0.011820; 0.042940; 0.968881 ]
        ]
    ]

let private seen rows (red, green, blue) =
    let channels = [ linear red; linear green; linear blue ]

    match
        rows
        |> List.map (fun row -> Math.Clamp(List.sum (List.map2 (*) row channels), 0.0, 1.0))
    with
    | [ red; green; blue ] -> lab (red, green, blue)
    | other -> failtest $"{other.Length} channels"

let private all =
    List.init ClassColours.count (fun k -> ClassColours.ofLabel (k + 1))

let tests =
    testList
        "ClassColours"
        [
            test "the difference is CIEDE2000" {
                // Of the data that Sharma, Wu and Dalal published with their notes on its implementation.
                for left, right, expected in
                    [
                        (50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425
                        (50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0
                        (50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492
                        (60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644
                        (22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373
                        (90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381
                    ] do
                    Expect.floatClose Accuracy.low (difference left right) expected $"{left} and {right}"
            }

            for name, rows in visions do
                test $"any two of the first eight differ by 20 at least: {name}" {
                    for i in 0 .. all.Length - 1 do
                        for j in 0 .. i - 1 do
                            Expect.isGreaterThanOrEqual
                                (difference (seen rows all[i]) (seen rows all[j]))
                                20.0
                                $"classes {i + 1} and {j + 1}"
                }

                test $"each differs from the halo around it by 30, from a true outline by 10: {name}" {
                    for index, colour in List.indexed all do
                        for other, least in [ (24uy, 18uy, 16uy), 30.0; (255uy, 255uy, 255uy), 10.0 ] do
                            Expect.isGreaterThanOrEqual
                                (difference (seen rows colour) (seen rows other))
                                least
                                $"class {index + 1}"
                }

            test "each differs from mucosa, light and dark, by 15" {
                let rows = snd visions.Head

                for index, colour in List.indexed all do
                    for mucosa in
                        [
                            200uy, 110uy, 95uy
                            170uy, 80uy, 70uy
                            225uy, 150uy, 130uy
                            140uy, 60uy, 55uy
                        ] do
                        Expect.isGreaterThanOrEqual
                            (difference (seen rows colour) (seen rows mucosa))
                            15.0
                            $"class {index + 1}"
            }

            test "they repeat, and a palette has background, classes and marks" {
                Expect.equal ClassColours.count 8 "eight"
                Expect.equal (ClassColours.ofLabel 9) (ClassColours.ofLabel 1) "the ninth"
                Expect.equal ClassColours.palette.Length 256 "all labels"
                Expect.equal ClassColours.palette[0] (0uy, 0uy, 0uy) "background"
                Expect.equal ClassColours.palette[3] (ClassColours.ofLabel 3) "a class"
                Expect.equal ClassColours.palette[255] (255uy, 255uy, 255uy) "marks"
            }
        ]
