module Mcdrl.Tests.IgnoredTests

open System.IO
open Expecto
open FsCheck
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private width, height = 12, 9
let private pixels = width * height

/// Labels 0 to 2 in blobs, so that there are lesions and outlines, drawn from a number.
let private blobs (number: int) : byte[] =
    let random = System.Random number

    let discs =
        [
            for label in [ 1; 2; 1 ] -> byte label, random.Next width, random.Next height, 1 + random.Next 4
        ]

    Array.init pixels (fun pixel ->
        let x, y = pixel % width, pixel / width

        discs
        |> List.tryFind (fun (_, cx, cy, r) -> (x - cx) * (x - cx) + (y - cy) * (y - cy) < r * r)
        |> Option.map (fun (label, _, _, _) -> label)
        |> Option.defaultValue 0uy)

/// A truth of which a part is ignored, and two answers that agree where it isn't.
let private drawn (a: int, b: int, c: int, d: int) =
    let ignored = blobs d |> Array.map (fun label -> label > 0uy)

    let truth =
        blobs a
        |> Array.mapi (fun i label -> if ignored[i] then Ignored.label else label)

    let one = blobs b
    truth, one, Array.mapi (fun i label -> if ignored[i] then (blobs c)[i] else label) one

let private findings truth (marked: byte[]) =
    let calibration =
        Calibration.ofFrame (fun tell ->
            truth
            |> Array.iteri (fun i label ->
                if label <> Ignored.label then
                    tell (if marked[i] > 0uy then 0.9f else 0.2f) (label > 0uy)))

    FrameFindings.create
        width
        marked
        truth
        calibration
        {
            Disagreement = 0.0
            Entropy = 0.0
            DisagreementNearLesion = 0.0
            EntropyNearLesion = 0.0
        }
        None

let private metrics =
    testList
        "metrics"
        [
            Property.check
                "an answer where the truth is ignored changes no score of the frame"
                (fun numbers ->
                    let truth, one, other = drawn numbers

                    findings truth one = findings truth other
                    && Counts.ofForeground one truth = Counts.ofForeground other truth
                    && Counts.ofLesions one truth = Counts.ofLesions other truth
                    && Counts.ofLabel 1uy one truth = Counts.ofLabel 1uy other truth
                    && LesionDetection.ofMasks width one truth = LesionDetection.ofMasks width other truth
                    && Interventional.overlap 2 one truth = Interventional.overlap 2 other truth)

            Property.check "what is ignored isn't counted, and the rest is counted as ever" (fun numbers ->
                let truth, one, _ = drawn numbers

                Counts.ofForeground one truth =
                    Counts.ofForeground (Ignored.counted truth one) (Ignored.counted truth truth)
                && Counts.all (Counts.ofForeground one truth) =
                    int64 (truth |> Array.filter ((<>) Ignored.label) |> Array.length))

            test "a frame of which all is ignored has finite scores" {
                let truth = Array.create pixels Ignored.label
                let found = findings truth (blobs 3)

                Expect.equal
                    (found.Dice, found.Nsd, found.Ece, found.Brier)
                    (1.0, 1.0, 0.0, 0.0)
                    "nothing to find"

                Expect.isEmpty found.Lesions "none"
            }
        ]

let private tensorOf (labels: byte[]) =
    torch.tensor(labels).view(1L, int64 height, int64 width)

