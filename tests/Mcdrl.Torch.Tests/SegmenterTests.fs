module Mcdrl.Tests.SegmenterTests

open System.IO
open System.Threading.Tasks
open Expecto
open SkiaSharp
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let picture name =
    Outcome.ok (Images.read ImageLimits.standard (Path.Combine(World.data (), "c", "images", name)))

let modes =
    [
        Marginalisation.Exact
        Marginalisation.FeatureMean
        Marginalisation.Nwgm
        Marginalisation.Attention
    ]

/// What must hold for every answer about a picture.
let checkedSegment (segmenter: Segmenter) mode (picture: Picture) =
    let found = Segmenter.segment segmenter mode picture
    let fileSize = Orientation.size picture.Orientation (picture.Width, picture.Height)
    Expect.equal (found.Mask.Width, found.Mask.Height) fileSize "the file's size"
    Expect.equal found.Mask.Labels.Length (fst fileSize * snd fileSize) "a label a pixel"
    Expect.equal (found.Upright.Width, found.Upright.Height) (picture.Width, picture.Height) "upright"
    Expect.isLessThanOrEqual (int (Array.max found.Mask.Labels)) found.Classes.Length "known labels"
    Expect.equal (Segmenter.segment segmenter mode picture) found "the same answer again"
    found

let private answers =
    testList
        "answers"
        [
            testCase "a mask of the file's size that marks something, whatever the size and the mode"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frame = picture "frame1.png"

                for mode in modes do
                    let found = checkedSegment segmenter (Some mode) frame
                    Expect.equal found.Mode mode "mode"
                    Expect.equal (Array.distinct found.Mask.Labels |> Array.sort) [| 0uy; 1uy |] $"{mode}"

                for width, height in [ 1, 1; 3, 200; 211, 97 ] do
                    Crafted.png width height
                    |> Images.decode ImageLimits.standard "made"
                    |> Outcome.ok
                    |> checkedSegment segmenter None
                    |> ignore

            testCase
                "probabilities of the network are those that the mask is of; a threshold and a smallest area decide what is marked"
            <| fun () ->
                use segmenter = World.segmenter ()
                use _scope = torch.NewDisposeScope()
                let frame = picture "frame1.png"

                for mode in modes do
                    let found = checkedSegment segmenter (Some mode) frame

                    let own =
                        (Segmenter.probabilities segmenter (Some mode) frame).data<float32>().ToArray()

                    Expect.equal found.Probabilities.Length own.Length "[K + 1, S, S]"

                    for one, other in Array.zip found.Probabilities own do
                        Expect.isLessThan (abs (one - other)) 1e-5f "probabilities"

                    let mask = Resampling.labels frame.Height frame.Width found.Side found.Probabilities
                    World.sameButForTies mask found.Upright "the mask is of them"

                let marked threshold least =
                    let marking = Outcome.ok (Marking.create threshold least)
                    let found = Segmenter.segmentWith marking segmenter None frame
                    Expect.equal found.Marking marking "said"

                    Expect.equal
                        found.Upright
                        (Marking.labels marking frame.Height frame.Width found.Side found.Probabilities)
                        "what Marking says of the probabilities"

                    Array.sumBy int64 found.Upright.Labels

                let area = marked None 0L
                Expect.isGreaterThan (marked (Some 0.01) 0L) area "a low threshold marks more"
                Expect.isLessThan (marked (Some 0.99) 0L) area "a high one less"
                Expect.equal (marked None (area + 1L)) 0L "all regions are too small"

            testCase "the modes that look at single conditions say how much each matters"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frame = picture "frame1.png"

                for mode in modes do
                    let found = Segmenter.segment segmenter (Some mode) frame

                    let looks = List.contains mode [ Marginalisation.Exact; Marginalisation.Nwgm ]

                    Expect.equal
                        (List.map fst found.Influence)
                        (if looks then World.conditions else [])
                        "conditions"

                    Expect.equal found.Disagreement.IsSome looks "disagreement"

                let exact = Segmenter.segment segmenter (Some Marginalisation.Exact) frame

                for name, influence in exact.Influence do
                    Expect.isGreaterThan influence 0.0 name

                let mean = exact.Influence |> List.averageBy snd
                let disagreement = Option.get exact.Disagreement
                // I(Y; Z | F) is the mean of KL(p_m ‖ Σ π p) under π, here uniform.
                Expect.floatClose Accuracy.medium disagreement mean "two ways to the same number"

            testCase "the map that the head reads gives the answer of the mean over the features"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let model = Outcome.ok (Bundle.load (World.bundle ()))
                let frames = (Preprocessing.frame 32 (picture "frame1.png")).unsqueeze 0L

                let differ (model: Model) =
                    use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 model
                    let map = Segmenter.intervenedMap segmenter frames
                    let seen = Segmenter.features segmenter frames

                    let expected =
                        Segmenter.probabilitiesOfFrames segmenter (Some Marginalisation.FeatureMean) frames

                    let observation =
                        Network.observe model.Network model.Texts model.Manifest.Settings.Method.Alpha seen

                    let rows =
                        Network.intervene
                            model.Network
                            model.Texts
                            (Gate.through model.Manifest.Active Marginalisation.FeatureMean)
                            None
                            observation.Rows

                    let read =
                        (Head.logits model.Network.head 32L observation.Details (rows.select (1L, -1L)) map)
                            .softmax
                            1L

                    Expect.isLessThan (read.sub(expected).abs().max().item<float32>()) 1e-4f "the answer"

                    map.sub(Network.aligned model.Network seen.Dense).abs().max().item<float32>()

                Expect.isGreaterThan (differ model) 1e-2f "the intervention changes it"

                let inactive =
                    { model with
                        Manifest = { model.Manifest with Active = false }
                    }

                Expect.isLessThan (differ inactive) 1e-5f "without, it is the aligned map"

            testCase "the mask is the most probable class of the enlarged probabilities, which sum to 1"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = World.segmenter ()
                let frame = picture "frame2.png"
                let probabilities = Segmenter.probabilities segmenter None frame
                Expect.equal (List.ofArray probabilities.shape) [ 2L; 32L; 32L ] "shape"

                Expect.isLessThan
                    (probabilities.sum(0L).sub(scalar 1.0).abs().max().item<float32>())
                    1e-5f
                    "sums"

                let found = Segmenter.segment segmenter None frame
                let expected = Upsampling.labels frame.Height frame.Width probabilities
                Expect.equal found.Upright expected "the same labels"
        ]

