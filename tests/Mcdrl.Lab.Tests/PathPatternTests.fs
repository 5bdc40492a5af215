module Mcdrl.Tests.PathPatternTests

open Expecto
open Mcdrl

let tests =
    testList
        "Path patterns"
        [
            test "parts are read, and a part named twice is the same twice" {
                let read = PathPattern.reader "data_C{site}/masks_C{site}/{name}_mask"

                Expect.equal
                    (read "data_C3/masks_C3/C3_a_mask_mask")
                    (Some(Map.ofList [ "site", "3"; "name", "C3_a_mask" ]))
                    "fits"

                for path in
                    [
                        "data_C3/masks_C4/a_mask"
                        "data_C3/masks_C3/a"
                        "x/data_C3/masks_C3/a_mask"
                        "data_C3/masks_C3/b/a_mask"
                        "data_C3/masks_C3/a_mask\n"
                    ] do
                    Expect.isNone (read path) path
            }

            test "text is text" {
                Expect.isNone (PathPattern.reader "a.c/{name}" "abc/x") "a dot"
                Expect.isSome (PathPattern.reader "Ground Truth (2)/{name}" "Ground Truth (2)/x") "brackets"
            }

            test "parts are put in" {
                let parts = Map.ofList [ "site", "3"; "name", "a b" ]
                Expect.equal (PathPattern.fill parts "c{site}_{name}_{other}") "c3_a b_{other}" "filled"
            }
        ]
