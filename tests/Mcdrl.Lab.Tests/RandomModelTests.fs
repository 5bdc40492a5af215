module Mcdrl.Tests.RandomModelTests

open Expecto
open TorchSharp
open Mcdrl

let private model name =
    Outcome.ok (RandomModel.create name (Seed.create 3UL))

let private leaves (model: Model) =
    Tree.leaves model.Tower @ Tree.leaves model.Network @ Tree.leaves model.Texts

let tests =
    testSequenced
    <| testList
        "RandomModel"
        [
            testCase "equal seeds give equal weights, another seed others"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let bytes seed =
                    leaves (Outcome.ok (RandomModel.create "mini" (Seed.create seed)))
                    |> List.map (fun (path, leaf) -> path, leaf.contiguous().bytes.ToArray())

                Expect.equal (bytes 3UL) (bytes 3UL) "the same"
                Expect.notEqual (bytes 4UL) (bytes 3UL) "others"

            testCase "answers, the same every time, with probabilities of its classes"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 (model "mini")
                let frames = SampleFrames.batch 128 5
                let probabilities = Segmenter.probabilitiesOfFrames segmenter None frames
                Expect.equal (List.ofArray probabilities.shape) [ 5L; 6L; 128L; 128L ] "shape"

                Expect.isLessThan
                    (probabilities.sum(1L).sub(scalar 1.0).abs().max().item<float32>())
                    1e-5f
                    "sums"

                Expect.equal
                    ((Segmenter.probabilitiesOfFrames segmenter None frames).bytes.ToArray())
                    (probabilities.bytes.ToArray())
                    "the same call again"

                let fromTheFirst (index: int64) =
                    (probabilities[index].sub probabilities[0L]).abs().max().item<float32>()

                // Kernels may sum the last frames of a batch in another order than the first.
                Expect.isLessThan (fromTheFirst 4L) 1e-5f "the fifth frame is the first again"
                Expect.isGreaterThan (fromTheFirst 1L) 1e-3f "frames differ"

            testCase "its features keep their scale on the way through the tower"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for name in [ "mini"; "RN50" ] do
                    let model = model name
                    use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 model
                    let frames = SampleFrames.batch model.Manifest.Preprocessing.InputSize 1
                    let features = Segmenter.features segmenter frames
                    let deviation = features.Dense.std().item<float32>()
                    Expect.isTrue (deviation > 1e-3f && deviation < 1e3f) $"{name}: {deviation}"

            testCase "nothing but its weights is left"
            <| fun () ->
                use scope = torch.NewDisposeScope()
                let found = model "mini"

                Expect.equal scope.DisposablesCount (leaves found).Length "tensors"
        ]
