module Mcdrl.Tests.PretrainingTests

open Expecto
open TorchSharp
open Mcdrl

let private tiny: PretrainingSettings =
    {
        Tower = ImageTower.Resnet
        Width = 8
        Blocks = [ 1; 1 ]
        InputSize = 32
        Embed = 16
        TextWidth = 16
        TextLayers = 1
        Context = 12
        Steps = 100
        Warmup = 0.1
        BatchSize = 4
        Captions = 1
        LearningRate = 0.01
        WeightDecay = 0.0
        GradientClip = 1.0
        Alignment = 1.0
        AlignmentTau = 0.07
        Normal = 0.1
        Plain = 0.1
    }

let private inScope name work =
    testCase name
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        Drawn.seed 3UL
        work ()

let private number (x: Tensor) = x.item<float32>() |> float

let private batch (settings: PretrainingSettings) : PretrainingBatch =
    let count = int64 settings.BatchSize
    let side = int64 settings.InputSize
    let labels = torch.zeros ([| count; side; side |], dtype = torch.int64)
    labels.narrow(1L, 8L, 16L).narrow(2L, 0L, 16L).fill_(1L.ToScalar()) |> ignore

    {
        Images = Drawn.normal [| count; 3L; side; side |]
        Captions = Drawn.whole 1L 30L [| count; 12L |]
        Truth = torch.eye count
        Prompts = Drawn.whole 1L 30L [| 3L; 12L |]
        Labels = labels
    }

