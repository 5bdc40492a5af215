module Mcdrl.Tests.WeightsTests

open System.IO
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private ok outcome = Expect.wantOk outcome "succeeds"

/// A safetensors file with one tensor more, of an element type that torch lacks.
module private Counters =
    open System
    open System.Text

    let add name elementType bytes (file: byte[]) =
        let length = int (BitConverter.ToUInt64(file, 0))
        let header = Encoding.UTF8.GetString(file, 8, length).TrimEnd()
        let data = file[8 + length ..]

        let entry =
            $",\"{name}\":{{\"dtype\":\"{elementType}\",\"shape\":[1],\"data_offsets\":[{data.Length},{data.Length + bytes}]}}}}"

        let header = Encoding.UTF8.GetBytes(header[.. header.Length - 2] + entry)

        Array.concat
            [
                BitConverter.GetBytes(uint64 header.Length)
                header
                data
                Array.zeroCreate bytes
            ]

let private fixture name = Shared.path $"fixtures/clip/{name}"

/// The tensors of the small ViT CLIP in OpenAI's layout, changed and written to a new file.
let private changed (change: Map<string, Tensor> -> Map<string, Tensor>) (work: string -> 'a) =
    use _scope = torch.NewDisposeScope()
    let content = ok (Safetensors.read (fixture "vit-tiny.openai.safetensors"))

    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "weights.safetensors")
        ok (Safetensors.write path Map.empty (Map.toList (change content.Tensors)))
        work path)

let private refusal change =
    changed change (fun path ->
        let before = LiveTensors.count ()
        let error = Expect.wantError (Weights.load path) "refused"
        Expect.equal torch.Tensor.TotalCount before "nothing is left behind"
        Expect.equal (McdrlError.exitCode error) 3 "a model error"
        McdrlError.describe error)

let private contains (parts: string list) (text: string) =
    for part in parts do
        Expect.stringContains text part "named"

let private rename change (tensors: Map<string, Tensor>) =
    tensors
    |> Map.toSeq
    |> Seq.map (fun (name, tensor) -> change name, tensor)
    |> Map.ofSeq

let private same (a: Weights) (b: Weights) =
    let leaves (weights: Weights) =
        Tree.leaves weights.Tower
        @ Tree.leaves (Expect.wantSome weights.Text "a text tower")

    for (name, a), (other, b) in List.zip (leaves a) (leaves b) do
        Expect.equal name other "name"
        Expect.isTrue (a.equal(b).all().item<bool>()) name

let private layouts =
    testList
        "layouts"
        [
            testCase "open_clip's text tower below `text.` gives the same bits"
            <| fun () ->
                let custom (name: string) =
                    if name.StartsWith "visual." || name = "logit_scale" then
                        name
                    else
                        "text." + name

                changed (rename custom) (fun path ->
                    same (ok (Weights.load path)) (ok (Weights.load (fixture "vit-tiny.openai.safetensors"))))

            testCase "OpenAI's scalars and bookkeeping are left out, whatever their type"
            <| fun () ->
                let extra (tensors: Map<string, Tensor>) =
                    tensors
                    |> Map.add "input_resolution" (torch.tensor 64L)
                    |> Map.add "context_length" (torch.tensor 77L)
                    |> Map.add "vocab_size" (torch.tensor 49408L)
                    |> Map.add "text_model_unused.position_ids" (torch.arange 77L)

                changed extra (fun path ->
                    same (ok (Weights.load path)) (ok (Weights.load (fixture "vit-tiny.openai.safetensors"))))

            testCase "masks, biases and counters of a trainer are left out, whatever their values and types"
            <| fun () ->
                let extra (tensors: Map<string, Tensor>) =
                    tensors
                    |> Map.add "attn_mask" (torch.full ([| 8L; 8L |], (-infinityf).ToScalar()))
                    |> Map.add "logit_bias" (torch.zeros [||])

                changed extra (fun path ->
                    let counted = path + ".counted.safetensors"

                    Counters.add "step" "U32" 4 (File.ReadAllBytes path)
                    |> fun bytes -> File.WriteAllBytes(counted, bytes)

                    for path in [ path; counted ] do
                        same
                            (ok (Weights.load path))
                            (ok (Weights.load (fixture "vit-tiny.openai.safetensors"))))

            testCase "what a trainer puts before all names is taken off"
            <| fun () ->
                for wrapper in [ "module."; "_orig_mod.module."; "model.clip." ] do
                    changed (rename (fun name -> wrapper + name)) (fun path ->
                        same
                            (ok (Weights.load path))
                            (ok (Weights.load (fixture "vit-tiny.openai.safetensors"))))

                refusal (
                    Map.toSeq
                    >> Seq.mapi (fun index (name, tensor) ->
                        (if index = 0 then name else "module." + name), tensor)
                    >> Map.ofSeq
                )
                |> contains [ "missing" ]

            testCase "a file with the image tower alone has no text tower"
            <| fun () ->
                changed (Map.filter (fun name _ -> name.StartsWith "visual.")) (fun path ->
                    Expect.isNone (ok (Weights.load path)).Text "none")

            testCase "BF16 and F64 become F32"
            <| fun () ->
                for dtype in [ torch.bfloat16; torch.float64 ] do
                    changed (Map.map (fun _ tensor -> tensor.``to`` dtype)) (fun path ->
                        let loaded = ok (Weights.load path)

                        for tensor in Tree.tensors loaded.Tower do
                            Expect.equal tensor.dtype torch.float32 "F32"
                            Expect.isFalse tensor.IsInvalid "alive")
        ]

