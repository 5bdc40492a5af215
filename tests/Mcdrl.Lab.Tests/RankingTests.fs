module Mcdrl.Tests.RankingTests

open System
open System.IO
open Expecto
open TorchSharp
open Mcdrl

let private unsure disagreement entropy : FrameUncertainty =
    {
        Disagreement = disagreement
        Entropy = entropy
        DisagreementNearLesion = nan
        EntropyNearLesion = 1.0
    }

/// A look of which the first bits are set.
let private look bits =
    Array.init 8 (fun word ->
        let own = Math.Clamp(bits - 64 * word, 0, 64)
        if own = 64 then UInt64.MaxValue else (1UL <<< own) - 1UL)

let private frame name uncertainty bits : ScoredFrame =
    {
        Image = name
        Uncertainty = uncertainty
        Look = look bits
    }

let private places (frames: RankedFrame list) =
    frames |> List.map (fun frame -> frame.Place, frame.Image, frame.Alike)

let private disagreement = Outcome.ok (Ranking.kind "disagreement")

let private order =
    testList
        "order"
        [
            testCase
                "the most uncertain first, by the kind asked for; equal ones by path, whatever order they came in"
            <| fun () ->
                let frames =
                    [
                        frame "b" (unsure 0.2 0.1) 0
                        frame "a" (unsure 0.2 0.3) 0
                        frame "c" (unsure 0.5 0.2) 0
                    ]

                for frames in [ frames; List.rev frames ] do
                    Expect.equal
                        (places (Ranking.order disagreement false 9 frames))
                        [ 1, "c", 0; 2, "a", 0; 3, "b", 0 ]
                        "by disagreement"

                    Expect.equal
                        (places (Ranking.order (Outcome.ok (Ranking.kind "entropy")) false 2 frames))
                        [ 1, "a", 0; 2, "c", 0 ]
                        "the first two by entropy"

            testCase
                "distinct: what looks like a frame further up is counted there, one bit more is another frame"
            <| fun () ->
                let frames =
                    [
                        frame "first" (unsure 0.9 0.0) 0
                        frame "like it" (unsure 0.8 0.0) Duplicates.threshold
                        frame "other" (unsure 0.7 0.0) (Duplicates.threshold + 1)
                        frame "last" (unsure 0.6 0.0) 300
                    ]

                Expect.equal
                    (places (Ranking.order disagreement true 9 frames))
                    [ 1, "first", 1; 2, "other", 0; 3, "last", 0 ]
                    "distinct"

                Expect.hasLength (Ranking.order disagreement false 9 frames) 4 "all"

            testCase "what isn't defined is absent; a kind that is none is refused with those that are"
            <| fun () ->
                let found =
                    Ranking.order
                        (Outcome.ok (Ranking.kind "entropy"))
                        false
                        1
                        [ frame "a" (unsure nan 0.1) 0 ]
                    |> List.exactlyOne

                Expect.isNone found.Disagreement "no intervention"
                Expect.equal found.Entropy 0.1 "entropy"

                Outcome.refusedWith
                    2
                    [ "entropi"; "entropy"; "disagreement-near-lesion" ]
                    (Ranking.kind "entropi")
        ]

/// A random model whose conditions lie `apart` times as far from their mean as they were drawn.
let private segmenterOf (apart: float) =
    let model = Outcome.ok (RandomModel.create "mini" (Seed.create 3UL))
    let mean = model.Texts.conditions.mean ([| 0L |], true)

    let conditions = mean.add (model.Texts.conditions.sub(mean).mul(scalar apart))

    Segmenter.ofModel
        torch.CPU
        Precision.Fp32
        { model with
            Texts =
                { model.Texts with
                    conditions = conditions
                }
        }

let private picture number : Picture =
    let draws = Seed.create 5UL |> Seed.split number

    {
        Width = 40
        Height = 32
        Rgb = Array.init (40 * 32 * 3) (fun i -> byte (Seed.below 256 (Seed.split i draws)))
        Orientation = Orientation.TopLeft
    }

