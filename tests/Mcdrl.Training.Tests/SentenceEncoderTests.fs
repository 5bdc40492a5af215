module Mcdrl.Tests.SentenceEncoderTests

open System
open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private within work =
    Folder.temporary (fun folder ->
        use _scope = torch.NewDisposeScope()
        World.writeSentenceEncoder folder
        work folder)

let private featuresBy folder prompts =
    TextEncoder.features (TextEncoder.Bert(Outcome.ok (SentenceEncoder.load folder))) prompts

let private prompts =
    [ "A polyp in an endoscopic image"; "ulcer"; "cysts with blur" ]

let private same (a: Tensor) (b: Tensor) what =
    Expect.isTrue (a.equal(b).all().item<bool>()) what

/// The folder's weights under other names, or without some.
let private rewrite (folder: string) (change: (string * Tensor) list -> (string * Tensor) list) =
    let path = Path.Combine(folder, "model.safetensors")
    let tensors = (Outcome.ok (Safetensors.read path)).Tensors |> Map.toList
    Outcome.ok (Safetensors.write path Map.empty (change tensors))

let private edit (folder: string) name (before: string) (after: string) =
    let path = Path.Combine(folder, name)
    let text = File.ReadAllText path
    Expect.stringContains text before "there"
    File.WriteAllText(path, text.Replace(before, after))

/// A `tokenizer.json` as Hugging Face's tokenizers writes it.
let private tokenizerJson lowerCase =
    let vocabulary =
        TinyBert.tokens
        |> List.mapi (fun id token -> token, id)
        |> dict
        |> JsonSerializer.Serialize

    $"""{{ "version": "1.0", "normalizer": {{ "type": "BertNormalizer", "lowercase": {lowerCase} }},
  "model": {{ "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": {vocabulary} }} }}"""

let private loading =
    testList
        "loading"
        [
            testCase "prompts in chunks give what each gives alone, of unit length; only the result lives"
            <| fun () ->
                within (fun folder ->
                    let encoder = TextEncoder.Bert(Outcome.ok (SentenceEncoder.load folder))

                    let many =
                        [
                            for index in 0..34 -> prompts[index % 3] + String.replicate (index / 3) " blood"
                        ]

                    let before = LiveTensors.count ()
                    let found = Outcome.ok (TextEncoder.features encoder many)
                    Expect.equal torch.Tensor.TotalCount (before + 1L) "one tensor"
                    Expect.equal (List.ofArray found.shape) [ 35L; 8L ] "a row each"

                    for row in [ 0; 17; 34 ] do
                        let alone = Outcome.ok (TextEncoder.features encoder [ many[row] ])
                        Expect.isTrue (alone[0L].allclose(found[int64 row], 1e-5, 1e-6)) $"row {row}"

                    let lengths = found.norm 1
                    Expect.isTrue (lengths.allclose (torch.ones_like lengths, 1e-5, 1e-6)) "unit length")

            testCase "the weights are TinyBert's, whose texts numpy knows"
            <| fun () ->
                within (fun folder ->
                    let tower, _ = Outcome.ok (SentenceEncoder.load folder)

                    for (name, a), (other, b) in
                        List.zip (Tree.leaves tower) (Tree.leaves (TinyBert.create ())) do
                        Expect.equal name other "name"
                        same a b name)

            testCase "names below bert. with heads of other tasks beside, places and pooler: all the same"
            <| fun () ->
                within (fun folder ->
                    let plain = Outcome.ok (featuresBy folder prompts)

                    let positions = torch.arange(64L).unsqueeze 0L

                    rewrite folder (fun tensors ->
                        ("embeddings.position_ids", positions)
                        :: ("pooler.dense.weight", torch.ones [| 8L; 8L |])
                        :: tensors)

                    same plain (Outcome.ok (featuresBy folder prompts)) "with a pooler"

                    rewrite folder (fun tensors ->
                        ("cls.predictions.bias", torch.ones [| 36L |])
                        :: [ for name, tensor in tensors -> "bert." + name, tensor ])

                    same plain (Outcome.ok (featuresBy folder prompts)) "below bert.")

            testCase "half precision is widened"
            <| fun () ->
                within (fun folder ->
                    let plain = Outcome.ok (featuresBy folder prompts)
                    rewrite folder (List.map (fun (name, tensor) -> name, tensor.``to`` torch.float16))
                    let found = Outcome.ok (featuresBy folder prompts)
                    Expect.equal found.dtype torch.float32 "F32"
                    Expect.isTrue (found.allclose (plain, 1e-2, 1e-2)) "near")

            testCase "the vocabulary of tokenizer.json is the same, and says whether case counts"
            <| fun () ->
                within (fun folder ->
                    let plain = Outcome.ok (featuresBy folder prompts)
                    File.Delete(Path.Combine(folder, "vocab.txt"))
                    let path = Path.Combine(folder, "tokenizer.json")
                    File.WriteAllText(path, tokenizerJson "true")
                    same plain (Outcome.ok (featuresBy folder prompts)) "the same"

                    let encode () =
                        BertTokenizer.encode (snd (Outcome.ok (SentenceEncoder.load folder))) "Polyp"

                    Expect.equal (encode ()) [ 2L; 15L; 3L ] "lower case"
                    File.WriteAllText(path, tokenizerJson "false")
                    Expect.equal (encode ()) [ 2L; 34L; 3L ] "case counts"

                    File.WriteAllText(
                        Path.Combine(folder, "tokenizer_config.json"),
                        """{ "do_lower_case": true }"""
                    )

                    Expect.equal (encode ()) [ 2L; 15L; 3L ] "its configuration comes first")

            testCase "the safetensors file's own name is as good; lines may end as on Windows"
            <| fun () ->
                within (fun folder ->
                    let plain = Outcome.ok (featuresBy folder prompts)
                    let vocabulary = Path.Combine(folder, "vocab.txt")
                    File.WriteAllText(vocabulary, File.ReadAllText(vocabulary).Replace("\n", "\r\n"))
                    let file = Path.Combine(folder, "model.safetensors")
                    same plain (Outcome.ok (featuresBy file prompts)) "the same")
        ]

