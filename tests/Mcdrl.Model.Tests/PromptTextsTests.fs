module Mcdrl.Tests.PromptTextsTests

open Expecto
open TorchSharp
open Mcdrl

let tests =
    testList
        "PromptTexts"
        [
            testCase "embeddings are cut in the order of the prompts"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                // Row r holds the number r, so that a part tells which prompts it came from.
                let rows =
                    (torch.arange (12.0, dtype = torch.float32)).unsqueeze(1L).expand(12L, 4L)

                let texts = PromptTexts.ofEmbeddings 2 3 None rows

                let first (x: Tensor) =
                    x.select(-1L, 0L).flatten().data<float32>().ToArray()

                Expect.equal (first texts.classes) [| 0f; 1f |] "classes"
                Expect.equal (List.ofArray texts.classes.shape) [ 1L; 2L; 4L ] "the same for every image"
                Expect.equal (first texts.conditions) [| 2f; 3f; 4f |] "conditions"
                Expect.equal (List.ofArray texts.class_conditions.shape) [ 2L; 3L; 4L ] "pairs"
                Expect.equal (first texts.class_conditions) [| 5f; 6f; 7f; 8f; 9f; 10f |] "class by class"
                Expect.equal (texts.normal.data<float32>().ToArray()) (Array.create 4 11f) "normal"

            testCase "the prior is uniform unless weights are given"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let rows = torch.zeros (12L, 4L)

                let prior weights =
                    (PromptTexts.ofEmbeddings 2 3 weights rows).log_prior.exp().data<float>().ToArray()

                for found, expected in
                    [
                        prior None, [| 1.0 / 3.0; 1.0 / 3.0; 1.0 / 3.0 |]
                        prior (Some [ 2.0; 0.0; 6.0 ]), [| 0.25; 0.0; 0.75 |]
                    ] do
                    Array.iter2 (fun a b -> Expect.floatClose Accuracy.high a b "π") found expected
        ]
