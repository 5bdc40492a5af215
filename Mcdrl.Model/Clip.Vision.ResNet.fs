namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// A 1×1 convolution and its batch normalisation, under torch's names in a sequence.
[<NoComparison; NoEquality>]
type Downsample = { ``0``: Conv2d; ``1``: BatchNorm }

/// A residual bottleneck: 1×1, 3×3, 1×1, four times as wide at its end.
[<NoComparison; NoEquality>]
type Bottleneck =
    {
        conv1: Conv2d
        bn1: BatchNorm
        conv2: Conv2d
        bn2: BatchNorm
        conv3: Conv2d
        bn3: BatchNorm
        downsample: Downsample option
    }

[<RequireQualifiedAccess>]
module Bottleneck =
    /// Blocks of a stage: the first from `inputs` channels, `planes` inside, 4·`planes` out.
    let templates (inputs: int64) (planes: int64) (count: int) : Bottleneck list =
        List.init count (fun index ->
            let inputs = if index = 0 then inputs else 4L * planes

            {
                conv1 = Template.conv2d inputs planes 1L
                bn1 = Template.batchNorm planes
                conv2 = Template.conv2d planes planes 3L
                bn2 = Template.batchNorm planes
                conv3 = Template.conv2d planes (4L * planes) 1L
                bn3 = Template.batchNorm (4L * planes)
                downsample =
                    if index = 0 then
                        Some
                            {
                                ``0`` = Template.conv2d inputs (4L * planes) 1L
                                ``1`` = Template.batchNorm (4L * planes)
                            }
                    else
                        None
            })

/// Attention that reads one vector off a map: the query is the map's mean.
[<NoComparison; NoEquality>]
type AttentionPool =
    {
        /// [cells + 1, channels], the mean token first.
        positional_embedding: Tensor
        q_proj: Linear
        k_proj: Linear
        v_proj: Linear
        c_proj: Linear
    }

/// CLIP's ResNet, below `visual.` in OpenAI's names: a stem of three convolutions, average pooling in place of strides,
/// attention in place of the last pooling.
[<NoComparison; NoEquality>]
type ModifiedResNet =
    {
        conv1: Conv2d
        bn1: BatchNorm
        conv2: Conv2d
        bn2: BatchNorm
        conv3: Conv2d
        bn3: BatchNorm
        layer1: Bottleneck list
        layer2: Bottleneck list
        layer3: Bottleneck list
        layer4: Bottleneck list
        attnpool: AttentionPool
    }

/// What distinguishes one modified ResNet from another.
type ModifiedResNetShape =
    {
        /// Channels after the stem.
        Width: int64
        /// Blocks of the four stages.
        Blocks: int list
        /// Cells a side at the pretrained resolution.
        Grid: int64
        Embed: int64
    }