let private spoilt name code parts (spoil: string -> unit) =
    testCase $"refused: {name}"
    <| fun () ->
        within (fun folder ->
            spoil folder
            let before = LiveTensors.count ()
            SentenceEncoder.load folder |> Outcome.refusedWith code parts
            Expect.equal torch.Tensor.TotalCount before "nothing is left behind")

let private refusals =
    let delete name (folder: string) = File.Delete(Path.Combine(folder, name))

    testList
        "refusals"
        [
            spoilt
                "a folder without a vocabulary"
                3
                [ "vocab.txt"; "tokenizer.json"; "Put" ]
                (delete "vocab.txt")
            spoilt
                "a folder without a configuration"
                3
                [ "config.json"; "no such file" ]
                (delete "config.json")
            testCase "refused: no folder"
            <| fun () ->
                SentenceEncoder.load "/nowhere/minilm"
                |> Outcome.refusedWith 3 [ "/nowhere/minilm"; "no such file or folder" ]

            spoilt "a pickle alone" 3 [ "pytorch_model.bin"; "pickle"; "safetensors" ] (fun folder ->
                File.Move(
                    Path.Combine(folder, "model.safetensors"),
                    Path.Combine(folder, "pytorch_model.bin")
                ))

            spoilt "another architecture" 3 [ "config.json"; "\"roberta\""; "MiniLM" ] (fun folder ->
                edit folder "config.json" "\"model_type\": \"bert\"" "\"model_type\": \"roberta\"")

            spoilt
                "everything that is otherwise, at once"
                3
                [ "\"relu\""; "1e-5"; "\"relative_key\""; "num_attention_heads is missing" ]
                (fun folder ->
                    edit folder "config.json" "\"gelu\"" "\"relu\""
                    edit folder "config.json" "1e-12" "1e-5"
                    edit folder "config.json" "\"absolute\"" "\"relative_key\""
                    edit folder "config.json" "num_attention_heads" "heads")

            spoilt "a configuration that is no JSON" 3 [ "config.json" ] (fun folder ->
                File.WriteAllText(Path.Combine(folder, "config.json"), "bert"))

            spoilt "heads that don't divide the width" 3 [ "3 attention heads"; "width of 8" ] (fun folder ->
                edit folder "config.json" "\"num_attention_heads\": 2" "\"num_attention_heads\": 3")

            spoilt "pooling by the first token" 3 [ "pooling_mode_cls_token"; "mean" ] (fun folder ->
                Directory.CreateDirectory(Path.Combine(folder, "1_Pooling")) |> ignore

                File.WriteAllText(
                    Path.Combine(folder, "1_Pooling", "config.json"),
                    """{ "word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false }"""
                ))

            spoilt
                "keys that are missing, one too many and one of another shape"
                3
                [
                    "model.safetensors"
                    "missing tensors (1): encoder.layer.1.attention.self.key.bias"
                    "extra"
                    "embeddings.LayerNorm.bias is [9]"
                ]
                (fun folder ->
                    rewrite folder (fun tensors ->
                        [
                            "extra", torch.ones [| 1L |]
                            for name, tensor in tensors do
                                if name = "embeddings.LayerNorm.bias" then
                                    name, torch.ones [| 9L |]
                                elif name <> "encoder.layer.1.attention.self.key.bias" then
                                    name, tensor
                        ]))

            spoilt
                "weights of a CLIP"
                3
                [ "embeddings.word_embeddings.weight is missing"; "MiniLM" ]
                (fun folder -> rewrite folder (fun _ -> [ "positional_embedding", torch.ones [| 8L; 8L |] ]))

            spoilt "whole numbers for weights" 3 [ "embeddings.LayerNorm.bias"; "I64" ] (fun folder ->
                rewrite
                    folder
                    (List.map (fun (name, tensor) ->
                        if name = "embeddings.LayerNorm.bias" then
                            name, tensor.``to`` torch.int64
                        else
                            name, tensor)))

            spoilt "NaN" 3 [ "NaN" ] (fun folder ->
                rewrite
                    folder
                    (List.map (fun (name, tensor) -> name, torch.full_like (tensor, nanf.ToScalar()))))

            spoilt "more tokens than the weights know" 3 [ "37 tokens"; "know 36" ] (fun folder ->
                File.AppendAllText(Path.Combine(folder, "vocab.txt"), "another\n"))

            spoilt "a vocabulary of another kind" 3 [ "tokenizer.json"; "WordPiece" ] (fun folder ->
                delete "vocab.txt" folder

                File.WriteAllText(
                    Path.Combine(folder, "tokenizer.json"),
                    (tokenizerJson "true").Replace("WordPiece", "BPE")
                ))

            // Its header is read, and none of the 16 GiB that it speaks of.
            spoilt "a header that claims more than the file holds" 3 [ "model.safetensors" ] (fun folder ->
                let header =
                    """{"embeddings.word_embeddings.weight":{"dtype":"F32","shape":[65536,65536],"data_offsets":[0,17179869184]}}"""

                File.WriteAllBytes(
                    Path.Combine(folder, "model.safetensors"),
                    Array.concat
                        [
                            BitConverter.GetBytes(uint64 header.Length)
                            Text.Encoding.UTF8.GetBytes header
                        ]
                ))

            testCase "another model's 2 GiB are refused by the header, and none of them is read"
            <| fun () ->
                within (fun folder ->
                    let header =
                        """{"big":{"dtype":"F32","shape":[32768,16384],"data_offsets":[0,2147483648]}}"""

                    let write () =
                        use file = File.Create(Path.Combine(folder, "model.safetensors"))
                        let length = BitConverter.GetBytes(uint64 header.Length)
                        let start = Array.append length (Text.Encoding.UTF8.GetBytes header)
                        file.Write(start, 0, start.Length)
                        file.SetLength(8L + int64 header.Length + 2147483648L)

                    let peak () =
                        use here = Diagnostics.Process.GetCurrentProcess()
                        here.PeakWorkingSet64

                    write ()
                    let before = peak ()

                    SentenceEncoder.load folder
                    |> Outcome.refusedWith 3 [ "embeddings.word_embeddings.weight is missing"; "MiniLM" ]

                    Expect.isLessThan (peak () - before) 1073741824L "its memory was never taken")
            // The process has one memory.
            |> testSequenced

            testCase "a text of more tokens than the encoder takes says how many, and what to do"
            <| fun () ->
                within (fun folder ->
                    let words count =
                        String.concat " " (List.replicate count "blood")

                    Expect.isOk (featuresBy folder [ words 62 ]) "64 with [CLS] and [SEP]"

                    featuresBy folder [ "ulcer"; words 63 ]
                    |> Outcome.refusedWith 2 [ "65 tokens"; "takes 64"; "Shorten it" ])
        ]

