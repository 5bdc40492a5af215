module Mcdrl.Tests.AttentionLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

/// The attention of the world's first layer, d > M, one head, with queries that ask at a temperature.
let attention (world: World) (temperature: float) =
    let problem = World.problem { world with Layers = 1; Features = 12 }

    let layer = problem.Network.intervention.layers.Head.attn
    let width = 12L

    let ones (count: int64) =
        torch.ones (count, dtype = torch.float64)

    let heat =
        torch.cat ([| (ones width).mul(scalar (1.0 / temperature)); ones (2L * width) |], 0L)

    let layer =
        { layer with
            in_proj_weight = layer.in_proj_weight.mul (heat.unsqueeze -1L)
            in_proj_bias = layer.in_proj_bias.mul heat
        }

    let queries = World.normal "queries" [ 1; 8; 12 ] world
    layer, queries, problem.Texts.conditions.unsqueeze 0L, problem.Texts.log_prior

/// q·k/√d_h of the layer's own projections, one head, [n, M].
let scores (layer: Attention) (queries: Tensor) (memory: Tensor) =
    let q, k = linear (projection 0L layer) queries, linear (projection 1L layer) memory
    (q.matmul (k.transpose (1L, 2L))).div(scalar (sqrt (float q.shape[2]))).select(0L, 0L)

/// The layer with values that name their key, so that what it returns are its weights, [n, M]. They add up to less than
/// 1: the rest is the weight of the key that changes nothing.
let weights (prior: Tensor) (layer: Attention) (queries: Tensor) (memory: Tensor) =
    let width, keys = memory.shape[2], memory.shape[1]
    let named = (torch.linalg.pinv memory[0L]).t()

    let values =
        torch.cat ([| named; torch.zeros (width - keys, width, dtype = torch.float64) |], 0L)

    let reading =
        { layer with
            in_proj_weight = torch.cat ([| layer.in_proj_weight.narrow (0L, 0L, 2L * width); values |], 0L)
            in_proj_bias =
                torch.cat (
                    [|
                        layer.in_proj_bias.narrow (0L, 0L, 2L * width)
                        torch.zeros (width, dtype = torch.float64)
                    |],
                    0L
                )
            out_proj =
                {
                    weight = torch.eye (width, dtype = torch.float64)
                    bias = None
                }
        }

    (attend 1L prior reading queries memory).select(0L, 0L).narrow(1L, 0L, keys)

/// How much of the dictionary applies to each query, [n, 1]: what `weights` add up to.
let applied (w: Tensor) = w.sum (-1L, true)

/// The weights among what applies, [n, M], which add up to 1.
let shares (w: Tensor) = w.div (applied w)

let range (s: Tensor) =
    (s.amax [| -1L |]).sub(s.amin [| -1L |])

/// What each key brings, W_O W_V z_m without W_O's bias, [1, M, d].
let private valuesOf (layer: Attention) (memory: Tensor) =
    memory
    |> linear (projection 2L layer)
    |> linear { layer.out_proj with bias = None }

let withoutBias (layer: Attention) (attended: Tensor) =
    match layer.out_proj.bias with
    | Some bias -> attended.sub bias
    | None -> attended

let private variation (w: Tensor) (prior: Tensor) =
    (w.sub (prior.exp ())).abs().sum(-1L).mul(scalar 0.5)

let private diameter (values: Tensor) = (torch.cdist (values, values)).max()

