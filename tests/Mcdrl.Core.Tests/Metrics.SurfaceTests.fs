module Mcdrl.Tests.MetricsSurfaceTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl

/// A mask of `width` columns, marked where asked.
let private mask width height marked =
    Array.init (width * height) (fun pixel -> if marked (pixel % width) (pixel / width) then 1uy else 0uy)

let private rectangle width height (left, top, right, bottom) =
    mask width height (fun x y -> left <= x && x <= right && top <= y && y <= bottom)

let private disc width height (centreX, centreY, radius) =
    mask width height (fun x y ->
        (x - centreX) * (x - centreX) + (y - centreY) * (y - centreY) <= radius * radius)

let private golden name width one other expected =
    test name {
        for tolerance, value in expected do
            Expect.floatClose
                Accuracy.high
                (SurfaceDistance.normalised tolerance width one other)
                value
                $"tolerance {tolerance}"
    }

/// By a program of its own, which compares every pixel of an outline with every pixel of the other:
/// (Σ_a [min_b |a − b| ≤ τ] + Σ_b [min_a |a − b| ≤ τ]) / (|∂A| + |∂B|).
let private goldens =
    testList
        "golden"
        [
            golden
                "a square of 5 and itself, one column on: 8 of 16 pixels are shared"
                12
                (rectangle 12 12 (3, 3, 7, 7))
                (rectangle 12 12 (4, 3, 8, 7))
                [ 0.0, 0.5; 1.0, 1.0; 2.0, 1.0 ]
            golden
                "two on and two down, with distances that are roots"
                16
                (rectangle 16 16 (3, 3, 7, 7))
                (rectangle 16 16 (5, 5, 9, 9))
                [ 0.0, 0.125; 1.0, 0.375; sqrt 2.0, 0.375; 2.0, 0.8125; sqrt 8.0, 1.0 ]
            golden
                "a square in a larger one"
                16
                (rectangle 16 16 (4, 4, 8, 8))
                (rectangle 16 16 (2, 2, 11, 11))
                [
                    1.0, 0.0
                    2.0, 19.0 / 52.0
                    sqrt 5.0, 23.0 / 52.0
                    3.0, 43.0 / 52.0
                    sqrt 13.0, 51.0 / 52.0
                    5.0, 1.0
                ]
            golden
                "what lies beyond the image is outside"
                8
                (rectangle 8 6 (0, 0, 7, 5))
                (rectangle 8 6 (0, 0, 3, 5))
                [ 0.0, 0.6; 1.0, 0.7; 2.0, 0.8; 4.0, 1.0 ]
            golden
                "discs"
                40
                (disc 40 30 (18, 15, 10))
                (disc 40 30 (21, 13, 9))
                [
                    0.0, 8.0 / 104.0
                    1.0, 25.0 / 104.0
                    2.0, 51.0 / 104.0
                    3.0, 77.0 / 104.0
                    4.0, 92.0 / 104.0
                ]
            golden
                "a hole has an outline of 24 pixels"
                24
                (Array.map2
                    (fun outer hole -> if hole > 0uy then 0uy else outer)
                    (disc 24 24 (11, 11, 9))
                    (disc 24 24 (11, 11, 4)))
                (disc 24 24 (11, 11, 9))
                [ 0.0, 96.0 / 120.0; 1.0, 96.0 / 120.0; 5.0, 1.0 ]
            golden
                "two pixels, 3 and 4 apart"
                20
                (rectangle 20 20 (0, 0, 0, 0))
                (rectangle 20 20 (3, 4, 3, 4))
                [ 4.999, 0.0; 5.0, 1.0 ]

            test "nothing marked" {
                let empty, some = rectangle 6 5 (9, 9, 9, 9), rectangle 6 5 (1, 1, 2, 2)
                Expect.equal (SurfaceDistance.normalised 3.0 6 empty empty) 1.0 "neither"
                Expect.equal (SurfaceDistance.normalised 99.0 6 empty some) 0.0 "the answer alone"
                Expect.equal (SurfaceDistance.normalised 99.0 6 some empty) 0.0 "the truth alone"
            }

            test "1 % of the diagonal, in pixels" {
                Expect.floatClose Accuracy.high (SurfaceDistance.tolerancePixels 400 300) 5.0 "3-4-5"
            }

            test "the outer outline counts, whatever class is inside" {
                let two = mask 12 12 (fun x y -> 3 <= x && x <= 7 && 3 <= y && y <= 7)

                let parted =
                    two
                    |> Array.mapi (fun pixel label -> if pixel % 12 < 5 then label else 2uy * label)

                Expect.equal (SurfaceDistance.normalised 0.0 12 two parted) 1.0 ""
            }

            test "a frame of 12 megapixels, marked to its corners" {
                let width, height = 4000, 3000
                let one = mask width height (fun x y -> x % 1999 < 2 || y % 1499 < 2)
                let other = mask width height (fun x y -> x > 0 && y > 0)

                let value =
                    SurfaceDistance.normalised (SurfaceDistance.tolerancePixels width height) width one other

                Expect.isTrue (value > 0.0 && value < 1.0) $"{value}"
            }
        ]

