module Mcdrl.Tests.SegmenterMirroredTests

open System.IO
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.SegmenterTests

let private maximum (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float32>()

let tests =
    testSequenced
    <| testList
        "Segmenter.Mirrored"
        [
            testCase "in every mode the answer is the mean of those of the images, mirrored back"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = World.segmenter ()
                let frames = (Preprocessing.frame 32 (picture "frame1.png")).unsqueeze 0L
                let columns (x: Tensor) = x.flip -1L
                let rows (x: Tensor) = x.flip -2L

                for mode in Marginalisation.Rendered :: modes do
                    let alone = Segmenter.probabilitiesOfFrames segmenter (Some mode)

                    let averaged flips =
                        Segmenter.probabilitiesOfFrames
                            (Segmenter.withFlips flips segmenter)
                            (Some mode)
                            frames

                    let found = averaged (Some Flips.Horizontal)
                    Expect.isGreaterThan (maximum found (alone frames)) 1e-4f $"{mode}: it counts"

                    let means images =
                        (torch.stack [| for mirror in images -> mirror (alone (mirror frames)) |]).mean
                            [| 0L |]

                    // In mode rendered the details of a condition fall elsewhere in a mirror image, not in its mirror.
                    if mode <> Marginalisation.Rendered then
                        Expect.isLessThan (maximum found (means [ id; columns ])) 1e-5f $"{mode}: two"

                        Expect.isLessThan
                            (maximum
                                (averaged (Some Flips.Both))
                                (means [ id; columns; rows; columns >> rows ]))
                            1e-5f
                            $"{mode}: four"

                    Expect.equal (maximum (averaged None) (alone frames)) 0f $"{mode}: none"

                    Expect.isLessThan
                        (maximum (found.sum 1L) (torch.ones_like (found.sum 1L)))
                        1e-5f
                        "sums to 1"

            testCase "masks, influence, disagreement, explanation and scenes are those of the averaged answer"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = World.segmenter ()
                let both = Segmenter.withFlips (Some Flips.Both) segmenter
                let frame = picture "frame2.png"

                for mode in Marginalisation.Rendered :: modes do
                    let found = checkedSegment both (Some mode) frame
                    let probabilities = Segmenter.probabilities both (Some mode) frame
                    let mask = Upsampling.labels frame.Height frame.Width probabilities
                    World.sameButForTies found.Upright mask $"{mode}"
                    let explained = Segmenter.explain both (Some mode) frame
                    World.sameButForTies explained.Segmentation.Upright mask $"{mode}, explained"
                    Expect.equal explained.Segmentation.Influence found.Influence "influence"

                    let again, _ = Segmenter.probabilitiesAndDisagreement both (Some mode) frame
                    Expect.isLessThan (maximum again probabilities) 1e-5f "with disagreement"

                let exact segmenter =
                    Segmenter.segment segmenter (Some Marginalisation.Exact) frame

                let one, four = exact segmenter, exact both
                Expect.notEqual four.Influence one.Influence "influence is averaged too"
                Expect.notEqual four.Disagreement one.Disagreement "and disagreement"

                let reference = Preprocessing.frame 32 frame
                let scenes = Segmenter.underConditions both None reference [ "blur", reference ]
                let plain = Segmenter.probabilitiesOfFrames both None (reference.unsqueeze 0L)

                for answer in scenes.Answers do
                    Expect.isLessThan (maximum answer (plain.squeeze 0L)) 1e-5f "scenes"

            testCase "the setting travels with the bundle, and a manifest without it means none"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let model = Outcome.ok (Bundle.load (World.bundle ()))
                Expect.isNone model.Manifest.Settings.Method.Flips "none"

                let method =
                    { model.Manifest.Settings.Method with
                        Flips = Some Flips.Both
                    }

                let changed =
                    { model with
                        Manifest =
                            { model.Manifest with
                                Settings =
                                    { model.Manifest.Settings with
                                        Method = method
                                    }
                            }
                    }

                Folder.temporary (fun folder ->
                    Outcome.ok (Bundle.write folder changed)
                    let manifest = Path.Combine(folder, "mcdrl.json")
                    let frame = picture "frame1.png"

                    let answer () =
                        use segmenter = Outcome.ok (Segmenter.load folder "cpu")
                        Segmenter.probabilities segmenter None frame

                    let four = answer ()
                    use segmenter = World.segmenter ()
                    let one = Segmenter.probabilities segmenter None frame
                    Expect.isGreaterThan (maximum four one) 1e-4f "four images"

                    Forged.layout2 folder

                    let older =
                        File.ReadAllLines manifest
                        |> Array.filter (fun line ->
                            not (
                                line.Contains "\"flips\": \"both\""
                                || line.Contains "instance_norm"
                                || line.Contains "colour_exchange"
                            ))
                        |> String.concat "\n"

                    File.WriteAllText(manifest, older.Replace(",\n    },", "\n    },"))
                    Expect.equal (maximum (answer ()) one) 0f "as before there were any")
        ]