/// The world's model with these words in the places of its three conditions and with this prior.
let private withConditions conditions weights (model: Model) =
    { model with
        Manifest =
            { model.Manifest with
                Settings =
                    { model.Manifest.Settings with
                        Method =
                            { model.Manifest.Settings.Method with
                                Conditions = conditions
                            }
                    }
            }
        Texts =
            { model.Texts with
                log_prior = Backdoor.logPrior weights
            }
    }

let private off (model: Model) =
    { model with
        Manifest = { model.Manifest with Active = false }
    }

let private rendering =
    let asked = Some Marginalisation.Rendered

    /// What a changed model says.
    let by change (ask: Segmenter -> 'a) =
        use _scope = torch.NewDisposeScope()

        use segmenter =
            Segmenter.ofModel torch.CPU Precision.Fp32 (change (Outcome.ok (Bundle.load (World.bundle ()))))

        ask segmenter

    let valuesOf (probabilities: Tensor) =
        probabilities.cpu().contiguous().data<float32>().ToArray()

    let answered conditions weights frame =
        by (withConditions conditions weights) (fun segmenter ->
            Segmenter.probabilities segmenter asked frame |> valuesOf)

    let apart (a: float32 array) (b: float32 array) =
        Array.map2 (fun a b -> abs (a - b)) a b |> Array.max

    testList
        "rendered"
        [
            testCase
                "one condition that can be done to pixels: the answer without intervention to the frame under it"
            <| fun () ->
                let frame = picture "frame2.png"

                let alone, plain =
                    by off (fun segmenter ->
                        let x = Preprocessing.frame 32 frame

                        let shown =
                            match Rendered.ofDictionary [ "dim lighting" ] [ 1.0 ] with
                            | Ok rendered -> rendered.Head.Render x
                            | Error problem -> failtest (McdrlError.describe problem)

                        let ask (frame: Tensor) =
                            Segmenter.probabilitiesOfFrames segmenter None (frame.unsqueeze 0L) |> valuesOf

                        ask shown, ask x)

                let conditions = [ "a close-up view"; "dim lighting"; "a distant view" ]
                let found = answered conditions [ 3.0; 1.0; 2.0 ] frame
                Expect.isLessThan (apart found alone) 1e-5f "the same"
                Expect.isGreaterThan (apart found plain) 1e-3f "the condition counts"

            testCase "π weighs the conditions; their order, and what no pixel shows, change nothing"
            <| fun () ->
                let frame = picture "frame1.png"

                let only condition =
                    answered [ condition; "x"; "y" ] [ 1.0; 1.0; 1.0 ] frame

                let expected =
                    Array.map2 (fun a b -> 0.75f * a + 0.25f * b) (only "blur") (only "blood")

                for conditions, weights in
                    [
                        [ "blur"; "blood"; "a distant view" ], [ 3.0; 1.0; 1.0 ]
                        [ "a distant view"; "blood"; "blur" ], [ 9.0; 1.0; 3.0 ]
                    ] do
                    Expect.isLessThan
                        (apart (answered conditions weights frame) expected)
                        1e-5f
                        $"{conditions}"

                Expect.isGreaterThan (apart expected (only "blur")) 1e-3f "both count"

            testCase
                "it needs no A: with its gate closed a model answers alike, and it is no other mode's answer"
            <| fun () ->
                let frame = picture "frame1.png"

                let ask mode segmenter =
                    Segmenter.probabilities segmenter mode frame |> valuesOf

                let found = by id (ask asked)
                Expect.isLessThan (apart found (by off (ask asked))) 1e-6f "without A"

                for mode in modes do
                    Expect.isGreaterThan (apart found (by id (ask (Some mode)))) 1e-4f $"{mode}"

                Expect.isGreaterThan (apart found (by off (ask None))) 1e-4f "nor that of the frame as it is"

            testCase "frames of a batch get what each gets alone, again and again"
            <| fun () ->
                use segmenter = World.segmenter ()
                use _scope = torch.NewDisposeScope()
                let pictures = [ for number in 0..5 -> picture $"frame{number}.png" ]

                let frames =
                    torch.stack [| for picture in pictures -> Preprocessing.frame 32 picture |]

                let together = Segmenter.probabilitiesOfFrames segmenter asked frames

                for index, picture in List.indexed pictures do
                    let alone = Segmenter.probabilities segmenter asked picture
                    Expect.isLessThan (apart (valuesOf together[int64 index]) (valuesOf alone)) 1e-5f "alone"

                let found = checkedSegment segmenter asked pictures.Head
                Expect.equal found.Mode Marginalisation.Rendered "mode"
                Expect.equal (found.Influence, found.Disagreement) ([], None) "A isn't asked"

            testCase "a dictionary without such a condition is refused, one picture or the whole engine"
            <| fun () ->
                let views =
                    withConditions [ "a close-up view"; "a distant view"; "fog" ] [ 1.0; 1.0; 1.0 ]

                by views (fun segmenter ->
                    Segmenter.requireMode segmenter asked
                    |> Outcome.refusedWith 2 [ "a close-up view"; "fog"; "“mode” rendered"; "blur" ]

                    let engine = Segmenter.engine segmenter
                    let frame = picture "frame1.png"

                    Engine.segment engine asked Marking.standard frame
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "fog" ]

                    Engine.explain engine asked Marking.standard frame
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "fog" ]

                    Expect.throwsT<System.ArgumentException>
                        (fun () -> Segmenter.segment segmenter asked frame |> ignore)
                        "who doesn't ask first"

                    for mode in modes do
                        Outcome.ok (Segmenter.requireMode segmenter (Some mode)))

                by id (fun segmenter -> Outcome.ok (Segmenter.requireMode segmenter asked))
        ]

