module Mcdrl.Tests.PriorTests

open Expecto
open TorchSharp
open Mcdrl

let private numbers (x: Tensor) = x.data<float>().ToArray()

let private close (expected: float seq) (found: float seq) what =
    Expect.equal (Seq.length found) (Seq.length expected) what

    Seq.iter2 (fun found expected -> Expect.floatClose Accuracy.medium found expected what) found expected

/// The objective's small problem, with a prior of its own that starts from weights 1, 2 and 5.
let private learning mode =
    let settings =
        { ObjectiveTests.settings with
            Method =
                { ObjectiveTests.settings.Method with
                    TrainingMode = mode
                    PriorSource = Some PriorSource.Learned
                }
        }

    let network, texts, batch = ObjectiveTests.problem settings

    let texts =
        { texts with
            log_prior = Backdoor.logPrior [ 1.0; 2.0; 5.0 ]
        }

    let network =
        { network with
            log_prior =
                Prior.start settings.Method texts
                |> Option.map (fun leaf -> leaf.detach().requires_grad_ true)
        }

    settings, network, texts, batch

let tests =
    testList
        "Prior"
        [
            testCase "P(z | x) is the softmax over the dictionary of the scaled cosines; lengths don't count"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let conditions = torch.tensor (array2D [ [ 2.0f; 0.0f ]; [ 0.0f; 1.0f ] ])
                let images = torch.tensor (array2D [ [ 3.0f; 4.0f ]; [ 0.0f; 9.0f ] ])
                let found = Prior.posterior 5.0 conditions images

                // Cosines .6 and .8, then 0 and 1.
                let first = exp 3.0 / (exp 3.0 + exp 4.0)
                let second = 1.0 / (1.0 + exp 5.0)
                close [ first; 1.0 - first; second; 1.0 - second ] (numbers (found.flatten ())) "by hand"

            testCase "a learned prior starts from that of the texts and is normalised whatever its leaf holds"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let _, network, texts, _ = learning Marginalisation.Attention

                let inTexts network =
                    (Prior.inTexts network texts).log_prior.exp()

                close [ 0.125; 0.25; 0.625 ] (numbers (inTexts network)) "at first"

                let moved =
                    { network with
                        log_prior = Some(torch.tensor [| 700.0f; 700.0f; 700.0f |])
                    }

                close [ 1.0 / 3.0; 1.0 / 3.0; 1.0 / 3.0 ] (numbers (inTexts moved)) "normalised"

            testCase "without a leaf the texts are as they were, and none is started unless it is learned"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let network, texts, _ = ObjectiveTests.problem ObjectiveTests.settings
                Expect.isNone network.log_prior "no leaf"
                Expect.isTrue (obj.ReferenceEquals(Prior.inTexts network texts, texts)) "the same texts"

                for source in [ None; Some PriorSource.Estimated ] do
                    let settings =
                        { ObjectiveTests.settings.Method with
                            PriorSource = source
                        }

                    Expect.isNone (Prior.start settings texts) "given or estimated"

            testCase "attention and feature mean teach it; settled, the answers stay the same"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for mode in [ Marginalisation.Attention; Marginalisation.FeatureMean ] do
                    let settings, network, texts, batch = learning mode
                    let terms, logits = Objective.evaluate settings network texts mode batch
                    terms.Total.backward ()

                    match (Option.get network.log_prior).grad with
                    | null -> failtest $"{mode}: no gradient"
                    | grad ->
                        Expect.isGreaterThan (grad.abs().sum().item<float32>()) 0.0f $"{mode}"
                        Expect.isTrue (abs (grad.sum().item<float32>()) < 1e-6f) "π keeps its sum"

                    let settled, worded = Prior.settled network texts
                    Expect.isNone settled.log_prior "no leaf is left"
                    let _, same = Objective.evaluate settings settled worded mode batch
                    Expect.isTrue (logits.equal(same).all().item<bool>()) "the same logits"
        ]
