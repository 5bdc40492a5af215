module Mcdrl.Tests.MarginalisationLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

/// The problem with other (z_m, π_m) pairs.
let private withDictionary (conditions: Tensor) (weights: float list) (problem: Problem) =
    { problem with
        Weights = weights
        Texts =
            { problem.Texts with
                conditions = conditions
                log_prior = Backdoor.logPrior weights
            }
    }

/// The pairs numbered `order`, a pair as often as its number comes.
let private picked (order: int list) (problem: Problem) =
    let index = order |> List.map int64 |> List.toArray |> torch.tensor

    problem
    |> withDictionary
        (problem.Texts.conditions.index_select (0L, index))
        (order |> List.map (fun m -> problem.Weights[m]))

let private unchanged tolerance (before: Problem) (after: Problem) =
    for mode in World.modes do
        Law.close tolerance $"{mode}" (World.answer mode before) (World.answer mode after)

/// The dictionary with the weight of one entry shared out between two copies of it.
let private split (world: World) (problem: Problem) =
    let m = Seed.below world.Conditions (World.seed "entry" world)
    let share = World.uniform "split" world
    let copied = picked ([ 0 .. world.Conditions - 1 ] @ [ m ]) problem

    let weights =
        copied.Weights
        |> List.mapi (fun i weight ->
            if i = m then share * weight
            elif i = world.Conditions then (1.0 - share) * weight
            else weight)

    withDictionary copied.Texts.conditions weights copied

let private widened (world: World) (problem: Problem) =
    let stranger = World.normal "stranger" [ 1; world.Features ] world

    withDictionary
        (torch.cat ([| problem.Texts.conditions; stranger.``to`` problem.Texts.conditions.dtype |], 0L))
        (problem.Weights @ [ 0.0 ])
        problem

let private permuted (world: World) =
    picked (Seed.permutation world.Conditions (World.seed "order" world) |> List.ofArray)

let private dictionary =
    testList
        "dictionary"
        [
            Law.forAll 100 "I-1 the order of the dictionary leaves all four modes unchanged" (fun world ->
                let problem = World.problem world
                unchanged 1e-10 problem (permuted world problem))

            Law.forAll 100 "I-5 duplicates with split mass leave all four modes unchanged" (fun world ->
                let problem = World.problem world
                unchanged 1e-10 problem (split world problem))

            Law.forAll 100 "I-5 every entry c times under the uniform prior changes no mode" (fun world ->
                let once =
                    World.problem world
                    |> fun problem ->
                        withDictionary problem.Texts.conditions (List.replicate world.Conditions 1.0) problem

                let copies = 2 + Seed.below 2 (World.seed "copies" world)

                [ 0 .. world.Conditions - 1 ]
                |> List.replicate copies
                |> List.concat
                |> fun order -> unchanged 1e-10 once (picked order once))

            Law.forAll 100 "I-6 an entry of no mass changes no mode, and nothing becomes NaN" (fun world ->
                let problem = World.problem world
                unchanged 1e-10 problem (widened world problem))

            Law.forAll
                30
                "I-1, I-5, I-6 in float32: order, split duplicates and null mass change no mode by 1e-5"
                (fun world ->
                    let world = { world with Features = 64 }
                    let problem = World.single (World.problem world)

                    for change in [ permuted world; split world; widened world ] do
                        unchanged 1e-5 problem (change problem))
        ]

let private equivariance =
    Law.forAll 100 "I-2 A moves with its rows, and neither rows nor images see each other" (fun world ->
        let problem = World.problem world
        let regions = problem.Observation.Rows

        let intervened (f: Tensor) =
            World.intervene problem problem.Texts.log_prior (problem.Texts.conditions.unsqueeze 0L) f

        let whole = intervened regions
        let rows = int regions.shape[1]

        let order =
            Seed.permutation rows (World.seed "rows" world)
            |> Array.map int64
            |> torch.tensor

        Law.close
            1e-10
            "rows"
            (whole.index_select (1L, order))
            (intervened (regions.index_select (1L, order)))

        for image in 0L .. regions.shape[0] - 1L do
            Law.close
                1e-10
                "image"
                (whole.narrow (0L, image, 1L))
                (intervened (regions.narrow (0L, image, 1L)))

        for row in 0L .. regions.shape[1] - 1L do
            Law.close 1e-10 "row" (whole.narrow (1L, row, 1L)) (intervened (regions.narrow (1L, row, 1L))))

