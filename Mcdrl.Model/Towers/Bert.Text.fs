namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// What a token is before the first layer: its id, its place and its sentence, added and normalised.
[<NoComparison; NoEquality>]
type BertEmbeddings =
    {
        /// One for each token id, [vocabulary, width].
        word_embeddings: Embedding
        /// One for each place, [context, width].
        position_embeddings: Embedding
        /// One for each sentence of a pair, [kinds, width]; a single text is the first.
        token_type_embeddings: Embedding
        /// Of their sum, [width].
        LayerNorm: LayerNorm
    }

/// Queries, keys and values of a layer, each [width, width].
[<NoComparison; NoEquality>]
type BertProjections =
    {
        /// What a token asks.
        query: Linear
        /// What it answers to.
        key: Linear
        /// What it says.
        value: Linear
    }

/// The last step of a layer's half: LayerNorm(x + dense(y)).
[<NoComparison; NoEquality>]
type BertOutput =
    {
        /// From the half's width to the layer's.
        dense: Linear
        /// Of the sum, [width].
        LayerNorm: LayerNorm
    }

/// Tokens reading one another.
[<NoComparison; NoEquality>]
type BertAttention =
    {
        /// Of the heads.
        self: BertProjections
        /// From the merged heads.
        output: BertOutput
    }

/// The wide layer of a layer's second half.
[<NoComparison; NoEquality>]
type BertIntermediate =
    {
        /// [hidden, width].
        dense: Linear
    }

/// A post-norm block: x = LN(x + attention x); x = LN(x + output(gelu(intermediate x))).
[<NoComparison; NoEquality>]
type BertLayer =
    {
        /// First half.
        attention: BertAttention
        /// Second half, to the wide layer.
        intermediate: BertIntermediate
        /// Second half, back.
        output: BertOutput
    }

/// The layers of a BERT.
[<NoComparison; NoEquality>]
type BertEncoder =
    {
        /// In turn.
        layer: BertLayer list
    }

/// A sentence encoder: BERT, the mean over its tokens, unit length. Named as in Hugging Face's files, but for `heads`.
[<NoComparison; NoEquality>]
type BertText =
    {
        /// Tokens before the first layer.
        embeddings: BertEmbeddings
        /// The layers.
        encoder: BertEncoder
        /// Attention heads, int64 []: no other shape shows them.
        heads: Tensor
    }

/// What distinguishes one sentence encoder from another.
type BertTextShape =
    {
        /// The most tokens of a text, [CLS] and [SEP] included.
        Context: int64
        /// Token ids.
        Vocabulary: int64
        /// Sentences of a pair that it tells apart.
        Kinds: int64
        /// Channels of a token, and of a text.
        Width: int64
        /// Layers.
        Layers: int
        /// Units of the wide layer.
        Hidden: int64
    }

