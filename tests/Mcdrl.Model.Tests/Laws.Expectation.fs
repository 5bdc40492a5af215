module Mcdrl.Tests.ExpectationLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

let priorOf (weights: float list) (problem: Problem) =
    { problem with
        Weights = weights
        Texts =
            { problem.Texts with
                log_prior = Backdoor.logPrior weights
            }
    }

let private mixtures =
    testList
        "mixture and hull"
        [
            Law.forAll 100 "I-7 E over Z1 and Z2 mixes the two expectations by their masses" (fun world ->
                let problem = World.problem world |> priorOf (World.positiveWeights "prior" world)

                let cut = 1 + Seed.below (world.Conditions - 1) (World.seed "cut" world)
                let a = List.sum (List.truncate cut (World.normalised problem.Weights))

                let part first count =
                    { problem with
                        Texts =
                            { problem.Texts with
                                conditions = problem.Texts.conditions.narrow (0L, int64 first, int64 count)
                                log_prior =
                                    Backdoor.logPrior (
                                        problem.Weights |> List.skip first |> List.truncate count
                                    )
                            }
                    }

                for compute in
                    [
                        fun (p: Problem) -> Backdoor.expectation p.Texts.log_prior (World.underEach p)
                        World.answer Marginalisation.Exact
                    ] do
                    let parts =
                        blend (1.0 - a) (compute (part 0 cut)) (compute (part cut (world.Conditions - cut)))

                    Law.close 1e-10 "mixture" (compute problem) parts)

            Law.forAll
                100
                "I-9 E[A] and exact adjustment lie between the answers of single conditions"
                (fun world ->
                    let between (each: Tensor) (mean: Tensor) =
                        Law.nonNegative 1e-10 "above the least" (mean.sub (each.amin [| 0L |]))
                        Law.nonNegative 1e-10 "below the greatest" ((each.amax [| 0L |]).sub mean)

                    let problem = World.problem world
                    let each = World.underEach problem
                    between each (Backdoor.expectation problem.Texts.log_prior each)
                    let logits = World.logits world
                    let under m = Explanation.under m logits

                    between
                        (List.init world.Conditions under |> List.toArray |> torch.stack)
                        (Backdoor.exact problem.Texts.log_prior logits))

            Law.forAll
                100
                "I-9 attention stays in the hull of its M answers and 0: rows of rank ≤ M for each head"
                (fun world ->
                    let problem = World.problem { world with Layers = 1 }
                    let heads = Intervention.heads (int64 world.Features)
                    let layer = problem.Network.intervention.layers.Head.attn

                    let queries =
                        (World.normal "queries" [ 1; 24; world.Features ] world).mul(scalar 3.0)

                    let memory = problem.Texts.conditions.unsqueeze 0L

                    let attended = (attend heads problem.Texts.log_prior layer queries memory)[0L]

                    let centred = attended.sub (attended.mean ([| 0L |], true))
                    let bound = int heads * world.Conditions
                    let spectrum = (torch.linalg.svdvals centred).data<float>().ToArray()

                    for extra in Array.skip (min bound spectrum.Length) spectrum do
                        Expect.isLessThan extra (1e-10 * (1.0 + spectrum[0])) "rank"

                    // One head: the hull itself, seen along random directions.
                    if heads = 1L then
                        let values = memory |> linear (projection 2L layer)
                        let nothing = torch.zeros_like(values).narrow(1L, 0L, 1L)
                        let corners = torch.cat ([| values; nothing |], 1L) |> linear layer.out_proj
                        let directions = World.normal "directions" [ world.Features; 16 ] world
                        let furthest = corners[0L].matmul(directions).amax [| 0L |]
                        Law.nonNegative 1e-10 "hull" (furthest.sub (attended.matmul directions)))
        ]

