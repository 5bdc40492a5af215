/// A sentence encoder of two layers of width 8 whose weights are a formula, so that anybody can compute what it must say.
module Mcdrl.Tests.TinyBert

open System
open TorchSharp
open Mcdrl

/// Its words; every other word is unknown.
let tokens =
    [
        yield! [ "[PAD]"; "[UNK]"; "[CLS]"; "[SEP]"; "[MASK]" ]
        yield!
            [
                "a"
                "an"
                "in"
                "of"
                "with"
                "at"
                "the"
                "image"
                "endoscopic"
                "endoscopy"
            ]
        yield! [ "polyp"; "cyst"; "ulcer"; "normal"; "mucosa"; "blur"; "blood"; "mucus" ]
        yield!
            [
                "##s"
                "##mm"
                "12"
                "cafe"
                "naive"
                "-"
                "'"
                ","
                "!"
                "日"
                "本"
                "Polyp"
                "café"
            ]
    ]

let shape: BertTextShape =
    {
        Context = 64L
        Vocabulary = int64 tokens.Length
        Kinds = 2L
        Width = 8L
        Layers = 2
        Hidden = 16L
    }

let heads = 2L

/// Entry i of the weights whose name is the n-th in ordinal order: 0.3·sin(1 + 0.7·n + 0.37·i), and 1 more in the
/// weight of a norm. float32, in the shape of the template.
let private formula (names: string array) (name: string) (leaf: Tensor) =
    let place = float (Array.IndexOf(names, name))
    let offset = if name.EndsWith "LayerNorm.weight" then 1.0 else 0.0

    Array.init (int (leaf.numel ())) (fun index ->
        float32 (offset + 0.3 * sin (1.0 + 0.7 * place + 0.37 * float index)))
    |> fun values -> torch.tensor(values).view leaf.shape

/// The tower, in the caller's dispose scope.
let create () : BertText =
    let template = BertText.template shape

    let names =
        Tree.leaves template
        |> List.map fst
        |> List.filter ((<>) "heads")
        |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))
        |> Array.ofList

    template
    |> Tree.mapi (fun name leaf ->
        if name = "heads" then
            torch.tensor heads
        else
            formula names name leaf)

/// The configuration that Hugging Face would write.
let config =
    $"""{{ "model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute",
  "num_attention_heads": {heads}, "hidden_size": 8, "architectures": ["BertModel"] }}"""
