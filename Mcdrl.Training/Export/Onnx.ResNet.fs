namespace Mcdrl

open TorchSharp

/// CLIP's ResNet, see `ModifiedResNet`.
[<RequireQualifiedAccess>]
module internal OnnxModifiedResNet =
    let private convNorm graph stride padding conv norm x =
        OnnxLayers.conv2d graph stride padding conv x
        |> OnnxLayers.batchNorm graph ModifiedResNet.eps norm

    /// [B, 3, h, w] → [B, width, h/4, w/4]
    let private stem graph (tower: ModifiedResNet) x =
        convNorm graph 2L 1L tower.conv1 tower.bn1 x
        |> OnnxOp.relu graph
        |> convNorm graph 1L 1L tower.conv2 tower.bn2
        |> OnnxOp.relu graph
        |> convNorm graph 1L 1L tower.conv3 tower.bn3
        |> OnnxOp.relu graph
        |> OnnxOp.halved graph

    /// [B, C, h, w] → [B, 4·planes, h/stride, w/stride], stride 1 or 2.
    let private bottleneck graph (stride: int) x (block: Bottleneck) =
        let pooled = if stride = 1 then id else OnnxOp.halved graph

        let main =
            convNorm graph 1L 0L block.conv1 block.bn1 x
            |> OnnxOp.relu graph
            |> convNorm graph 1L 1L block.conv2 block.bn2
            |> OnnxOp.relu graph
            |> pooled
            |> convNorm graph 1L 0L block.conv3 block.bn3

        let identity =
            match block.downsample with
            | Some shortcut -> convNorm graph 1L 0L shortcut.``0`` shortcut.``1`` (pooled x)
            | None -> x

        OnnxOp.relu graph (OnnxOp.add graph main identity)

    let private stage graph x (number: int, blocks: Bottleneck list) =
        blocks
        |> List.indexed
        |> List.fold
            (fun x (index, block) -> bottleneck graph (if number > 0 && index = 0 then 2 else 1) x block)
            x

    /// The mean token and the cells of the last map, positions added. [B, C, H, W] → [B, H·W + 1, C]
    let private poolTokens graph (pool: AttentionPool) (map: OnnxValue) (cells: OnnxValue) =
        let mean =
            OnnxOp.mean graph [ 1 ] cells |> OnnxOp.reshape graph [ -1L; 1L; map.Shape[1] ]

        Positions.forGrid map.Shape[2] map.Shape[3] pool.positional_embedding
        |> OnnxGraph.constant graph "tower.positions"
        |> OnnxOp.add graph (OnnxOp.concat graph 1 [ mean; cells ])

    let private split graph layer (x: OnnxValue) =
        OnnxLayers.linear graph layer x
        |> OnnxLayers.splitHeads graph (Transformer.heads x.Shape[2])

    /// [B, m, C] and [B, n, C] → [B, m, embed]
    let private poolAttention graph (pool: AttentionPool) queries tokens =
        let attention =
            OnnxLayers.weights
                graph
                (split graph pool.q_proj queries)
                (OnnxLayers.turned graph (split graph pool.k_proj tokens))

        OnnxOp.matmul graph attention (split graph pool.v_proj tokens)
        |> OnnxLayers.mergeHeads graph
        |> OnnxLayers.linear graph pool.c_proj

    /// [B, n, C] → [B, n, embed]
    let private poolSclip graph (pool: AttentionPool) tokens =
        let attention =
            OnnxTransformer.sclipWeights
                graph
                (split graph pool.q_proj tokens)
                (split graph pool.k_proj tokens)

        OnnxOp.matmul graph attention (split graph pool.v_proj tokens)
        |> OnnxLayers.mergeHeads graph
        |> OnnxLayers.linear graph pool.c_proj

    /// Features of normalised images [B, 3, h, w].
    let forward graph (mode: DenseMode) (tower: ModifiedResNet) (images: OnnxValue) : OnnxFeatures =
        let maps =
            List.indexed (ModifiedResNet.blocks tower)
            |> List.scan (stage graph) (stem graph tower images)
            |> List.tail

        let pool, map = tower.attnpool, List.last maps
        let channels, rows, columns = map.Shape[1], map.Shape[2], map.Shape[3]

        let flat =
            OnnxOp.reshape graph [ -1L; channels; rows * columns ] map
            |> OnnxOp.permute graph [ 0; 2; 1 ]

        let tokens = poolTokens graph pool map flat

        let cellsOf x =
            OnnxOp.narrow graph 1 1L (rows * columns) x

        let cells =
            match mode with
            | DenseMode.Plain -> poolAttention graph pool (cellsOf tokens) tokens
            | DenseMode.Maskclip ->
                OnnxLayers.linear graph pool.v_proj flat |> OnnxLayers.linear graph pool.c_proj
            | DenseMode.Sclip -> cellsOf (poolSclip graph pool tokens)

        let embed = cells.Shape[2]

        {
            Dense = OnnxOp.reshape graph [ -1L; rows; columns; embed ] cells
            Image =
                poolAttention graph pool (OnnxOp.narrow graph 1 0L 1L tokens) tokens
                |> OnnxOp.reshape graph [ -1L; embed ]
            Skips = List.take (maps.Length - 1) maps
        }

