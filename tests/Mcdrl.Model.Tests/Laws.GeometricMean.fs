module Mcdrl.Tests.GeometricMeanLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.SurrogateGapLaws

/// Σ_k p_k log(p_k / q_k) along the class axis.
let private relativeEntropy (axis: int64) (p: Tensor) (q: Tensor) =
    p.mul((p.log ()).sub(q.log ())).sum axis

/// A probability map near `p`, [B, K + 1, h, w].
let private perturbed name (world: World) (p: Tensor) =
    let noise =
        (World.normal name (p.shape |> Array.map int) world)
            .mul(scalar (exp (3.0 * World.uniform name world - 2.0)))

    p.log().add(noise, unity).softmax 1L

let tests =
    testList
        "geometric mean"
        [
            Law.forAll 100 "I-17 NWGM is the normalised weighted geometric mean Π p_m^π_m" (fun world ->
                let logits = World.logits world

                let weights = World.normalised (World.weights "prior" world)

                let product =
                    weights
                    |> List.mapi (fun m weight -> (Explanation.under m logits).pow(scalar weight))
                    |> List.reduce (fun a b -> a.mul b)

                Law.close
                    1e-10
                    "NWGM"
                    (product.div (product.sum (1L, true)))
                    (Backdoor.nwgm (prior world) logits))

            Law.forAll
                100
                "I-18 Z_geo ≤ 1: −log Z_geo is ≥ 0, and is what Σ_k Π p_m(k)^π_m says"
                (fun world ->
                    let logits = World.logits world
                    let found = Disagreement.geometric (prior world) logits
                    Law.nonNegative 0.0 "−log Z_geo" found

                    let sum = (Backdoor.expectation (prior world) (logits.log_softmax 2L)).exp().sum 1L

                    Law.close 1e-10 "Z_geo" sum (found.neg().exp()))

            Law.forAll
                100
                "I-18 Z_geo = 1 only where all conditions of mass agree; there NWGM = exact"
                (fun world ->
                    let weights = World.weights "prior" world
                    let prior = Backdoor.logPrior weights

                    let sizes =
                        [ world.Conditions; world.Images; world.Classes + 1; world.Height; world.Width ]
                    // All conditions agree, up to a constant of each pixel that a softmax does not see.
                    let agreeing =
                        (World.normal "one" (1 :: sizes.Tail) world)
                            .add(World.normal "constants" (List.updateAt 2 1 sizes) world, unity)

                    let nothing = Disagreement.geometric prior agreeing
                    Law.close 1e-12 "−log Z_geo" (torch.zeros_like nothing) nothing
                    Law.close 1e-12 "I(Y; Z | F)" nothing (Disagreement.mutualInformation prior agreeing)
                    Law.close 1e-10 "NWGM" (Backdoor.exact prior agreeing) (Backdoor.nwgm prior agreeing)

                    // One class of the first condition, which has mass, moved: every pixel disagrees.
                    if List.exists (fun weight -> weight > 1e-3 * List.sum weights) weights.Tail then
                        let moved = torch.zeros_like agreeing
                        moved.select(0L, 0L).select(1L, 0L).add_(scalar 3.0, unity) |> ignore
                        let found = Disagreement.geometric prior (agreeing.add (moved, unity))
                        Expect.isGreaterThan (found.min().item<float>()) 0.0 "every pixel")

            Law.example
                "I-18 the converse is false: for l = (−a, a) NWGM = exact = ½ while Z_geo < 1"
                (fun () ->
                    let prior = Backdoor.logPrior [ 1.0; 1.0 ]

                    for a in [ 0.5; 2.0; 8.0 ] do
                        let logits = pixel [ -a; a ]

                        for p in [ Backdoor.nwgm prior logits; Backdoor.exact prior logits ] do
                            Expect.floatClose Accuracy.veryHigh (second p) 0.5 "½"

                        Expect.floatClose
                            Accuracy.high
                            ((Disagreement.geometric prior logits).item<float>())
                            (log (cosh (a / 2.0)))
                            "−log Z_geo = log cosh(a/2)")

            Law.forAll
                100
                "I-19 NWGM minimises Σ π KL(q‖p_m), at −log Z_geo; no other q is lower"
                (fun world ->
                    let logits, prior = World.logits world, prior world
                    let nwgm = Backdoor.nwgm prior logits
                    let least = Disagreement.geometric prior logits

                    let cost (q: Tensor) =
                        Backdoor.expectation
                            prior
                            (relativeEntropy 2L (q.expand_as logits) (logits.softmax 2L))

                    Law.close 1e-9 "minimum" least (cost nwgm)

                    for name in [ "first"; "second" ] do
                        Law.nonNegative 1e-10 "another q" ((cost (perturbed name world nwgm)).sub least))

            Law.forAll
                100
                "I-19 exact minimises Σ π KL(p_m‖q), at I(Y; Z | F) in [0, min(log M, log K)]"
                (fun world ->
                    let logits, prior = World.logits world, prior world
                    let exact = Backdoor.exact prior logits
                    let information = Disagreement.mutualInformation prior logits

                    let cost (q: Tensor) =
                        let p = logits.softmax 2L
                        Backdoor.expectation prior (relativeEntropy 2L p (q.expand_as p))

                    Law.close 1e-9 "minimum" information (cost exact)
                    Law.nonNegative 0.0 "I" information
                    let most = log (float (min world.Conditions (world.Classes + 1)))

                    Expect.isLessThanOrEqual
                        (information.max().item<float>())
                        (most + 1e-10)
                        "min(log M, log K)"

                    for name in [ "first"; "second" ] do
                        Law.nonNegative
                            1e-10
                            "another q"
                            ((cost (perturbed name world exact)).sub information))
        ]
