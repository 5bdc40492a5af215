module Mcdrl.Tests.QueryLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.AttentionLaws

/// Success of treatments A and B in Charig's 1986 series, for small and large stones.
let private success =
    [ [ 81.0 / 87.0; 234.0 / 270.0 ]; [ 192.0 / 263.0; 55.0 / 80.0 ] ]

let private kidneyStones =
    Law.example
        "I-24 kidney stones (Charig 1986): exact .832546 > .778875, attention .780000 < .825714, NWGM .859945 > .792648"
        (fun () ->
            // A region is a treatment, a confounder a size of stone, both one-hot; a value holds both treatments' rates.
            let posterior = [ [ 87.0 / 350.0; 270.0 / 350.0 ]; [ 263.0 / 350.0; 80.0 / 350.0 ] ]
            let stones = [ 357.0 / 700.0; 343.0 / 700.0 ]

            // Scores far above 0, so that all of the dictionary applies.
            let keys =
                List.map2
                    (fun row p -> row |> List.map (fun q -> sqrt 2.0 * (log (q / p) + 40.0)))
                    posterior
                    stones

            let matrix (rows: float list list) =
                torch.tensor (array2D rows, dtype = torch.float64)

            let one = torch.eye (2L, dtype = torch.float64)

            let layer: Attention =
                {
                    in_proj_weight = torch.cat ([| one; (matrix keys).t(); (matrix success).t() |], 0L)
                    in_proj_bias = torch.zeros (6L, dtype = torch.float64)
                    out_proj = { weight = one; bias = None }
                }

            let texts: Texts =
                {
                    classes = one.unsqueeze 0L
                    conditions = one
                    class_conditions = one
                    normal = one
                    log_prior = Backdoor.logPrior [ 357.0; 343.0 ]
                }

            let intervene (prior: Tensor) (z: Tensor) (f: Tensor) =
                attend 1L (prior.``to`` torch.float64) layer f z

            // The logit of the treatment's own rate against failure: [B', 2, 2] → [B', class, treatment].
            let logits (rates: Tensor) =
                let rate = rates.diagonal (0L, 1L, 2L)
                torch.stack ([| torch.zeros_like rate; rate.logit () |], 1L)

            let rates mode =
                let p = Backdoor.adjust mode intervene logits texts (one.unsqueeze 0L)
                p[0L, 1L].data<float>().ToArray() |> List.ofArray

            let expect mode figures =
                for found, figure in List.zip (rates mode) figures do
                    Expect.floatClose { absolute = 5e-7; relative = 0.0 } found figure $"{mode}"

            expect Marginalisation.Exact [ 0.832546; 0.778875 ]
            expect Marginalisation.FeatureMean [ 0.832546; 0.778875 ]
            expect Marginalisation.Attention [ 0.780000; 0.825714 ]
            expect Marginalisation.Nwgm [ 0.859945; 0.792648 ])

let private queries =
    testList
        "weights"
        [
            Law.forAll 100 "I-25 exact weights ignore F, attention's do not" (fun world ->
                let layer, queries, memory, _ = attention world 0.5
                let prior = Backdoor.logPrior (World.positiveWeights "prior" world)
                let w = shares (weights prior layer queries memory)

                Expect.isGreaterThan ((range (w.t ())).max().item<float>()) 1e-6 "attention"

                // Read off exact adjustment of answers that name their condition.
                let named _ (z: Tensor) (f: Tensor) = z.expand (f.shape[0], f.shape[1], -1L)

                let exact = Backdoor.expectation prior (Backdoor.underEach named memory[0L] queries)

                Law.close 1e-10 "exact" ((Backdoor.expectation prior memory[0L]).expand_as exact) exact)

            Law.forAll
                100
                "I-26 one vector added to all keys changes how much applies, not which"
                (fun world ->
                    let layer, queries, memory, prior = attention world 0.5
                    let shift = torch.zeros (36L, dtype = torch.float64)
                    shift.narrow(0L, 12L, 12L).copy_(World.normal "shift" [ 12 ] world) |> ignore

                    let shifted =
                        { layer with
                            in_proj_bias = layer.in_proj_bias.add (shift, unity)
                        }

                    let before = weights prior layer queries memory
                    let after = weights prior shifted queries memory
                    Law.close 1e-10 "which" (shares before) (shares after)

                    Expect.isGreaterThan
                        ((applied before).sub(applied after).abs().max().item<float>())
                        1e-6
                        "how much")

            Law.forAll
                100
                "I-7 attention over a union is the (maximum, denominator, numerator) merge of its parts"
                (fun world ->
                    let layer, queries, memory, _ = attention world 0.5
                    let prior = Backdoor.logPrior (World.positiveWeights "prior" world)
                    let whole = (attend 1L prior layer queries memory)[0L]

                    /// (m, l, o) of one part of the union, the key that changes nothing apart, o after W_O.
                    let part (keys: int list) =
                        let first, count = int64 keys.Head, int64 keys.Length
                        let memory = memory.narrow (1L, first, count)
                        let bias = prior.narrow (0L, first, count)
                        let s = (scores layer queries memory).add(bias, unity)
                        let m = s.amax ([| -1L |], true)
                        let l = (s.sub m).exp().sum(-1L, true)
                        let apart = (attend 1L bias layer queries memory)[0L] |> withoutBias layer
                        m, l, apart.mul (l.add (m.neg().exp(), unity))

                    let merge (m1: Tensor, l1: Tensor, o1: Tensor) (m2: Tensor, l2: Tensor, o2: Tensor) =
                        let m = m1.maximum m2
                        let a, b = (m1.sub m).exp(), (m2.sub m).exp()
                        m, (l1.mul a).add(l2.mul b, unity), (o1.mul a).add(o2.mul b, unity)

                    let size = 1 + Seed.below world.Conditions (World.seed "chunk" world)

                    let m, l, o =
                        [ 0 .. world.Conditions - 1 ]
                        |> List.chunkBySize size
                        |> List.map part
                        |> List.reduce merge

                    Law.close
                        1e-10
                        "o/(l + exp(−m))"
                        (whole |> withoutBias layer)
                        (o.div (l.add (m.neg().exp(), unity))))
        ]

let tests = testList "queries and keys" [ kidneyStones; queries ]
