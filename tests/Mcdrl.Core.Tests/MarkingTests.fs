module Mcdrl.Tests.MarkingTests

open System
open Expecto
open Mcdrl

/// A map from rows of digits.
let private map (rows: string list) : LabelMap =
    {
        Width = rows.Head.Length
        Height = rows.Length
        Labels =
            rows
            |> String.concat ""
            |> Seq.map (fun digit -> byte digit - byte '0')
            |> Array.ofSeq
    }

let private random (seed: int) width height labels : LabelMap =
    let generator = Random seed

    {
        Width = width
        Height = height
        Labels = Array.init (width * height) (fun _ -> byte (generator.Next labels))
    }

let private size most (value: uint16) = 1 + int value % most

/// Probabilities [classes, side, side] that sum to 1 at each pixel.
let private probabilities (seed: int) classes side =
    let generator = Random seed

    let raw =
        Array.init (classes * side * side) (fun _ -> float32 (generator.NextDouble()) + 0.01f)

    Array.init raw.Length (fun index ->
        let pixel = index % (side * side)

        raw[index]
        / Array.sum [| for k in 0 .. classes - 1 -> raw[k * side * side + pixel] |])

let private runs =
    testList
        "runs"
        [
            test "a spiral is one region, and pixels that touch at a corner are two" {
                let spiral = PixelRun.find (map [ "11111"; "00001"; "11101"; "10001"; "11111" ])
                Expect.all spiral (fun run -> run.Region = 0) "one region"
                Expect.equal (spiral |> Array.sumBy (fun run -> run.After - run.First)) 17 "its pixels"

                Expect.equal
                    (PixelRun.find (map [ "120"; "012" ])
                     |> Array.map (fun run -> run.First, run.After, run.Region))
                    [| 0, 1, 0; 1, 2, 1; 1, 2, 2; 2, 3, 3 |]
                    "neither labels nor corners join"
            }

            Property.check "regions are those of Contours, in the order in which they begin"
            <| fun (seed: int) (width: uint16) (height: uint16) ->
                let map = random seed (size 24 width) (size 24 height) 3
                let runs = PixelRun.find map

                let found =
                    runs
                    |> Array.groupBy _.Region
                    |> Array.map (fun (_, own) ->
                        int map.Labels[own[0].Row * map.Width + own[0].First],
                        own |> Array.sumBy (fun run -> int64 (run.After - run.First)),
                        own |> Array.map _.First |> Array.min,
                        own |> Array.map _.Row |> Array.min)
                    |> Array.sort

                let expected =
                    Contours.find map
                    |> List.map (fun region -> region.Label, region.Area, region.X, region.Y)
                    |> Array.ofList
                    |> Array.sort

                let begins = runs |> Array.distinctBy _.Region |> Array.map _.Region
                found = expected && begins = [| 0 .. expected.Length - 1 |]
        ]

let private areas =
    testList
        "smallest area"
        [
            test "regions with fewer pixels go, each class by itself" {
                Expect.equal
                    (Marking.withoutSmall 3L (map [ "11022"; "10020"; "00002" ]))
                    (map [ "11022"; "10020"; "00000" ])
                    "one pixel of the second class"

                Expect.equal
                    (Marking.withoutSmall 4L (map [ "11022"; "10020" ]))
                    (map [ "00000"; "00000" ])
                    "three pixels each"
            }

            Property.check "what stays is as it was and large enough, what goes was too small"
            <| fun (seed: int) (width: uint16) (height: uint16) (least: uint16) ->
                let map = random seed (size 24 width) (size 24 height) 3
                let least = int64 (size 9 least)

                let kept = Contours.find map |> List.filter (fun region -> region.Area >= least)

                Contours.find (Marking.withoutSmall least map) = kept
        ]

let private thresholds =
    testList
        "threshold"
        [
            test "P(lesion) at or above it is marked, as the most probable class of lesion" {
                // Three pixels of a network of side 1 each, background and two classes.
                let label threshold values =
                    (Marking.labels { Threshold = threshold; MinArea = 0L } 1 1 1 (Array.map float32 values))
                        .Labels[0]

                Expect.equal (label None [| 0.4; 0.3; 0.3 |]) 0uy "background is the most probable class"

                Expect.equal
                    (label (Some 0.5) [| 0.4; 0.3; 0.3 |])
                    1uy
                    "a lesion is more probable than none; the lower of equals"

                Expect.equal (label (Some 0.75) [| 0.25; 0.25; 0.5 |]) 2uy "at the threshold"
                Expect.equal (label (Some 0.76) [| 0.25; 0.25; 0.5 |]) 0uy "below it"
                Expect.equal (label None [| 0.5; 0.5 |]) 0uy "a tie is not marked"
                Expect.equal (label (Some 0.5) [| 0.5; 0.5 |]) 1uy "but at a threshold of 0.5"
            }

            Property.check "a higher one marks no pixel more, and no other class"
            <| fun (seed: int) (side: uint16) (width: uint16) (height: uint16) (low: uint16) (more: uint16) ->
                let side = size 8 side
                let probabilities = probabilities seed 3 side
                let low = 0.01 + 0.9 * float low / 65535.0
                let high = low + (1.0 - low) * float more / 65535.0

                let at threshold =
                    (Resampling.labelsFrom threshold (size 30 height) (size 30 width) side probabilities)
                        .Labels

                Array.forall2 (fun low high -> high = 0uy || high = low) (at low) (at high)

            Property.check "with one class, 0.5 is the most probable class but for ties"
            <| fun (seed: int) (side: uint16) (width: uint16) (height: uint16) ->
                let side, width, height = size 8 side, size 30 width, size 30 height
                let probabilities = probabilities seed 2 side
                let standard = Marking.labels Marking.standard height width side probabilities

                let half =
                    Marking.labels { Threshold = Some 0.5; MinArea = 0L } height width side probabilities

                let background =
                    Resampling.values height width side probabilities[.. side * side - 1]

                Array.forall2
                    (fun background (one, other) -> one = other || abs (background - 0.5f) < 1e-6f)
                    background.Values
                    (Array.zip standard.Labels half.Labels)
        ]

let private ofModels =
    testList
        "a model's own smallest region"
        [
            test "a share of the picture, where none is asked for" {
                for share, asked, least in
                    [
                        None, 0L, 0L
                        None, 7L, 7L
                        Some 0.01, 0L, 50L
                        Some 0.0101, 0L, 51L
                        Some 0.01, 1L, 1L
                        Some 0.0, 0L, 0L
                    ] do
                    let found =
                        Marking.inPicture
                            share
                            50
                            100
                            { Marking.standard with
                                MinArea = asked
                            }

                    Expect.equal found.MinArea least $"{share}, asked {asked}"
            }
        ]

let private refusals =
    test "what is no probability or no area is refused, both at once" {
        for threshold in [ 0.0; -0.1; 1.01; nan; infinity ] do
            Marking.create (Some threshold) 0L
            |> Outcome.refusedWith 2 [ "“threshold”"; "above 0, at most 1" ]

        Marking.create (Some 7.0) -1L
        |> Outcome.refusedWith 2 [ "“threshold”"; "“min_area”" ]

        Expect.equal (Marking.create None 0L) (Ok Marking.standard) "none given"
        Expect.isOk (Marking.create (Some 1.0) 5L) "the largest"
    }

let tests = testList "Marking" [ runs; areas; thresholds; ofModels; refusals ]
