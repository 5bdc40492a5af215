module Mcdrl.Tests.DisagreementTests

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

let tests =
    testList
        "Disagreement"
        [
            testProperty
                "I(Y; Z | F) is the mean of the divergences, at most log M and log K"
                (fun (value: uint64) ->
                    let prior, logits = problem value
                    let information = Disagreement.mutualInformation prior logits
                    let divergence = Disagreement.divergence prior logits

                    divergence.shape = [| int64 conditions; 2L; int64 side; int64 side |]
                    && smallest divergence >= 0.0
                    && distance (Backdoor.expectation prior divergence) information < 1e-9
                    && information.max().item<float>() <= log (float (min conditions classes)) + 1e-9
                    && distance (Disagreement.influence prior logits) (divergence.mean([| 2L; 3L |]).t()) <
                        1e-12)

            testProperty
                "compare is exact adjustment, I(Y; Z | F) and influence at once"
                (fun (value: uint64) ->
                    let prior, logits = problem value
                    let struct (mixed, information, influence) = Disagreement.compare prior logits

                    distance mixed (Backdoor.exact prior logits) < 1e-12
                    && distance information (Disagreement.mutualInformation prior logits) < 1e-9
                    && distance influence (Disagreement.influence prior logits) < 1e-12)
        ]
