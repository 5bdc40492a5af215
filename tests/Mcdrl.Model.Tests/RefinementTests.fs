module Mcdrl.Tests.RefinementTests

open Expecto
open TorchSharp
open Mcdrl

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

/// A step of a head of 8 channels whose style, of width 5, has weights.
let private step channels seed =
    let refinement = Refinement.create channels 8L 5L (Filling.Drawn(Seed.create seed))

    { refinement with
        style = Init.linear 5L 16L (Filling.Drawn(Seed.create (seed + 100UL)))
    }

let private detail refinement skip =
    Refinement.details [ refinement ] [ skip ] |> List.exactlyOne

let private apart (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float32>()

let tests =
    testList
        "Refinement"
        [
            testCase "a step gives the sides of its skip map, and reads each copy with its own image's"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let refinement = step 6L 1UL
                let x, skip = normal [ 4L; 8L; 3L; 5L ] 2UL, normal [ 2L; 6L; 6L; 10L ] 3UL
                let style = normal [ 4L; 5L ] 4UL
                let found = Refinement.apply style x (refinement, detail refinement skip)
                Expect.equal (List.ofArray found.shape) [ 4L; 8L; 6L; 10L ] "sides"

                for copy in 0L .. 3L do
                    let alone =
                        Refinement.apply
                            (style.narrow (0L, copy, 1L))
                            (x.narrow (0L, copy, 1L))
                            (refinement, detail refinement (skip.narrow (0L, copy % 2L, 1L)))

                    Expect.isLessThan (apart (found.narrow (0L, copy, 1L)) alone) 1e-5f $"copy {copy}"

            testCase "the coarsest maps come first, and as many as there are steps"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let fine, middle, coarse =
                    normal [ 1L; 3L; 16L; 16L ] 2UL,
                    normal [ 1L; 4L; 8L; 8L ] 3UL,
                    normal [ 1L; 5L; 4L; 4L ] 4UL

                let first, second = step 5L 5UL, step 4L 6UL
                let found = Refinement.details [ first; second ] [ fine; middle; coarse ]
                Expect.isEmpty (Refinement.details [] [ fine; middle; coarse ]) "none"

                for expected, found in List.zip [ detail first coarse; detail second middle ] found do
                    Expect.equal (apart expected.Pattern found.Pattern) 0.0f "pattern"
                    Expect.equal (apart expected.Style found.Style) 0.0f "style"

            testCase
                "how a skip map is lit is in its style alone, and the answer reads the style that is stated"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let refinement = step 6L 1UL

                let refinement =
                    { refinement with
                        lateral =
                            { refinement.lateral with
                                bias = Some(torch.zeros 8L)
                            }
                    }

                let skip = normal [ 2L; 6L; 6L; 10L ] 3UL

                let plain, brighter =
                    detail refinement skip, detail refinement (skip.mul (scalar 3.0))

                Expect.isLessThan (apart plain.Pattern brighter.Pattern) 1e-3f "the same pattern"
                Expect.isGreaterThan (apart plain.Style brighter.Style) 0.5f "another style"

                let x = normal [ 2L; 8L; 3L; 5L ] 2UL

                let under seed detail =
                    Refinement.apply (normal [ 2L; 5L ] seed) x (refinement, detail)

                Expect.isLessThan
                    (apart (under 4UL plain) (under 4UL brighter))
                    1e-3f
                    "the frame's own style is not read"

                Expect.isGreaterThan (apart (under 4UL plain) (under 5UL plain)) 0.01f "the stated style is"
        ]
