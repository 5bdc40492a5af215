module Mcdrl.Tests.SurrogateGapLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

let prior (world: World) =
    Backdoor.logPrior (World.weights "prior" world)

/// Logits (0, l) of two classes, [M, B, 2, H, W], and l.
let private binary (world: World) =
    let l = (World.logits { world with Classes = 1 }).narrow(2L, 1L, 1L)
    torch.cat ([| torch.zeros_like l; l |], 2L), l

let private gap prior logits =
    ((Backdoor.exact prior logits).sub(Backdoor.nwgm prior logits)).narrow(1L, 1L, 1L)

let private variance prior (l: Tensor) =
    Backdoor.expectation prior ((l.sub (Backdoor.expectation prior l)).square())

/// Two-class logits (0, l_m) of one pixel.
let pixel (l: float list) =
    torch.tensor(l |> List.collect (fun l -> [ 0.0; l ]) |> List.toArray).view(int64 l.Length, 1L, 2L, 1L, 1L)

/// The second class's probability at the one pixel.
let second (p: Tensor) = p[0L, 1L].item<float>()

let private affineHeads =
    testList
        "affine heads"
        [
            Law.forAll
                100
                "I-16 an affine head commutes with E: exact in logits, and feature-mean = NWGM"
                (fun world ->
                    let problem = World.problem world

                    let head =
                        Init.linear
                            (int64 world.Features)
                            (int64 world.Classes + 1L)
                            (Filling.Drawn(World.seed "affine" world))
                        |> Tree.map (fun leaf -> leaf.``to`` torch.float64)

                    let logits (regions: Tensor) = (linear head regions).transpose(1L, 2L)

                    let each = World.underEach problem
                    let log = problem.Texts.log_prior

                    Law.close
                        1e-10
                        "ℓ(E[A]) = E[ℓ(A)]"
                        (logits (Backdoor.expectation log each))
                        (Backdoor.expectation
                            log
                            (Backdoor.logitsUnderEach
                                (World.intervene problem)
                                logits
                                problem.Texts.conditions
                                problem.Observation.Rows))

                    let answer mode =
                        Backdoor.adjust
                            mode
                            (World.intervene problem)
                            logits
                            problem.Texts
                            problem.Observation.Rows

                    Law.close
                        1e-10
                        "probabilities"
                        (answer Marginalisation.Nwgm)
                        (answer Marginalisation.FeatureMean))

            Law.forAll
                100
                "I-22 the negated head maps p to 1 − p for two classes, in every mode"
                (fun world ->
                    let problem =
                        World.problem
                            { world with
                                Classes = 1
                                TextClasses = false
                            }

                    let negated =
                        { problem with
                            Network =
                                { problem.Network with
                                    head =
                                        { problem.Network.head with
                                            conv_2 =
                                                problem.Network.head.conv_2
                                                |> Tree.map (fun leaf -> leaf.neg ())
                                        }
                                }
                        }

                    for mode in World.modes do
                        let p = World.answer mode problem

                        Law.close
                            1e-10
                            $"{mode}"
                            (p.neg().add(scalar 1.0, unity))
                            (World.answer mode negated))
        ]

let private twoClasses =
    testList
        "two classes"
        [
            Law.forAll 100 "I-20 |E σ(l) − σ(E l)| ≤ Var(l)/(12√3)" (fun world ->
                let logits, l = binary world
                let prior = prior world
                let bound = (variance prior l).div(scalar (12.0 * sqrt 3.0))
                Law.nonNegative 1e-12 "slack" (bound.sub ((gap prior logits).abs())))

            Law.forAll 100 "I-20 the gap is ½ σ''(E l) Var(l) up to E|l − E l|³/48" (fun world ->
                let logits, l = binary world
                let prior = prior world
                let mean = Backdoor.expectation prior l
                let s = mean.sigmoid ()
                // σ'' = σ(1 − σ)(1 − 2σ); |σ'''| ≤ 1/8.
                let curvature =
                    s.mul(s.neg().add(scalar 1.0, unity)).mul(s.mul(scalar -2.0).add(scalar 1.0, unity))

                let second = curvature.mul(variance prior l).mul(scalar 0.5)

                let third = Backdoor.expectation prior ((l.sub mean).abs().pow(scalar 3.0))

                let error = ((gap prior logits).sub second).abs()
                Law.nonNegative 1e-12 "slack" (third.div(scalar 48.0).sub error))

            Law.example
                "I-20 the bound is tight: a small spread where |σ''| is largest reaches .999 of it"
                (fun () ->
                    let steepest = log ((3.0 - sqrt 3.0) / (3.0 + sqrt 3.0))
                    let prior = Backdoor.logPrior [ 1.0; 1.0 ]
                    let h = 0.01
                    let found = (gap prior (pixel [ steepest - h; steepest + h ])).item<float>()
                    let ratio = found / (h * h / (12.0 * sqrt 3.0))
                    Expect.isGreaterThan ratio 0.999 "tight"
                    Expect.isLessThanOrEqual ratio 1.0 "a bound")

            Law.example
                "I-21 the sign can flip: l = (−3, 1, 1) gives .4174 by feature-mean and .5032 exactly"
                (fun () ->
                    let texts: Texts =
                        {
                            classes = torch.zeros (1L, 1L, 1L)
                            conditions = torch.tensor([| -3.0; 1.0; 1.0 |]).view(3L, 1L)
                            class_conditions = torch.zeros (1L, 3L, 1L)
                            normal = torch.zeros 1L
                            log_prior = Backdoor.logPrior [ 1.0; 1.0; 1.0 ]
                        }

                    // A(F, z) = F + z and H = σ of that one number.
                    let intervene (_: Tensor) (z: Tensor) (f: Tensor) : Tensor = f.add (z, unity)

                    let logits (f: Tensor) =
                        let both: Tensor = torch.cat ([| torch.zeros_like f; f |], 2L)
                        both.transpose (1L, 2L)

                    let answer mode =
                        second (
                            Backdoor.adjust
                                mode
                                intervene
                                logits
                                texts
                                (torch.zeros (1L, 1L, 1L, dtype = torch.float64))
                        )

                    let near = { absolute = 5e-5; relative = 0.0 }
                    Expect.floatClose near (answer Marginalisation.FeatureMean) 0.4174 "feature-mean"
                    Expect.floatClose near (answer Marginalisation.Nwgm) 0.4174 "NWGM"
                    Expect.floatClose near (answer Marginalisation.Exact) 0.5032 "exact")
        ]

let tests = testList "surrogate gap" [ affineHeads; twoClasses ]