[<RequireQualifiedAccess>]
module ModifiedResNet =
    let private eps = 1e-5

    let shape (shapes: Shapes) : Result<ModifiedResNetShape, McdrlError> =
        shapes
        |> Shapes.require
            [
                "conv3.weight", 4
                "attnpool.positional_embedding", 2
                "attnpool.c_proj.weight", 2
            ]
        |> Result.bind (fun sizes ->
            let conv3, positions, out = sizes[0], sizes[1], sizes[2]
            let blocks = [ for stage in 1..4 -> Shapes.count $"layer{stage}" shapes ]

            match Positions.side positions[0] with
            | None ->
                Error(
                    Shapes.refuse $"{positions[0]} positions are not a square grid and a mean token" shapes
                )
            | Some _ when List.contains 0 blocks ->
                Error(Shapes.refuse $"one of layer1 to layer4 has no block: {blocks}" shapes)
            | Some grid ->
                Ok
                    {
                        Width = conv3[0]
                        Blocks = blocks
                        Grid = grid
                        Embed = out[0]
                    })

    let template (shape: ModifiedResNetShape) : ModifiedResNet =
        let width = shape.Width
        let channels = 32L * width

        let stage number =
            let planes = width <<< number
            let inputs = if number = 0 then width else 2L * planes
            Bottleneck.templates inputs planes shape.Blocks[number]

        {
            conv1 = Template.conv2d 3L (width / 2L) 3L
            bn1 = Template.batchNorm (width / 2L)
            conv2 = Template.conv2d (width / 2L) (width / 2L) 3L
            bn2 = Template.batchNorm (width / 2L)
            conv3 = Template.conv2d (width / 2L) width 3L
            bn3 = Template.batchNorm width
            layer1 = stage 0
            layer2 = stage 1
            layer3 = stage 2
            layer4 = stage 3
            attnpool =
                {
                    positional_embedding = Template.tensor [ shape.Grid * shape.Grid + 1L; channels ]
                    q_proj = Template.linear channels channels
                    k_proj = Template.linear channels channels
                    v_proj = Template.linear channels channels
                    c_proj = Template.linear channels shape.Embed
                }
        }

    /// The side in pixels of the images that it was pretrained on; the map is 32 times smaller.
    let inputSize (tower: ModifiedResNet) =
        let positions = tower.attnpool.positional_embedding.shape[0]
        32L * (Positions.side positions |> Option.defaultValue 1L)

    let private convNorm stride padding conv norm =
        conv2d stride padding conv --> batchNorm eps norm

    let private halved (x: Tensor) = functional.avg_pool2d (x, 2L)

    let private stem (tower: ModifiedResNet) =
        convNorm 2L 1L tower.conv1 tower.bn1
        --> relu
        --> convNorm 1L 1L tower.conv2 tower.bn2
        --> relu
        --> convNorm 1L 1L tower.conv3 tower.bn3
        --> relu
        --> halved

    /// [B, C, h, w] → [B, 4·planes, h/stride, w/stride], stride 1 or 2.
    let private bottleneck (stride: int) (block: Bottleneck) (x: Tensor) =
        scoped (fun () ->
            let pooled = if stride = 1 then id else halved

            let main =
                convNorm 1L 0L block.conv1 block.bn1
                --> relu
                --> convNorm 1L 1L block.conv2 block.bn2
                --> relu
                --> pooled
                --> convNorm 1L 0L block.conv3 block.bn3

            let identity =
                match block.downsample with
                | Some shortcut -> convNorm 1L 0L shortcut.``0`` shortcut.``1`` (pooled x)
                | None -> x

            relu ((main x).add(identity, unity)))

    let private stage stride (blocks: Bottleneck list) =
        blocks
        |> List.mapi (fun index -> bottleneck (if index = 0 then stride else 1))
        |> List.reduce (-->)

    /// The stem and the four stages, each a function of the map before it.
    let stages (tower: ModifiedResNet) : (Tensor -> Tensor) list =
        [
            stem tower
            stage 1 tower.layer1
            stage 2 tower.layer2
            stage 2 tower.layer3
            stage 2 tower.layer4
        ]

    /// The mean token and the cells of layer4, positions added. [B, C, H, W] → [B, H·W + 1, C]
    let private poolTokens (pool: AttentionPool) (map: Tensor) =
        scoped (fun () ->
            let cells = map.flatten(2L).transpose(1L, 2L)
            let mean = cells.mean ([| 1L |], keepdim = true)

            torch
                .cat([| mean; cells |], 1L)
                .add(Positions.forGrid map.shape[2] map.shape[3] pool.positional_embedding, unity))

    /// Multi-head attention with the pool's projections. [B, m, C] and [B, n, C] → [B, m, embed]
    let private poolAttention (pool: AttentionPool) (queries: Tensor) (tokens: Tensor) =
        scoped (fun () ->
            let split layer (x: Tensor) =
                linear layer x |> splitHeads (Transformer.heads x.shape[2])

            functional.scaled_dot_product_attention (
                split pool.q_proj queries,
                split pool.k_proj tokens,
                split pool.v_proj tokens
            )
            |> mergeHeads
            |> linear pool.c_proj)

    /// The pool's q–q plus k–k attention, as SCLIP does it in a ViT. [B, n, C] → [B, n, embed]
    let private poolSclip (pool: AttentionPool) (tokens: Tensor) =
        scoped (fun () ->
            let attention: Attention =
                {
                    in_proj_weight =
                        torch.cat ([| pool.q_proj.weight; pool.k_proj.weight; pool.v_proj.weight |], 0L)
                    in_proj_bias =
                        torch.cat (
                            [|
                                for layer in [ pool.q_proj; pool.k_proj; pool.v_proj ] do
                                    match layer.bias with
                                    | Some bias -> bias
                                    | None -> torch.zeros_like (layer.weight.select (1L, 0L))
                            |],
                            0L
                        )
                    out_proj = pool.v_proj
                }

            let values =
                linear pool.v_proj tokens |> splitHeads (Transformer.heads tokens.shape[2])

            (Transformer.sclipWeights attention tokens).matmul values
            |> mergeHeads
            |> linear pool.c_proj)

    /// Features from the maps of layer1 to layer4. MaskCLIP's dense map is c_proj(v_proj(x)) at every cell, without
    /// positions; the plain one asks the pool with every cell as DenseCLIP does.
    let features (mode: DenseMode) (tower: ModifiedResNet) (maps: Tensor list) : TowerFeatures =
        let map = List.last maps

        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            let pool = tower.attnpool
            let tokens = poolTokens pool map
            let height, width = map.shape[2], map.shape[3]
            let cellsOf (x: Tensor) = x.narrow (1L, 1L, height * width)

            let cells =
                match mode with
                | DenseMode.Plain -> poolAttention pool (cellsOf tokens) tokens
                | DenseMode.Maskclip ->
                    (linear pool.v_proj --> linear pool.c_proj) (map.flatten(2L).transpose(1L, 2L))
                | DenseMode.Sclip -> cellsOf (poolSclip pool tokens)

            {
                Dense = cells.unflatten (1L, [| height; width |])
                Image = (poolAttention pool (tokens.narrow (1L, 0L, 1L)) tokens).squeeze 1L
                Skips = [ for skip in List.take (maps.Length - 1) maps -> skip.alias () ]
            })