/// The folder of all-MiniLM-L6-v2 that the environment names; skips the running test where it names none.
let private miniLm () =
    match Environment.GetEnvironmentVariable "MCDRL_MINILM" with
    | null
    | "" -> skiptest "skipped, MCDRL_MINILM names no folder of all-MiniLM-L6-v2"
    | folder -> folder

let private published =
    testList
        "all-MiniLM-L6-v2"
        [
            testCase "every prompt of the shared table to cosine 0.9999"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let folder = miniLm ()
                let table = Shared.path "weights/minilm-prompts/text.safetensors"
                let content = Outcome.ok (Safetensors.read table)

                let prompts =
                    JsonSerializer.Deserialize<string array> content.Metadata["prompts"]
                    |> nonNull
                    |> List.ofArray

                Expect.equal prompts.Length 96 "all"
                let found = Outcome.ok (featuresBy folder prompts)
                let cosines = found.mul(content.Tensors["embeddings"]).sum 1L
                let least = cosines.min().item<float32>()
                Expect.isGreaterThanOrEqual least 0.9999f $"least cosine {least}"

            testCase "ids as Hugging Face's tokenizer gives them"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let _, tokenizer = Outcome.ok (SentenceEncoder.load (miniLm ()))

                for text, ids in
                    [
                        "hello world!", [ 101; 7592; 2088; 999; 102 ]
                        "HÉLLO Wörld", [ 101; 7592; 2088; 102 ]
                        "\U0001F600", [ 101; 100; 102 ]
                    ] do
                    Expect.equal (BertTokenizer.encode tokenizer text) (List.map int64 ids) text

                Expect.equal (BertTokenizer.encode tokenizer (String.replicate 600 "a ")).Length 602 "uncut"

            testCase "a text of more than 512 tokens is refused"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                featuresBy (miniLm ()) [ String.replicate 511 "a " ]
                |> Outcome.refusedWith 2 [ "513 tokens"; "takes 512"; "Shorten it" ]
        ]

let tests =
    testSequenced (testList "SentenceEncoder" [ loading; refusals; published ])
