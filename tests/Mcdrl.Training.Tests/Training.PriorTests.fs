module Mcdrl.Tests.TrainingPriorTests

open System
open System.IO
open Expecto
open TorchSharp
open Mcdrl

let private request folder source : TrainRequest =
    let plain = World.settings

    { World.request folder "run" with
        Weights = Path.Combine(folder, "clip")
        Text = None
        Settings =
            { plain with
                Method =
                    { plain.Method with
                        PriorSource = Some source
                    }
            }
    }

let private within work =
    World.within (fun folder ->
        World.writeClip folder [ "polyp" ]
        work folder)

let private priorOf (request: TrainRequest) =
    use _scope = torch.NewDisposeScope()
    let model = Outcome.ok (Bundle.load request.Out)
    Expect.isNone model.Network.log_prior "a prior like any other"
    model.Texts.log_prior.exp().data<float>().ToArray()

/// CLIP's P(z | x), averaged over the frames that the run trains on, worked out with plain numbers.
let private expected (request: TrainRequest) =
    use _scope = torch.NewDisposeScope()
    let dataset, training, _ = World.split request
    let weights = Outcome.ok (Weights.load request.Weights)
    let prompts = World.conditions |> List.map Prompts.ofCondition

    let rows (x: Tensor) =
        [ for row in 0L .. x.shape[0] - 1L -> x[row].data<float32>().ToArray() ]

    let conditions =
        rows (Outcome.ok (PromptTable.resolve weights TextSource.Own prompts))

    let images =
        Outcome.ok (
            Frames.prepare
                (Path.Combine(request.Out, "..", "frames.bin"))
                ""
                32
                dataset
                (Array.ofList training)
                Progress.none
        )

    use _store: IDisposable = images.Store
    let mean, std = Tower.normalisation weights.Tower

    let channels (values: float list) =
        torch.tensor(values |> List.map float32 |> Array.ofList).view(1L, 3L, 1L, 1L)

    let seen =
        torch.stack [| for index in 0 .. training.Length - 1 -> fst (Frames.read images index) |]

    let features =
        Tower.forward DenseMode.Plain weights.Tower (seen.sub(channels mean).div(channels std))

    let cosine (a: float32 array) (b: float32 array) =
        let dot x y =
            Array.fold2 (fun sum x y -> sum + float x * float y) 0.0 x y

        dot a b / sqrt (dot a a * dot b b)

    let scale = ClipText.scale (Option.get weights.Text)

    rows features.Image
    |> List.map (fun image ->
        let raised = conditions |> List.map (fun z -> exp (scale * cosine image z))
        raised |> List.map (fun one -> one / List.sum raised))
    |> List.transpose
    |> List.map List.average

let tests =
    testSequenced
    <| testList
        "Training.Prior"
        [
            testCase
                "estimated: the mean of CLIP's P(z | x) over the training frames, in the bundle and in the report"
            <| fun () ->
                within (fun folder ->
                    let request = request folder PriorSource.Estimated
                    let report = Outcome.ok (World.train request)
                    let found, expected = priorOf request, expected request
                    Expect.isGreaterThan (List.max expected - List.min expected) 0.01 "not uniform"

                    for condition, found, expected in Seq.zip3 World.conditions found expected do
                        Expect.floatClose Accuracy.medium found expected condition
                        Expect.equal (report.Prior |> Option.map (Map.find condition)) (Some found) condition)

            testCase "learned: moved away from uniform, still a distribution"
            <| fun () ->
                within (fun folder ->
                    let request = request folder PriorSource.Learned
                    let report = Outcome.ok (World.train request)
                    let found = priorOf request
                    Expect.floatClose Accuracy.high (Array.sum found) 1.0 "sums to 1"
                    Expect.isGreaterThan (Array.max found - Array.min found) 1e-4 "moved"
                    Expect.equal (report.Prior |> Option.map _.Count) (Some 3) "told")

            testCase "given weights are told by no report; no CLIP, no estimate"
            <| fun () ->
                World.within (fun folder ->
                    let report = Outcome.ok (World.train (World.request folder "given"))
                    Expect.isNone report.Prior "nothing to tell"

                    let settings = (request folder PriorSource.Estimated).Settings

                    World.train
                        { World.request folder "run" with
                            Settings = settings
                        }
                    |> Outcome.refusedWith 2 [ "is no CLIP"; "method.prior_source=estimated" ])
        ]
