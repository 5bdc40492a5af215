module Mcdrl.Tests.MetricsStrataTests

open Expecto
open Mcdrl

let tests =
    testList
        "Metrics.Strata"
        [
            test "by share of the frame: 1/300 and 3/100" {
                for area, size in
                    [
                        1L, LesionSize.Small
                        1023L, LesionSize.Small
                        1024L, LesionSize.Medium
                        9215L, LesionSize.Medium
                        9216L, LesionSize.Large
                        307200L, LesionSize.Large
                    ] do
                    Expect.equal (LesionSize.ofArea area 307200L) size $"{area} of 640 × 480"

                    Expect.equal
                        (LesionSize.ofArea (4L * area) 1228800L)
                        size
                        $"{area}, the frame twice as wide"

                Expect.floatClose Accuracy.high LesionSize.medium (1.0 / 300.0) "medium"
                Expect.floatClose Accuracy.high LesionSize.large 0.03 "large"
            }

            test "names" {
                Expect.equal (LesionSize.all |> List.map LesionSize.name) [ "small"; "medium"; "large" ] ""
            }
        ]
