module Mcdrl.Tests.SegmenterCustomTests

open System
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private frame () = SegmenterTests.picture "frame1.png"

let tests =
    testSequenced
    <| testList
        "Segmenter.Custom"
        [
            testCase "the modes with names that look at single conditions are two of many functions"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frame = frame ()

                for mode, combine in
                    [ Marginalisation.Exact, Backdoor.exact; Marginalisation.Nwgm, Backdoor.nwgm ] do
                    let named = Segmenter.segment segmenter (Some mode) frame
                    let own = Segmenter.segmentBy combine segmenter frame
                    World.sameButForTies own.Mask named.Mask "mask"

                    for one, other in Array.zip own.Probabilities named.Probabilities do
                        Expect.isLessThan (abs (one - other)) 1e-6f $"{mode}"

                    Expect.equal own.Influence named.Influence "influence of each condition"
                    Expect.equal own.Disagreement named.Disagreement "disagreement"
                    Expect.equal own.Mode Marginalisation.Custom "says that it is none of them"

            testCase "a function decides what is marked, and its probabilities are handed out"
            <| fun () ->
                use segmenter = World.segmenter ()
                use _scope = torch.NewDisposeScope()
                let frame = frame ()

                /// Certain of a class everywhere.
                let always (label: int64) (_: Tensor) (logits: Tensor) =
                    let hot = torch.arange(logits.shape[2]).eq(torch.tensor label).view(1L, -1L, 1L, 1L)
                    hot.``to``(logits.dtype).expand logits.shape[1..]

                for label in [ 0L; 1L ] do
                    let found = Segmenter.segmentBy (always label) segmenter frame
                    Expect.equal (Array.distinct found.Mask.Labels) [| byte label |] "everywhere"
                    let own = Segmenter.probabilitiesBy (always label) segmenter frame
                    Expect.equal (own.select(0L, label).min().item<float32>()) 1.0f "certain"

            testCase "what is no answer is refused, and so is a model that doesn't intervene"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frame = frame ()

                Expect.throwsT<ArgumentException>
                    (fun () -> Segmenter.segmentBy (fun _ logits -> logits.mean ()) segmenter frame |> ignore)
                    "one number"

                Segmenter.requireMode segmenter (Some Marginalisation.Custom)
                |> Outcome.refusedWith 2 [ "custom"; "Segmenter.segmentBy" ]

                Expect.throwsT<ArgumentException>
                    (fun () -> Segmenter.segment segmenter (Some Marginalisation.Custom) frame |> ignore)
                    "no function"

                let model = Outcome.ok (Bundle.load (World.bundle ()))

                use untrained =
                    Segmenter.ofModel
                        (torch.device "cpu")
                        Precision.Fp32
                        { model with
                            Manifest = { model.Manifest with Active = false }
                        }

                for answer in
                    [
                        Segmenter.segmentBy Backdoor.exact
                        fun segmenter -> Segmenter.segment segmenter (Some Marginalisation.Custom)
                    ] do
                    Expect.throwsT<ArgumentException>
                        (fun () -> answer untrained frame |> ignore)
                        "never trained"

            testCase "no tensor is left behind"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frame = frame ()
                Segmenter.segmentBy Backdoor.nwgm segmenter frame |> ignore
                let before = LiveTensors.count ()

                for _ in 1..5 do
                    Segmenter.segmentBy Backdoor.nwgm segmenter frame |> ignore

                Expect.equal torch.Tensor.TotalCount before "none"
        ]
