module Mcdrl.Tests.SelectionLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

/// A dense map and class texts.
let private scene (world: World) =
    World.normal "dense" [ world.Images; world.Height; world.Width; world.Features ] world,
    World.normal "classes" [ 1; world.Classes; world.Features ] world

/// Similarities on a coarse grid of values, so that ties are common, [B, H, W, K].
let private tied (world: World) =
    (World.normal "similarity" [ world.Images; world.Height; world.Width; world.Classes ] world)
        .mul(scalar 1.5)
        .round()

let private cells (share: float) (similarity: Tensor) =
    let found = Regions.select share similarity

    [
        for image in 0L .. found.shape[0] - 1L -> found[image].data<int64>().ToArray() |> List.ofArray
    ]

let private best (similarity: Tensor) = similarity.amax [| -1L |]

let private similarity =
    testList
        "similarity"
        [
            Law.forAll
                100
                "I-27 S lies in [−1, 1] and ignores the positive scale of any cell or text"
                (fun world ->
                    let dense, classes = scene world
                    let s = Regions.similarity dense classes
                    Law.nonNegative 1e-12 "≤ 1" (s.abs().neg().add(scalar 1.0, unity))

                    let scales name shape =
                        (World.normal name shape world).mul(scalar 2.0).exp()

                    let scaled =
                        Regions.similarity
                            (dense.mul (scales "cells" [ world.Images; world.Height; world.Width; 1 ]))
                            (classes.mul (scales "texts" [ world.Classes; 1 ]))

                    Law.close 1e-10 "scaled" s scaled)

            Law.forAll 100 "I-27 zero vectors give 0, not NaN" (fun world ->
                let dense, classes = scene world
                let noCell = dense.clone ()
                noCell[0L, 0L, 0L] <- torch.zeros (int64 world.Features, dtype = torch.float64)
                let s = Regions.similarity noCell classes
                Law.same "a cell" (torch.zeros_like s[0L, 0L, 0L]) s[0L, 0L, 0L]
                let s = Regions.similarity dense (torch.zeros_like classes)
                Law.same "texts" (torch.zeros_like s) s)

            Law.forAll
                100
                "I-28 Ŝ ignores the order and the number of copies of a class; another only raises it"
                (fun world ->
                    let dense, classes = scene world
                    let found (classes: Tensor) = best (Regions.similarity dense classes)

                    let order =
                        Seed.permutation world.Classes (World.seed "order" world) |> Array.map int64

                    let turned = classes.index_select (1L, torch.tensor order)
                    Law.close 1e-12 "order" (found classes) (found turned)

                    Law.close 1e-12 "copies" (found classes) (found (torch.cat ([| classes; turned |], 1L)))

                    let other = World.normal "other" [ 1; 1; world.Features ] world
                    let more = found (torch.cat ([| classes; other |], 1L))
                    Law.nonNegative 1e-12 "raised" (more.sub (found classes)))
        ]

let private mask =
    testList
        "mask"
        [
            Law.forAll
                100
                "I-29 the mask has clamp(round(α·H·W), 1, H·W) ones, the largest Ŝ, ties to the lower index"
                (fun world ->
                    let similarity = tied world
                    let total = world.Height * world.Width

                    let wanted =
                        System.Math.Round(world.Share * float total, System.MidpointRounding.AwayFromZero)
                        |> int
                        |> max 1
                        |> min total

                    for image, found in List.indexed (cells world.Share similarity) do
                        let values =
                            (best similarity).select(0L, int64 image).flatten().data<float>().ToArray()

                        let expected =
                            [ 0 .. total - 1 ]
                            |> List.sortBy (fun cell -> -values[cell], cell)
                            |> List.truncate wanted
                            |> List.sort
                            |> List.map int64

                        Expect.equal found expected "cells")

            Law.example "I-29 half of 7 × 7 cells is 25, and a share of 0 still keeps one" (fun () ->
                Expect.equal (Regions.count 0.5 49L) 25L "midpoints away from zero"
                Expect.equal (Regions.count 0.0 49L) 1L "at least one"
                Expect.equal (Regions.count 1.0 49L) 49L "all")

            Law.forAll 100 "I-29 a larger α keeps what a smaller one kept" (fun world ->
                let other = World.uniform "other" world
                let small, large = min world.Share other, max world.Share other

                for few, many in List.zip (cells small (tied world)) (cells large (tied world)) do
                    Expect.isTrue (Set.isSubset (Set.ofList few) (Set.ofList many)) "subset")

            Law.forAll 100 "I-29 α = 1 makes F all cells, in order: the ablation without MTRS" (fun world ->
                let problem = World.problem { world with Share = 1.0 }
                let dense = problem.Observation.Dense
                Law.same "F" (dense.flatten (1L, 2L)) problem.Observation.Regions)

            Law.forAll 100 "I-29 a strictly increasing transform of Ŝ gives the same mask" (fun world ->
                let similarity = tied world
                let found = cells world.Share similarity
                Expect.equal (cells world.Share (similarity.exp ())) found "exp"
                Expect.equal (cells world.Share (similarity.pow (scalar 3.0))) found "cube"

                Expect.equal (cells world.Share (similarity.mul(scalar 0.3).sub(scalar 7.0))) found "affine")
        ]

let private scattering =
    testList
        "scatter and gather"
        [
            Law.forAll
                100
                "I-30 scatter(gather(C, mask)) = C ⊙ mask, and = C where C lies beneath"
                (fun world ->
                    let dense, _ = scene world
                    let chosen = Regions.select world.Share (tied world)
                    let f = Regions.gather chosen dense

                    let kept =
                        torch.zeros (
                            int64 world.Images,
                            int64 (world.Height * world.Width),
                            dtype = torch.float64
                        )

                    for image, row in List.indexed (cells world.Share (tied world)) do
                        for cell in row do
                            kept[int64 image, cell] <- scalar 1.0

                    let mask = kept.view (int64 world.Images, int64 world.Height, int64 world.Width, 1L)

                    Law.same "C ⊙ mask" (dense.mul mask) (Regions.scatter chosen (torch.zeros_like dense) f)

                    Law.same "C" dense (Regions.scatter chosen dense f))

            Law.forAll 100 "I-30 no gradient reaches an unselected cell through F" (fun world ->
                let dense = (fst (scene world)).requires_grad_ true
                let chosen = Regions.select world.Share (tied world)
                let f = Regions.gather chosen dense
                let weights = World.normal "weights" (f.shape |> Array.map int) world
                let gradient = World.gradient dense (f.mul(weights).sum())
                Law.same "gradient" (Regions.scatter chosen (torch.zeros_like dense) weights) gradient)
        ]

let tests = testList "selection" [ similarity; mask; scattering ]
