module Mcdrl.Tests.RandomModelTests

open Expecto
open TorchSharp
open Mcdrl

let private model name =
    Outcome.ok (RandomModel.create name (Seed.create 3UL))

let tests =
    testList
        "RandomModel"
        [
            testCase "answers, the same every time, with probabilities of its classes"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 (model "mini")
                use again = Segmenter.ofModel torch.CPU Precision.Fp32 (model "mini")
                let frames = SampleFrames.batch 128 5
                let probabilities = Segmenter.probabilitiesOfFrames segmenter None frames
                Expect.equal (List.ofArray probabilities.shape) [ 5L; 6L; 128L; 128L ] "shape"

                Expect.isLessThan
                    (probabilities.sum(1L).sub(scalar 1.0).abs().max().item<float32>())
                    1e-5f
                    "sums"

                Expect.equal
                    ((Segmenter.probabilitiesOfFrames again None frames).bytes.ToArray())
                    (probabilities.bytes.ToArray())
                    "the same weights again"

                Expect.equal
                    ((probabilities.select (0L, 4L)).bytes.ToArray())
                    ((probabilities.select (0L, 0L)).bytes.ToArray())
                    "the fifth frame is the first again"

                Expect.notEqual
                    ((probabilities.select (0L, 1L)).bytes.ToArray())
                    ((probabilities.select (0L, 0L)).bytes.ToArray())
                    "frames differ"

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

                let weights =
                    Tree.tensors found.Tower @ Tree.tensors found.Network @ Tree.tensors found.Texts

                Expect.equal scope.DisposablesCount weights.Length "tensors"
        ]
