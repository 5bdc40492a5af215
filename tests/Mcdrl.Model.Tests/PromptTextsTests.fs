module Mcdrl.Tests.PromptTextsTests

open Expecto
open TorchSharp
open Mcdrl

let private textsOf conditions seed =
    SeedTensors.normal [ int64 (3 + 3 * conditions); 8L ] (Seed.create seed)
    |> PromptTexts.ofEmbeddings 2 conditions (Some [ for m in 1..conditions -> float m ])

let private drawn =
    [
        DictionarySource.Random
        DictionarySource.Shuffled
        DictionarySource.Constant
    ]

let private rows (x: Tensor) =
    [ for row in 0L .. x.shape[0] - 1L -> x[row].data<float32>().ToArray() ]

/// The dictionary of 2 to 13 conditions that `source` makes, beside the texts, for several seeds.
let private dictionaries source check =
    for conditions in [ 2; 3; 13 ] do
        for seed in 1UL .. 12UL do
            use _scope = torch.NewDisposeScope()
            let texts = textsOf conditions seed
            let made = PromptTexts.withDictionary source (Seed.create seed) texts
            check (rows texts.conditions) (rows made.conditions)

let private controls =
    testList
        "withDictionary"
        [
            testCase "random directions, each as long as the text in whose place it stands" (fun () ->
                let norm (row: float32 array) =
                    sqrt (Array.sumBy (fun x -> float x * float x) row)

                dictionaries DictionarySource.Random (fun texts made ->
                    for text, other in List.zip texts made do
                        Expect.floatClose Accuracy.medium (norm other) (norm text) "norm"

                        let cosine =
                            (Array.map2 (fun a b -> float a * float b) text other |> Array.sum)
                            / (norm text * norm other)

                        Expect.isLessThan cosine 0.999 "another direction"))

            testCase "shuffled: each text once, and none with its own condition" (fun () ->
                dictionaries DictionarySource.Shuffled (fun texts made ->
                    Expect.equal (List.sort made) (List.sort texts) "each once"

                    for text, other in List.zip texts made do
                        Expect.notEqual other text "not its own"))

            testCase "constant: the mean of the texts for every condition" (fun () ->
                dictionaries DictionarySource.Constant (fun texts made ->
                    Expect.equal (List.distinct made).Length 1 "one row"

                    let mean =
                        [| for column in 0..7 -> texts |> List.averageBy (fun row -> row[column]) |]

                    Array.iter2
                        (fun a b -> Expect.floatClose Accuracy.medium (float a) (float b) "mean")
                        made.Head
                        mean))

            testCase "nothing else changes; equal seeds give equal dictionaries, others others" (fun () ->
                for source in drawn do
                    use _scope = torch.NewDisposeScope()
                    let texts = textsOf 12 3UL

                    let from seed =
                        PromptTexts.withDictionary source (Seed.create seed) texts

                    let one = from 1UL

                    let parts: (Texts -> Tensor) list =
                        [ _.classes; _.class_conditions; _.normal; _.log_prior ]

                    for part in parts do
                        Expect.isTrue (obj.ReferenceEquals(part one, part texts)) $"{source}: the same"

                    let same seed =
                        rows (from seed).conditions = rows one.conditions

                    Expect.isTrue (same 1UL) $"{source}: by the seed"

                    Expect.equal (same 2UL) (source = DictionarySource.Constant) $"{source}: by another seed")
        ]

let private cut =
    testList
        "ofEmbeddings"
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

let tests = testList "PromptTexts" [ cut; controls ]