let private gates =
    testList
        "no-op"
        [
            Law.forAll 100 "I-10 where A(F, z) = F every mode gives H(F)" (fun world ->
                let problem = World.withoutFeedForward (World.problem world)

                let idle =
                    { problem with
                        Network =
                            { problem.Network with
                                intervention =
                                    {
                                        layers =
                                            problem.Network.intervention.layers
                                            |> List.map (fun layer ->
                                                { layer with
                                                    attn =
                                                        { layer.attn with
                                                            out_proj =
                                                                Tree.map
                                                                    torch.zeros_like
                                                                    layer.attn.out_proj
                                                        }
                                                })
                                    }
                            }
                    }

                let head =
                    (Network.logits idle.Network 6L idle.Observation idle.Observation.Rows).softmax 1L

                for mode in World.modes do
                    Law.close 1e-10 $"{mode}" head (World.answer mode idle))

            Law.forAll
                100
                "I-10 with the gate off the answer is bit-identical for any Z, in every mode"
                (fun world ->
                    let problem = World.problem world

                    let other =
                        { problem.Texts with
                            conditions = World.normal "others" [ 3; world.Features ] world
                            log_prior = Backdoor.logPrior [ 1.0; 2.0; 3.0 ]
                        }

                    let off texts mode =
                        Network.probabilities
                            problem.Network
                            texts
                            (Gate.inEpoch 10 9 mode)
                            6L
                            problem.Observation

                    let first =
                        (Network.logits problem.Network 6L problem.Observation problem.Observation.Rows)
                            .softmax
                            1L

                    for mode in World.modes do
                        Law.same $"{mode}" first (off problem.Texts mode)
                        Law.same $"{mode}, another dictionary" first (off other mode)

                    Law.same
                        "F"
                        problem.Observation.Rows
                        (Network.intervene
                            problem.Network
                            other
                            Marginalisation.Never
                            None
                            problem.Observation.Rows))
        ]

/// F + g(z) with g affine, for a dictionary of one.
let private affineNetwork (world: World) : Tensor -> Tensor -> Tensor -> Tensor =
    let g =
        Init.linear (int64 world.Features) (int64 world.Features) (Filling.Drawn(World.seed "g" world))
        |> Tree.map (fun leaf -> leaf.``to`` torch.float64)

    fun _ z regions -> regions.add (linear g z, unity)

let private affine =
    testList
        "affine in z"
        [
            Law.forAll
                100
                "I-11 for A(F, z) = F + g(z), E[A] = F + E[g], and adding c to g adds c"
                (fun world ->
                    let problem = World.problem world
                    let prior, z = problem.Texts.log_prior, problem.Texts.conditions
                    let regions = problem.Observation.Rows

                    let expected network f =
                        Backdoor.expectation prior (Backdoor.underEach network z f)

                    let network = affineNetwork world
                    // g(z) read off another F.
                    let other = World.normal "other" [ 1; 1; world.Features ] world
                    let g = (Backdoor.underEach network z other).sub other
                    let shift = World.normal "shift" [ world.Features ] world
                    let shifted log z f : Tensor = (network log z f).add(shift, unity)

                    Law.close
                        1e-10
                        "F + E[g]"
                        (regions.add (Backdoor.expectation prior g, unity))
                        (expected network regions)

                    Law.close
                        1e-10
                        "shift"
                        ((expected network regions).add(shift, unity))
                        (expected shifted regions))

            Law.forAll 100 "I-12 for A affine in z, the dictionary may be replaced by its mean" (fun world ->
                let problem = World.problem world
                let prior, z = problem.Texts.log_prior, problem.Texts.conditions
                let regions = problem.Observation.Rows
                let network = affineNetwork world
                let mean = (Backdoor.expectation prior z).unsqueeze 0L

                Law.close
                    1e-10
                    "E[A]"
                    (Backdoor.expectation prior (Backdoor.underEach network z regions))
                    ((Backdoor.underEach network mean regions).squeeze 0L))
        ]

let tests = testList "expectation" [ mixtures; gates; affine ]
