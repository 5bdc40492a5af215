module Mcdrl.Tests.BertTextTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.Causal

/// "A polyp in an endoscopic image", "ulcer" and "cysts with blur" in the words of `TinyBert`, and what numpy says of
/// each by itself (tests/Support/TinyBert.py prints them).
let private golden =
    [
        [ 2L; 5L; 15L; 7L; 6L; 13L; 12L; 3L ],
        [
            -0.2311905
            0.1487408
            -0.4762713
            -0.0954367
            -0.2944144
            0.0878213
            0.5588976
            0.5307783
        ]
        [ 2L; 17L; 3L ],
        [
            -0.1433987
            0.3515080
            -0.4536893
            -0.0978547
            -0.3262206
            -0.1174067
            0.6616303
            0.2872465
        ]
        [ 2L; 16L; 23L; 9L; 20L; 3L ],
        [
            -0.4048265
            0.1325041
            -0.4359013
            0.0106583
            -0.1246810
            0.1164340
            0.6963134
            0.3383490
        ]
    ]

let private expected = torch.tensor (array2D (List.map snd golden))

/// Rows of ids, filled up with `filler`, and their ends.
let private batch filler (rows: int64 list list) =
    let longest = rows |> List.map _.Length |> List.max

    torch.tensor (array2D [ for ids in rows -> ids @ List.replicate (longest - ids.Length) filler ]),
    torch.tensor [| for ids in rows -> int64 ids.Length - 1L |]

let private inScope name work =
    testCase name
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        use _noGrad = torch.no_grad ()
        work ()

let tests =
    testList
        "Bert.Text"
        [
            inScope "a padded batch says what numpy says of each text" (fun () ->
                let tokens, ends = batch 0L (List.map fst golden)

                BertText.forward (TinyBert.create ()) ends tokens
                |> Law.close 2e-6 "texts" expected)

            inScope "one text at a time says the same" (fun () ->
                let tower = TinyBert.create ()

                for row, (ids, _) in List.indexed golden do
                    let tokens, ends = batch 0L [ ids ]

                    BertText.forward tower ends tokens
                    |> Law.close 2e-6 "text" (expected.narrow (0L, int64 row, 1L)))

            inScope "what stands after the end has no influence" (fun () ->
                let tower = TinyBert.create ()

                for filler in [ 3L; 21L ] do
                    let tokens, ends = batch filler (List.map fst golden)
                    BertText.forward tower ends tokens |> Law.close 2e-6 "texts" expected)

            inScope "a tower of the tokens in use says the same of them" (fun () ->
                let known = [ 2L; 16L; 23L; 9L; 20L; 17L; 3L ]
                let small = BertText.restricted known (TinyBert.create ())
                Expect.equal (BertText.vocabulary small) 7L "no others"
                let tokens, ends = batch 0L [ [ 0L; 5L; 6L ]; [ 0L; 1L; 2L; 3L; 4L; 6L ] ]

                BertText.forward small ends tokens
                |> Law.close 2e-6 "texts" (expected.narrow (0L, 1L, 2L)))

            inScope
                "its leaves are named as in Hugging Face's files, and its shape is read off them"
                (fun () ->
                    let leaves = Tree.leaves (TinyBert.create ())
                    let names = List.map fst leaves
                    Expect.equal names.Length (5 + 2 * 16 + 1) "as many"

                    for name in
                        [
                            "embeddings.word_embeddings.weight"
                            "embeddings.position_embeddings.weight"
                            "embeddings.token_type_embeddings.weight"
                            "embeddings.LayerNorm.bias"
                            "encoder.layer.0.attention.self.query.weight"
                            "encoder.layer.1.attention.self.value.bias"
                            "encoder.layer.0.attention.output.dense.weight"
                            "encoder.layer.0.attention.output.LayerNorm.weight"
                            "encoder.layer.1.intermediate.dense.bias"
                            "encoder.layer.1.output.dense.weight"
                            "encoder.layer.1.output.LayerNorm.bias"
                        ] do
                        Expect.contains names name "named"

                    let shapes = Shapes.ofTensors "here" (Map.ofList leaves)
                    Expect.equal (BertText.shape shapes) (Ok TinyBert.shape) "read"

                    let without =
                        { shapes with
                            Sizes = shapes.Sizes.Remove "embeddings.position_embeddings.weight"
                        }

                    let fault = Expect.wantError (BertText.shape without) "refused"
                    Expect.stringContains (McdrlError.describe fault) "position_embeddings" "named")

            inScope "nothing but the texts is left behind" (fun () ->
                let tower = TinyBert.create ()
                let tokens, ends = batch 0L (List.map fst golden)
                BertText.forward tower ends tokens |> ignore
                let before = LiveTensors.count ()
                BertText.forward tower ends tokens |> ignore
                Expect.equal torch.Tensor.TotalCount (before + 1L) "one tensor")

            inScope "cosines go by CLIP's first temperature, which no image has changed" (fun () ->
                let tower = TextTower.Bert(TinyBert.create ())
                Expect.floatClose Accuracy.medium (TextTower.scale tower) (1.0 / 0.07) "1 / 0.07"
                Expect.equal (TextTower.embedWidth tower, TextTower.width tower) (8L, 8L) "widths")
        ]
    |> testSequenced
