module Mcdrl.Tests.FlickerTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

let private between (before: Shot) (now: Shot) labels =
    let motion =
        BlockMotion.find (BlockMotion.grey before.Picture) (BlockMotion.grey now.Picture)

    let struct (changed, beyond) = Flicker.between motion before.Truth labels
    changed, beyond

let tests =
    testList
        "flicker"
        [
            test "marks that move with what is seen don't flicker" {
                let before, now = shot 0.0 (150, 110) (100, 110), shot 0.04 (150, 110) (106, 112)
                let changed, beyond = between before now now.Truth
                Expect.isGreaterThan changed 0.02 "they move"
                Expect.isLessThan beyond (changed / 5.0) "and the motion explains it"
            }

            test "marks that come and go do, by their share of the frame" {
                let now = shot 0.0 (150, 110) (100, 110)

                let none =
                    { now.Truth with
                        Labels = Array.zeroCreate now.Truth.Labels.Length
                    }

                let share = LabelMap.shares now.Truth |> List.sumBy snd
                let changed, beyond = between now now none
                Expect.floatClose Accuracy.high changed share "changed"
                Expect.floatClose Accuracy.high beyond share "beyond"
                Expect.equal (between now now now.Truth) (0.0, 0.0) "nothing changes"
            }
        ]
