module Mcdrl.Tests.TrainingViewsTests

open System
open System.IO
open Expecto
open TorchSharp
open Mcdrl

let private conditions = [ "blur"; "a close-up view"; "blood" ]

/// An index into `conditions` for each of three views.
let private confounders = [| 0L; 1L; 2L |]

/// Views of the frames of some sites, prepared in a file of their own, drawn from all of them.
let private viewsOf folder sites count : Views =
    let dataset = Outcome.ok (Dataset.load (World.data ()))

    let items =
        dataset.Sites
        |> Seq.filter (fun site -> List.contains site.Name sites)
        |> Seq.collect _.Items
        |> Array.ofSeq

    let name = String.concat "" sites

    {
        Frames =
            Outcome.ok (
                Frames.prepare (Path.Combine(folder, $"frames-{name}.bin")) "" 32 dataset items Progress.none
            )
        Members = Array.init items.Length id
        Settings =
            { World.settings with
                Method =
                    { World.settings.Method with
                        Conditions = conditions
                    }
                Augmentation =
                    { World.settings.Augmentation with
                        Views = count
                    }
            }
        Seed = Seed.create 3UL
        Mean = Array.create 3 0.5f
        Std = Array.create 3 0.25f
        Device = torch.CPU
        Cache = None
    }

let private close (views: Views) =
    (views.Frames.Store :> IDisposable).Dispose()

    match views.Cache with
    | Some cache ->
        (cache.Views :> IDisposable).Dispose()
        cache.Transformed |> Option.iter (fun store -> (store :> IDisposable).Dispose())
    | None -> ()

let private withViews work =
    use _scope = torch.NewDisposeScope()

    Folder.temporary (fun folder ->
        let views = viewsOf folder [ "a"; "b"; "c" ] World.settings.Augmentation.Views

        try
            work views
        finally
            close views)

let private bytes (drawn: Drawn) =
    Views.tensors drawn |> List.map (fun tensor -> tensor.bytes.ToArray())

let private framesIn (seen: Seen) =
    match seen with
    | Seen.Features _ -> failtest "nothing is cached"
    | Seen.Frames frames -> frames

let private maps (features: TowerFeatures) =
    features.Dense :: features.Image :: features.Skips

/// Distance relative to the second.
let private apart (a: Tensor) (b: Tensor) =
    Expect.equal (List.ofArray a.shape) (List.ofArray b.shape) "shape"
    a.sub(b).norm().div(b.norm ()).item<float32>()

