namespace Mcdrl

open System
open TorchSharp

/// The key layouts that CLIP weights are published in.
[<RequireQualifiedAccess>]
type ClipLayout =
    /// OpenAI's names, also open_clip's for a plain CLIP.
    | OpenAi
    /// open_clip's CustomTextCLIP: OpenAI's names, the text tower below `text.`.
    | CustomText
    /// Hugging Face transformers' CLIPModel.
    | HuggingFace

/// Maps every layout to OpenAI's names.
[<RequireQualifiedAccess>]
module ClipLayout =
    /// What a tensor of a file is in OpenAI's layout.
    [<RequireQualifiedAccess>]
    type private Place =
        | As of name: string
        | TransposeOf of name: string
        /// The q, k or v third (0, 1, 2) of a packed projection.
        | ThirdOf of name: string * part: int
        | Nowhere

    let private prefixed (prefix: string) (name: string) =
        name.StartsWith(prefix, StringComparison.Ordinal)

    /// The layout that the names of a file's tensors are in; OpenAI's where nothing speaks for another.
    let detect (names: string seq) : ClipLayout =
        if
            names
            |> Seq.exists (fun name -> prefixed "text_model." name || prefixed "vision_model." name)
        then
            ClipLayout.HuggingFace
        elif names |> Seq.exists (prefixed "text.") then
            ClipLayout.CustomText
        else
            ClipLayout.OpenAi

    /// Names, and ends of names below others, of what is no weight: masks that the code makes anew, counters, the sizes in OpenAI's
    /// files, the bias that the sigmoid loss of SigLIP has beside `logit_scale`.
    let private bookkeeping =
        [
            "position_ids"
            "num_batches_tracked"
            "attn_mask"
            "logit_bias"
            "input_resolution"
            "context_length"
            "vocab_size"
        ]

    /// Whether a tensor of this name is bookkeeping, and no weight.
    let isBookkeeping (name: string) =
        bookkeeping
        |> List.exists (fun own -> name = own || name.EndsWith("." + own, StringComparison.Ordinal))

    /// What trainers and compilers put before all names of a model that they hold.
    let private wrappers = [ "module."; "model."; "clip."; "_orig_mod." ]

    /// The tensors without what wraps all of their names, however often.
    let rec private unwrapped (tensors: Map<string, Tensor>) =
        match
            wrappers
            |> List.tryFind (fun wrapper -> not tensors.IsEmpty && Seq.forall (prefixed wrapper) tensors.Keys)
        with
        | Some wrapper ->
            tensors
            |> Map.toSeq
            |> Seq.map (fun (name, tensor) -> name.Substring wrapper.Length, tensor)
            |> Map.ofSeq
            |> unwrapped
        | None -> tensors

    /// Whether names are those of a SigLIP, whose image tower pools by attention.
    let private isSigLip (names: string seq) =
        names
        |> Seq.exists (fun name ->
            prefixed "vision_model.head." name || prefixed "visual.trunk.attn_pool." name)

    /// Endings of a Hugging Face layer and of OpenAI's residual block.
    let private layerParts =
        [
            "self_attn.out_proj.", "attn.out_proj."
            "layer_norm1.", "ln_1."
            "layer_norm2.", "ln_2."
            "mlp.fc1.", "mlp.c_fc."
            "mlp.fc2.", "mlp.c_proj."
        ]

    let private thirds =
        [ "self_attn.q_proj.", 0; "self_attn.k_proj.", 1; "self_attn.v_proj.", 2 ]

    let private wholes =
        [
            "logit_scale", "logit_scale"
            "text_model.embeddings.token_embedding.weight", "token_embedding.weight"
            "text_model.embeddings.position_embedding.weight", "positional_embedding"
            "text_model.final_layer_norm.weight", "ln_final.weight"
            "text_model.final_layer_norm.bias", "ln_final.bias"
            "vision_model.embeddings.class_embedding", "visual.class_embedding"
            "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"
            "vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"
            "vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"
            "vision_model.pre_layrnorm.bias", "visual.ln_pre.bias"
            "vision_model.post_layernorm.weight", "visual.ln_post.weight"
            "vision_model.post_layernorm.bias", "visual.ln_post.bias"
        ]
        |> Map.ofList

    let private layer (name: string) =
        [
            "text_model.encoder.layers.", "transformer.resblocks."
            "vision_model.encoder.layers.", "visual.transformer.resblocks."
        ]
        |> List.tryPick (fun (from, into) ->
            if prefixed from name then
                let rest = name.Substring from.Length
                let dot = rest.IndexOf '.'

                if dot > 0 then
                    Some(into + rest.Substring(0, dot + 1), rest.Substring(dot + 1))
                else
                    None
            else
                None)

    let private huggingFacePlace (name: string) =
        match name, wholes.TryFind name, layer name with
        | "visual_projection.weight", _, _ -> Place.TransposeOf "visual.proj"
        | "text_projection.weight", _, _ -> Place.TransposeOf "text_projection"
        | _, Some target, _ -> Place.As target
        | _, None, Some(block, part) ->
            let third =
                thirds
                |> List.tryPick (fun (from, index) ->
                    if prefixed from part then
                        Some(Place.ThirdOf(block + "attn.in_proj_" + part.Substring from.Length, index))
                    else
                        None)

            let renamed =
                layerParts
                |> List.tryPick (fun (from, into) ->
                    if prefixed from part then
                        Some(Place.As(block + into + part.Substring from.Length))
                    else
                        None)

            third |> Option.orElse renamed |> Option.defaultValue (Place.As name)
        | _, None, None -> Place.As name

    let private place layout (name: string) =
        match layout with
        | _ when isBookkeeping name -> Place.Nowhere
        | ClipLayout.OpenAi -> Place.As name
        | ClipLayout.CustomText -> Place.As(if prefixed "text." name then name.Substring 5 else name)
        | ClipLayout.HuggingFace -> huggingFacePlace name

    /// Three thirds with the same name, in q, k, v order; otherwise they keep the names they came with, so that
    /// loading reports them.
    let private packed (name: string) (parts: (int * string * Tensor) list) =
        match List.sortBy (fun (part, _, _) -> part) parts with
        | [ 0, _, q; 1, _, k; 2, _, v ] when q.dim () = k.dim () && k.dim () = v.dim () && q.dim () > 0L ->
            let fits (other: Tensor) =
                other.shape[1..] = q.shape[1..] && other.dtype = q.dtype

            if fits k && fits v then
                [ name, scoped (fun () -> torch.cat ([| q; k; v |], 0L)) ]
            else
                [ for _, original, tensor in parts -> original, tensor.alias () ]
        | _ -> [ for _, original, tensor in parts -> original, tensor.alias () ]

    /// Names of one layout brought to OpenAI's; the given tensors are disposed.
    let private renamed
        (origin: string)
        (tensors: Map<string, Tensor>)
        : Result<Map<string, Tensor>, McdrlError> =
        let layout = detect tensors.Keys

        let mapped =
            tensors
            |> Map.toList
            |> List.groupBy (fun (name, _) ->
                match place layout name with
                | Place.ThirdOf(target, _) -> target
                | Place.As target
                | Place.TransposeOf target -> target
                | Place.Nowhere -> "")
            |> List.collect (fun (target, group) ->
                let made =
                    if target = "" then
                        []
                    else
                        [
                            for name, tensor in group do
                                match place layout name with
                                | Place.As target -> target, tensor.alias ()
                                | Place.TransposeOf target when tensor.dim () = 2L ->
                                    target, scoped (fun () -> tensor.t().contiguous())
                                | Place.TransposeOf _ -> name, tensor.alias ()
                                | Place.ThirdOf _
                                | Place.Nowhere -> ()

                            yield!
                                group
                                |> List.choose (fun (name, tensor) ->
                                    match place layout name with
                                    | Place.ThirdOf(_, part) -> Some(part, name, tensor)
                                    | Place.As _
                                    | Place.TransposeOf _
                                    | Place.Nowhere -> None)
                                |> fun parts -> if parts.IsEmpty then [] else packed target parts
                        ]

                for _, tensor in group do
                    tensor.Dispose()

                made)

        match
            mapped
            |> List.countBy fst
            |> List.filter (fun (_, count) -> count > 1)
            |> List.map fst
        with
        | [] -> Ok(Map.ofList mapped)
        | twice ->
            Error(
                McdrlError.model
                    $"""the file mixes two layouts: {String.concat ", " twice} occur twice"""
                    origin
                    "Use a file as OpenAI, open_clip or Hugging Face publish it"
            )

    /// The tensors under OpenAI's names. Takes them over: the given tensors are disposed as soon as what they become
    /// is there, so that no more than one packed projection exists twice. What wraps all names (`module.` and the like) is taken off,
    /// and bookkeeping, which is no weight, left out; names that no layout
    /// knows are kept, so that loading reports them. Two names for one tensor, and a SigLIP, are `Model` errors.
    let toOpenAi (origin: string) (tensors: Map<string, Tensor>) : Result<Map<string, Tensor>, McdrlError> =
        let tensors = unwrapped tensors

        if isSigLip tensors.Keys then
            Error(
                McdrlError.model
                    "this is a SigLIP, which is not supported"
                    origin
                    "Use weights of a CLIP in OpenAI's, open_clip's or Hugging Face's layout"
            )
        else
            renamed origin tensors