let private losses =
    testList
        "losses"
        [
            Property.check
                "logits where the truth is ignored change no loss and get no gradient"
                (fun numbers ->
                    use _scope = torch.NewDisposeScope()
                    let truth, one, other = drawn numbers
                    let _, _, _, seed = numbers
                    Drawn.seed (uint64 (uint32 seed) + 1UL)
                    let labels = (tensorOf truth).``to`` torch.int64
                    let ignored = labels.eq(torch.tensor (int64 Ignored.label)).unsqueeze 1L
                    let plain = Drawn.normal [| 1L; 3L; int64 height; int64 width |]
                    let moved = plain.add ((Drawn.normal (plain.shape)).mul(ignored), (50.0).ToScalar())

                    let losses (logits: Tensor) =
                        (Loss.segmentation logits labels).add(SoftDice.loss None logits labels)

                    let gradient (logits: Tensor) =
                        let logits = logits.detach().requires_grad_ true
                        (losses logits).backward()
                        nonNull logits.grad

                    let value (loss: Tensor) = loss.item<float32>()

                    value (losses plain) = value (losses moved)
                    && (gradient plain).mul(ignored).abs().sum().item<float32>() = 0.0f
                    && (gradient plain).sub(gradient moved).abs().sum().item<float32>() = 0.0f
                    && Objective.meanDice 2 (tensorOf one) (tensorOf truth) =
                        Objective.meanDice 2 (tensorOf other) (tensorOf truth))

            test "cells are judged by what counts of them, and one of which nothing counts is ignored" {
                use _scope = torch.NewDisposeScope()
                // Four cells of 2 x 2: background; half ignored, half class 2; ignored; three ignored, one background.
                let labels =
                    torch
                        .tensor(
                            [|
                                0L
                                0L
                                255L
                                2L
                                0L
                                0L
                                255L
                                2L
                                255L
                                255L
                                255L
                                0L
                                255L
                                255L
                                255L
                                255L
                            |]
                        )
                        .view(1L, 4L, 4L)

                let cells = Objective.labelsPerCell 2 2L 2L labels
                Expect.equal (cells.data<int64>().ToArray()) [| 0L; 2L; 255L; 0L |] "cells"
            }

            test "where all is ignored, losses are finite" {
                use _scope = torch.NewDisposeScope()
                let labels = torch.full ([| 1L; 4L; 4L |], (255L).ToScalar(), dtype = torch.int64)
                let logits = (torch.zeros [| 1L; 3L; 4L; 4L |]).requires_grad_ true
                let loss = (Loss.segmentation logits labels).add(SoftDice.loss None logits labels)
                loss.backward ()
                Expect.equal (loss.item<float32>()) 0.0f "nothing to learn"
                Expect.isTrue ((nonNull logits.grad).isfinite().all().item<bool>()) "gradient"
                Expect.equal (Objective.classShown 2 ((labels.squeeze 0L).``to`` torch.uint8)) -1L "no class"
            }
        ]

/// The world with a corner of every mask, frames and background alike, at another value, which is declared as ignored.
let private withCorner (value: byte) folder =
    let data = Path.Combine(folder, "data")

    for path in Directory.GetFiles(data, "*.png", SearchOption.AllDirectories) do
        if path.Contains "masks" then
            let map = Outcome.ok (Masks.read ImageLimits.standard path)

            Outcome.ok (
                Masks.write
                    path
                    { map with
                        Labels =
                            map.Labels
                            |> Array.mapi (fun i label ->
                                if i % map.Width < 20 && i / map.Width < 20 then
                                    value
                                else
                                    label)
                    }
            )

    let path = Path.Combine(data, "dataset.json")

    File.WriteAllText(
        path,
        File
            .ReadAllText(path)
            .Replace("\"255\": \"polyp\"", "\"255\": \"polyp\", \"7\": \"ignore\", \"8\": \"ignore\"")
    )

let private whole =
    testSequenced (
        test "a dataset is trained on and evaluated, and what stands where it is ignored changes nothing" {
            let outcome value =
                World.within (fun folder ->
                    withCorner value folder
                    let request = World.request folder "run"
                    let report = Outcome.ok (World.train request)
                    let check = Outcome.ok (DatasetCheck.run request.Data false Progress.none)
                    Expect.isEmpty check.Problems "sound"
                    Expect.all check.Sites (fun site -> site.Ignoring = 6) "counted"
                    Expect.exists check.Notices (fun notice -> notice.Contains "are ignored") "told"
                    use segmenter = Outcome.ok (Segmenter.load report.Bundle "cpu")

                    let scores =
                        Outcome.ok (
                            Evaluator.evaluate
                                segmenter
                                None
                                Protocol.Imagewise
                                request.Data
                                []
                                Progress.none
                        )

                    File.ReadAllBytes(Path.Combine(report.Bundle, "weights.safetensors")),
                    report.ValidationDice,
                    scores.Images |> List.map (fun image -> $"{image.Score} {image.Findings}"))

            let weights, dice, scores = outcome 7uy
            let sameWeights, sameDice, sameScores = outcome 8uy
            Expect.equal sameWeights weights "weights"
            Expect.equal sameDice dice "validation"
            Expect.equal sameScores scores "scores"
        }
    )

let tests = testList "Ignored pixels" [ metrics; losses; whole ]
