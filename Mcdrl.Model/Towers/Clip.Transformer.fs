namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// What a block computes of each number between its two layers. Weights don't show it, and with the other one the answers are
/// wrong without a sign of it.
[<RequireQualifiedAccess>]
type Activation =
    /// x·σ(1.702x): OpenAI's weights, and those that were trained on from them.
    | QuickGelu
    /// x·Φ(x): most of the weights that open_clip's authors trained anew.
    | Gelu

/// The activations' names, as Hugging Face's configurations have them.
[<RequireQualifiedAccess>]
module Activation =
    let private names = [ Activation.QuickGelu, "quick_gelu"; Activation.Gelu, "gelu" ]

    /// `quick_gelu` or `gelu`.
    let name (activation: Activation) =
        names |> List.find (fst >> (=) activation) |> snd

    /// The activation of that name.
    let parse (text: string) : Activation option =
        names |> List.tryFind (snd >> (=) text) |> Option.map fst

    /// The one that a model's facts state under a key; OpenAI's where they state none.
    let ofFacts (key: string) (origin: string) (facts: Map<string, string>) : Result<Activation, McdrlError> =
        match facts.TryFind key with
        | None -> Ok Activation.QuickGelu
        | Some text ->
            match parse text with
            | Some activation -> Ok activation
            | None ->
                Error(
                    McdrlError.model
                        $"the {key} is {text}, and only quick_gelu and gelu are known"
                        origin
                        "Use weights of a CLIP whose blocks have one of these"
                )

    /// What states it under a key: nothing for OpenAI's.
    let toFacts (key: string) (activation: Activation) : Map<string, string> =
        match activation with
        | Activation.QuickGelu -> Map.empty
        | other -> Map [ key, name other ]

/// The two layers after a block's attention.
[<NoComparison; NoEquality>]
type Mlp =
    {
        /// Between the two.
        Activation: Activation
        /// [hidden, width].
        c_fc: Linear
        /// [width, hidden].
        c_proj: Linear
    }

/// A pre-norm residual block: x += attn(ln_1 x); x += mlp(ln_2 x).
[<NoComparison; NoEquality>]
type Block =
    {
        /// Before the attention, [width].
        ln_1: LayerNorm
        /// Of the tokens among themselves.
        attn: Attention
        /// Before the two layers, [width].
        ln_2: LayerNorm
        /// Of each token by itself.
        mlp: Mlp
    }

/// The blocks of a tower.
[<NoComparison; NoEquality>]
type Transformer =
    {
        /// In turn.
        resblocks: Block list
    }

