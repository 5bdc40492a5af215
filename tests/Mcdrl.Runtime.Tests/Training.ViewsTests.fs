module Mcdrl.Runtime.Tests.TrainingViewsTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private views folder : Views =
    let dataset = World.ok (Dataset.load (World.data ()))
    let items = dataset.Sites |> Seq.collect _.Items |> Array.ofSeq

    {
        Frames =
            World.ok (
                Frames.prepare
                    (Path.Combine(folder, "frames.bin"))
                    ""
                    32
                    dataset
                    items
                    Report.none
                    CancellationToken.None
            )
        Settings = World.settings
        Seed = Seed.create 3UL
        Mean = Array.create 3 0.5f
        Std = Array.create 3 0.25f
        Device = torch.CPU
        Cache = None
    }

let private withViews work =
    use _scope = torch.NewDisposeScope()

    Folder.temporary (fun folder ->
        let views = views folder
        use _store: IDisposable = views.Frames.Store
        work views)

let private bytes (drawn: Drawn) =
    Views.tensors drawn |> List.map (fun tensor -> tensor.bytes.ToArray())

let private conditions = [| "blur"; "a close-up view"; "blood" |]

let tests =
    testSequenced (
        testList
            "Training.Views"
            [
                testCase "a batch drawn ahead, on another thread, is the same to the byte"
                <| fun () ->
                    withViews (fun views ->
                        let draw epoch =
                            Views.draw
                                views
                                epoch
                                [| 5; 0; 11 |]
                                (if epoch % 2 = 0 then None else Some conditions)

                        let here = [ for epoch in 0..5 -> bytes (draw epoch) ]
                        use ahead = new Ahead<byte[] list>(2, 6, draw >> bytes, ignore)
                        Expect.equal [ for _ in 0..5 -> ahead.Take() ] here "bytes"
                        Expect.notEqual here[0] here[2] "another epoch, another view")

                testCase "conditions that are no operation on pixels weigh nothing"
                <| fun () ->
                    withViews (fun views ->
                        let drawn = Views.draw views 0 [| 5; 0; 11 |] (Some conditions)
                        let conditioned = Option.get drawn.Conditioned

                        Expect.equal
                            (conditioned.Counts.data<float32>().ToArray())
                            [| 1.0f; 0.0f; 1.0f |]
                            "weights"

                        match drawn.Seen with
                        | Seen.Features _ -> failtest "nothing is cached"
                        | Seen.Frames frames ->
                            Expect.isTrue
                                (frames[1].equal(conditioned.Pixels[1]).all().ToBoolean())
                                "as it was"

                            Expect.isFalse
                                (frames[0].equal(conditioned.Pixels[0]).all().ToBoolean())
                                "blurred")

                testCase
                    "a frozen tower runs packed, in training, in validation and for the cache, and sees the same"
                <| fun () ->
                    withViews (fun views ->
                        let model = World.ok (Bundle.load (World.bundle ()))

                        let state =
                            TrainState.start
                                World.settings.Optimiser
                                torch.CPU
                                (Tower.isTrained 0 model.Tower)
                                model.Network
                                model.Tower
                                None

                        let packed tower =
                            Tree.tensors tower |> List.exists OneDnn.isPacked

                        Expect.isTrue (packed state.Running) "as it is run"
                        Expect.isFalse (packed state.Tower) "as it is saved"

                        let _, validating, _ =
                            TrainState.runningWith (Collections.Generic.Dictionary()) state

                        Expect.isTrue (packed validating) "as it is validated"
                        let drawn = Views.draw views 0 [| 5; 0; 11 |] (Some conditions)
                        let seen tower = Views.seenBy tower views drawn
                        let found, foundOthers = seen state.Running
                        let expected, expectedOthers = seen state.Tower

                        let apart (a: Tensor) (b: Tensor) =
                            a.sub(b).norm().div(b.norm ()).item<float32>()

                        Expect.isLessThan (apart found.Dense expected.Dense) 2e-5f "dense"
                        Expect.isLessThan (apart found.Image expected.Image) 2e-5f "image"

                        Expect.isLessThan
                            (apart (Option.get foundOthers).Dense (Option.get expectedOthers).Dense)
                            2e-5f
                            "under conditions")
            ]
    )
