module Mcdrl.Tests.AdamWStepTests

open System
open System.Threading
open System.Threading.Tasks
open Expecto
open TorchSharp
open TorchSharp.Modules
open Mcdrl

/// Two decaying parameters, of which one never gets a gradient, and one that doesn't decay, at another rate.
let private optimised () =
    let parameter index (shape: int64 list) =
        new Parameter(SeedTensors.normal shape (Seed.create 5UL |> Seed.split index), true)

    let used, unused, bias =
        parameter 0 [ 7L; 5L ], parameter 1 [ 3L ], parameter 2 [ 5L ]

    let group (members: Parameter list) decay rate =
        let group =
            AdamW.ParamGroup(Array.ofList members, AdamW.Options(weight_decay = Nullable decay))

        group, rate

    let groups = [ group [ used; unused ] 0.05 1.0; group [ bias ] 0.0 0.1 ]
    let optimiser = torch.optim.AdamW(groups |> List.map fst |> Array.ofList, lr = 0.01)
    optimiser, [ used; unused; bias ], List.map snd groups

let private steps count (step: AdamW -> unit) =
    use _scope = torch.NewDisposeScope()
    let optimiser, parameters, rates = optimised ()
    let input = SeedTensors.normal [ 4L; 7L ] (Seed.create 6UL)

    for number in 1..count do
        use _scope = torch.NewDisposeScope()

        for group, rate in Seq.zip optimiser.ParamGroups rates do
            group.LearningRate <- 0.01 * rate / float number

        optimiser.zero_grad ()

        // Powers of its own make the gradients of both parameters change from step to step.
        (input.matmul(parameters[0]).add(parameters[2], unity)).tanh().pow(scalar 2.0).sum().backward()
        step optimiser

    parameters |> List.map (fun parameter -> parameter.data<float32>().ToArray())

let tests =
    testSequenced (
        testList
            "AdamWStep"
            [
                testCase "to the bit as TorchSharp takes it, rates and decay by group, no gradient no step"
                <| fun () ->
                    let expected = steps 7 (fun optimiser -> optimiser.step () |> ignore)
                    let found = steps 7 AdamWStep.take
                    Expect.equal found expected "the same"
                    let fewer, untouched = steps 6 AdamWStep.take, steps 0 AdamWStep.take
                    Expect.notEqual found[0] fewer[0] "it moves"
                    Expect.equal found[1] untouched[1] "no gradient, no step"

                testCase
                    "down a loss: gradients of this loss alone, clipped over all leaves together, and the step"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()
                    let optimiser, parameters, _ = optimised ()
                    let trained = [ parameters[0]; parameters[2] ]
                    let before = trained |> List.map _.detach().clone()

                    let loss () =
                        parameters[0].sum().mul(scalar 3.0).add(parameters[2].sum(), unity)

                    let gradients clip =
                        AdamWStep.descend optimiser clip trained (loss ())

                        trained
                        |> List.map (fun leaf ->
                            (nonNull leaf.grad).mean().``to``(torch.float64).item<float>())

                    Expect.equal (gradients 1e6) [ 3.0; 1.0 ] "as they are"
                    Expect.equal (gradients 1e6) [ 3.0; 1.0 ] "none of the step before"
                    let norm = sqrt (35.0 * 9.0 + 5.0)

                    for found, whole in List.zip (gradients 2.0) [ 3.0; 1.0 ] do
                        Expect.floatClose Accuracy.medium found (whole * 2.0 / norm) "to a norm of 2"

                    for leaf, first in List.zip trained before do
                        Expect.isFalse (leaf.equal(first).any().item<bool>()) "it moves"

                testCase "to the bit while the collector is at work"
                <| fun () ->
                    let expected = steps 10000 AdamWStep.take
                    use stop = new CancellationTokenSource()

                    let collecting =
                        Task.Run(fun () ->
                            while not stop.IsCancellationRequested do
                                GC.Collect 0
                                GC.WaitForPendingFinalizers())

                    let found = steps 10000 AdamWStep.take
                    stop.Cancel()
                    collecting.Wait()
                    Expect.equal found expected "the same"
            ]
    )