let private untrained =
    testCase
        "a model that never intervened answers as it does, and refuses modes whose weights were never trained"
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        let model = Outcome.ok (Bundle.load (World.bundle ()))

        let never =
            { model with
                Manifest = { model.Manifest with Active = false }
            }

        use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 never
        use trained = Segmenter.ofModel torch.CPU Precision.Fp32 model
        let frame = picture "frame1.png"
        Outcome.ok (Segmenter.requireMode segmenter None)
        Outcome.ok (Segmenter.requireMode segmenter (Some Marginalisation.Rendered))

        Outcome.ok (Engine.segment (Segmenter.engine segmenter) None Marking.standard frame)
        |> ignore

        for mode in Marginalisation.inFeatures do
            Outcome.ok (Segmenter.requireMode trained (Some mode))

            Segmenter.requireMode segmenter (Some mode)
            |> Outcome.refusedWith 2 [ "never trained"; $"“mode” {Marginalisation.name mode}"; "Leave" ]

            Engine.segment (Segmenter.engine segmenter) (Some mode) Marking.standard frame
            |> Result.map ignore
            |> Outcome.refusedWith 2 [ "never trained" ]

let private disagreements =
    testCase
        "I(Y; Z | F) beside the answer is that of `segment`, in every mode; without intervention there is none"
    <| fun () ->
        use segmenter = World.segmenter ()
        use _scope = torch.NewDisposeScope()
        let frame = picture "frame1.png"

        let told =
            (Segmenter.segment segmenter (Some Marginalisation.Exact) frame).Disagreement
            |> Option.get

        for mode in Marginalisation.answering do
            let probabilities, disagreement =
                Segmenter.probabilitiesAndDisagreement segmenter (Some mode) frame

            let expected = Segmenter.probabilities segmenter (Some mode) frame
            Expect.isLessThan (probabilities.sub(expected).abs().max().item<float32>()) 1e-5f $"{mode}"
            let mean = (Option.get disagreement).mean().item<float32>() |> float
            Expect.floatClose { absolute = 1e-6; relative = 1e-3 } mean told $"{mode}"

        use baseline =
            Segmenter.ofModel torch.CPU Precision.Fp32 (off (Outcome.ok (Bundle.load (World.bundle ()))))

        let probabilities, disagreement =
            Segmenter.probabilitiesAndDisagreement baseline None frame

        Expect.isNone disagreement "no condition played a part"
        let expected = Segmenter.probabilities baseline None frame
        Expect.isLessThan (probabilities.sub(expected).abs().max().item<float32>()) 1e-6f "the answer"

