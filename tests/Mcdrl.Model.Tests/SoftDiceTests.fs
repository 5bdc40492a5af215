module Mcdrl.Tests.SoftDiceTests

open Expecto
open TorchSharp
open Mcdrl

let tests =
    testList
        "SoftDice"
        [
            testCase "Dice loss is near 0 for the truth and near 1 for its opposite"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let labels = torch.zeros (1L, 32L, 32L, dtype = torch.int64)
                labels.narrow(1L, 0L, 16L).fill_(1.0.ToScalar()) |> ignore

                let truth =
                    torch.nn.functional.one_hot(labels, 2L).permute(0L, 3L, 1L, 2L).``to`` torch.float64

                let logits = truth.mul (scalar 40.0)
                Expect.isLessThan ((SoftDice.loss None logits labels).item<float>()) 1e-3 "truth"

                Expect.isGreaterThan
                    ((SoftDice.loss None (logits.neg ()) labels).item<float>())
                    0.99
                    "opposite"

            testCase
                "with a share of the frame for smoothing, a mark in a frame without a lesion is pushed down as s / (P + s)² says"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let labels = torch.zeros (1L, 20L, 20L, dtype = torch.int64)

                /// What the loss falls by if the marked share of the frame, half by half a chance, falls by one pixel.
                let slope smoothing =
                    let logits =
                        torch.zeros (1L, 2L, 20L, 20L, dtype = torch.float64, requires_grad = true)

                    (SoftDice.loss smoothing logits labels).backward()
                    // dp/dlogit is p (1 − p) = 1/4 at every pixel.
                    (nonNull logits.grad).select(1L, 1L).mean().item<float>() * 4.0

                // 400 pixels, each with p = 1/2.
                for smoothing, s in [ None, 1.0; Some 0.0025, 1.0; Some 0.1, 40.0; Some 0.5, 200.0 ] do
                    Expect.floatClose Accuracy.high (slope smoothing) (s / (200.0 + s) ** 2.0) $"{smoothing}"
        ]