/// Two masks of one size, of up to 9 × 9 pixels.
type private Pair =
    {
        Width: int
        One: byte[]
        Other: byte[]
    }

let private pairs =
    let drawn =
        gen {
            let! width = Gen.choose (1, 9)
            let! height = Gen.choose (1, 9)
            let one = Gen.elements [ 0uy; 0uy; 1uy ] |> Gen.arrayOfLength (width * height)
            let! first = one
            let! second = one

            return
                {
                    Width = width
                    One = first
                    Other = second
                }
        }

    Arb.fromGen drawn

let private law name (holds: Pair -> float -> bool) =
    testCase name
    <| fun () ->
        Prop.forAll pairs (fun pair ->
            Prop.forAll
                (Arb.fromGen (Gen.choose (0, 60) |> Gen.map (fun tenths -> float tenths / 10.0)))
                (holds pair))
        |> Check.QuickThrowOnFailure

/// The definition, pair by pair of pixels.
let private direct (pair: Pair) (tolerance: float) =
    let height = pair.One.Length / pair.Width

    let outline (mask: byte[]) =
        let marked x y =
            0 <= x
            && x < pair.Width
            && 0 <= y
            && y < height
            && mask[y * pair.Width + x] > 0uy

        [
            for y in 0 .. height - 1 do
                for x in 0 .. pair.Width - 1 do
                    let sides = [ x - 1, y; x + 1, y; x, y - 1; x, y + 1 ]

                    if marked x y && not (sides |> List.forall (fun (x, y) -> marked x y)) then
                        x, y
        ]

    let one, other = outline pair.One, outline pair.Other

    let near others (x, y) =
        others
        |> List.exists (fun (u, v) ->
            sqrt (float ((x - u) * (x - u) + (y - v) * (y - v))) <= tolerance + 1e-9)

    match one, other with
    | [], [] -> 1.0
    | _ ->
        let within = List.filter (near other) one @ List.filter (near one) other
        float within.Length / float (one.Length + other.Length)

let private laws =
    testList
        "laws"
        [
            law "what its definition says"
            <| fun pair tolerance ->
                abs (
                    SurfaceDistance.normalised tolerance pair.Width pair.One pair.Other
                    - direct pair tolerance
                )
                    <
                    1e-12
            law "symmetric"
            <| fun pair tolerance ->
                SurfaceDistance.normalised tolerance pair.Width pair.One pair.Other =
                    SurfaceDistance.normalised tolerance pair.Width pair.Other pair.One
            law "1 for equal masks"
            <| fun pair tolerance -> SurfaceDistance.normalised tolerance pair.Width pair.One pair.One = 1.0
            law "never less with more tolerance, and never outside 0 to 1"
            <| fun pair tolerance ->
                let strict = SurfaceDistance.normalised tolerance pair.Width pair.One pair.Other

                let lenient =
                    SurfaceDistance.normalised (tolerance + 0.5) pair.Width pair.One pair.Other

                0.0 <= strict && strict <= lenient && lenient <= 1.0
            law "a mirror changes nothing"
            <| fun pair tolerance ->
                SurfaceDistance.normalised tolerance pair.Width (Array.rev pair.One) (Array.rev pair.Other) =
                    SurfaceDistance.normalised tolerance pair.Width pair.One pair.Other
        ]

let tests = testList "Metrics.Surface" [ goldens; laws ]