/// The plain ResNets, see `PlainResNet`.
[<RequireQualifiedAccess>]
module internal OnnxPlainResNet =
    let private convNorm graph (tower: PlainResNet) part stride padding conv norm x =
        let normalise =
            if part < tower.Facts.InstanceNorm then
                OnnxLayers.batchNormByFrame
            else
                OnnxLayers.batchNorm

        OnnxLayers.conv2d graph stride padding conv x
        |> normalise graph tower.Facts.BatchNormEps norm

    let private residual graph (tower: PlainResNet) part (stride: int64) x (block: ResidualBlock) =
        let convNorm = convNorm graph tower part

        let shortcut (downsample: Downsample option) =
            match downsample with
            | Some shortcut -> convNorm stride 0L shortcut.``0`` shortcut.``1`` x
            | None -> x

        let main, identity =
            match block with
            | ResidualBlock.Basic block ->
                convNorm stride 1L block.conv1 block.bn1 x
                |> OnnxOp.relu graph
                |> convNorm 1L 1L block.conv2 block.bn2,
                shortcut block.downsample
            | ResidualBlock.Bottleneck block ->
                let first, second =
                    match tower.Facts.StrideIn with
                    | StrideIn.Conv1 -> stride, 1L
                    | StrideIn.Conv2 -> 1L, stride

                convNorm first 0L block.conv1 block.bn1 x
                |> OnnxOp.relu graph
                |> convNorm second 1L block.conv2 block.bn2
                |> OnnxOp.relu graph
                |> convNorm 1L 0L block.conv3 block.bn3,
                shortcut block.downsample

        OnnxOp.relu graph (OnnxOp.add graph main identity)

    let private stage graph tower x (part, stride, blocks: ResidualBlock list) =
        blocks
        |> List.indexed
        |> List.fold
            (fun x (index, block) -> residual graph tower part (if index = 0 then stride else 1L) x block)
            x

    /// Features of normalised images [B, 3, h, w].
    let forward graph (tower: PlainResNet) (images: OnnxValue) : OnnxFeatures =
        let stem =
            convNorm graph tower 0 2L 3L tower.conv1 tower.bn1 images
            |> OnnxOp.relu graph
            |> OnnxOp.maxPool graph 3L 2L tower.Facts.MaxPoolPadding

        let maps =
            [
                1, 1L, tower.layer1
                2, 2L, tower.layer2
                3, 2L, tower.layer3
                4, 2L, tower.layer4
            ]
            |> List.scan (stage graph tower) stem
            |> List.tail

        let map = List.last maps

        {
            Dense = OnnxOp.permute graph [ 0; 2; 3; 1 ] map
            Image = OnnxOp.mean graph [ 2; 3 ] map
            Skips = List.take (maps.Length - 1) maps
        }

/// Image towers as graphs.
[<RequireQualifiedAccess>]
module internal OnnxTower =
    /// The features of normalised images [B, 3, h, w], see `Tower.forward`.
    let forward graph (mode: DenseMode) (tower: Tower) (images: OnnxValue) : OnnxFeatures =
        match tower with
        | Tower.ViT tower -> OnnxVisionTransformer.forward graph mode tower images
        | Tower.ClipResNet tower -> OnnxModifiedResNet.forward graph mode tower images
        | Tower.PlainResNet tower -> OnnxPlainResNet.forward graph tower images
