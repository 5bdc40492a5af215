module Mcdrl.Tests.MetricsLesionsTests

open System
open Expecto
open Mcdrl

/// A mask written row by row: its width, and its pixels.
let private drawn (text: string) =
    let rows = text.Split '/'

    rows[0].Length,
    String.Concat rows
    |> Seq.map (fun digit -> byte digit - byte '0')
    |> Array.ofSeq

let private detection marked truth =
    let width, truth = drawn truth
    LesionDetection.ofMasks width (snd (drawn marked)) truth

let private lesion area found : DetectedLesion = { Area = area; Found = found }

let private goldens =
    testList
        "golden"
        [
            test "two found with IoU 3/4, a pixel missed, two pixels too many" {
                let found =
                    detection
                        "1100010/0100000/0000001/0000011/0000000/0010000"
                        "1100000/1100000/0000011/0000011/0000000/1000000"

                Expect.equal found.Lesions [ lesion 4L true; lesion 4L true; lesion 1L false ] "lesions"
                Expect.equal found.FalsePositives 2 "false positives"
            }

            test "corners connect" {
                let width, mask = drawn "10001/01010/00100/00000/11000"
                let labels, areas = LesionDetection.components width mask
                Expect.equal areas [| 5L; 2L |] "a vee that two branches begin, and a pair"
                Expect.equal (labels[0], labels[4], labels[20]) (1, 1, 2) "by first pixels"
            }

            test "IoU of exactly one half isn't above it" {
                let found = detection "1100" "1000"

                Expect.equal
                    (found.Lesions, found.FalsePositives)
                    ([ lesion 1L false ], 1)
                    "missed, and too many"

                let found = detection "11100" "11000"
                Expect.equal (found.Lesions, found.FalsePositives) ([ lesion 2L true ], 0) "2/3"
            }

            test "one component over two lesions finds neither; two pieces of one don't find it" {
                let found = detection "1111111" "1110111"
                Expect.equal found.Lesions [ lesion 3L false; lesion 3L false ] "each has IoU 3/7"
                Expect.equal found.FalsePositives 1 "the component"
                let found = detection "1110111" "1111111"
                Expect.equal (found.Lesions, found.FalsePositives) ([ lesion 7L false ], 2) "pieces"
            }

            test "nothing there" {
                Expect.equal (detection "000" "000") { Lesions = []; FalsePositives = 0 } "neither"
                Expect.equal (detection "101" "000") { Lesions = []; FalsePositives = 2 } "the answer alone"
                let missed = detection "000" "101"

                Expect.equal
                    (missed.Lesions, missed.FalsePositives)
                    ([ lesion 1L false; lesion 1L false ], 0)
                    "truth"
            }

            test "classes that touch are one lesion" {
                Expect.equal (detection "2211" "1122").Lesions [ lesion 4L true ] ""
            }
        ]

/// Two masks of 8 columns from pairs of truth values.
let private masks (pixels: (bool * bool) list) =
    let pixels = pixels |> List.truncate (pixels.Length / 8 * 8) |> Array.ofList

    let side (read: bool * bool -> bool) =
        pixels |> Array.map (fun pixel -> if read pixel then 1uy else 0uy)

    side fst, side snd

let private laws =
    testList
        "laws"
        [
            Property.check "a mask finds all of its own lesions"
            <| fun pixels ->
                let one, _ = masks pixels
                let found = LesionDetection.ofMasks 8 one one
                found.FalsePositives = 0 && found.Lesions |> List.forall _.Found

            testProperty
                "found lesions and components too many are all components; swapping keeps what is found"
            <| fun pixels ->
                let one, other = masks pixels

                let found, swapped =
                    LesionDetection.ofMasks 8 one other, LesionDetection.ofMasks 8 other one

                let count (detection: Detection) =
                    detection.Lesions |> List.filter _.Found |> List.length

                let components = snd (LesionDetection.components 8 one)

                count found + found.FalsePositives = components.Length
                && count found = count swapped
                && found.Lesions |> List.sumBy _.Area = int64 (Array.sumBy int other)

            Property.check "neighbours have one label, and labels are as many as flooding finds"
            <| fun pixels ->
                let mask, _ = masks pixels
                let labels, areas = LesionDetection.components 8 mask
                let seen = Array.create mask.Length false

                let rec flood pending =
                    match pending with
                    | [] -> ()
                    | pixel :: rest when seen[pixel] -> flood rest
                    | pixel :: rest ->
                        seen[pixel] <- true

                        let around =
                            [
                                for dy in -1 .. 1 do
                                    for dx in -1 .. 1 do
                                        let x, y = pixel % 8 + dx, pixel / 8 + dy

                                        if
                                            0 <= x
                                            && x < 8
                                            && 0 <= y
                                            && y * 8 < mask.Length
                                            && mask[y * 8 + x] > 0uy
                                        then
                                            y * 8 + x
                            ]

                        Expect.allEqual
                            (around |> List.map (fun other -> labels[other]))
                            labels[pixel]
                            "label"

                        flood (around @ rest)

                let mutable floods = 0

                for pixel in 0 .. mask.Length - 1 do
                    if mask[pixel] > 0uy && not seen[pixel] then
                        floods <- floods + 1
                        flood [ pixel ]

                floods = areas.Length
                && Array.forall2 (fun label mark -> (label > 0) = (mark > 0uy)) labels mask
        ]

let tests = testList "Metrics.Lesions" [ goldens; laws ]
