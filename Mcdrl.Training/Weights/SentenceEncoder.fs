namespace Mcdrl

open System
open System.IO
open System.Text
open System.Text.Json
open FsToolkit.ErrorHandling
open TorchSharp

/// Loads a sentence encoder from the folder that Hugging Face publishes: `config.json`, `model.safetensors`, and
/// `vocab.txt` or `tokenizer.json`. BERT with mean pooling (all-MiniLM-L6-v2 and its like); nothing but safetensors is
/// read as weights.
[<RequireQualifiedAccess>]
module SentenceEncoder =
    /// More than any configuration or vocabulary of a BERT has.
    let private bounds =
        { StrangerJson.standard with
            MostBytes = 32_000_000L
        }

    let private another =
        "Use a BERT of Hugging Face with mean pooling, such as sentence-transformers/all-MiniLM-L6-v2"

    /// What `read` makes of a JSON file's root. Whatever the file lacks, or holds of another kind, is an error about it.
    let private ofJson (path: string) (read: JsonElement -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        let damaged what =
            McdrlError.model what path "Fetch the folder of the sentence encoder again"

        if File.Exists path then
            StrangerJson.ofFile bounds damaged path read
            |> Result.mapError McdrlError.asModel
        else
            Error(damaged "there is no such file")

    let private property (name: string) (element: JsonElement) =
        match element.TryGetProperty name with
        | true, found when found.ValueKind <> JsonValueKind.Null -> Some found
        | _ -> None

    /// The number of heads, where the rest of the configuration is what `BertText` computes.
    let private headsOf (path: string) =
        ofJson path (fun root ->
            let unless name (expected: string) isMandatory holds =
                match property name root with
                | Some value when holds value -> None
                | None when not isMandatory -> None
                | Some value -> Some $"{name} is {value.GetRawText()}, not {expected}"
                | None -> Some $"{name} is missing, not {expected}"

            let isText (expected: string) (value: JsonElement) =
                value.ValueKind = JsonValueKind.String && value.GetString() = expected

            let isNumber holds (value: JsonElement) =
                value.ValueKind = JsonValueKind.Number && holds (value.GetDouble())

            let isWhole value =
                value >= 1.0 && value = floor value && value < 1e6

            match
                List.choose
                    id
                    [
                        unless "model_type" "\"bert\"" true (isText "bert")
                        unless "hidden_act" "\"gelu\"" false (isText "gelu")
                        unless "position_embedding_type" "\"absolute\"" false (isText "absolute")
                        unless "layer_norm_eps" "1e-12" false (isNumber ((=) BertText.epsilon))
                        unless "num_attention_heads" "a whole number" true (isNumber isWhole)
                    ]
            with
            | [] -> Ok(root.GetProperty("num_attention_heads").GetInt64())
            | faults -> Error(McdrlError.model (String.concat "; " faults) path another))

    /// What sentence-transformers says of the pooling, where it says anything.
    let private checkPooling (folder: string) =
        let path = Path.Combine(folder, "1_Pooling", "config.json")

        if not (File.Exists path) then
            Ok()
        else
            ofJson path (fun root ->
                let chosen =
                    [
                        for entry in root.EnumerateObject() do
                            if
                                entry.Name.StartsWith("pooling_mode_", StringComparison.Ordinal)
                                && entry.Value.ValueKind = JsonValueKind.True
                            then
                                entry.Name
                    ]

                if chosen = [ "pooling_mode_mean_tokens" ] then
                    Ok()
                else
                    let listed = String.concat ", " chosen
                    Error(McdrlError.model $"it pools by {listed}, not by the mean" path another))

    /// Tokens of `vocab.txt`, one a line.
    let private ofLines (path: string) =
        Files.readText bounds.MostBytes path
        |> Result.mapError McdrlError.asModel
        |> Result.map (fun text ->
            let lines = text.TrimEnd('\n', '\r').Split '\n'

            [ for line in lines -> line.TrimEnd '\r' ])

    /// Tokens of `tokenizer.json` and whether text is put in lower case.
    let private ofTokenizer (path: string) =
        ofJson path (fun root ->
            let model = root.GetProperty "model"

            let vocabulary =
                [
                    for entry in model.GetProperty("vocab").EnumerateObject() ->
                        entry.Name, entry.Value.GetInt32()
                ]
                |> List.sortBy snd

            let isWordPiece =
                model.GetProperty("type").GetString() = "WordPiece"
                && model.GetProperty("continuing_subword_prefix").GetString() = "##"

            if not isWordPiece then
                Error(McdrlError.model "it is no WordPiece with the prefix ##" path another)
            elif List.map snd vocabulary <> [ 0 .. vocabulary.Length - 1 ] then
                Error(McdrlError.model "its ids are not 0, 1, 2, …" path another)
            else
                let lowerCase =
                    property "normalizer" root
                    |> Option.bind (property "lowercase")
                    |> Option.map _.GetBoolean()

                Ok(List.map fst vocabulary, lowerCase))

    /// The tokenizer and the number of its tokens.
    let private tokenizerOf (folder: string) =
        let inside name = Path.Combine(folder, name)

        let lines, tokenizer, settings =
            inside "vocab.txt", inside "tokenizer.json", inside "tokenizer_config.json"

        result {
            let! lowerCase =
                if File.Exists settings then
                    ofJson settings (fun root ->
                        property "do_lower_case" root |> Option.map _.GetBoolean() |> Ok)
                else
                    Ok None

            let! path, tokens, fallback =
                if File.Exists lines then
                    ofLines lines |> Result.map (fun tokens -> lines, tokens, None)
                elif File.Exists tokenizer then
                    ofTokenizer tokenizer
                    |> Result.map (fun (tokens, fallback) -> tokenizer, tokens, fallback)
                else
                    Error(
                        McdrlError.model
                            "there is no vocabulary beside the weights"
                            folder
                            "Put vocab.txt or tokenizer.json into the folder of the weights"
                    )

            let lowerCase = lowerCase |> Option.orElse fallback |> Option.defaultValue true

            let! made = BertTokenizer.ofTokens path lowerCase tokens
            return made, tokens.Length
        }

    /// The encoder's own tensors by `BertText`'s names: below `bert.` where the file has heads of other tasks beside it;
    /// without what pools for those, and without the places' numbers.
    let private own (tensors: Map<string, Tensor>) =
        let prefix = "bert."

        let below =
            tensors
            |> Map.filter (fun name _ -> name.StartsWith(prefix, StringComparison.Ordinal))

        let named =
            if below.IsEmpty then
                tensors
            else
                below
                |> Map.toSeq
                |> Seq.map (fun (name, tensor) -> name.Substring prefix.Length, tensor)
                |> Map.ofSeq

        named
        |> Map.filter (fun name _ ->
            name <> "embeddings.position_ids"
            && not (name.StartsWith("pooler.", StringComparison.Ordinal)))

    let private adviseBert (error: McdrlError) =
        match error with
        | McdrlError.Model fault -> McdrlError.Model { fault with Fix = another }
        | other -> other

    let private filled file (heads: int64) shape (tensors: Map<string, Tensor>) =
        tensors.Add("heads", torch.tensor heads)
        |> Tree.fill file (BertText.template shape)
        |> Result.mapError adviseBert

    /// The shape of the encoder by the file's header: another file is refused before memory is given to its tensors.
    let private outline file heads : Result<BertTextShape, McdrlError> =
        result {
            use _scope = torch.NewDisposeScope()
            let! sizes = Safetensors.shapes file
            let tensors = sizes |> Map.map (fun _ size -> Template.tensor size) |> own

            let! shape =
                BertText.shape (Shapes.ofTensors file tensors) |> Result.mapError adviseBert

            let! _ = filled file heads shape tensors
            return shape
        }

    /// Loads a folder, or the safetensors file in it, whole or not at all. F16 and BF16 are widened to F32; a NaN or an
    /// infinity is refused. The tensors belong to the caller's dispose scope.
    let load (path: string) : Result<BertText * BertTokenizer, McdrlError> =
        result {
            let! file = Weights.locate path

            let folder =
                Path.GetFullPath file
                |> Path.GetDirectoryName
                |> Option.ofObj
                |> Option.defaultValue "."

            let! heads = headsOf (Path.Combine(folder, "config.json"))
            do! checkPooling folder
            let! tokenizer, tokens = tokenizerOf folder

            use scope = torch.NewDisposeScope()
            let! shape = outline file heads

            do!
                if shape.Width % heads <> 0L then
                    Error(
                        McdrlError.model
                            $"{heads} attention heads don't divide the weights' width of {shape.Width}"
                            (Path.Combine(folder, "config.json"))
                            "Put the config.json of these weights beside them"
                    )
                elif int64 tokens > shape.Vocabulary then
                    Error(
                        McdrlError.model
                            $"the vocabulary has {tokens} tokens, the weights know {shape.Vocabulary}"
                            folder
                            "Put the vocabulary of these weights beside them"
                    )
                else
                    Ok()

            let! content = Safetensors.readWith { Widen = true; RequireFinite = true } file
            let tensors = own content.Tensors
            do! WeightTensors.requireFloats file tensors
            let! tower = filled file heads shape tensors

            for tensor in Tree.tensors tower do
                scope.MoveToOuter tensor |> ignore

            return tower, tokenizer
        }
