namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// Where the texts of a model come from.
[<RequireQualifiedAccess>]
type TextSource =
    /// The text tower of the image tower's own weights.
    | Own
    /// A table of embeddings, a file.
    | Table of file: string
    /// A sentence encoder, a folder or its safetensors file.
    | Sentences of folder: string

/// Says where texts come from, and what identifies it.
[<RequireQualifiedAccess>]
module TextSource =
    /// The source that a request names: a table, a sentence encoder, or neither. Both are a `Usage` error.
    let choose (table: string option) (sentences: string option) : Result<TextSource, McdrlError> =
        match table, sentences with
        | None, None -> Ok TextSource.Own
        | Some file, None -> Ok(TextSource.Table file)
        | None, Some folder -> Ok(TextSource.Sentences folder)
        | Some file, Some folder ->
            Error(
                McdrlError.usage
                    "“text” and “text_weights” are both given"
                    $"{file}, {folder}"
                    "Give either a table of embeddings or a sentence encoder"
            )

    /// Whether prompts can be learned through it, whatever the image tower is.
    let hasTower (source: TextSource) =
        match source with
        | TextSource.Sentences _ -> true
        | TextSource.Own
        | TextSource.Table _ -> false

    /// Refuses a sentence encoder for a CLIP.
    let check (weights: Weights) (source: TextSource) : Result<unit, McdrlError> =
        match source with
        | TextSource.Sentences folder when Tower.isAligned weights.Tower ->
            Error(
                McdrlError.usage
                    $"the image features of {Tower.name weights.Tower} live among the texts of its CLIP, not among those of a sentence encoder"
                    $"“text_weights” {folder}"
                    "Leave “text_weights” out, or use a tower that never saw text (resnet50, resnet18)"
            )
        | TextSource.Sentences _
        | TextSource.Own
        | TextSource.Table _ -> Ok()

    /// Digest of the table or of the sentence encoder's weights.
    let sha256 (source: TextSource) : Result<string option, McdrlError> =
        match source with
        | TextSource.Own -> Ok None
        | TextSource.Table path
        | TextSource.Sentences path -> Weights.locate path |> Result.bind Files.sha256 |> Result.map Some

/// A text tower with what makes its tokens.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type TextEncoder =
    /// CLIP's.
    | Clip of ClipText * ClipTokenizer
    /// A sentence encoder.
    | Bert of BertText * BertTokenizer

/// Embeddings of prompts, and the tokens that they are made of.
[<RequireQualifiedAccess>]
module TextEncoder =
    /// Prompts that go through the text tower at once.
    let private chunk = 16

    /// The tower.
    let tower (encoder: TextEncoder) : TextTower =
        match encoder with
        | TextEncoder.Clip(tower, _) -> TextTower.Clip tower
        | TextEncoder.Bert(tower, _) -> TextTower.Bert tower

    /// The ids of a text between the start and the end token.
    let encode (encoder: TextEncoder) (text: string) : int64 list =
        match encoder with
        | TextEncoder.Clip(_, tokenizer) -> ClipTokenizer.encode tokenizer text
        | TextEncoder.Bert(_, tokenizer) -> BertTokenizer.encode tokenizer text

    /// The encoder of these weights and this source: a sentence encoder where one is named, else the weights' own; `None`
    /// where there is neither. A sentence encoder for a CLIP is a `Usage` error. The tensors that it reads belong to the
    /// caller's dispose scope.
    let find (weights: Weights) (source: TextSource) : Result<TextEncoder option, McdrlError> =
        match source, weights.Text with
        | TextSource.Sentences folder, _ ->
            TextSource.check weights source
            |> Result.bind (fun () -> SentenceEncoder.load folder)
            |> Result.map (TextEncoder.Bert >> Some)
        | _, Some text ->
            Weights.tokenizer weights
            |> Result.map (fun tokenizer -> Some(TextEncoder.Clip(text, tokenizer)))
        | _, None -> Ok None

    /// Row by row, F32 [n, d] on the tower's device; of unit length from a sentence encoder alone. A prompt that is too
    /// long is an error.
    let features (encoder: TextEncoder) (prompts: string list) : Result<Tensor, McdrlError> =
        use scope = torch.NewDisposeScope()
        use _noGrad = torch.no_grad ()
        let text = tower encoder
        let device = TextTower.device text
        let rows = prompts |> List.map (fun prompt -> prompt, encode encoder prompt)

        TokenRows.padded (TextTower.context text) rows
        |> Result.map (fun tokens ->
            let ends = torch.tensor ([| for _, ids in rows -> int64 ids.Length - 1L |])

            let features =
                [|
                    for start in 0..chunk .. prompts.Length - 1 ->
                        let part (x: Tensor) =
                            x.narrow(0L, int64 start, int64 (min chunk (prompts.Length - start))).``to``
                                device

                        TextTower.forward text (part ends) (part tokens)
                |]

            scope.MoveToOuter(torch.cat (features, 0L)))
