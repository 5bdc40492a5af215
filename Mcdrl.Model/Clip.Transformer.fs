namespace Mcdrl

open TorchSharp

/// The two layers after a block's attention.
[<NoComparison; NoEquality>]
type Mlp = { c_fc: Linear; c_proj: Linear }

/// A pre-norm residual block: x += attn(ln_1 x); x += mlp(ln_2 x).
[<NoComparison; NoEquality>]
type Block =
    {
        ln_1: LayerNorm
        attn: Attention
        ln_2: LayerNorm
        mlp: Mlp
    }

[<NoComparison; NoEquality>]
type Transformer = { resblocks: Block list }

/// CLIP's transformer (openai/CLIP, model.py), used by the ViT and by the text tower. Heads have 64 channels.
[<RequireQualifiedAccess>]
module Transformer =
    let heads (width: int64) = max 1L (width / 64L)

    /// x + mlp(ln_2 x). [B, n, width] → [B, n, width]
    let private feedForward (block: Block) (x: Tensor) =
        scoped (fun () ->
            let hidden =
                layerNorm block.ln_2
                --> linear block.mlp.c_fc
                --> quickGelu
                --> linear block.mlp.c_proj

            x.add (hidden x, unity))

    /// The block. `mask` is added to the scores. [B, n, width] → [B, n, width]
    let block (mask: Tensor option) (block: Block) (x: Tensor) =
        scoped (fun () ->
            let normed = layerNorm block.ln_1 x

            x.add (attend (heads x.shape[2]) mask block.attn normed normed, unity)
            |> feedForward block)

    /// The block's output for the first `count` tokens only. [B, n, width] → [B, count, width]
    let blockOfFirst (count: int64) (block: Block) (x: Tensor) =
        scoped (fun () ->
            let normed = layerNorm block.ln_1 x
            let queries = normed.narrow (1L, 0L, count)

            x.narrow(1L, 0L, count).add(attend (heads x.shape[2]) None block.attn queries normed, unity)
            |> feedForward block)

    /// The block as MaskCLIP reads it: every token attends to itself alone. [B, n, width] → [B, n, width]
    let maskclipBlock (block: Block) (x: Tensor) =
        scoped (fun () ->
            let values = layerNorm block.ln_1 --> linear (projection 2L block.attn)
            x.add ((values --> linear block.attn.out_proj) x, unity) |> feedForward block)

    /// SCLIP's attention, softmax(q qᵀ/√d) + softmax(k kᵀ/√d): its rows sum to 2. `normed` is the block's ln_1 x.
    /// [B, n, width] → [B, heads, n, n]
    let sclipWeights (attention: Attention) (normed: Tensor) =
        scoped (fun () ->
            let heads = heads normed.shape[2]

            let correlation part =
                scoped (fun () ->
                    let split = linear (projection part attention) normed |> splitHeads heads
                    let scale = 1.0 / sqrt (float split.shape[3])

                    split.matmul(split.transpose (-2L, -1L)).mul(scalar scale).softmax(-1L))

            (correlation 0L).add(correlation 1L, unity))

    /// The block with SCLIP's attention in place of its own. [B, n, width] → [B, n, width]
    let sclipBlock (block: Block) (x: Tensor) =
        scoped (fun () ->
            let normed = layerNorm block.ln_1 x

            let values =
                linear (projection 2L block.attn) normed |> splitHeads (heads x.shape[2])

            let attended = (sclipWeights block.attn normed).matmul values

            x.add (linear block.attn.out_proj (mergeHeads attended), unity)
            |> feedForward block)

    /// Blocks in turn; what lies between them is freed on the way. [B, n, width] → [B, n, width]
    let run (mask: Tensor option) (blocks: Block list) (x: Tensor) =
        blocks
        |> List.map (block mask)
        |> List.fold (-->) (fun x -> x.alias ())
        |> fun apply -> apply x

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
        let cells = learned.shape[0] - 1L
        let side = side learned.shape[0] |> Option.defaultValue 0L

        if (height = side && width = side) || side = 0L then
            learned.alias ()
        else
            scoped (fun () ->
                let grid = learned.narrow(0L, 1L, cells).t().reshape(1L, -1L, side, side) // [1, channels, n, n]

                let resized =
                    torch.nn.functional.interpolate (
                        grid,
                        [| height; width |],
                        mode = torch.InterpolationMode.Bicubic,
                        align_corners = System.Nullable false
                    )

                torch.cat ([| learned.narrow (0L, 0L, 1L); resized.flatten(2L).squeeze(0L).t() |], 0L))