let private priors =
    testList
        "prior"
        [
            Law.forAll 100 "I-3 under the uniform prior E[A] is the arithmetic mean" (fun world ->
                let each = World.underEach (World.problem world)

                let prior =
                    Backdoor.logPrior (List.replicate world.Conditions (0.1 + World.uniform "c" world))

                Law.close 1e-10 "mean" (each.mean [| 0L |]) (Backdoor.expectation prior each))

            Law.forAll 100 "I-3 a prior has no scale: π and cπ give one normalised prior" (fun world ->
                let weights = World.weights "prior" world
                let scale = exp (8.0 * World.uniform "c" world - 4.0)
                let prior = (Backdoor.logPrior weights).exp()
                let expected = World.normalised weights |> List.toArray |> torch.tensor
                Law.close 1e-12 "π" expected prior

                Law.close 1e-12 "cπ" prior ((weights |> List.map ((*) scale) |> Backdoor.logPrior).exp()))

            Law.forAll 100 "I-8 E[A] and exact adjustment are linear in π" (fun world ->
                let problem = World.problem world
                let a = World.uniform "a" world
                let one, other = World.weights "one" world, World.weights "other" world

                let mixed =
                    List.map2
                        (fun p q -> a * p + (1.0 - a) * q)
                        (World.normalised one)
                        (World.normalised other)

                let each = World.underEach problem
                let logits = World.logits world

                for compute in
                    [
                        fun weights -> Backdoor.expectation (Backdoor.logPrior weights) each
                        fun weights -> Backdoor.exact (Backdoor.logPrior weights) logits
                        fun weights ->
                            World.answer
                                Marginalisation.Exact
                                (withDictionary problem.Texts.conditions weights problem)
                    ] do
                    Law.close 1e-10 "mixture" (blend (1.0 - a) (compute one) (compute other)) (compute mixed))
        ]

let private single =
    testList
        "one confounder"
        [
            Law.forAll 100 "I-4 with one confounder E[A] = A(F, z) and all four modes agree" (fun world ->
                let problem = World.problem { world with Conditions = 1 }
                let regions = problem.Observation.Rows

                let alone =
                    World.intervene
                        problem
                        problem.Texts.log_prior
                        (problem.Texts.conditions.unsqueeze 0L)
                        regions

                Law.close
                    1e-10
                    "E[A]"
                    alone
                    (Network.intervene problem.Network problem.Texts Marginalisation.FeatureMean None regions)

                let exact = World.answer Marginalisation.Exact problem

                for mode in World.modes do
                    Law.close 1e-10 $"{mode}" exact (World.answer mode problem))

            Law.forAll
                100
                "I-4 attention to one confounder is W_O (σ(s) ⊙ W_V z) + b, s a score for each head and region; A keeps F by its residual"
                (fun world ->
                    let problem =
                        World.problem
                            { world with
                                Conditions = 1
                                Layers = 1
                            }
                        |> World.withoutFeedForward

                    let memory = Intervention.directions (problem.Texts.conditions.unsqueeze 0L)
                    let regions = problem.Observation.Rows
                    let heads = Intervention.heads (int64 world.Features)
                    let layer = problem.Network.intervention.layers.Head

                    let part number x =
                        linear (projection number layer.attn) x |> splitHeads heads

                    let asking = layerNorm layer.ln_1 regions
                    let keys, values = part 1L memory, part 2L memory // [1, heads, 1, c]

                    let applies = // [B, heads, N, 1]
                        (part 0L asking)
                            .matmul(keys.transpose (-2L, -1L))
                            .div(scalar (sqrt (float keys.shape[3])))
                            .sigmoid()

                    let expected =
                        applies.mul(values).transpose(1L, 2L).flatten(2L) |> linear layer.attn.out_proj

                    let prior = problem.Texts.log_prior
                    Law.close 1e-10 "attention" expected (attend heads prior layer.attn asking memory)

                    Law.close
                        1e-10
                        "residual"
                        (regions.add (expected, unity))
                        (World.intervene problem prior memory regions))

            Law.forAll
                100
                "I-4 A(F, z) − F is not the same for two regions, whatever the one confounder"
                (fun world ->
                    let problem =
                        World.problem
                            { world with
                                Height = 2
                                Width = 2
                                Share = 1.0
                            }

                    let moved = (World.underEach problem).sub problem.Observation.Rows // [M, B, 4, d]

                    for other in 1L .. 3L do
                        let apart = moved.select(2L, other).sub(moved.select (2L, 0L)).abs().amax [| -1L |]
                        Expect.isGreaterThan (apart.min().item<float>()) 1e-6 "two regions")
        ]

let tests = testList "marginalisation" [ dictionary; equivariance; priors; single ]