let private orientation =
    testCase "a turned JPEG gets a mask in the file's own orientation"
    <| fun () ->
        use segmenter = World.segmenter ()

        let disc x y =
            if (x - 14) * (x - 14) + (y - 10) * (y - 10) < 81 then
                240uy, 220uy, 180uy
            else
                byte (60 + x), byte (30 + y), 25uy

        let file = Crafted.encode SKEncodedImageFormat.Jpeg 95 World.width World.height disc

        for tag in 1..8 do
            let turned =
                Crafted.withOrientation tag file
                |> Images.decode ImageLimits.standard "turned"
                |> Outcome.ok

            Expect.equal turned.Orientation Orientation.all[tag - 1] "the tag is read"
            let found = checkedSegment segmenter None turned
            Expect.equal (found.Mask.Width, found.Mask.Height) (World.width, World.height) "as in the file"

            Expect.equal
                (LabelMap.upright turned.Orientation found.Mask)
                found.Upright
                "turned upright, the same map"

            let plain =
                Segmenter.segment
                    segmenter
                    None
                    { turned with
                        Orientation = Orientation.TopLeft
                    }

            Expect.equal found.Upright plain.Upright "seen as the upright picture is"
            Expect.equal (Array.distinct found.Upright.Labels).Length 2 "something is marked"

let private resources =
    testList
        "resources"
        [
            testCase "eight threads get bit for bit what one gets"
            <| fun () ->
                use segmenter = World.segmenter ()
                let frames = [| for number in 0..5 -> picture $"frame{number}.png" |]

                let answer index =
                    use _scope = torch.NewDisposeScope()
                    let frame = frames[index % frames.Length]
                    let mode = Some modes[index % modes.Length]
                    let bits = (Segmenter.probabilities segmenter mode frame).data<float32>().ToArray()
                    bits, Segmenter.segment segmenter mode frame

                let alone = Array.init 24 answer
                let together = Array.zeroCreate 24

                Parallel.For(
                    0,
                    24,
                    ParallelOptions(MaxDegreeOfParallelism = 8),
                    (fun index -> together[index] <- answer index)
                )
                |> ignore

                Expect.equal together alone "the same bits"

            testCase "twenty segmentations leave no tensor behind, a closed model none at all"
            <| fun () ->
                let empty = LiveTensors.count ()
                let segmenter = World.segmenter ()
                let frame = picture "frame3.png"
                Segmenter.segment segmenter None frame |> ignore
                let before = LiveTensors.count ()

                for number in 0..19 do
                    Segmenter.segment segmenter (Some modes[number % 4]) frame |> ignore
                    Segmenter.segment segmenter (Some Marginalisation.Rendered) frame |> ignore

                Expect.equal torch.Tensor.TotalCount before "none left behind"
                Expect.isGreaterThan before empty "the model's own are there"
                (segmenter :> System.IDisposable).Dispose()
                Expect.isLessThanOrEqual torch.Tensor.TotalCount empty "none after closing"

            testCase "bf16 on request: nearly the same probabilities, and the same again"
            <| fun () ->
                if OneDnn.supportsBf16 () then
                    use fp32 = World.segmenter ()

                    use bf16 =
                        Outcome.ok (Segmenter.loadIn (Some Precision.Bf16) (World.bundle ()) "cpu")

                    Expect.equal
                        (fp32.ComputesIn, bf16.ComputesIn)
                        (Precision.Fp32, Precision.Bf16)
                        "precisions"

                    let frame = picture "frame1.png"

                    for mode in modes do
                        use ofFp32 = Segmenter.probabilities fp32 (Some mode) frame
                        use ofBf16 = Segmenter.probabilities bf16 (Some mode) frame
                        use apart = ofFp32.sub(ofBf16).abs().max()
                        Expect.isLessThan (apart.item<float32>()) 0.05f $"{mode}"
                        Expect.isGreaterThan (apart.item<float32>()) 0.0f $"{mode} is not fp32 in disguise"
                        checkedSegment bf16 (Some mode) frame |> ignore
                else
                    skiptest "skipped, this processor can't compute in bf16"

            testCase "a device that is not there is refused"
            <| fun () ->
                Segmenter.load (World.bundle ()) "toaster"
                |> Result.map ignore
                |> Outcome.refusedWith 2 [ "toaster" ]
        ]

let tests =
    testSequenced (
        testList "Segmenter" [ answers; rendering; untrained; disagreements; orientation; resources ]
    )
