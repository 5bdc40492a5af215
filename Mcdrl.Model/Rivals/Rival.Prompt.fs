namespace Mcdrl

open TorchSharp

/// What the rivals' learned prompts stand in: a frozen text tower, the class names, and the words that a context
/// starts from.
[<NoComparison; NoEquality>]
type PromptFrame =
    {
        /// The tower that reads the prompts.
        text: TextTower
        /// [start][class words][end] of each class, padded with 0, int64 [K, n]. The end token has the largest id.
        tokens: Tensor
        /// Embeddings of `PromptFrame.words`, [4, width].
        context: Tensor
    }

/// Prompts [start][context][class words][end] whose context is embeddings, not words (CoOp, arXiv 2109.01134). Start and
/// end are CLIP's tokens, or a sentence encoder's [CLS] and [SEP].
[<RequireQualifiedAccess>]
module PromptFrame =
    /// The words that a context starts from, one a context token: before a class name they are a plain prompt, one
    /// that captions of endoscopic images contain. CoCoOp and BiomedCoOp start from "a photo of a".
    let words = [ "endoscopic"; "image"; "of"; "a" ]

    /// Context tokens.
    let length = int64 words.Length

    /// The frame of class tokens, int64 [K, n] as above with n at most the tower's context − 4. `wordTokens` are the
    /// tokens of each of `words`, without start and end; a word of several gives the mean of their embeddings.
    let create (text: TextTower) (wordTokens: int64 list list) (tokens: Tensor) : PromptFrame =
        let embedding (ids: int64 list) =
            scoped (fun () ->
                let ids = torch.tensor(List.toArray ids).``to``(TextTower.device text)
                (TextTower.embed text ids).mean [| 0L |])

        {
            text = text
            tokens = tokens
            context = scoped (fun () -> wordTokens |> List.map embedding |> List.toArray |> torch.stack)
        }

    /// Width of a token's embedding.
    let width (frame: PromptFrame) = frame.context.shape[1]

    /// Width d of a text's feature.
    let embed (frame: PromptFrame) = TextTower.embedWidth frame.text

    /// Text features, see `TextTower.forwardEmbedded`. One context for all images or one an image, [1 or B, 4, width]
    /// → [1 or B, K, d]. Gradients reach the context through the frozen tower.
    let features (frame: PromptFrame) (context: Tensor) =
        scoped (fun () ->
            let images, classes = context.shape[0], frame.tokens.shape[0]
            let words = TextTower.embed frame.text frame.tokens // [K, n, width]
            let rest = words.shape[1] - 1L

            let start = words.narrow(1L, 0L, 1L).repeat(images, 1L, 1L)
            let named = words.narrow(1L, 1L, rest).repeat(images, 1L, 1L)
            let own = context.repeat_interleave (classes, 0L)

            let ends =
                frame.tokens.argmax(1L).add(torch.tensor context.shape[1], unity).repeat images

            let texts =
                torch.cat ([| start; own; named |], 1L) // [B·K, n + 4, width]
                |> TextTower.forwardEmbedded frame.text ends

            texts.unflatten (0L, [| images; classes |]))
