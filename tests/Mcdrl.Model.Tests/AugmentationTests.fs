module Mcdrl.Tests.AugmentationTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private side = 16L

/// A frame whose first channel is bright exactly where the labels are set, and labels without symmetry.
let private sample () =
    let labels = torch.zeros ([| side; side |], dtype = torch.uint8)
    labels.narrow(0L, 2L, 5L).narrow(1L, 3L, 9L).fill_(1.0.ToScalar()) |> ignore
    labels.narrow(0L, 7L, 3L).narrow(1L, 3L, 2L).fill_(2.0.ToScalar()) |> ignore
    let bright = labels.``to``(torch.float32).div(scalar 2.0)
    torch.stack ([| bright; bright; bright |], 0L), labels

let private same (a: Tensor) (b: Tensor) = a.equal(b).all().item<bool>()

let private view settings seed =
    let frame, labels = sample ()
    Augmentation.view settings (Seed.create seed) frame labels

let private flips =
    { Augmentation.none with
        Flips = true
        QuarterTurns = true
    }

let private everything =
    {
        Flips = true
        QuarterTurns = true
        Rotation = 20.0
        Scale = 0.4
        Shift = 0.1
        Colour = 0.3
        ColourExchange = None
        Conditions = 0.5
        Pairs = false
        Views = 0
    }

let tests =
    testSequenced
    <| testList
        "Augmentation"
        [
            testCase "no setting, no change"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frame, labels = sample ()

                for seed in 0UL .. 9UL do
                    let seen, marked = view Augmentation.none seed
                    Expect.isTrue (same seen frame) "frame"
                    Expect.isTrue (same marked labels) "labels"
                    Expect.equal marked.dtype torch.uint8 "type"

            testCase "views are drawn where the frame is, on whatever device"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frame, labels = sample ()
                let frame, labels = frame.``to`` torch.META, labels.``to`` torch.META

                // Pixels can't be moved on torch's meta device, which computes shapes alone and refuses tensors from elsewhere.
                let coloured = { Augmentation.none with Colour = 0.3 }

                for seed in 0UL .. 15UL do
                    let seen, marked, transformed =
                        Augmentation.pair coloured (Seed.create seed) "blood" frame labels

                    for drawn in [ seen; marked; Option.get transformed ] do
                        Expect.equal drawn.device.``type`` DeviceType.META "device"

            testCase "flips and quarter turns give the eight symmetries, frame and labels alike"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let _, labels = sample ()

                let symmetries =
                    [
                        for turns in 0L .. 3L do
                            let turned = labels.rot90 turns
                            turned
                            turned.flip 0L
                    ]

                let met =
                    [
                        for seed in 0UL .. 63UL do
                            let seen, marked = view flips seed
                            let bright = marked.``to``(torch.float32).div(scalar 2.0)
                            let apart = seen.select(0L, 0L).sub(bright).abs().max().item<float32>()
                            Expect.isLessThan apart 1e-4f "the frame moves with its labels"
                            let which = symmetries |> List.tryFindIndex (same marked)
                            Expect.isSome which "a symmetry of the square, nothing lost"
                            which
                    ]

                Expect.equal (List.distinct met).Length 8 "each of them occurs"

            testCase "rotation, scale and shift move frame and labels alike"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let geometry =
                    { everything with
                        Colour = 0.0
                        Conditions = 0.0
                    }

                let moved =
                    [
                        for seed in 0UL .. 19UL do
                            let seen, marked = view geometry seed
                            let bright = marked.``to``(torch.float32).div(scalar 2.0)

                            // Bilinear and nearest differ at edges only.
                            Expect.isLessThan
                                (seen.select(0L, 0L).sub(bright).abs().mean().item<float32>())
                                0.08f
                                "together"

                            Expect.isTrue
                                (marked.data<byte>().ToArray() |> Array.forall (fun label -> label <= 2uy))
                                "no new label"

                            marked.data<byte>().ToArray()
                    ]

                Expect.isGreaterThan (List.distinct moved).Length 15 "views differ"

            testCase "scale 1 goes from half the size to twice, as often below as above"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                // A disc that stays inside the frame at any scale.
                let axis = torch.linspace (-1.0, 1.0, 64L)
                let disc = (axis.square().unsqueeze(0L)).add(axis.square().unsqueeze(1L), unity)
                let labels = disc.lt(scalar 0.09).``to`` torch.uint8
                let frame = torch.ones ([| 3L; 64L; 64L |])
                let area = labels.sum().``to``(torch.float64).item<float>()

                let scales reach =
                    [
                        for seed in 0UL .. 199UL do
                            let settings = { Augmentation.none with Scale = reach }

                            let _, marked = Augmentation.view settings (Seed.create seed) frame labels
                            sqrt (marked.sum().``to``(torch.float64).item<float>() / area)
                    ]

                let found = scales 1.0

                let near low high what value =
                    Expect.isTrue (value > low && value < high) $"{what}: {value}"

                near 0.46 0.55 "least" (List.min found)
                near 1.85 2.1 "most" (List.max found)

                near
                    60.0
                    140.0
                    "smaller"
                    (found |> List.filter (fun scale -> scale < 0.99) |> List.length |> float)

                near 0.6 0.8 "least of 0.4" (List.min (scales 0.4))

            testCase "the same seed gives the same bits, another seed another view"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for seed in 0UL .. 9UL do
                    let seen, marked = view everything seed
                    let again, markedAgain = view everything seed
                    Expect.isTrue (same seen again && same marked markedAgain) "the same"
                    let other, _ = view everything (seed + 100UL)
                    Expect.isFalse (same seen other) "another"
                    let low, high = seen.min().item<float32>(), seen.max().item<float32>()
                    Expect.isTrue (low >= 0.0f && high <= 1.00001f) "in range"

            testCase "colours change the frame and never the labels"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frame, labels = sample ()

                let colour =
                    { Augmentation.none with
                        Colour = 0.3
                        Conditions = 1.0
                    }

                for seed in 0UL .. 9UL do
                    let seen, marked = view colour seed
                    Expect.isTrue (same marked labels) "labels"
                    Expect.isFalse (same seen frame) "frame"

            testCase "a pair is the view and the same view under the condition named"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frame, labels = sample ()

                let settings = { everything with Conditions = 0.0 }
                let seed = Seed.create 5UL
                let seen, marked = Augmentation.view settings seed frame labels

                let pairSeen, pairMarked, dimmed =
                    Augmentation.pair settings seed "dim lighting" frame labels

                Expect.isTrue (same seen pairSeen && same marked pairMarked) "the view"
                let expected = Conditions.dimLighting Conditions.typical seed seen
                Expect.isTrue (dimmed |> Option.exists (same expected)) "dimmed"

                let _, _, moved = Augmentation.pair settings seed "a close-up view" frame labels

                Expect.isNone moved "a condition that moves pixels has no pair"

            testCase "a view leaves its arguments and nothing else behind"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let frame, labels = sample ()
                let kept = frame.clone ()
                let before = LiveTensors.count ()
                let seen, marked = Augmentation.view everything (Seed.create 3UL) frame labels
                Expect.equal torch.Tensor.TotalCount (before + 2L) "the two results"
                seen.fill_ (0.5.ToScalar()) |> ignore
                marked.fill_ (1.0.ToScalar()) |> ignore
                Expect.isTrue (same frame kept) "untouched"
        ]