let private laws =
    testList
        "law"
        [
            testCase
                "answers that don't depend on the condition have no disagreement; the further apart conditions are, the more"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let found =
                    [
                        for apart in [ 0.0; 0.1; 1.0 ] do
                            use segmenter = segmenterOf apart
                            Outcome.ok (Ranking.uncertainty segmenter (picture 1))
                    ]

                let all = found |> List.map _.Disagreement
                let near = found |> List.map _.DisagreementNearLesion
                Expect.isLessThan all[0] 1e-6 "alike"
                Expect.isLessThan near[0] 1e-6 "alike near the lesion"
                Expect.isGreaterThan all[1] 1e-6 "a little apart"
                Expect.isGreaterThan all[2] (2.0 * all[1]) "further apart"
                Expect.isGreaterThan found[0].Entropy 0.01 "entropy is another matter"
        ]

let private written folder name number =
    let picture = picture number
    let path = Path.Combine(folder, name)

    File.WriteAllBytes(
        path,
        Crafted.encode SkiaSharp.SKEncodedImageFormat.Png 100 picture.Width picture.Height (fun x y ->
            let at = (y * picture.Width + x) * 3
            picture.Rgb[at], picture.Rgb[at + 1], picture.Rgb[at + 2])
    )

    path

let private scores =
    testList
        "score"
        [
            testCase "each image that can be read, in order; the others are told of, whatever the reason"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let images =
                        [
                            written folder "b.png" 1
                            Path.Combine(folder, "broken.png")
                            written folder "a.png" 2
                            written folder "refused.png" 3
                        ]

                    File.WriteAllText(images[1], "no picture")
                    let unread = ResizeArray()
                    let refused = (Outcome.ok (Images.read ImageLimits.standard images[3])).Rgb

                    let ask (picture: Picture) =
                        if picture.Rgb = refused then
                            Error SegmentationResult.notFinite
                        else
                            Ok(unsure 0.5 (float picture.Rgb[0]))

                    let found =
                        Ranking.score
                            ask
                            true
                            images
                            (fun image fault -> unread.Add(image, McdrlError.describe fault))
                            Progress.none
                        |> Outcome.ok

                    Expect.equal (found |> List.map _.Image) [ images[0]; images[2] ] "read"
                    Expect.equal (unread |> Seq.map fst |> List.ofSeq) [ images[1]; images[3] ] "told"
                    Expect.stringContains (snd unread[1]) images[3] "the model's fault names the image"

                    Expect.equal
                        found[0].Look
                        (Fingerprints.look (Outcome.ok (Images.read ImageLimits.standard images[0])))
                        "its look")

            testCase "stopped, it is cancelled"
            <| fun () ->
                Folder.temporary (fun folder ->
                    use source = new Threading.CancellationTokenSource()
                    source.Cancel()

                    let found =
                        Ranking.score
                            (fun _ -> Ok(unsure 0.1 0.1))
                            false
                            [ written folder "a.png" 1 ]
                            (fun _ _ -> ())
                            (Progress.until source.Token)

                    Expect.equal found (Error McdrlError.Cancelled) "cancelled")
        ]

let private unlabelled =
    testCase "what a dataset has, byte for byte, is left out; what can't be read stays to be told of"
    <| fun () ->
        Folder.temporary (fun folder ->
            let data = Path.Combine(folder, "data")
            World.writeDataset data

            let copy, other, gone =
                Path.Combine(folder, "copy.png"), written folder "other.png" 1, "gone.png"

            File.Copy(Path.Combine(data, "b", "images", "frame3.png"), copy)

            Expect.equal
                (Outcome.ok (Ranking.unlabelled data [ copy; other; gone ]))
                [ other; gone ]
                "the rest")

let tests = testSequenced (testList "Ranking" [ order; laws; scores; unlabelled ])