let private refused =
    testList
        "refused"
        [
            testCase "missing, unexpected and wrongly shaped names of both towers are all named"
            <| fun () ->
                refusal (fun tensors ->
                    tensors
                    |> Map.remove "visual.ln_post.weight"
                    |> Map.remove "ln_final.bias"
                    |> Map.add "visual.stray" (torch.ones [| 1L |])
                    |> Map.add "surplus" (torch.ones [| 1L |])
                    |> Map.add "visual.transformer.resblocks.2.mlp.c_fc.weight" (torch.ones (8L, 8L))
                    |> Map.add "visual.transformer.resblocks.999999999.ln_1.weight" (torch.ones [| 64L |]))
                |> contains
                    [
                        "ln_post.weight"
                        "ln_final.bias"
                        "stray"
                        "surplus"
                        "transformer.resblocks.2.mlp.c_fc.weight is [8, 8] instead of [256, 64]"
                        "999999999"
                    ]

            testCase "a NaN, an infinity: the tensor is named"
            <| fun () ->
                for value in [ nanf; infinityf ] do
                    refusal (Map.add "visual.proj" (torch.full ([| 64L; 32L |], value.ToScalar())))
                    |> contains [ "\"visual.proj\""; "NaN or an infinity" ]

            testCase "weights that are no floating-point numbers: the tensors are named with their type"
            <| fun () ->
                refusal (fun tensors ->
                    tensors
                    |> Map.add "visual.proj" (torch.ones ([| 64L; 32L |], dtype = torch.bool))
                    |> Map.add "visual.class_embedding" (torch.ones ([| 64L |], dtype = torch.int64)))
                |> contains [ "\"visual.proj\""; "BOOL"; "\"visual.class_embedding\""; "I64" ]

            testCase "a Hugging Face file that lacks one of q, k and v"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let content = ok (Safetensors.read (fixture "vit-tiny.hf.safetensors"))
                let missing = "vision_model.encoder.layers.1.self_attn.k_proj.weight"

                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "model.safetensors")
                    ok (Safetensors.write path Map.empty (Map.toList (Map.remove missing content.Tensors)))

                    Expect.wantError (Weights.load path) "refused"
                    |> McdrlError.describe
                    |> contains [ "transformer.resblocks.1.attn.in_proj_weight"; "self_attn.q_proj.weight" ])

            testCase "a file that mixes two layouts"
            <| fun () ->
                refusal (Map.add "vision_model.pre_layrnorm.weight" (torch.ones [| 64L |]))
                |> contains [ "visual.ln_pre.weight"; "twice" ]

            testCase "something else altogether"
            <| fun () ->
                refusal (fun _ -> Map [ "embeddings", torch.ones (2L, 2L) ])
                |> contains [ "missing"; "embeddings" ]

            testCase "a SigLIP is called by its name"
            <| fun () ->
                let text =
                    refusal (fun _ ->
                        Map
                            [
                                "logit_scale", torch.ones [| 1L |]
                                "logit_bias", torch.ones [| 1L |]
                                "vision_model.head.probe", torch.ones (1L, 1L, 64L)
                                "vision_model.embeddings.patch_embedding.weight",
                                torch.ones (64L, 3L, 16L, 16L)
                            ])

                contains [ "this is a SigLIP" ] text
                Expect.isFalse (text.Contains "missing") "and no name of another network"

            testCase "weights in shards are told, not to be named one by one"
            <| fun () ->
                Folder.temporary (fun folder ->
                    for name in [ "model-00001-of-00002.safetensors"; "model-00002-of-00002.safetensors" ] do
                        File.WriteAllText(Path.Combine(folder, name), "")

                    File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), "{}")

                    Expect.wantError (Weights.load folder) "refused"
                    |> McdrlError.describe
                    |> contains [ "2 shards"; "one file" ])

            testCase "what a download left in the place of weights is called by its name"
            <| fun () ->
                Folder.temporary (fun folder ->
                    for content, part in
                        [
                            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 605156676\n",
                            "Git LFS pointer"
                            "<!doctype html><html>Access to this model is restricted</html>", "page of HTML"
                            "PK\003\004\000\000\b\b\000\000", "pickle"
                        ] do
                        let path = Path.Combine(folder, "model.safetensors")
                        File.WriteAllText(path, content)
                        let error = Expect.wantError (Weights.load path) "refused"
                        Expect.equal (McdrlError.exitCode error) 3 "a model error"
                        let text = McdrlError.describe error
                        contains [ part ] text
                        Expect.isFalse (text.Contains "claims") "no number of bytes")

            testCase "pickles, by their name"
            <| fun () ->
                Folder.temporary (fun folder ->
                    for name in [ "ViT-B-16.pt"; "open_clip_pytorch_model.bin" ] do
                        let path = Path.Combine(folder, name)
                        File.WriteAllBytes(path, [| 0x80uy; 0x02uy |])

                        Expect.wantError (Weights.load path) "refused"
                        |> McdrlError.describe
                        |> contains [ "pickle"; path ])

            testCase "statements of a ResNet-50 about itself that can't be used"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let content =
                    ok (Safetensors.read (Shared.path "weights/resnet50-imagenet/model.safetensors"))

                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "model.safetensors")

                    let metadata =
                        content.Metadata |> Map.add "bn_eps" "small" |> Map.add "image_std" "[0, 0, 0]"

                    ok (Safetensors.write path metadata (Map.toList content.Tensors))

                    Expect.wantError (Weights.load folder) "refused"
                    |> McdrlError.describe
                    |> contains [ "bn_eps"; "image_std" ])
        ]

