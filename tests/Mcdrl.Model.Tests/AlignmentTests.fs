module Mcdrl.Tests.AlignmentTests

open Expecto
open TorchSharp
open Mcdrl

let private normal shape seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

let private value (x: Tensor) = x.item<float>()

/// Prompts [1, 3, 4] and cells [1, 1, 3, 4] that are the prompts of normal mucosa and of two classes, at right angles.
let private prompts () =
    (torch.eye (3L, 4L, dtype = torch.float64)).unsqueeze 0L

let private cells () = prompts().view(1L, 1L, 3L, 4L)

let private labels (numbers: int64 list) =
    (torch.tensor (Array.ofList numbers)).view(1L, 1L, 3L)

let tests =
    testList
        "Alignment"
        [
            testCase
                "at right angles a cell of its own prompt costs log(1 + 2 exp(−1/τ)), of another 1/τ more"
            <| fun () ->
                let tau = 0.5
                let own = log (1.0 + 2.0 * exp (-1.0 / tau))
                let near = Expect.floatClose Accuracy.high

                near
                    (value (Alignment.loss tau (prompts ()) (labels [ 0L; 1L; 2L ]) (cells ())))
                    own
                    "its own"

                near
                    (value (Alignment.loss tau (prompts ()) (labels [ 0L; 2L; 2L ]) (cells ())))
                    (own + 1.0 / tau / 3.0)
                    "one of three cells is another's"

            Property.check "lengths of cells and prompts don't matter" (fun (seed: uint64) ->
                let cells = normal [ 2L; 2L; 3L; 5L ] seed
                let prompts = normal [ 1L; 4L; 5L ] (seed + 1UL)
                let labels = torch.arange(12L).remainder(torch.tensor 4L).view(2L, 2L, 3L)

                let loss scale =
                    Alignment.loss 0.07 (prompts.mul (scalar scale)) labels (cells.mul (scalar scale))

                abs (value (loss 1.0) - value (loss 7.0)) < 1e-9)
        ]