/// One after the other: all threads draw from the same generator of torch's.
let tests =
    testSequenced
    <| testList
        "Pretraining"
        [
            inScope "with one positive a row it is CLIP's loss" (fun () ->
                let images, texts = Drawn.normal [| 5L; 7L |], Drawn.normal [| 5L; 7L |]
                let logScale = torch.tensor 1.3f
                let logits = (unit images).matmul((unit texts).t()).mul(logScale.exp ())
                let own = torch.arange 5L

                let clip =
                    (number (torch.nn.functional.cross_entropy (logits, own))
                     + number (torch.nn.functional.cross_entropy (logits.t (), own)))
                    / 2.0

                Expect.floatClose
                    Accuracy.medium
                    (number (Pretraining.contrast logScale (torch.eye 5L) images texts))
                    clip
                    "the mean of both directions")

            inScope "a caption that is true of another frame is not pushed away from it" (fun () ->
                // Frames and captions 0 and 1 say the same; in `apart` the second pair is moved off the first.
                let same = torch.eye(4L).index_select(0L, torch.tensor [| 0L; 0L; 1L; 2L |])
                let apart = same.clone ()
                apart[1L, 3L] <- torch.tensor 0.5f
                let both = (same.matmul (same.t ())).gt((0.5).ToScalar()).``to`` torch.float32

                let loss truth (features: Tensor) =
                    number (Pretraining.contrast (torch.tensor 3.0f) truth features features)

                Expect.isGreaterThan (loss both apart) (loss both same) "true of both frames"

                Expect.isLessThan
                    (loss (torch.eye 4L) apart)
                    (loss (torch.eye 4L) same)
                    "a false negative would push")

            inScope "the factor on cosines stays at 100" (fun () ->
                let images, texts = Drawn.normal [| 5L; 7L |], Drawn.normal [| 5L; 7L |]

                let loss (scale: float32) =
                    number (Pretraining.contrast (torch.tensor scale) (torch.eye 5L) images texts)

                Expect.equal (loss 9.0f) (loss (float32 (log 100.0))) "clipped")

            testCase "the rate rises to its top, then falls to nothing"
            <| fun () ->
                let rates = [ for step in 0..99 -> Pretraining.rate tiny step ]
                Expect.floatClose Accuracy.high rates[9] 0.01 "top after the warm-up"
                Expect.isTrue (rates[..9] |> List.pairwise |> List.forall (fun (a, b) -> a < b)) "rising"
                Expect.isTrue (rates[9..] |> List.pairwise |> List.forall (fun (a, b) -> a > b)) "falling"
                Expect.floatClose Accuracy.high rates[99] 0.0 "end"

            for tower in [ ImageTower.Resnet; ImageTower.Vit ] do
                inScope $"every weight of a {tower} that can be trained gets a gradient" (fun () ->
                    let settings =
                        match tower with
                        | ImageTower.Resnet -> tiny
                        | ImageTower.Vit ->
                            { tiny with
                                Tower = tower
                                Width = 16
                                Blocks = [ 2 ]
                            }

                    let clip =
                        Pretraining.create settings 31 (Seed.create 1UL)
                        |> Tree.mapi (fun path leaf ->
                            if Tower.isTrainable path then
                                leaf.requires_grad_ true
                            else
                                leaf)

                    let loss = Pretraining.loss settings clip (batch settings)
                    Expect.equal loss.dtype torch.float32 "element type"
                    loss.backward ()

                    for path, leaf in Tree.leaves clip do
                        if Tower.isTrainable path then
                            match leaf.grad with
                            | null -> failtest $"{path} has no gradient"
                            | grad -> Expect.isTrue (number (grad.abs().sum()) >= 0.0) path)

            inScope "without alignment the loss is the contrast alone" (fun () ->
                let clip = Pretraining.create tiny 31 (Seed.create 1UL)
                let seen = batch tiny
                let alone = { tiny with Alignment = 0.0 }

                let features = Tower.forwardByBatch DenseMode.Maskclip clip.visual seen.Images

                let contrast =
                    Pretraining.contrast
                        clip.text.logit_scale
                        seen.Truth
                        features.Image
                        (ClipText.forward clip.text seen.Captions)

                Expect.floatClose
                    Accuracy.medium
                    (number (Pretraining.loss alone clip seen))
                    (number contrast)
                    "contrast"

                Expect.isGreaterThan
                    (number (Pretraining.loss tiny clip seen))
                    (number contrast)
                    "alignment adds to it")

            inScope
                "with the batch's statistics stored, the tower sees the batch as pretraining did"
                (fun () ->
                    let clip = Pretraining.create tiny 31 (Seed.create 1UL)
                    let images = Drawn.normal [| 4L; 3L; 32L; 32L |]

                    let stored =
                        Pretraining.withStatistics [ Tower.batchStatistics clip.visual images ] clip

                    let batchwise = Tower.forwardByBatch DenseMode.Maskclip clip.visual images
                    let features = Tower.forward DenseMode.Maskclip stored.visual images

                    Expect.isLessThan
                        (number (features.Dense.sub(batchwise.Dense).abs().max()))
                        1e-4
                        "the dense map"

                    let unlike = Tower.forward DenseMode.Maskclip clip.visual images

                    Expect.isGreaterThan
                        (number (unlike.Dense.sub(batchwise.Dense).abs().max()))
                        1e-3
                        "first statistics are others")

            inScope "a ResNet of two stages: 8 pixels a cell, one map between" (fun () ->
                let tower = (Pretraining.create tiny 31 (Seed.create 1UL)).visual

                let features =
                    Tower.forward DenseMode.Maskclip tower (Drawn.normal [| 2L; 3L; 32L; 48L |])

                Expect.equal features.Dense.shape [| 2L; 4L; 6L; 16L |] "dense map"
                Expect.equal features.Image.shape [| 2L; 16L |] "image feature"

                Expect.equal
                    [ for skip in features.Skips -> List.ofArray skip.shape ]
                    [ [ 2L; 32L; 8L; 12L ] ]
                    "the first stage's map"

                Expect.equal (Tower.skipChannels tower) [ 32L ] "its channels"
                Expect.equal (Tower.granularity tower) 8L "granularity"
                Expect.equal (Tower.inputSize tower) 32L "input"
                Expect.equal (Tower.name tower) "RN-1-1-8" "name"
                Expect.equal (Tower.parts tower) [ "layer2"; "layer1" ] "parts"

                let leaves = Map.ofList (Tree.leaves tower)
                let read = Tower.assemble "tiny" Map.empty leaves

                match read with
                | Ok again -> Expect.equal (Tower.name again) "RN-1-1-8" "read off its shapes"
                | Error error -> failtest (McdrlError.describe error)

                let hollow =
                    leaves
                    |> Map.toList
                    |> List.map (fun (name, leaf) -> name.Replace("layer2", "layer4"), leaf)
                    |> Map.ofList

                match Tower.assemble "hollow" Map.empty hollow with
                | Ok _ -> failtest "accepted layer1 and layer4 without what lies between"
                | Error error -> Expect.stringContains (McdrlError.describe error) "[1, 0, 0, 1]" "stages")

            testCase "settings out of range are named together"
            <| fun () ->
                match
                    PretrainingSettings.validate
                        { tiny with
                            InputSize = 100
                            Blocks = [ 1 ]
                            Steps = 0
                        }
                with
                | Ok _ -> failtest "accepted"
                | Error error ->
                    Expect.equal (McdrlError.flatten error).Length 3 "three faults"
                    Expect.equal (McdrlError.exitCode error) 2 "usage"

            inScope "covered counts lesion cells that are kept" (fun () ->
                let lesion = torch.tensor([| 0L; 1L; 2L; 0L |]).reshape(1L, 2L, 2L)
                let kept (cells: int64 array) = torch.tensor(cells).unsqueeze 0L
                Expect.equal (number (ZeroShot.covered lesion (kept [| 0L; 1L |]))) 0.5 "one of two"
                Expect.equal (number (ZeroShot.covered lesion (kept [| 1L; 2L |]))) 1.0 "both"
                Expect.equal (number (ZeroShot.covered lesion (kept [| 0L |]))) 0.0 "none")

            inScope "Eq. 6 covers the cells that point at the text" (fun () ->
                let dense = torch.eye(4L).reshape(1L, 2L, 2L, 4L)
                let lesion = torch.tensor([| 0L; 0L; 1L; 0L |]).reshape(1L, 2L, 2L)

                let text (axis: int64) =
                    torch.eye(4L).narrow(0L, axis, 1L).unsqueeze 0L

                Expect.equal (number (ZeroShot.coveredBy 0.25 (text 2L) lesion dense)) 1.0 "right text"
                Expect.equal (number (ZeroShot.coveredBy 0.25 (text 1L) lesion dense)) 0.0 "wrong text"
                Expect.equal (number (ZeroShot.coveredBy 1.0 (text 1L) lesion dense)) 1.0 "every cell")

            testCase "random cells are different cells of the grid"
            <| fun () ->
                use cells = ZeroShot.randomCells 5 16 7 (Seed.create 2UL)
                Expect.equal cells.shape [| 5L; 7L |] "shape"

                for row in cells.data<int64>().ToArray() |> Array.chunkBySize 7 do
                    Expect.equal (Array.distinct row).Length 7 "no cell twice"
                    Expect.isTrue (row |> Array.forall (fun cell -> cell >= 0L && cell < 16L)) "in the grid"
        ]
