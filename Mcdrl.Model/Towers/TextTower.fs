namespace Mcdrl

/// The towers that read texts. The leaves below a case are named as in the files they come from.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type TextTower =
    /// CLIP's, whose texts share a space with its images.
    | Clip of ClipText
    /// A sentence encoder, which never saw an image.
    | Bert of BertText

/// What every text tower can be asked, whichever it is.
[<RequireQualifiedAccess>]
module TextTower =
    /// Which architecture it is.
    let name (tower: TextTower) =
        match tower with
        | TextTower.Clip text ->
            $"CLIP text {text.transformer.resblocks.Length}x{text.ln_final.weight.shape[0]}"
        | TextTower.Bert text -> $"BERT {text.encoder.layer.Length}x{BertText.width text}"

    /// The number of tokens it takes, start and end included.
    let context (tower: TextTower) =
        match tower with
        | TextTower.Clip text -> ClipText.context text
        | TextTower.Bert text -> BertText.context text

    /// Width of a token's embedding.
    let width (tower: TextTower) =
        match tower with
        | TextTower.Clip text -> text.token_embedding.weight.shape[1]
        | TextTower.Bert text -> BertText.width text

    /// Width d of a text's feature.
    let embedWidth (tower: TextTower) =
        match tower with
        | TextTower.Clip text -> text.text_projection.shape[1]
        | TextTower.Bert text -> BertText.width text

    /// Where its weights are.
    let device (tower: TextTower) =
        match tower with
        | TextTower.Clip text -> text.positional_embedding.device
        | TextTower.Bert text -> text.heads.device

    /// s: what cosines of image and text are multiplied by before a softmax. CLIP has learned its own; for a sentence
    /// encoder, which no image was ever compared with, it is 1/0.07, the temperature that CLIP began with
    /// (`TextClasses.temperature`).
    let scale (tower: TextTower) : float =
        match tower with
        | TextTower.Clip text -> ClipText.scale text
        | TextTower.Bert _ -> 1.0 / TextClasses.temperature

    /// The embeddings of tokens, without positions. I64 [...] → [..., width]
    let embed (tower: TextTower) (tokens: Tensor) =
        match tower with
        | TextTower.Clip text -> ClipText.embed text tokens
        | TextTower.Bert text -> BertText.embed text tokens

    /// Text features of embedded tokens, of unit length from a sentence encoder alone. What stands after a row's end token
    /// has no influence. Embeddings without positions [B, n, width], n at most `context`; places of the end tokens
    /// I64 [B] → [B, d]
    let forwardEmbedded (tower: TextTower) (ends: Tensor) (embedded: Tensor) =
        match tower with
        | TextTower.Clip text -> ClipText.forwardEmbedded text ends embedded
        | TextTower.Bert text -> BertText.forwardEmbedded text ends embedded

    /// Text features of tokens, see `forwardEmbedded`. I64 [B, n], places of the end tokens I64 [B] → [B, d]
    let forward (tower: TextTower) (ends: Tensor) (tokens: Tensor) =
        scoped (fun () -> embed tower tokens |> forwardEmbedded tower ends)

    /// The fact that states the activation of a CLIP's text tower; OpenAI's where it is absent.
    let activationKey = "text_activation"

    /// What loading needs besides the tensors, as text: empty for OpenAI's CLIPs and for sentence encoders.
    let facts (tower: TextTower) : Map<string, string> =
        match tower with
        | TextTower.Clip text -> Transformer.activation text.transformer |> Activation.toFacts activationKey
        | TextTower.Bert _ -> Map.empty
