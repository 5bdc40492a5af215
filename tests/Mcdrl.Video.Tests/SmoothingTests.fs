module Mcdrl.Tests.SmoothingTests

open System
open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

let private side = 32

/// One block that moves by a share of the frame, with what is left over.
let private motion x y residual : Motion =
    {
        Columns = 1
        Rows = 1
        X = [| x |]
        Y = [| y |]
        Residual = [| residual |]
        BlockWidth = 1f
        BlockHeight = 1f
    }

let private still = motion 0f 0f 0f

/// P(background) and P(lesion) of a square of pixels whose left edge is here.
let private square left =
    let lesion =
        Array.init (side * side) (fun pixel ->
            let x, y = pixel % side, pixel / side

            if x >= left && x < left + 8 && y >= 10 && y < 18 then
                0.9f
            else
                0.1f)

    Array.append (lesion |> Array.map (fun value -> 1f - value)) lesion

let private sequence seconds motions (answers: float32[] list) =
    ((None, []), List.indexed (List.zip motions answers))
    ||> List.fold (fun (before, all) (index, (motion, answer)) ->
        let before = before |> Option.map (fun before -> before, motion)
        let next = Smoothing.step seconds before (0.04 * float index) side answer
        Some next, next.Probabilities :: all)
    |> snd
    |> List.rev

let private answers seed count =
    let random = Random(seed: int)

    [
        for _ in 1..count ->
            let lesion = Array.init (side * side) (fun _ -> random.NextSingle())
            Array.append (lesion |> Array.map (fun value -> 1f - value)) lesion
    ]

let tests =
    testList
        "smoothing"
        [
            Property.check "an answer doesn't depend on later ones, is one of probabilities, and adds up to 1"
            <| fun (seed: int) ->
                let all = answers seed 6
                let changed = List.truncate 4 all @ answers (seed + 1) 2
                let still = List.replicate 6 still
                let one, other = sequence 0.2 still all, sequence 0.2 still changed
                Expect.isTrue (List.truncate 4 one = List.truncate 4 other) "the first four"
                Expect.isFalse (List.last one = List.last other) "the last is another"

                for answer in one do
                    for pixel in 0 .. side * side - 1 do
                        Expect.isLessThan
                            (abs (answer[pixel] + answer[side * side + pixel] - 1f))
                            1e-5f
                            "adds up"

                        Expect.isTrue (answer[pixel] >= 0f && answer[pixel] <= 1f) "in range"

            test "after so many seconds an old answer counts for a third" {
                let empty =
                    Array.append (Array.create (side * side) 1f) (Array.zeroCreate (side * side))

                let full =
                    Array.append (Array.zeroCreate (side * side)) (Array.create (side * side) 1f)

                let before: SmoothedAnswer = { Time = 1.0; Probabilities = full }
                let later = Smoothing.step 0.5 (Some(before, still)) 1.5 side empty

                Expect.floatClose
                    Accuracy.medium
                    (float later.Probabilities[side * side])
                    (exp -1.0)
                    "a third"
            }

            test "what moves with the camera is smoothed where it went: nothing lags" {
                // Four of 32 pixels a frame to the left.
                let shift = motion (4f / float32 side) 0f 0f
                let squares = [ square 20; square 16; square 12; square 8 ]
                let last = sequence 1.0 (List.replicate 4 shift) squares |> List.last

                for y in 0 .. side - 1 do
                    for x in 0 .. side - 6 do
                        let pixel = side * side + y * side + x

                        Expect.isLessThan
                            (abs (last[pixel] - squares[3][pixel]))
                            1e-5f
                            $"pixel {x}, {y} is where the square is"
            }

            test "what is new, and what comes from outside, has no past" {
                let before: SmoothedAnswer = { Time = 0.0; Probabilities = square 8 }

                let strange =
                    Smoothing.step 1.0 (Some(before, motion 0f 0f 60f)) 0.04 side (square 20)

                Expect.isTrue (strange.Probabilities = square 20) "new"

                let outside =
                    Smoothing.step 1.0 (Some(before, motion 2f 0f 0f)) 0.04 side (square 20)

                Expect.isTrue (outside.Probabilities = square 20) "outside"
            }

            test "times that can't be smoothed over are refused" {
                for seconds in [ 0.0; -1.0; 10.5; nan; infinity ] do
                    Smoothing.check seconds |> Outcome.refusedWith 2 [ "“smooth”" ]
            }
        ]
