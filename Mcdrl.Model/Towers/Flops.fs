namespace Mcdrl

/// Floating-point operations for one image, counted from the shapes of the weights (templates will do): two for each
/// multiply-add of linear layers, convolutions and attention products. As in published figures norms, activations, softmaxes,
/// sums and resizing are left out; so is what depends on weights alone, such as the dictionary's keys and values.
[<RequireQualifiedAccess>]
module Flops =
    /// A linear layer on so many rows, or a kernel at so many positions.
    let private times (positions: int64) (weight: Tensor) = 2L * positions * weight.numel ()

    let private linear rows (layer: Linear) = times rows layer.weight

    let private conv positions (layer: Conv2d) = times positions layer.weight

    /// q kᵀ and its product with v, over all heads together.
    let private products (queries: int64) (keys: int64) (width: int64) = 4L * queries * keys * width

    /// A cosine of each row with each text.
    let private similarity (rows: int64) (texts: Tensor) = times rows texts

    let private square (side: int64) = side * side

    /// One of the projections, all of which are as large as the last.
    let private projection rows (layer: Attention) = linear rows layer.out_proj

    let private mlp tokens (block: Block) =
        linear tokens block.mlp.c_fc + linear tokens block.mlp.c_proj

    /// A transformer block that answers `queries` of its `tokens`.
    let private block queries tokens (block: Block) =
        projection queries block.attn
        + 2L * projection tokens block.attn
        + products queries tokens block.attn.out_proj.weight.shape[0]
        + projection queries block.attn
        + mlp queries block

    /// Cells a side of an input of `side` pixels.
    let private grid (tower: Tower) side = side / Tower.granularity tower

    /// Everything before the last block.
    let private vitBody (tower: VisionTransformer) cells =
        let blocks = tower.transformer.resblocks

        conv cells tower.conv1
        + (List.take (blocks.Length - 1) blocks
           |> List.sumBy (block (cells + 1L) (cells + 1L)))

    /// Both ways of the last block, to the image feature and to the cells, see `VisionTransformer.forward`.
    let private vitLast mode cells (last: Block) =
        let tokens = cells + 1L
        let first = block 1L tokens last

        match mode with
        | DenseMode.Plain -> block tokens tokens last
        | DenseMode.Maskclip -> first + 2L * projection cells last.attn + mlp cells last
        | DenseMode.Sclip ->
            // Two products for the two kinds of scores, one with the values.
            first
            + block tokens tokens last
            + products tokens tokens last.attn.out_proj.weight.shape[0] / 2L

    let private shortcut (last: int64) (downsample: Downsample option) =
        downsample
        |> Option.map (fun shortcut -> conv (square last) shortcut.``0``)
        |> Option.defaultValue 0L

    let private bottleneck (first: int64) (second: int64) (last: int64) (block: Bottleneck) =
        conv (square first) block.conv1
        + conv (square second) block.conv2
        + conv (square last) block.conv3
        + shortcut last block.downsample

    /// A stage that is entered at `side` and left at `out`; `sides` are those of the first block's convolutions, and
    /// `count` counts a block.
    let private stage count (sides: int64 * int64) (out: int64) (blocks: 'block list) =
        blocks
        |> List.mapi (fun index block ->
            let first, second = if index = 0 then sides else (out, out)
            count first second out block)
        |> List.sum

    let private modifiedResNetBody (tower: ModifiedResNet) (side: int64) =
        let stem =
            [ tower.conv1; tower.conv2; tower.conv3 ]
            |> List.sumBy (conv (square (side / 2L)))

        ModifiedResNet.blocks tower
        |> List.mapi (fun number blocks ->
            let out = side / (4L <<< number)
            // Strides are poolings after the second convolution.
            let entered = if number = 0 then out else 2L * out
            stage bottleneck (entered, entered) out blocks)
        |> List.sum
        |> (+) stem

    /// The attention pool for `queries` of its tokens.
    let private pool (pool: AttentionPool) queries tokens =
        linear queries pool.q_proj
        + linear tokens pool.k_proj
        + linear tokens pool.v_proj
        + products queries tokens pool.q_proj.weight.shape[0]
        + linear queries pool.c_proj

    let private modifiedResNetCells mode (attention: AttentionPool) cells =
        let tokens = cells + 1L

        match mode with
        | DenseMode.Plain -> pool attention cells tokens
        | DenseMode.Maskclip -> linear cells attention.v_proj + linear cells attention.c_proj
        | DenseMode.Sclip ->
            pool attention tokens tokens
            + products tokens tokens attention.q_proj.weight.shape[0] / 2L

    let private residual (first: int64) (second: int64) (last: int64) (block: ResidualBlock) =
        match block with
        | ResidualBlock.Basic block ->
            conv (square last) block.conv1
            + conv (square last) block.conv2
            + shortcut last block.downsample
        | ResidualBlock.Bottleneck block -> bottleneck first second last block

    let private plainResNetBody (tower: PlainResNet) (side: int64) =
        let stage number (blocks: ResidualBlock list) =
            let out = side / (4L <<< number)
            let entered = if number = 0 then out else 2L * out

            match tower.Facts.StrideIn with
            | StrideIn.Conv1 -> stage residual (out, out) out blocks
            | StrideIn.Conv2 -> stage residual (entered, out) out blocks

        conv (square (side / 2L)) tower.conv1
        + (List.mapi stage [ tower.layer1; tower.layer2; tower.layer3; tower.layer4 ]
           |> List.sum)

    /// The image feature alone, CLIP's `encode_image`: what published figures state. `side` in pixels.
    let encodeImage (tower: Tower) (side: int64) : int64 =
        let cells = square (grid tower side)

        match tower with
        | Tower.ViT vit ->
            vitBody vit cells
            + block (cells + 1L) (cells + 1L) (List.last vit.transformer.resblocks)
            + times 1L vit.proj
        | Tower.ClipResNet resNet -> modifiedResNetBody resNet side + pool resNet.attnpool 1L (cells + 1L)
        | Tower.PlainResNet resNet -> plainResNetBody resNet side

    /// All that `Tower.forward` gives, image feature and dense map.
    let tower (mode: DenseMode) (tower: Tower) (side: int64) : int64 =
        let cells = square (grid tower side)

        match tower with
        | Tower.ViT vit ->
            vitBody vit cells
            + vitLast mode cells (List.last vit.transformer.resblocks)
            + times (cells + 1L) vit.proj
        | Tower.ClipResNet resNet ->
            encodeImage (Tower.ClipResNet resNet) side
            + modifiedResNetCells mode resNet.attnpool cells
        | Tower.PlainResNet _ -> encodeImage tower side

    /// A(F, Z) for so many rows and conditions; the modes that ask one at a time pay for each.
    let intervention (network: Intervention) mode (rows: int64) (conditions: int64) : int64 =
        let feedForward rows (layer: CausalLayer) =
            linear rows layer.c_fc + linear rows layer.c_proj

        let layer (layer: CausalLayer) =
            let width = layer.attn.out_proj.weight.shape[0]

            /// So many rows that ask so many confounders, head by head and brought to their own width.
            let asking rows confounders =
                products rows (Intervention.heads width * confounders) width
                + feedForward rows layer

            match mode with
            | Marginalisation.Attention -> asking rows conditions
            | Marginalisation.Exact
            | Marginalisation.FeatureMean
            | Marginalisation.Nwgm
            | Marginalisation.Custom -> asking (conditions * rows) 1L
            | Marginalisation.Sampled -> asking rows 1L
            | Marginalisation.Rendered
            | Marginalisation.Never -> 0L

        List.sumBy layer network.layers

    /// H of `copies` maps of one image of `side`² cells. `skips` are the sides of the tower's earlier maps, fine to coarse,
    /// whose own convolutions all copies share.
    let head (head: Head) (copies: int64) (side: int64) (skips: int64 list) : int64 =
        let used = skips |> List.rev |> List.truncate head.refinements.Length

        let refinement (refinement: Refinement, skip) =
            conv (square skip) refinement.lateral
            + linear copies refinement.style
            + conv (copies * square skip) refinement.conv

        conv (copies * square side) head.conv_1
        + (List.zip head.refinements used |> List.sumBy refinement)
        + conv (copies * square (List.fold (fun _ skip -> skip) side used)) head.conv_2

    /// Sides of the skip maps, fine to coarse.
    let private skipSides (tower: Tower) (side: int64) =
        match tower with
        | Tower.ViT _ -> List.replicate 3 (grid tower side)
        | Tower.ClipResNet resNet ->
            [
                for stage in 0 .. (ModifiedResNet.blocks resNet).Length - 2 -> side / (4L <<< stage)
            ]
        | Tower.PlainResNet _ -> [ side / 4L; side / 8L; side / 16L ]

    /// All that MCDRL adds to one pass of the tower: alignment, regions, intervention, head; in mode `rendered`
    /// the further passes of the tower, too.
    let method
        (settings: MethodSettings)
        mode
        (visual: Tower)
        (network: Network)
        (texts: Texts)
        (side: int64)
        : int64 =
        let across = grid visual side
        let cells = square across
        let conditions = texts.conditions.shape[0]

        let copies =
            match mode with
            | Marginalisation.Exact
            | Marginalisation.Nwgm
            | Marginalisation.Custom -> conditions
            | Marginalisation.FeatureMean
            | Marginalisation.Attention
            | Marginalisation.Sampled
            | Marginalisation.Rendered
            | Marginalisation.Never -> 1L

        let alignment =
            network.projection |> Option.map (linear (cells + 1L)) |> Option.defaultValue 0L

        let classes =
            network.text_classes
            |> Option.map (fun _ -> similarity (copies * (cells + 1L)) (Texts.prompts texts))
            |> Option.defaultValue 0L

        let rows =
            Regions.count settings.Alpha cells
            + int64 (Option.count network.text_classes + Option.count network.style)

        let style = network.style |> Option.map (linear 1L) |> Option.defaultValue 0L

        let once =
            alignment
            + style
            + similarity cells texts.classes
            + intervention network.intervention mode rows conditions
            + head network.head copies across (skipSides visual side)
            + classes

        if mode = Marginalisation.Rendered then
            let frames =
                settings.Conditions |> List.filter Rendered.isPossible |> List.length |> int64

            frames * once + (frames - 1L) * tower settings.DenseMode visual side
        else
            once
