namespace Mcdrl

open TorchSharp

/// What an image tower says, as values of the graph; shapes as in `TowerFeatures`.
[<RequireQualifiedAccess>]
type internal OnnxFeatures =
    {
        /// [B, H, W, width]
        Dense: OnnxValue
        /// [B, width]
        Image: OnnxValue
        /// Fine to coarse, [B, channels, h, w].
        Skips: OnnxValue list
    }

/// CLIP's transformer blocks, see `Transformer`.
[<RequireQualifiedAccess>]
module internal OnnxTransformer =
    let private heads (x: OnnxValue) =
        Transformer.heads x.Shape[x.Shape.Length - 1]

    /// x + mlp(ln_2 x)
    let private feedForward graph (block: Block) x =
        let activation =
            match block.mlp.Activation with
            | Activation.QuickGelu -> OnnxLayers.quickGelu
            | Activation.Gelu -> OnnxLayers.gelu

        OnnxLayers.layerNorm graph block.ln_2 x
        |> OnnxLayers.linear graph block.mlp.c_fc
        |> activation graph
        |> OnnxLayers.linear graph block.mlp.c_proj
        |> OnnxOp.add graph x

    /// [B, n, width] → [B, n, width]
    let block graph (block: Block) (x: OnnxValue) =
        let normed = OnnxLayers.layerNorm graph block.ln_1 x

        OnnxLayers.attend graph (heads x) block.attn normed normed
        |> OnnxOp.add graph x
        |> feedForward graph block

    /// The block's output for the first token. [B, n, width] → [B, 1, width]
    let blockOfFirst graph (block: Block) (x: OnnxValue) =
        let first = OnnxOp.narrow graph 1 0L 1L
        let normed = OnnxLayers.layerNorm graph block.ln_1 x

        OnnxLayers.attend graph (heads x) block.attn (first normed) normed
        |> OnnxOp.add graph (first x)
        |> feedForward graph block

    /// Every token attends to itself alone.
    let maskclipBlock graph (block: Block) (x: OnnxValue) =
        OnnxLayers.layerNorm graph block.ln_1 x
        |> OnnxLayers.projected graph 2L block.attn
        |> OnnxLayers.linear graph block.attn.out_proj
        |> OnnxOp.add graph x
        |> feedForward graph block

    /// softmax(q qᵀ/√d) + softmax(k kᵀ/√d). Both [B, heads, n, d] → [B, heads, n, n]
    let sclipWeights graph (queries: OnnxValue) (keys: OnnxValue) =
        let correlation x =
            OnnxLayers.weights graph x (OnnxLayers.turned graph x)

        OnnxOp.add graph (correlation queries) (correlation keys)

    /// The block with SCLIP's attention in place of its own.
    let sclipBlock graph (block: Block) (x: OnnxValue) =
        let normed = OnnxLayers.layerNorm graph block.ln_1 x

        let part number =
            OnnxLayers.projected graph number block.attn normed
            |> OnnxLayers.splitHeads graph (heads x)

        OnnxOp.matmul graph (sclipWeights graph (part 0L) (part 1L)) (part 2L)
        |> OnnxLayers.mergeHeads graph
        |> OnnxLayers.linear graph block.attn.out_proj
        |> OnnxOp.add graph x
        |> feedForward graph block

/// CLIP's vision transformer, see `VisionTransformer`.
[<RequireQualifiedAccess>]
module internal OnnxVisionTransformer =
    /// Patches, class token first, positions added, ln_pre. [B, 3, h, w] → [B, H·W + 1, width] and H, W
    let private tokens graph (tower: VisionTransformer) (images: OnnxValue) =
        let map =
            OnnxLayers.conv2d graph (VisionTransformer.patch tower) 0L tower.conv1 images

        let width, rows, columns = map.Shape[1], map.Shape[2], map.Shape[3]

        let cells =
            OnnxOp.reshape graph [ -1L; width; rows * columns ] map
            |> OnnxOp.permute graph [ 0; 2; 1 ]

        let first =
            OnnxGraph.view graph tower.class_embedding "token" (tower.class_embedding.view (1L, 1L, width))

        let sizes =
            OnnxOp.concat graph 0 [ OnnxOp.firstSize graph map; OnnxGraph.integers graph [ 1L; 1L ] ]

        let positions =
            OnnxGraph.constant
                graph
                "tower.positions"
                (Positions.forGrid rows columns tower.positional_embedding)

        let embedded =
            OnnxOp.concat graph 1 [ OnnxOp.expand graph sizes [ -1L; 1L; width ] first; cells ]

        OnnxOp.add graph embedded positions |> OnnxLayers.layerNorm graph tower.ln_pre, rows, columns

    /// The class token's and the cells' output of the last block. [B, cells + 1, width] → [B, 1, width], [B, cells, width]
    let private lastBlock graph (mode: DenseMode) (block: Block) (x: OnnxValue) =
        let cells (x: OnnxValue) =
            OnnxOp.narrow graph 1 1L (x.Shape[1] - 1L) x

        match mode with
        | DenseMode.Plain ->
            let output = OnnxTransformer.block graph block x
            OnnxOp.narrow graph 1 0L 1L output, cells output
        | DenseMode.Maskclip ->
            OnnxTransformer.blockOfFirst graph block x, OnnxTransformer.maskclipBlock graph block (cells x)
        | DenseMode.Sclip ->
            OnnxTransformer.blockOfFirst graph block x, cells (OnnxTransformer.sclipBlock graph block x)

    /// Features of normalised images [B, 3, h, w].
    let forward graph (mode: DenseMode) (tower: VisionTransformer) (images: OnnxValue) : OnnxFeatures =
        let embedded, rows, columns = tokens graph tower images
        let blocks = tower.transformer.resblocks
        let depth = blocks.Length

        // The state before each block.
        let states =
            List.take (depth - 1) blocks
            |> List.scan (fun x block -> OnnxTransformer.block graph block x) embedded

        let first, cells = lastBlock graph mode (List.last blocks) (List.last states)

        let project x =
            OnnxOp.matmul
                graph
                (OnnxLayers.layerNorm graph tower.ln_post x)
                (OnnxGraph.weight graph tower.proj)

        let grid (x: OnnxValue) =
            OnnxOp.narrow graph 1 1L (rows * columns) x
            |> OnnxOp.permute graph [ 0; 2; 1 ]
            |> OnnxOp.reshape graph [ -1L; x.Shape[2]; rows; columns ]

        let embed = tower.proj.shape[1]

        {
            Dense = project cells |> OnnxOp.reshape graph [ -1L; rows; columns; embed ]
            Image = project first |> OnnxOp.reshape graph [ -1L; embed ]
            Skips = [ for after in VisionTransformer.skipDepths depth -> grid states[after] ]
        }
