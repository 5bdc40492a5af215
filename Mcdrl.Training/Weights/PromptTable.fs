namespace Mcdrl

open System
open System.Text.Json
open TorchSharp
open FsToolkit.ErrorHandling

/// Embeddings of prompts: computed by a text tower, or looked up in a table that one filled (a safetensors file with
/// `embeddings` [n, d] and the n texts as a JSON list in `__metadata__.prompts`).
[<RequireQualifiedAccess>]
module PromptTable =
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
            StrangerJson.texts
                (fun what ->
                    McdrlError.model
                        $"`prompts` can't be used: {what}"
                        $"{path}, __metadata__"
                        "Use an embeddings table with its texts as a JSON list under `prompts`")
                text

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

    /// Writes a table: the texts, each once, and the embeddings, F32 [n, d].
    let write (path: string) (prompts: string list) (embeddings: Tensor) : Result<unit, McdrlError> =
        Safetensors.write
            path
            (Map [ "prompts", JsonSerializer.Serialize prompts ])
            [ "embeddings", embeddings ]

    /// The embeddings of prompts for these weights, F32 [n, d]: from the table or the sentence encoder that the source
    /// names, else from the weights' own text tower and the vocabulary beside them.
    let resolve (weights: Weights) (source: TextSource) (prompts: string list) : Result<Tensor, McdrlError> =
        match source with
        | TextSource.Table path -> ofFile path prompts
        | TextSource.Own
        | TextSource.Sentences _ ->
            result {
                use scope = torch.NewDisposeScope()

                let! encoder =
                    TextEncoder.find weights source
                    |> Result.bind (
                        Result.requireSome (
                            McdrlError.usage
                                $"{Tower.name weights.Tower} has no text tower"
                                weights.Path
                                "Give an embeddings table with “text” or a sentence encoder with “text_weights”"
                        )
                    )

                let! features = TextEncoder.features encoder prompts
                return scope.MoveToOuter features
            }