let private places =
    testList
        "places"
        [
            testCase "a folder stands for the one weights file in it; a usual name decides among several"
            <| fun () ->
                Folder.temporary (fun folder ->
                    Expect.isError (Weights.locate folder) "none"
                    let only = Path.Combine(folder, "only.safetensors")
                    File.WriteAllText(only, "")
                    Expect.equal (Weights.locate folder) (Ok only) "one"
                    File.WriteAllText(Path.Combine(folder, "second.safetensors"), "")

                    Expect.wantError (Weights.locate folder) "two"
                    |> McdrlError.describe
                    |> contains [ "only.safetensors"; "second.safetensors" ]

                    let usual = Path.Combine(folder, "model.safetensors")
                    File.WriteAllText(usual, "")
                    Expect.equal (Weights.locate folder) (Ok usual) "usual")

            testCase "a tower's leaves and facts, as a bundle keeps them, give the same tower"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for path in
                    [
                        fixture "rn-tiny.openai.safetensors"
                        Shared.path "weights/resnet50-imagenet"
                    ] do
                    let tower = (ok (Weights.load path)).Tower

                    let again =
                        ok (WeightTensors.tower "bundle" (Tower.facts tower) (Map.ofList (Tree.leaves tower)))

                    Expect.equal (Tower.name again) (Tower.name tower) "name"
                    Expect.equal (Tower.normalisation again) (Tower.normalisation tower) "normalisation"

                    for (name, a), (_, b) in List.zip (Tree.leaves tower) (Tree.leaves again) do
                        Expect.isTrue (obj.ReferenceEquals(a, b) || a.equal(b).all().item<bool>()) name

            testCase "the vocabulary lies beside the weights; without one the error says what to put there"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                Expect.isOk
                    (Weights.tokenizer (ok (Weights.load (fixture "vit-tiny.hf.safetensors"))))
                    "found"

                changed id (fun path ->
                    Expect.wantError (Weights.tokenizer (ok (Weights.load path))) "none"
                    |> McdrlError.describe
                    |> contains [ "bpe_simple_vocab_16e6.txt.gz"; "vocab.json" ])
        ]

let tests = testSequenced (testList "Weights" [ layouts; refused; places ])
