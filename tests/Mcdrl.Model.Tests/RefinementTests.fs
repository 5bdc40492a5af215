module Mcdrl.Tests.RefinementTests

open Expecto
open TorchSharp
open Mcdrl

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

let private step channels seed =
    Refinement.create channels 8L (Filling.Drawn(Seed.create seed))

let tests =
    testList
        "Refinement"
        [
            testCase "a step gives the sides of its skip map, and reads each copy with its own image's"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let refinement = step 6L 1UL
                let x, skip = normal [ 4L; 8L; 3L; 5L ] 2UL, normal [ 2L; 6L; 6L; 10L ] 3UL
                let found = Refinement.apply x (refinement, skip)
                Expect.equal (List.ofArray found.shape) [ 4L; 8L; 6L; 10L ] "sides"

                for copy in 0L .. 3L do
                    let alone =
                        Refinement.apply
                            (x.narrow (0L, copy, 1L))
                            (refinement, skip.narrow (0L, copy % 2L, 1L))

                    let apart = found.narrow(0L, copy, 1L).sub(alone).abs().max().item<float32>()
                    Expect.isLessThan apart 1e-5f $"copy {copy}"

            testCase "the coarsest maps come first, and as many as there are steps"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let x = normal [ 1L; 8L; 2L; 2L ] 1UL

                let fine, middle, coarse =
                    normal [ 1L; 3L; 16L; 16L ] 2UL,
                    normal [ 1L; 4L; 8L; 8L ] 3UL,
                    normal [ 1L; 5L; 4L; 4L ] 4UL

                let first, second = step 5L 5UL, step 4L 6UL
                let skips = [ fine; middle; coarse ]

                Refinement.applyAll [] skips x
                |> fun same -> Expect.isTrue (same.equal(x).all().ToBoolean()) "none"

                let expected =
                    Refinement.apply (Refinement.apply x (first, coarse)) (second, middle)

                let found = Refinement.applyAll [ first; second ] skips x
                Expect.isTrue (found.equal(expected).all().ToBoolean()) "coarse, then middle"
        ]
