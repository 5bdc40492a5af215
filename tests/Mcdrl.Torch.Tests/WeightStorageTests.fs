module Mcdrl.Tests.WeightStorageTests

open System.IO
open Expecto
open TorchSharp
open Mcdrl

let private every = [ WeightStorage.F32; WeightStorage.F16; WeightStorage.Bf16 ]

/// The largest change of a probability of the world's model, stored so, on its own frames.
let private changeOf storage =
    Folder.temporary (fun folder ->
        use _scope = torch.NewDisposeScope()
        let model = Outcome.ok (Bundle.load (World.bundle ()))
        Outcome.ok (Bundle.writeStored storage folder model)
        use own = World.segmenter ()
        use stored = Outcome.ok (Segmenter.load folder "cpu")

        [
            for number in 0..5 do
                let file = Path.Combine(World.data (), "c", "images", $"frame{number}.png")
                let picture = Outcome.ok (Images.read ImageLimits.standard file)

                let answer segmenter =
                    Segmenter.probabilities segmenter None picture

                (answer own).sub(answer stored).abs().max().item<float32>()
        ]
        |> List.max)

let private bytesOf storage =
    Folder.temporary (fun folder ->
        use _scope = torch.NewDisposeScope()
        Outcome.ok (Bundle.writeStored storage folder (Outcome.ok (Bundle.load (World.bundle ()))))
        FileInfo(Path.Combine(folder, "weights.safetensors")).Length)

let tests =
    testSequenced
    <| testList
        "WeightStorage"
        [
            testCase "names and back; another name is refused with the choice"
            <| fun () ->
                for storage in every do
                    Expect.equal (WeightStorage.parse (WeightStorage.name storage)) (Ok storage) "the same"

                WeightStorage.parse "fp16"
                |> Outcome.refusedWith 2 [ "fp16"; "f32, f16 or bf16" ]

            testCase "matrices are halved, vectors and what half precision can't hold stay"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let matrix, vector =
                    torch.ones ([| 2L; 3L |]), torch.full ([| 3L |], (1e6f).ToScalar())

                let large = torch.full ([| 2L; 2L |], (7e4f).ToScalar())
                let whole = torch.ones ([| 2L; 2L |], dtype = torch.int64)

                for storage, wanted, ofLarge in
                    [
                        WeightStorage.F32, torch.float32, torch.float32
                        WeightStorage.F16, torch.float16, torch.float32
                        WeightStorage.Bf16, torch.bfloat16, torch.bfloat16
                    ] do
                    let stored = WeightStorage.stored storage
                    Expect.equal (stored matrix).dtype wanted "matrix"
                    Expect.equal (stored vector).dtype torch.float32 "vector"
                    Expect.equal (stored large).dtype ofLarge "beyond 65,504"
                    Expect.equal (stored whole).dtype torch.int64 "whole numbers"

            testCase
                "a bundle is about half as large, is computed in fp32, and answers nearly the same: f16 nearer than bf16"
            <| fun () ->
                let f32, f16, bf16 =
                    bytesOf WeightStorage.F32, bytesOf WeightStorage.F16, bytesOf WeightStorage.Bf16

                Expect.isLessThan (float f16 / float f32) 0.6 "half of it, and what stays"
                Expect.isLessThan (abs (bf16 - f16)) 200L "as small, but for the names in the header"
                Expect.equal (changeOf WeightStorage.F32) 0f "nothing changed"
                let half, brain = changeOf WeightStorage.F16, changeOf WeightStorage.Bf16
                Expect.isLessThan half 2e-3f "f16"
                Expect.isLessThan (2f * half) brain "bf16 has three bits less"
                Expect.isGreaterThan half 0f "but it is not the same file"
        ]
