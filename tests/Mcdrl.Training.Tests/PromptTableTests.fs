module Mcdrl.Tests.PromptTableTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private ok outcome = Expect.wantOk outcome "succeeds"

let private classes = [ "polyp"; "tumor"; "inflammation"; "nodule"; "cyst" ]

let private table () =
    Shared.path "weights/minilm-prompts/text.safetensors"

let private withTable (metadata: Map<string, string>) tensors work =
    use _scope = torch.NewDisposeScope()

    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "text.safetensors")
        ok (Safetensors.write path metadata tensors)
        work path)

let private prompts (texts: string list) =
    Map [ "prompts", JsonSerializer.Serialize texts ]

let private rows count =
    torch.arange((2L * int64 count).ToScalar()).view(int64 count, 2L)

let private lookups =
    testList
        "from a table"
        [
            testCase "rows follow the prompts asked for"
            <| fun () ->
                withTable
                    (prompts [ "x"; "y"; "z" ])
                    [ "embeddings", (rows 3).to_type torch.ScalarType.Float32 ]
                    (fun path ->
                        let found = ok (PromptTable.ofFile path [ "z"; "x"; "z" ])
                        Expect.equal (found.data<float32>().ToArray()) [| 4f; 5f; 0f; 1f; 4f; 5f |] "rows")

            testCase "the exact text comes before one that differs in articles"
            <| fun () ->
                withTable
                    (prompts [ "with view"; "with a view" ])
                    [ "embeddings", (rows 2).to_type torch.ScalarType.Float32 ]
                    (fun path ->
                        let found =
                            ok (PromptTable.ofFile path [ "with a view"; "with view"; "with the view" ])

                        Expect.equal (found.data<float32>().ToArray()) [| 2f; 3f; 0f; 1f; 0f; 1f |] "rows")

            testCase "prompts that the table lacks are all named"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let error =
                    Expect.wantError
                        (PromptTable.ofFile (table ()) [ "A polyp with blur"; "A llama"; "A horse" ])
                        "refused"

                Expect.equal (McdrlError.exitCode error) 3 "model"

                for part in [ "2 prompts"; "\"A llama\""; "\"A horse\"" ] do
                    Expect.stringContains (McdrlError.describe error) part "named"

            testCase "the table beside the design has every prompt of the method, each row of length 1"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let conditions = Prompts.conditions @ Prompts.extraConditions |> List.map _.Name

                let found = ok (PromptTable.ofFile (table ()) (Prompts.all classes conditions))
                Expect.equal found.shape [| 96L; 384L |] "all"

                Expect.isLessThan
                    (found.norm(1).sub((1.0).ToScalar()).abs().max().``to``(torch.float64).item<float>())
                    1e-5
                    "unit length"

            testCase "tables that contradict themselves are refused"
            <| fun () ->
                let good = (rows 2).to_type torch.ScalarType.Float32

                for metadata, tensors in
                    [
                        Map.empty, [ "embeddings", good ]
                        prompts [ "one" ], [ "embeddings", good ]
                        prompts [ "one"; "two" ], [ "other", good ]
                        prompts [ "one"; "two" ], [ "embeddings", good.flatten () ]
                        prompts [ "one"; "two" ], [ "embeddings", good.to_type torch.ScalarType.Int64 ]
                        Map [ "prompts", "one, two" ], [ "embeddings", good ]
                        Map [ "prompts", "[1, 2]" ], [ "embeddings", good ]
                        Map [ "prompts", "[\"one\", null]" ], [ "embeddings", good ]
                        prompts [ "one"; "two" ], [ "embeddings", torch.full ([| 2L; 2L |], nanf.ToScalar()) ]
                    ] do
                    withTable metadata tensors (fun path ->
                        let error = Expect.wantError (PromptTable.ofFile path [ "one" ]) "refused"
                        Expect.equal (McdrlError.exitCode error) 3 "model")
        ]

let private towers =
    testList
        "from a text tower"
        [
            testCase "prompts give the features that the fixture has for their tokens"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let weights =
                    ok (Weights.load (Shared.path "fixtures/clip/vit-tiny.openai.safetensors"))

                let expected =
                    ok (Safetensors.read (Shared.path "fixtures/clip/vit-tiny.expected.safetensors"))

                let prompts =
                    [
                        "A polyp in an endoscopic image"
                        "An endoscopy image with narrow-band imaging"
                        ""
                        "Polyp's 12mm, 2nd   SIZE!"
                    ]

                let found = ok (PromptTable.resolve weights TextSource.Own prompts)
                let wanted = expected.Tensors["text_features"]

                Expect.isLessThan
                    (found.sub(wanted).norm().``to``(torch.float64).item<float>()
                     / wanted.norm().``to``(torch.float64).item<float>())
                    1e-5
                    "equal"

                Expect.isFalse found.requires_grad "a constant"

            testCase "more prompts than go through at once; only the result lives"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let weights =
                    ok (Weights.load (Shared.path "fixtures/clip/vit-tiny.openai.safetensors"))

                let prompts = [ for index in 1..35 -> $"polyp {index}" ]
                let before = LiveTensors.count ()
                let found = ok (PromptTable.resolve weights TextSource.Own prompts)
                Expect.equal torch.Tensor.TotalCount (before + 1L) "one tensor"
                let alone = ok (PromptTable.resolve weights TextSource.Own [ prompts[33] ])

                Expect.isLessThan
                    (found.narrow(0L, 33L, 1L).sub(alone).abs().max().``to``(torch.float64).item<float>())
                    1e-5
                    "row 33"

            testCase "a tower without text needs a table"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let weights = ok (Weights.load (Shared.path "weights/resnet50-imagenet"))

                let error =
                    Expect.wantError (PromptTable.resolve weights TextSource.Own [ "a" ]) "refused"

                Expect.equal (McdrlError.exitCode error) 2 "usage"
                Expect.stringContains (McdrlError.describe error) "“text”" "says how"

                Expect.isOk
                    (PromptTable.resolve weights (TextSource.Table(table ())) [ "A polyp with blur" ])
                    "with one"
        ]

let tests = testSequenced (testList "PromptTable" [ lookups; towers ])
