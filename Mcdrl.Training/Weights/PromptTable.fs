namespace Mcdrl

open System
open System.Text.Json
open TorchSharp
open FsToolkit.ErrorHandling

/// Embeddings of prompts: computed by the text tower of a CLIP, or looked up in a table that another language model
/// filled (a safetensors file with `embeddings` [n, d] and the n texts as a JSON list in `__metadata__.prompts`).
[<RequireQualifiedAccess>]
module PromptTable =
    /// Prompts that go through the text tower at once.
    let private chunk = 16

    /// Row by row, F32 [n, d] on the tower's device, not of unit length. A prompt that is too long is an error.
    let ofTower
        (tower: ClipText)
        (tokenizer: ClipTokenizer)
        (prompts: string list)
        : Result<Tensor, McdrlError> =
        use scope = torch.NewDisposeScope()
        use _noGrad = torch.no_grad ()
        let device = tower.positional_embedding.device

        ClipTokenizer.batch (ClipText.context tower) tokenizer prompts
        |> Result.map (fun tokens ->
            let rows =
                [|
                    for start in 0..chunk .. prompts.Length - 1 ->
                        tokens.narrow(0L, int64 start, int64 (min chunk (prompts.Length - start))).``to``
                            device
                        |> ClipText.forward tower
                |]

            scope.MoveToOuter(torch.cat (rows, 0L)))

    /// The words of a prompt without articles: tables differ in "with close-up view" and "with a close-up view".
    let private words (prompt: string) =
        prompt.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        |> Array.filter (fun word -> not (List.contains (word.ToLowerInvariant()) [ "a"; "an"; "the" ]))
        |> String.concat " "

    let private promptsOf path (metadata: Map<string, string>) =
        let refuse what =
            Error(
                McdrlError.model
                    what
                    $"{path}, __metadata__"
                    "Use an embeddings table with its texts as a JSON list under `prompts`"
            )

        match metadata.TryFind "prompts" with
        | None -> refuse "there is no entry `prompts`"
        | Some text ->
            try
                match JsonSerializer.Deserialize<(string | null) array> text with
                | null -> refuse "`prompts` is null"
                | prompts ->
                    let texts = Array.choose Option.ofObj prompts

                    if texts.Length = prompts.Length then
                        Ok(List.ofArray texts)
                    else
                        refuse "`prompts` has a null"
            with :? JsonException as problem ->
                refuse $"`prompts` is not a JSON list of texts: {problem.Message}"

    /// The rows of the prompts, F32 [n, d], by their exact text or, where the table does not have it, by the same words
    /// without articles. Prompts that the table lacks are a `Model` error that lists them all.
    let ofFile (path: string) (prompts: string list) : Result<Tensor, McdrlError> =
        result {
            use scope = torch.NewDisposeScope()

            let! content = Safetensors.readWith { Widen = true; RequireFinite = true } path

            let! texts = promptsOf path content.Metadata

            let! embeddings =
                content.Tensors.TryFind "embeddings"
                |> Option.filter (fun tensor ->
                    tensor.dtype = torch.float32
                    && tensor.dim () = 2L
                    && tensor.shape[0] = int64 texts.Length
                    && tensor.shape[1] > 0L)
                |> Result.requireSome (
                    McdrlError.model
                        $"there is no float tensor `embeddings` of {texts.Length} rows, one a prompt"
                        path
                        "Use an embeddings table whose rows follow its list of prompts"
                )

            let rowOf key =
                let rows =
                    texts
                    |> List.mapi (fun row text -> key text, int64 row)
                    |> List.rev
                    |> Map.ofList

                fun prompt -> rows.TryFind(key prompt)

            let exact, loose = rowOf id, rowOf words

            let found =
                prompts
                |> List.map (fun prompt -> prompt, exact prompt |> Option.orElseWith (fun () -> loose prompt))

            let missing =
                [
                    for prompt, row in found do
                        if row.IsNone then
                            $"\"{prompt}\""
                ]

            do!
                Result.requireEmpty
                    (McdrlError.model
                        $"""{missing.Length} prompts are not in the table: {String.concat "; " missing}"""
                        path
                        "Add their embeddings, or choose classes and conditions that the table has")
                    missing

            let rows = found |> List.choose snd |> Array.ofList
            return scope.MoveToOuter(embeddings.index_select (0L, torch.tensor rows))
        }

    /// The embeddings of prompts for these weights: from `table` where one is given, else from their own text tower
    /// and the vocabulary beside them.
    let resolve
        (weights: Weights)
        (table: string option)
        (prompts: string list)
        : Result<Tensor, McdrlError> =
        match table, weights.Text with
        | Some path, _ -> ofFile path prompts
        | None, Some tower ->
            Weights.tokenizer weights
            |> Result.bind (fun tokenizer -> ofTower tower tokenizer prompts)
        | None, None ->
            Error(
                McdrlError.usage
                    $"{Tower.name weights.Tower} has no text tower"
                    weights.Path
                    "Give an embeddings table with “text”"
            )
