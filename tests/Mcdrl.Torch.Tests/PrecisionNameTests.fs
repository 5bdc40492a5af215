module Mcdrl.Tests.PrecisionNameTests

open Expecto
open Mcdrl

let tests =
    testList
        "PrecisionName"
        [
            testCase "names are read as they are written"
            <| fun () ->
                for precision in [ Precision.Fp32; Precision.Bf16 ] do
                    let name = PrecisionName.ofPrecision precision
                    Expect.equal (RecordJson.text precision) name "as in JSON"
                    Expect.equal (PrecisionName.tryParse name) (Some precision) name
                    Expect.equal (Outcome.ok (PrecisionName.parse "cpu" (Some name))) (Some precision) name

            testCase "absent is the model's own, auto what the device is fast in"
            <| fun () ->
                let fast =
                    if Processor.hasFastBf16 () then
                        Precision.Bf16
                    else
                        Precision.Fp32

                Expect.isNone (Outcome.ok (PrecisionName.parse "cpu" None)) "absent"

                Expect.equal
                    (Outcome.ok (PrecisionName.parse "cpu" (Some "auto")))
                    (Some fast)
                    "the processor"

                Expect.equal
                    (Outcome.ok (PrecisionName.parse "cuda:1" (Some "auto")))
                    (Some Precision.Bf16)
                    "a graphics card"

            testCase "another name is refused"
            <| fun () ->
                PrecisionName.parse "cpu" (Some "fp8")
                |> Outcome.refusedWith 2 [ "“precision” fp8"; "bf16" ]
        ]
