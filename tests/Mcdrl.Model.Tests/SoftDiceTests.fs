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
                Expect.isLessThan ((SoftDice.loss logits labels).item<float>()) 1e-3 "truth"
                Expect.isGreaterThan ((SoftDice.loss (logits.neg ()) labels).item<float>()) 0.99 "opposite"
        ]
