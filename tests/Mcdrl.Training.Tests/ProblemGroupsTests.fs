module Mcdrl.Tests.ProblemGroupsTests

open Expecto
open Mcdrl

let private lines problems =
    ProblemGroups.ofList "/data/set" problems |> List.map McdrlError.describe

let tests =
    testList
        "Problem groups"
        [
            test "74 masks with the same fault are one line, which counts them and names a few" {
                let problems =
                    [
                        for k in 1..74 ->
                            McdrlError.data
                                $"the mask holds the values 255 ({k} pixels), but only 0, 1 are declared"
                                $"/data/set/west/masks/f{k}.png"
                                "Declare it"
                    ]

                Expect.equal
                    (lines problems)
                    [
                        "west/masks/f1.png and 73 more (west/masks/f2.png, west/masks/f3.png, west/masks/f4.png, …): the mask holds the values 255 (1 pixels), but only 0, 1 are declared. Declare it."
                    ]
                    "one line"
            }

            test
                "what the file's own name stands in is the same, what is said otherwise is not, and order is kept" {
                let missing name =
                    McdrlError.data
                        "the frame has no mask"
                        $"/data/set/a/{name}.png"
                        $"Add {name}.png there, or remove the frame"

                let other = McdrlError.data "the file is empty" "/data/set/a/x.png" "Replace it"

                Expect.equal
                    (lines [ missing "left"; other; missing "right"; McdrlError.Cancelled ])
                    [
                        "a/left.png and 1 more (a/right.png): the frame has no mask. Add left.png there, or remove the frame."
                        McdrlError.describe other
                        McdrlError.describe McdrlError.Cancelled
                    ]
                    "three lines"
            }
        ]