/// CLIP's transformer (openai/CLIP, model.py), used by the ViT and by the text tower. Heads have 64 channels.
[<RequireQualifiedAccess>]
module Transformer =
    /// Attention heads at this width.
    let heads (width: int64) = max 1L (width / 64L)

    /// 1.702·quickGelu(x) = swish(1.702·x): a packed block has 1.702·c_fc and c_proj/1.702.
    let private sharpness (activation: Activation) =
        match activation with
        | Activation.QuickGelu -> 1.702
        | Activation.Gelu -> 1.0

    /// x + mlp(ln_2 x). [B, n, width] → [B, n, width]
    let private feedForward (block: Block) (x: Tensor) =
        let hidden =
            match block.mlp.Activation with
            | Activation.Gelu -> linearThen Epilogue.Gelu block.mlp.c_fc
            | Activation.QuickGelu when OneDnn.isPacked block.mlp.c_fc.weight ->
                linearThen Epilogue.Swish block.mlp.c_fc
            | Activation.QuickGelu -> linear block.mlp.c_fc --> quickGelu

        (layerNorm block.ln_2 --> hidden --> linearThen (Epilogue.Add x) block.mlp.c_proj) x

    /// The block with what each token reads, `attended q k v`, in place of its own attention's answer.
    /// q, k, v and what is read [B, heads, n, width / heads]; [B, n, width] → [B, n, width]
    let blockBy (attended: Tensor -> Tensor -> Tensor -> Tensor) (block: Block) (x: Tensor) =
        scoped (fun () ->
            let struct (q, k, v) =
                layerNorm block.ln_1 x |> selfProjections (heads x.shape[2]) block.attn

            mergeHeads (attended q k v) // [B, n, width]
            |> linearThen (Epilogue.Add x) block.attn.out_proj
            |> feedForward block)

    /// A block's own attention; `mask` is added to the scores.
    let attention (mask: Tensor option) (q: Tensor) (k: Tensor) (v: Tensor) =
        match mask with
        | Some mask -> functional.scaled_dot_product_attention (q, k, v, mask)
        | None -> functional.scaled_dot_product_attention (q, k, v)

    /// MaskCLIP's: every token reads itself alone.
    let maskclip (_: Tensor) (_: Tensor) (v: Tensor) = v.alias ()

    /// SCLIP's weights, softmax(q qᵀ/√d) + softmax(k kᵀ/√d): their rows sum to 2. [B, heads, n, d] → [B, heads, n, n]
    let sclipWeights (q: Tensor) (k: Tensor) =
        scoped (fun () ->
            let correlation (split: Tensor) =
                let scale = 1.0 / sqrt (float split.shape[3])
                split.matmul(split.transpose (-2L, -1L)).mul(scalar scale).softmax(-1L) // [B, heads, n, n]

            (correlation q).add(correlation k, unity))

    /// SCLIP's attention.
    let sclip (q: Tensor) (k: Tensor) (v: Tensor) =
        scoped (fun () -> (sclipWeights q k).matmul v)

    /// The first token reads as in the block's own attention, the others as `others` says.
    let exceptFirst others (q: Tensor) (k: Tensor) (v: Tensor) =
        scoped (fun () ->
            let first = attention None (q.narrow (2L, 0L, 1L)) k v // [B, heads, 1, d]
            let rest = (others q k v: Tensor).narrow(2L, 1L, q.shape[2] - 1L) // [B, heads, n − 1, d]
            torch.cat ([| first; rest |], 2L)) // [B, heads, n, d]

    /// The block. `mask` is added to the scores. [B, n, width] → [B, n, width]
    let block (mask: Tensor option) (block: Block) (x: Tensor) = blockBy (attention mask) block x

    /// The blocks for inference on the processor. `pack` lays out a linear layer whose weight and bias are multiplied by
    /// the factors given.
    let packed (pack: float -> float -> Linear -> Linear) (transformer: Transformer) : Transformer =
        let projections (attention: Attention) : Linear =
            pack
                1.0
                1.0
                {
                    weight = attention.in_proj_weight
                    bias = Some attention.in_proj_bias
                }

        let block (block: Block) =
            let sharpness = sharpness block.mlp.Activation

            { block with
                attn =
                    { block.attn with
                        in_proj_weight = (projections block.attn).weight
                        out_proj = pack 1.0 1.0 block.attn.out_proj
                    }
                mlp =
                    { block.mlp with
                        c_fc = pack sharpness sharpness block.mlp.c_fc
                        c_proj = pack (1.0 / sharpness) 1.0 block.mlp.c_proj
                    }
            }

        {
            resblocks = List.map block transformer.resblocks
        }

    /// Blocks in turn; what lies between them is freed on the way. [B, n, width] → [B, n, width]
    let run (mask: Tensor option) (blocks: Block list) (x: Tensor) =
        blocks
        |> List.map (block mask)
        |> List.fold (-->) (fun x -> x.alias ())
        |> fun apply -> apply x

    /// The blocks with this activation between their layers.
    let activatedBy (activation: Activation) (transformer: Transformer) : Transformer =
        {
            resblocks =
                transformer.resblocks
                |> List.map (fun block ->
                    { block with
                        mlp =
                            { block.mlp with
                                Activation = activation
                            }
                    })
        }

    /// The activation between the layers of all blocks.
    let activation (transformer: Transformer) : Activation =
        transformer.resblocks
        |> List.tryHead
        |> Option.map _.mlp.Activation
        |> Option.defaultValue Activation.QuickGelu

    /// The shapes of so many layers, with OpenAI's activation.
    let template (width: int64) (hidden: int64) (layers: int) : Transformer =
        {
            resblocks =
                List.init layers (fun _ ->
                    {
                        ln_1 = Template.layerNorm width
                        attn = Template.attention width
                        ln_2 = Template.layerNorm width
                        mlp =
                            {
                                Activation = Activation.QuickGelu
                                c_fc = Template.linear width hidden
                                c_proj = Template.linear hidden width
                            }
                    })
        }

/// Learned positions of a square grid of cells after one class or mean token.
[<RequireQualifiedAccess>]
module Positions =
    /// The side of the grid that positions [n·n + 1, width] were learned for, if n is whole.
    let side (rows: int64) =
        let side = int64 (round (sqrt (float (rows - 1L))))

        if rows > 1L && side * side = rows - 1L then
            Some side
        else
            None

    /// Positions for a grid of `height` × `width` cells: bicubic interpolation (align_corners false, no antialias, as
    /// Hugging Face does), the learned ones themselves for the learned grid.
    /// [n·n + 1, channels] → [height·width + 1, channels]
    let forGrid (height: int64) (width: int64) (learned: Tensor) =
        let count = learned.shape[0] - 1L
        let side = side learned.shape[0] |> Option.defaultValue 0L

        if (height = side && width = side) || side = 0L then
            learned.alias ()
        else
            scoped (fun () ->
                let grid = learned.narrow(0L, 1L, count).t().reshape(1L, -1L, side, side) // [1, channels, n, n]

                let resized = // [1, channels, height, width]
                    functional.interpolate (
                        grid,
                        [| height; width |],
                        mode = torch.InterpolationMode.Bicubic,
                        align_corners = System.Nullable false
                    )

                let cells = resized.flatten(2L).squeeze(0L).t() // [height·width, channels]
                torch.cat ([| learned.narrow (0L, 0L, 1L); cells |], 0L))
