module Mcdrl.Tests.InvarianceTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private logits scale value =
    (SeedTensors.normal [ 2L; 3L; 4L; 5L ] (Seed.create value)).``to``(torch.float64).mul(scalar scale)

let private apart (a: Tensor) (b: Tensor) = (Invariance.loss a b).item<float>()

let tests =
    testList
        "Invariance"
        [
            testProperty
                "one answer is 0 from itself, and from itself shifted in all classes"
                (fun (value: uint64) ->
                    let answer = logits 3.0 value

                    abs (apart answer answer) < 1e-12
                    && abs (apart answer (answer.add (scalar 2.0, unity))) < 1e-12)

            Property.check "between 0 and log 2, either way round" (fun (value: uint64) (other: uint64) ->
                let a, b = logits 8.0 value, logits 8.0 other
                let found = apart a b

                found >= -1e-12
                && found <= log 2.0 + 1e-12
                && abs (found - apart b a) < 1e-12
                && (value = other || found > 1e-6))

            testCase "two classes, .9 and .1 against even: .1017 nats; certain and opposite: log 2"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let answer p =
                    (torch.tensor [| log p; log (1.0 - p) |]).view(1L, 2L, 1L, 1L)
                // ½ KL((.9, .1) ‖ (.7, .3)) + ½ KL((.5, .5) ‖ (.7, .3)).
                let expected =
                    0.5 * (0.9 * log (0.9 / 0.7) + 0.1 * log (0.1 / 0.3))
                    + 0.5 * (0.5 * log (0.5 / 0.7) + 0.5 * log (0.5 / 0.3))

                Expect.floatClose Accuracy.high (apart (answer 0.9) (answer 0.5)) expected "by hand"
                Expect.floatClose { absolute = 5e-5; relative = 0.0 } expected 0.1017 "in nats"
                let certain = (torch.tensor [| 400.0; -400.0 |]).view(1L, 2L, 1L, 1L)
                Expect.floatClose Accuracy.high (apart certain (certain.neg ())) (log 2.0) "opposite"

            testCase "its gradient reaches both answers"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let a, b =
                    (logits 1.0 1UL).requires_grad_ true, (logits 1.0 2UL).requires_grad_ true

                (Invariance.loss a b).backward()

                for answer in [ a; b ] do
                    Expect.isGreaterThan ((nonNull answer.grad).abs().max().item<float>()) 1e-6 "taught"
        ]
