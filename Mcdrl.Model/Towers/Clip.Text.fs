namespace Mcdrl

open TorchSharp

/// A table of vectors, one for each token id.
[<NoComparison; NoEquality>]
type Embedding =
    {
        /// [vocabulary, width].
        weight: Tensor
    }

/// CLIP's text tower, at the top level of OpenAI's names.
[<NoComparison; NoEquality>]
type ClipText =
    {
        /// [context, width]
        positional_embedding: Tensor
        /// [width, embed]
        text_projection: Tensor
        /// log of the factor on cosine similarities, [].
        logit_scale: Tensor
        /// What each token id stands for.
        token_embedding: Embedding
        /// Its blocks, each token reading itself and those before it.
        transformer: Transformer
        /// Of the tokens before the projection, [width].
        ln_final: LayerNorm
    }

/// What distinguishes one text tower from another.
type ClipTextShape =
    {
        /// The most tokens of a text, start and end included.
        Context: int64
        /// Token ids.
        Vocabulary: int64
        /// Channels of a token.
        Width: int64
        /// Blocks.
        Layers: int
        /// Units between the two layers of a block.
        Hidden: int64
        /// Width of the joint space of images and texts.
        Embed: int64
    }

/// Reads the architecture off shapes, and computes features of texts.
[<RequireQualifiedAccess>]
module ClipText =
    /// The architecture that names and sizes show; a `Model` error where they show none.
    let shape (shapes: Shapes) : Result<ClipTextShape, McdrlError> =
        shapes
        |> Shapes.require
            [
                "positional_embedding", 2
                "token_embedding.weight", 2
                "text_projection", 2
                "transformer.resblocks.0.mlp.c_fc.weight", 2
            ]
        |> Result.map (fun sizes ->
            let positions, tokens, projection, hidden = sizes[0], sizes[1], sizes[2], sizes[3]

            {
                Context = positions[0]
                Vocabulary = tokens[0]
                Width = tokens[1]
                Layers = Shapes.count "transformer.resblocks" shapes
                Hidden = hidden[0]
                Embed = projection[1]
            })

    /// Its shapes, to load into and to count.
    let template (shape: ClipTextShape) : ClipText =
        {
            positional_embedding = Template.tensor [ shape.Context; shape.Width ]
            text_projection = Template.tensor [ shape.Width; shape.Embed ]
            logit_scale = Template.tensor []
            token_embedding =
                {
                    weight = Template.tensor [ shape.Vocabulary; shape.Width ]
                }
            transformer = Transformer.template shape.Width shape.Hidden shape.Layers
            ln_final = Template.layerNorm shape.Width
        }

    /// The tower with this activation between the layers of its blocks.
    let activatedBy (activation: Activation) (tower: ClipText) : ClipText =
        { tower with
            transformer = Transformer.activatedBy activation tower.transformer
        }

    /// The number of tokens it takes.
    let context (tower: ClipText) = int tower.positional_embedding.shape[0]

    /// The number of ids that it knows; ids are 0 .. vocabulary − 1.
    let vocabulary (tower: ClipText) = tower.token_embedding.weight.shape[0]

    /// s = exp(logit_scale): what cosines of image and text are multiplied by before a softmax.
    let scale (tower: ClipText) : float =
        use _scope = torch.NewDisposeScope()
        tower.logit_scale.exp().cpu().item<float32>() |> float

    /// −∞ above the diagonal: a token sees itself and those before it. [n, n]
    let private causal (length: int64) (like: Tensor) =
        scoped (fun () ->
            torch
                .ones([| length; length |], dtype = like.dtype, device = like.device)
                .mul(scalar -infinity)
                .triu(1L))

    /// The embeddings of tokens, without positions. I64 [...], ids below `vocabulary` → [..., width]
    let embed (tower: ClipText) (tokens: Tensor) =
        scoped (fun () ->
            let rows = tower.token_embedding.weight.index_select (0L, tokens.flatten ())
            rows.unflatten (0L, tokens.shape)) // [..., width]

    /// Text features of embedded tokens, not of unit length: the output at each row's end token. What stands after it has
    /// no influence. Embeddings without positions [B, n, width], n at most `context`; places of the end tokens
    /// I64 [B] → [B, embed]
    let forwardEmbedded (tower: ClipText) (ends: Tensor) (embedded: Tensor) =
        scoped (fun () ->
            // Attention is causal, so nothing after the last end token needs computing.
            let length = ends.max().item<int64>() + 1L

            let placed =
                embedded
                    .narrow(1L, 0L, length)
                    .add(tower.positional_embedding.narrow (0L, 0L, length), unity) // [B, length, width]

            let mask = causal length placed
            let output = Transformer.run (Some mask) tower.transformer.resblocks placed // [B, length, width]
            let rows = torch.arange (placed.shape[0], device = placed.device)

            let pooled = // [B, width]
                output.index ([| torch.TensorIndex.Tensor rows; torch.TensorIndex.Tensor ends |])

            (layerNorm tower.ln_final pooled).matmul tower.text_projection) // [B, embed]

    /// Text features of tokens, not of unit length. A row's end token is its largest id (the first such). Ids must lie
    /// below `vocabulary`, n be at most `context`. I64 [B, n] → [B, embed]
    let forward (tower: ClipText) (tokens: Tensor) =
        scoped (fun () ->
            let ends = tokens.argmax 1L // [B]
            let length = ends.max().item<int64>() + 1L

            embed tower (tokens.narrow (1L, 0L, length)) // [B, length, width]
            |> forwardEmbedded tower ends)
