module Mcdrl.Tests.ClipConfigTests

open System.IO
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private weights = lazy (Shared.path "fixtures/clip/vit-tiny.openai.safetensors")

/// The weights in a folder with these files beside them.
let private beside (files: (string * string) list) (work: string -> 'a) =
    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "model.safetensors")
        File.Copy(weights.Value, path)

        for name, text in files do
            File.WriteAllText(Path.Combine(folder, name), text)

        work path)

let private activations files =
    use _scope = torch.NewDisposeScope()

    beside files (fun path ->
        let loaded = Outcome.ok (Weights.load path)

        match loaded.Tower, loaded.Text with
        | Tower.ViT tower, Some text ->
            [
                Transformer.activation tower.transformer
                Transformer.activation text.transformer
            ]
        | _ -> failtest "not the ViT with its text tower")

let private refused files parts =
    beside files (fun path -> Weights.load path |> Result.map ignore |> Outcome.refusedWith 3 parts)

let private huggingFace image text =
    "config.json", $"""{{"model_type": "clip", "vision_config": {{{image}}}, "text_config": {{{text}}}}}"""

let private act name = $"\"hidden_act\": \"{name}\""

let private openClip more =
    "open_clip_config.json",
    $"""{{"model_cfg": {{"embed_dim": 32, "vision_cfg": {{"width": 64}}, "text_cfg": {{"width": 64, "heads": 1}}{more}}}}}"""

let tests =
    testSequenced (
        testList
            "Clip.Config"
            [
                testCase
                    "the activation is the one that is stated beside the weights, and OpenAI's where none is"
                <| fun () ->
                    let quick, exact = Activation.QuickGelu, Activation.Gelu

                    for files, expected in
                        [
                            [], quick
                            [ huggingFace (act "gelu") (act "gelu") ], exact
                            [ huggingFace (act "quick_gelu") (act "quick_gelu") ], quick
                            [ huggingFace "" "" ], quick
                            [ openClip "" ], exact
                            [ openClip ", \"quick_gelu\": false" ], exact
                            [ openClip ", \"quick_gelu\": true" ], quick
                            [ openClip ""; huggingFace (act "gelu") (act "gelu") ], exact
                            // Of timm, about the image tower's classifier.
                            [ "config.json", """{"architecture": "vit_base_patch16_clip_224"}""" ], quick
                            [ "config.json", "[]" ], quick
                        ] do
                        Expect.equal (activations files) [ expected; expected ] $"{files}"

                testCase "it is the one that is computed, and lasts in a bundle's facts"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()
                    use _noGrad = torch.no_grad ()
                    let image = Drawn.normal [| 1L; 3L; 64L; 64L |]

                    let features files =
                        beside files (fun path ->
                            let tower = (Outcome.ok (Weights.load path)).Tower

                            let again =
                                WeightTensors.tower
                                    "bundle"
                                    (Tower.facts tower)
                                    (Map.ofList (Tree.leaves tower))
                                |> Outcome.ok

                            let of' tower =
                                (Tower.forward DenseMode.Maskclip tower image).Image

                            Expect.isTrue ((of' tower).equal(of' again).all().item<bool>()) "the same again"
                            of' tower)

                    let quick, exact = features [], features [ openClip "" ]

                    Expect.isGreaterThan
                        (quick.sub(exact).abs().max().``to``(torch.float64).item<float>())
                        1e-4
                        "two networks"

                testCase "towers that differ, files that contradict each other, and what is not supported"
                <| fun () ->
                    for files, parts in
                        [
                            [ huggingFace (act "gelu") (act "quick_gelu") ],
                            [ "config.json"; "gelu and quick_gelu" ]
                            [ huggingFace (act "relu") (act "relu") ], [ "config.json"; "hidden_act is relu" ]
                            [ huggingFace (act "gelu") (act "gelu"); openClip ", \"quick_gelu\": true" ],
                            [ "config.json"; "open_clip_config.json" ]
                            [ huggingFace "\"hidden_size\": 1280, \"num_attention_heads\": 16" "" ],
                            [ "image tower"; "80 channels" ]
                            [ huggingFace "" "\"layer_norm_eps\": 1e-6" ], [ "text tower"; "layer_norm_eps" ]
                            [
                                "open_clip_config.json",
                                """{"model_cfg": {"vision_cfg": {"width": 1280, "head_width": 80}}}"""
                            ],
                            [ "image tower"; "80 channels" ]
                            [ "config.json", """{"model_type": "siglip", "vision_config": {}}""" ],
                            [ "siglip" ]
                            [ "config.json", "{" ], [ "config.json"; "JSON" ]
                        ] do
                        refused files parts
            ]
    )