let private same (a: Tensor) (b: Tensor) what =
    Expect.equal (a.bytes.ToArray()) (b.bytes.ToArray()) what

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
                                (if epoch % 2 = 0 then None else Some confounders)

                        let here = [ for epoch in 0..5 -> bytes (draw epoch) ]
                        use ahead = new Ahead<byte[] list>(1, 2, 6, draw >> bytes, ignore)
                        Expect.equal [ for _ in 0..5 -> ahead.Take() ] here "bytes"
                        Expect.notEqual here[0] here[2] "another epoch, another view")

                testCase
                    "colours come from frames of other sites among those that are drawn from, and from no others"
                <| fun () ->
                    withViews (fun views ->
                        let exchanging members (views: Views) =
                            { views with
                                Members = members
                                Settings =
                                    { views.Settings with
                                        Augmentation =
                                            { Augmentation.none with
                                                ColourExchange = Some 1.0
                                                Views = 0
                                            }
                                    }
                            }

                        let frames (views: Views) epoch =
                            (Views.draw views epoch [| 0; 1; 2 |] None).Seen |> framesIn

                        let read index = fst (Frames.read views.Frames index)
                        // Six frames a site, in their order.
                        let ofA = exchanging [| 0..5 |] views
                        let found = frames ofA 0

                        for index in 0..2 do
                            same
                                found[int64 index]
                                (read index)
                                "one site alone: nobody to take colours from"

                        let ofTwo = exchanging [| 0; 1; 2; 3; 4; 5; 7 |] views
                        let found = frames ofTwo 0

                        for index in 0..2 do
                            same
                                found[int64 index]
                                (ColourExchange.apply (read 7) (read index))
                                "the only frame of another site"

                        let ofAll = exchanging [| 0..17 |] views
                        let wide = frames ofAll 0
                        same wide (frames ofAll 0) "the same draw, the same bytes"

                        Expect.isGreaterThan
                            (apart wide (frames ofAll 1))
                            1e-4f
                            "another epoch, another partner"

                        let plain, paired = ofAll, Some [| 1L; 1L; 1L |]
                        let drawn = Views.draw plain 0 [| 0; 1; 2 |] paired
                        same (framesIn drawn.Seen) wide "in pairs, too")

                testCase "conditions that are no operation on pixels weigh nothing"
                <| fun () ->
                    withViews (fun views ->
                        let drawn = Views.draw views 0 [| 5; 0; 11 |] (Some confounders)
                        let conditioned = Option.get drawn.Conditioned

                        Expect.equal
                            (conditioned.Counts.data<float32>().ToArray())
                            [| 1.0f; 0.0f; 1.0f |]
                            "weights"

                        let frames, others = framesIn drawn.Seen, framesIn conditioned.Seen
                        same frames[1] others[1] "as it was"
                        Expect.isGreaterThan (apart frames[0] others[0]) 1e-3f "blurred"
                        same conditioned.Confounders (torch.tensor confounders) "as given")

                testCase
                    "a frozen tower runs packed, in training, in validation and for the cache, and sees the same"
                <| fun () ->
                    withViews (fun views ->
                        let model = Outcome.ok (Bundle.load (World.bundle ()))

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
                        let drawn = Views.draw views 0 [| 5; 0; 11 |] (Some confounders)

                        let seen tower =
                            Views.seenBy Precision.Fp32 tower views drawn

                        let found, foundOthers = seen state.Running
                        let expected, expectedOthers = seen state.Tower

                        Expect.isLessThan (apart found.Dense expected.Dense) 2e-5f "dense"
                        Expect.isLessThan (apart found.Image expected.Image) 2e-5f "image"

                        Expect.isLessThan
                            (apart
                                (Option.get foundOthers).Features.Dense
                                (Option.get expectedOthers).Features.Dense)
                            2e-5f
                            "under conditions")

                testCase "a view is the same whatever other frames are in the store"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()

                    Folder.temporary (fun folder ->
                        let all = viewsOf folder [ "a"; "b"; "c" ] 2
                        let last = viewsOf folder [ "c" ] 2

                        // Site c begins at the thirteenth of all frames.
                        let ofThose =
                            { all with
                                Members = Array.init 6 (fun place -> 12 + place)
                            }

                        for epoch in 0..2 do
                            let draw views =
                                Views.draw views epoch [| 0; 3; 4 |] (Some confounders)

                            Expect.equal (bytes (draw ofThose)) (bytes (draw last)) $"epoch {epoch}"

                        let frames number =
                            framesIn (Views.draw all number [| 12 |] None).Seen

                        Expect.isGreaterThan (apart (frames 0) (frames 1)) 1e-3f "two views of a frame"
                        same (frames 2) (frames 0) "used in turn"
                        close all
                        close last)

                testCase "cached features are those of the same views through the tower"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()

                    Folder.temporary (fun folder ->
                        let tower = (Outcome.ok (Bundle.load (World.bundle ()))).Tower
                        let views = viewsOf folder [ "a"; "b"; "c" ] 2
                        let path = Path.Combine(folder, "features.bin")
                        let mutable told = 0

                        let cache () =
                            Outcome.ok (
                                Views.cached
                                    path
                                    "k"
                                    tower
                                    views
                                    { Progress.none with
                                        Tell = fun _ -> told <- told + 1
                                    }
                            )

                        let cached =
                            { cache () with
                                Members = [| 17; 3; 9; 4 |]
                            }

                        let fresh = { cached with Cache = None }

                        for epoch in 0..2 do
                            let draw views =
                                let drawn = Views.draw views epoch [| 0; 2; 3 |] None
                                Views.seenBy Precision.Fp32 tower views drawn |> fst, drawn

                            let (found, drawn), (expected, drawnFresh) = draw cached, draw fresh

                            match drawn.Seen with
                            | Seen.Features _ -> ()
                            | Seen.Frames _ -> failtest "read from the file"

                            same drawn.Labels drawnFresh.Labels "labels"
                            Expect.isLessThan (apart found.Dense expected.Dense) 1e-5f "dense"
                            Expect.isLessThan (apart found.Image expected.Image) 1e-5f "image"
                            Expect.equal found.Skips.Length expected.Skips.Length "skips"

                            for skip, other in List.zip found.Skips expected.Skips do
                                Expect.isLessThan (apart skip other) 1e-5f "skip"

                        Expect.isGreaterThan told 0 "computed"
                        let before = told
                        close (cache ())
                        Expect.equal told before "computed once"
                        close cached)

                testCase
                    "cached transformed maps are the tower's on the same views under the confounders kept with them"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()

                    Folder.temporary (fun folder ->
                        let tower = (Outcome.ok (Bundle.load (World.bundle ()))).Tower
                        let path name = Path.Combine(folder, $"{name}.bin")
                        let drawn seed = int64 (Seed.below 3 seed)

                        let cached =
                            viewsOf folder [ "a"; "b"; "c" ] 2
                            |> fun views -> Views.cached (path "features") "k" tower views Progress.none
                            |> Result.bind (fun views ->
                                Views.cachedTransformed
                                    (path "transformed")
                                    "k"
                                    tower
                                    drawn
                                    views
                                    Progress.none)
                            |> Outcome.ok

                        let positions = [| 0..17 |]
                        // Those kept are drawn, not those that a step asks for.
                        let asked = Array.create 18 1L

                        let kept =
                            [
                                for epoch in 0..1 do
                                    let drawn = Views.draw cached epoch positions (Some asked)
                                    let conditioned = Option.get drawn.Conditioned
                                    let confounders = conditioned.Confounders.data<int64>().ToArray()
                                    let _, found = Views.seenBy Precision.Fp32 tower cached drawn
                                    let fresh = { cached with Cache = None }
                                    let again = Views.draw fresh epoch positions (Some confounders)
                                    let _, expected = Views.seenBy Precision.Fp32 tower fresh again
                                    let found, expected = Option.get found, Option.get expected

                                    for found, expected in
                                        List.zip (maps found.Features) (maps expected.Features) do
                                        Expect.isLessThan (apart found expected) 1e-5f "maps"

                                    same found.Weight expected.Weight "weights"

                                    Expect.equal
                                        (conditioned.Counts.data<float32>().ToArray())
                                        [| for index in confounders -> if index = 1L then 0.0f else 1.0f |]
                                        "a close-up view is no operation on pixels"

                                    let plain, _ = Views.seenBy Precision.Fp32 tower cached drawn

                                    for row in 0..17 do
                                        let moved = apart found.Features.Dense[row] plain.Dense[row]

                                        if confounders[row] = 1L then
                                            Expect.isLessThan moved 1e-5f "as it was"
                                        else
                                            Expect.isGreaterThan moved 1e-3f "under a condition"

                                    confounders
                            ]

                        Expect.equal (Set.ofSeq (Seq.concat kept)) (set [ 0L; 1L; 2L ]) "each is drawn"
                        Expect.notEqual kept[0] kept[1] "each view has its own"

                        Expect.isNone
                            (Views.draw cached 0 positions None).Conditioned
                            "none where none is asked for"

                        close cached)
            ]
    )
