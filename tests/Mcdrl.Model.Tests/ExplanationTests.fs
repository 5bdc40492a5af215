module Mcdrl.Tests.ExplanationTests

open Expecto
open TorchSharp
open Mcdrl

let private normal shape seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

let private conditions, classes, side = 4, 3, 5

/// Logits [4, 2, 3, 5, 5] of any size between tame and extreme, and a prior.
let private problem (value: uint64) =
    let scale = 1.0 + 8.0 * Seed.uniform (Seed.named "scale" (Seed.create value))
    let shape = [ int64 conditions; 2L; int64 classes; int64 side; int64 side ]

    let weights =
        List.init conditions (fun m -> 0.1 + Seed.uniform (Seed.split m (Seed.create value)))

    Backdoor.logPrior weights, (normal shape value).mul(scalar scale)

let private distance (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float>()

let private smallest (x: Tensor) = x.min().item<float>()

let private influenceTests =
    testList
        "most influential condition"
        [
            testProperty
                "no other condition that has weight lies further from the adjusted answer"
                (fun (value: uint64) ->
                    let prior, logits = problem value
                    let divergence = Disagreement.divergence prior logits
                    let struct (index, weight) = Explanation.mostInfluential prior divergence

                    let chosen = divergence.gather(0L, index.unsqueeze 0L).squeeze 0L

                    distance chosen weight = 0.0
                    && smallest (weight.sub (divergence.max (0L) |> fun struct (most, _) -> most)) = 0.0)

            testCase "a condition of no weight is never named, however far it is"
            <| fun () ->
                let _, logits = problem 5UL
                let far = logits.narrow(0L, 0L, 1L).neg().mul(scalar 9.0)
                let widened = torch.cat ([| logits; far |], 0L)
                let prior = Backdoor.logPrior [ 1.0; 1.0; 2.0; 1.0; 0.0 ]
                let divergence = Disagreement.divergence prior widened
                let struct (index, _) = Explanation.mostInfluential prior divergence
                Expect.isLessThan (index.max().item<int64>()) 4L "not the fifth"

                let struct (before, _) =
                    Disagreement.divergence (Backdoor.logPrior [ 1.0; 1.0; 2.0; 1.0 ]) logits
                    |> Explanation.mostInfluential (Backdoor.logPrior [ 1.0; 1.0; 2.0; 1.0 ])

                Expect.isTrue (index.equal(before).all().item<bool>()) "as if it were not there"

            testProperty
                "the answer under m, averaged over the prior, is the adjusted answer"
                (fun (value: uint64) ->
                    let prior, logits = problem value

                    let mixed =
                        [
                            for m in 0 .. conditions - 1 ->
                                (Explanation.under m logits).mul(prior[int64 m].exp())
                        ]
                        |> List.reduce (fun a b -> a.add (b, unity))

                    distance mixed (Backdoor.exact prior logits) < 1e-12)
        ]

/// Probabilities [3, 4, 4] of one image, as the product computes them.
let private answer value =
    (SeedTensors.normal [ 3L; 4L; 4L ] (Seed.create value)).softmax 0L

let private mask labels : LabelMap =
    {
        Width = 3
        Height = 2
        Labels = Array.map byte labels
    }

let private gapTests =
    testList
        "gap"
        [
            testProperty
                "total variation: 0 to itself, symmetric, at most 1, 1 between certain opposites"
                (fun (value: uint64) ->
                    let p = (normal [ 3L; 4L; 4L ] value).softmax 0L
                    let q = (normal [ 3L; 4L; 4L ] (value + 1UL)).mul(scalar 50.0).softmax 0L
                    let both = Explanation.totalVariation p q

                    let certain (index: int64) =
                        (torch.eye (3L, dtype = torch.float64)).[index].view(3L, 1L, 1L)

                    both.shape = [| 4L; 4L |]
                    && (Explanation.totalVariation p p).max().item<float>() = 0.0
                    && distance both (Explanation.totalVariation q p) = 0.0
                    && both.max().item<float>() <= 1.0 + 1e-12
                    && (Explanation.totalVariation (certain 0L) (certain 2L)).item<float>() = 1.0)

            testCase "Dice of masks counts each class, and two empty masks agree"
            <| fun () ->
                let a, b = mask [| 1; 1; 0; 2; 2; 0 |], mask [| 1; 0; 0; 2; 1; 1 |]
                // Class 1: one of 2 and 3 pixels in common; class 2: one of 2 and 1.
                Expect.floatClose Accuracy.high (Explanation.dice a b) (2.0 * 2.0 / 8.0) "by hand"
                Expect.equal (Explanation.dice a a) 1.0 "itself"
                let empty = mask (Array.zeroCreate 6)
                Expect.equal (Explanation.dice empty empty) 1.0 "both empty"
                Expect.equal (Explanation.dice empty a) 0.0 "one empty"
                let map, count = Explanation.changes a b
                Expect.equal (map.Labels, count) ([| 0uy; 1uy; 0uy; 0uy; 1uy; 1uy |], 3L) "changes"

            testCase "the gap of an answer to itself is none"
            <| fun () ->
                let p = answer 1UL
                let gap = Explanation.gap Marking.standard 9 7 p p

                Expect.equal
                    (gap.MeanTotalVariation, gap.MaxTotalVariation, gap.Dice, gap.Flips)
                    (0.0, 0.0, 1.0, 0L)
                    "nothing differs"

                Expect.equal
                    (gap.FlipMap.Width, gap.FlipMap.Height, gap.FlipMap.Labels)
                    (7, 9, Array.zeroCreate 63)
                    "map"

            Property.check "the flips are the pixels in which the two masks differ" (fun (value: uint64) ->
                let p = answer value
                let q = answer (value + 1UL)
                let gap = Explanation.gap Marking.standard 8 6 p q
                let adjusted = Upsampling.labels 8 6 p

                gap.Mask = Upsampling.labels 8 6 q
                && gap.Flips =
                    (Array.map2 (<>) adjusted.Labels gap.Mask.Labels
                     |> Array.filter id
                     |> Array.length
                     |> int64)
                && gap.Flips = Array.sumBy int64 gap.FlipMap.Labels
                && gap.MeanTotalVariation > 0.0
                && gap.MeanTotalVariation <= gap.MaxTotalVariation)
        ]

let private regionTests =
    testCase "the region mask marks the selected cells, and only them"
    <| fun () ->
        let map = Explanation.regionMask 2 3 (torch.tensor [| 1L; 5L |])

        Expect.equal
            (map.Width, map.Height, map.Labels)
            (3, 2, [| 0uy; 1uy; 0uy; 0uy; 0uy; 1uy |])
            "row-major"

let private turned =
    testCase "a map of values turns as the mask of its file does"
    <| fun () ->
        let upright: LabelMap = mask [| 1; 2; 3; 4; 5; 6 |]

        for orientation in Orientation.all do
            let values: ValueMap =
                {
                    Width = 3
                    Height = 2
                    Values = upright.Labels |> Array.map float32
                }

            let found = ValueMap.inFile orientation values
            let expected = LabelMap.inFile orientation upright
            Expect.equal (found.Width, found.Height) (expected.Width, expected.Height) $"{orientation}"
            Expect.equal found.Values (expected.Labels |> Array.map float32) $"{orientation}"

let tests =
    testSequenced
    <| testList "Explanation" [ influenceTests; gapTests; regionTests; turned ]