let private bounds =
    testList
        "bounds"
        [
            Law.forAll 100 "I-23 w_m = π_m exp(s_m) / (1 + Σ_j π_j exp(s_j))" (fun world ->
                let layer, queries, memory, prior = attention world 0.5
                let mass = (scores layer queries memory).add(prior, unity).exp()
                let expected = mass.div (mass.sum(-1L, true).add(scalar 1.0, unity))
                Law.close 1e-10 "weights" expected (weights prior layer queries memory))

            Law.forAll 100 "I-23 of what applies, TV(w, π) ≤ tanh((max s − min s)/4)" (fun world ->
                let layer, queries, memory, prior = attention world 0.5
                let bound = (range (scores layer queries memory)).div(scalar 4.0).tanh()

                Law.nonNegative
                    1e-10
                    "slack"
                    (bound.sub (variation (shares (weights prior layer queries memory)) prior)))

            Law.forAll
                100
                "I-23 ‖Σ w v − a Σ π v‖ ≤ a TV(w/a, π)·diam{v}, a = Σ w the part that applies"
                (fun world ->
                    let layer, queries, memory, prior = attention world 0.5
                    let values = valuesOf layer memory
                    let w = weights prior layer queries memory
                    let attended = (attend 1L prior layer queries memory)[0L] |> withoutBias layer
                    let mean = (applied w).mul(Backdoor.expectation prior values[0L])
                    let gap = (attended.sub mean).square().sum(-1L).sqrt()

                    let most =
                        (variation (shares w) prior).mul((applied w).squeeze -1L).mul(diameter values[0L])

                    Law.nonNegative 1e-10 "slack" (most.sub gap))

            Law.example "I-23 the bound is tight: scores ±s under masses σ(∓s) reach tanh(s/2)" (fun () ->
                let one = torch.eye (2L, dtype = torch.float64)

                for s in [ 0.1; 1.0; 5.0 ] do
                    let keys = (torch.tensor [| s; -s; 0.0; 0.0 |]).view(2L, 2L)

                    let layer: Attention =
                        {
                            in_proj_weight = torch.cat ([| one; keys; one |], 0L)
                            in_proj_bias = torch.zeros (6L, dtype = torch.float64)
                            out_proj = { weight = one; bias = None }
                        }

                    let queries = (torch.tensor [| sqrt 2.0; 0.0 |]).view(1L, 1L, 2L)
                    let prior = Backdoor.logPrior [ 1.0; exp s ]
                    let w = weights prior layer queries (one.unsqueeze 0L)

                    Expect.floatClose
                        Accuracy.high
                        ((variation (shares w) prior).item<float>())
                        (tanh (s / 2.0))
                        "reached")

            Law.forAll
                100
                "I-23 equal scores: attention to all is the expectation of attention to each"
                (fun world ->
                    let layer, queries, memory, prior = attention world infinity
                    let intervene prior z f = attend 1L prior layer f z
                    let each = Backdoor.underEach intervene memory[0L] queries

                    Law.close
                        1e-10
                        "expectation"
                        (Backdoor.expectation prior each)
                        (attend 1L prior layer queries memory))

            Law.forAll
                100
                "I-23 as the temperature rises the bound falls to 0 and attention tends to E"
                (fun world ->
                    let at temperature =
                        let layer, queries, memory, prior = attention world temperature
                        let bound = (range (scores layer queries memory)).div(scalar 4.0).tanh()
                        bound, variation (shares (weights prior layer queries memory)) prior

                    let found = List.map at [ 0.5; 1.0; 10.0; 1e3; 1e6 ]

                    for (hot, _), (hotter, gap) in List.pairwise found do
                        Law.nonNegative 1e-12 "bound falls" (hot.sub hotter)
                        Law.nonNegative 1e-10 "bound holds" (hotter.sub gap)

                    Expect.isLessThan ((snd (List.last found)).max().item<float>()) 1e-4 "limit")

            Law.forAll
                100
                "I-23 as the temperature falls attention picks the largest score, or nothing if all are negative; ties share by π"
                (fun world ->
                    let layer, queries, memory, prior = attention world 1e-4
                    // Keys 0 and 1 tie: the key projection does not see in what their entries differ.
                    let apart = unit (memory[0L, 0L].sub memory[0L, 1L])
                    let blind = (torch.eye (12L, dtype = torch.float64)).sub(apart.outer apart)

                    let keys = (projection 1L layer).weight.matmul blind

                    let layer =
                        { layer with
                            in_proj_weight =
                                torch.cat (
                                    [|
                                        layer.in_proj_weight.narrow (0L, 0L, 12L)
                                        keys
                                        layer.in_proj_weight.narrow (0L, 24L, 12L)
                                    |],
                                    0L
                                )
                        }

                    let s =
                        torch.where (prior.isneginf (), scalar -infinity, scores layer queries memory)

                    let best = s.amax ([| -1L |], true)
                    let below = best.sub s
                    // Rows whose runner-up, nothing included, is neither a tie nor clearly beaten say nothing about the limit.
                    let clear =
                        (below.lt (scalar 1e-3))
                            .logical_or(below.gt (scalar 40.0))
                            .all(-1L)
                            .logical_and((best.abs().gt(scalar 40.0)).squeeze -1L)
                            .nonzero()
                            .flatten()

                    let tied = torch.where (below.lt (scalar 1e-3), prior.expand_as s, scalar -infinity)

                    let winners = (tied.softmax -1L).mul(best.gt(scalar 0.0).``to`` torch.float64)

                    Law.close
                        1e-8
                        "winners"
                        (winners.index_select (0L, clear))
                        ((weights prior layer queries memory).index_select(0L, clear)))
        ]

let tests = testList "attention and prior" [ bounds ]
