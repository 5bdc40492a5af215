namespace Mcdrl

open System.IO
open System.Text.Json
open FsToolkit.ErrorHandling

/// What publishers state beside CLIP weights that the weights don't show: `config.json` of Hugging Face, `open_clip_config.json` of
/// open_clip. Of these the activation is read, and whatever would make another network of the same tensors is refused.
[<RequireQualifiedAccess>]
module internal ClipConfig =
    /// Bytes of such a file.
    let private largest = 1_000_000L

    let private refuse path what =
        McdrlError.model what path "Use weights of a CLIP like OpenAI's"

    let private property (name: string) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.Object then
            None
        else
            match element.TryGetProperty name with
            | true, value when value.ValueKind <> JsonValueKind.Null -> Some value
            | _ -> None

    let private text name element =
        property name element
        |> Option.filter (fun value -> value.ValueKind = JsonValueKind.String)
        |> Option.bind (fun value -> Option.ofObj (value.GetString()))

    let private number name element =
        property name element
        |> Option.filter (fun value -> value.ValueKind = JsonValueKind.Number)
        |> Option.map _.GetDouble()

    /// Channels of an attention head, the same in every CLIP that is read.
    let private headWidth = 64.0

    let private epsilon = 1e-5

    /// Faults of what a part states of its heads: how many, or how wide, at which width.
    let private headFaults part width heads stated =
        let found =
            stated
            |> Option.orElse (Option.map2 (fun width heads -> width / heads) width heads)

        match found with
        | Some found when found <> headWidth && width |> Option.forall (fun width -> width >= headWidth) ->
            [
                $"the {part}'s attention heads have {found} channels, and only {headWidth} are supported"
            ]
        | _ -> []

    let private epsilonFaults part stated =
        match stated with
        | Some found when found <> epsilon ->
            [ $"the {part}'s layer_norm_eps is {found}, and only {epsilon} is supported" ]
        | _ -> []

    /// The one activation of both towers.
    let private agreed path (stated: string list) : Result<Activation, McdrlError> =
        match List.distinct stated with
        | [ one ] ->
            Activation.parse one
            |> Result.requireSome (
                refuse path $"its hidden_act is {one}, and only quick_gelu and gelu are supported"
            )
        | several ->
            let listed = String.concat " and " several
            Error(refuse path $"its two towers have different activations, {listed}")

    let private orFaults path faults outcome =
        match faults |> List.map (refuse path) |> McdrlError.ofList with
        | Some fault -> Error fault
        | None -> outcome

    /// Hugging Face's: what is absent is as in its CLIPConfig.
    let private ofHuggingFace path (root: JsonElement) : Result<Activation option, McdrlError> =
        let parts =
            [ "image tower", "vision_config"; "text tower", "text_config" ]
            |> List.choose (fun (part, key) -> property key root |> Option.map (fun found -> part, found))

        match text "model_type" root with
        | Some kind when kind <> "clip" && not (kind.StartsWith "clip_") && not parts.IsEmpty ->
            Error(refuse path $"this is a model of the type {kind}, which is not supported")
        | Some "clip"
        | Some _
        | None when parts.IsEmpty && (text "hidden_act" root).IsNone -> Ok None
        | _ ->
            let stated =
                match parts with
                | [] -> text "hidden_act" root |> Option.toList
                | parts ->
                    [
                        for _, part in parts -> text "hidden_act" part |> Option.defaultValue "quick_gelu"
                    ]

            let faults =
                [
                    for name, part in parts do
                        yield!
                            headFaults
                                name
                                (number "hidden_size" part)
                                (number "num_attention_heads" part)
                                None

                        yield! epsilonFaults name (number "layer_norm_eps" part)
                ]

            agreed path stated |> Result.map Some |> orFaults path faults

    /// open_clip's: GELU unless it says otherwise.
    let private ofOpenClip path (root: JsonElement) : Result<Activation option, McdrlError> =
        match property "model_cfg" root with
        | None -> Ok None
        | Some model ->
            let isQuick =
                property "quick_gelu" model
                |> Option.exists (fun value -> value.ValueKind = JsonValueKind.True)

            let vision, texts = property "vision_cfg" model, property "text_cfg" model
            let ofPart name part = Option.bind (number name) part

            let faults =
                [
                    yield! headFaults "image tower" (ofPart "width" vision) None (ofPart "head_width" vision)
                    yield! headFaults "text tower" (ofPart "width" texts) (ofPart "heads" texts) None
                ]

            Ok(Some(if isQuick then Activation.QuickGelu else Activation.Gelu))
            |> orFaults path faults

    let private read path interpret : Result<Activation option, McdrlError> =
        if File.Exists path then
            StrangerJson.ofFile
                { StrangerJson.standard with
                    MostBytes = largest
                }
                (fun what -> refuse path $"this can't be read: {what}")
                path
                (interpret path)
            |> Result.mapError McdrlError.asModel
        else
            Ok None

    /// The activation that is stated beside a weights file; `None` where nothing is. Two files that contradict each other are a `Model`
    /// error.
    let activation (weights: string) : Result<Activation option, McdrlError> =
        let folder =
            Path.GetDirectoryName(Path.GetFullPath weights)
            |> Option.ofObj
            |> Option.defaultValue "."

        let huggingFace, openClip =
            Path.Combine(folder, "config.json"), Path.Combine(folder, "open_clip_config.json")

        result {
            let! stated = read huggingFace ofHuggingFace
            let! other = read openClip ofOpenClip

            match stated, other with
            | Some one, Some another when one <> another ->
                return!
                    Error(
                        McdrlError.model
                            $"it says {Activation.name one}, and open_clip_config.json beside it {Activation.name another}"
                            huggingFace
                            "Keep the one that the weights were published with"
                    )
            | _ -> return Option.orElse other stated
        }
