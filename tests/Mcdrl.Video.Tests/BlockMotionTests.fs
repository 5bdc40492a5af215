module Mcdrl.Tests.BlockMotionTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

/// The median shift that is found between two views of the scene, in pixels of the frame.
let private median (size: int * int) (dx, dy) =
    let grey at =
        BlockMotion.grey (shot 0.0 size at).Picture

    let motion = BlockMotion.find (grey (80, 100)) (grey (80 + dx, 100 + dy))

    let middle (shares: float32[]) side =
        (Array.sort shares)[shares.Length / 2] * float32 side

    middle motion.X (fst size), middle motion.Y (snd size)

let tests =
    testList
        "block motion"
        [
            test "where the camera went is found, to half a pixel" {
                for dx, dy in [ 0, 0; 3, 0; -5, 2; 0, 6; 7, -7 ] do
                    let x, y = median (150, 110) (dx, dy)
                    Expect.isLessThan (abs (x - float32 dx)) 0.5f $"{x} is {dx}"
                    Expect.isLessThan (abs (y - float32 dy)) 0.5f $"{y} is {dy}"
            }

            test "in reduced frames too, to less than a reduced pixel" {
                let x, y = median (220, 200) (10, -6)
                Expect.isLessThan (abs (x - 10f)) 1f $"{x} is 10"
                Expect.isLessThan (abs (y + 6f)) 1f $"{y} is -6"
            }

            test "a block that shows something new is told by what is left over" {
                let here = BlockMotion.grey (shot 0.0 (96, 64) (80, 100)).Picture

                let other: GreyFrame =
                    { here with
                        Levels = here.Levels |> Array.map (fun level -> byte (min 255 (int level + 80)))
                    }

                let same = (BlockMotion.find here here).Residual |> Array.max
                let strange = (BlockMotion.find other here).Residual |> Array.min
                Expect.equal same 0f "the same"
                Expect.isGreaterThan strange 20f "another"
            }

            test "frames smaller than a block" {
                let tiny = BlockMotion.grey (shot 0.0 (5, 3) (80, 100)).Picture
                let motion = BlockMotion.find tiny tiny
                Expect.equal (motion.X, motion.Y) ([| 0f |], [| 0f |]) "no motion"
            }
        ]