/// Reads the architecture off shapes, and computes features of texts (Devlin et al. 2019; pooled as in Sentence-BERT,
/// Reimers and Gurevych 2019).
[<RequireQualifiedAccess>]
module BertText =
    /// Of every LayerNorm.
    let epsilon = 1e-12

    /// Whether the names are those of a BERT.
    let isShapeOf (shapes: Shapes) =
        Shapes.has "embeddings.word_embeddings.weight" shapes

    /// The architecture that names and sizes show; a `Model` error where they show none.
    let shape (shapes: Shapes) : Result<BertTextShape, McdrlError> =
        shapes
        |> Shapes.require
            [
                "embeddings.word_embeddings.weight", 2
                "embeddings.position_embeddings.weight", 2
                "embeddings.token_type_embeddings.weight", 2
                "encoder.layer.0.intermediate.dense.weight", 2
            ]
        |> Result.map (fun sizes ->
            {
                Context = sizes[1][0]
                Vocabulary = sizes[0][0]
                Kinds = sizes[2][0]
                Width = sizes[0][1]
                Layers = Shapes.count "encoder.layer" shapes
                Hidden = sizes[3][0]
            })

    /// Its shapes, to load into and to count.
    let template (shape: BertTextShape) : BertText =
        let width = shape.Width

        let rows count : Embedding =
            {
                weight = Template.tensor [ count; width ]
            }

        let output inputs : BertOutput =
            {
                dense = Template.linear inputs width
                LayerNorm = Template.layerNorm width
            }

        let square () = Template.linear width width

        {
            embeddings =
                {
                    word_embeddings = rows shape.Vocabulary
                    position_embeddings = rows shape.Context
                    token_type_embeddings = rows shape.Kinds
                    LayerNorm = Template.layerNorm width
                }
            encoder =
                {
                    layer =
                        List.init shape.Layers (fun _ ->
                            {
                                attention =
                                    {
                                        self =
                                            {
                                                query = square ()
                                                key = square ()
                                                value = square ()
                                            }
                                        output = output width
                                    }
                                intermediate =
                                    {
                                        dense = Template.linear width shape.Hidden
                                    }
                                output = output shape.Hidden
                            })
                }
            heads = torch.empty ([||], dtype = torch.int64, device = torch.META)
        }

    /// The number of tokens it takes.
    let context (tower: BertText) =
        int tower.embeddings.position_embeddings.weight.shape[0]

    /// The number of ids that it knows; ids are 0 .. vocabulary − 1.
    let vocabulary (tower: BertText) =
        tower.embeddings.word_embeddings.weight.shape[0]

    /// Channels of a token, and of a text.
    let width (tower: BertText) =
        tower.embeddings.word_embeddings.weight.shape[1]

    /// The tower that knows these tokens alone: id n is what `ids[n]` was, [n].
    let restricted (ids: int64 list) (tower: BertText) : BertText =
        let rows = tower.embeddings.word_embeddings.weight

        let kept =
            scoped (fun () -> rows.index_select (0L, torch.tensor (List.toArray ids, device = rows.device)))

        { tower with
            embeddings =
                { tower.embeddings with
                    word_embeddings = { weight = kept }
                }
        }

    /// What tokens are by their ids, without place and sentence. I64 [...], ids below `vocabulary` → [..., width]
    let embed (tower: BertText) (tokens: Tensor) =
        scoped (fun () ->
            let rows =
                tower.embeddings.word_embeddings.weight.index_select (0L, tokens.flatten ())

            rows.unflatten (0L, tokens.shape)) // [..., width]

    let private normalised (layer: LayerNorm) (x: Tensor) = layerNormBy epsilon layer x

    let private added (output: BertOutput) (x: Tensor) (y: Tensor) =
        linearThen (Epilogue.Add x) output.dense y |> normalised output.LayerNorm

    /// `bias` is 0 where a token is there to be read, and −∞ where none is, [B, 1, 1, n]. [B, n, width] → [B, n, width]
    let private layer (heads: int64) (bias: Tensor) (x: Tensor) (layer: BertLayer) =
        scoped (fun () ->
            let split projection = linear projection x |> splitHeads heads // [B, heads, n, width / heads]
            let self = layer.attention.self

            let attended =
                functional.scaled_dot_product_attention (
                    split self.query,
                    split self.key,
                    split self.value,
                    bias
                )
                |> mergeHeads // [B, n, width]
                |> added layer.attention.output x

            linearThen Epilogue.Gelu layer.intermediate.dense attended
            |> added layer.output attended)

    /// Text features of embedded tokens, of unit length: the mean over each row's tokens up to its end. What stands after
    /// it has no influence. Embeddings without places [B, n, width], n at most `context`; places of the end tokens
    /// I64 [B] → [B, width]
    let forwardEmbedded (tower: BertText) (ends: Tensor) (embedded: Tensor) =
        scoped (fun () ->
            let length = ends.max().item<int64>() + 1L
            let parts = tower.embeddings

            let there = // [B, length]
                torch.arange(length, device = embedded.device).unsqueeze(0L).le(ends.unsqueeze 1L)

            let bias =
                torch
                    .zeros_like(there, dtype = embedded.dtype)
                    .masked_fill(there.logical_not (), (-infinity).ToScalar())
                    .unsqueeze(1L)
                    .unsqueeze
                    1L

            let placed = // [B, length, width]
                embedded
                    .narrow(1L, 0L, length)
                    .add(parts.position_embeddings.weight.narrow (0L, 0L, length), unity)
                    .add(parts.token_type_embeddings.weight[0L], unity)
                |> normalised parts.LayerNorm

            let output =
                List.fold (layer (tower.heads.item<int64>()) bias) placed tower.encoder.layer

            let counted = there.unsqueeze(2L).``to`` output.dtype
            unit (output.mul(counted).sum([| 1L |]).div(counted.sum [| 1L |])))

    /// Text features of tokens, of unit length. Ids I64 [B, n] below `vocabulary`, n at most `context`; places of the end
    /// tokens I64 [B] → [B, width]
    let forward (tower: BertText) (ends: Tensor) (tokens: Tensor) =
        scoped (fun () -> embed tower tokens |> forwardEmbedded tower ends)
