namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// A 1×1 convolution and its batch normalisation, under torch's names in a sequence.
[<NoComparison; NoEquality>]
type Downsample =
    {
        /// From the block's inputs to its outputs, with the block's stride where it isn't pooled.
        ``0``: Conv2d
        /// Of what that gives.
        ``1``: BatchNorm
    }

/// A residual bottleneck: 1×1, 3×3, 1×1, four times as wide at its end.
[<NoComparison; NoEquality>]
type Bottleneck =
    {
        /// 1×1, to the narrow width.
        conv1: Conv2d
        /// After `conv1`.
        bn1: BatchNorm
        /// 3×3, within the narrow width.
        conv2: Conv2d
        /// After `conv2`.
        bn2: BatchNorm
        /// 1×1, to four times the narrow width.
        conv3: Conv2d
        /// After `conv3`.
        bn3: BatchNorm
        /// The shortcut's, in the first block of a stage.
        downsample: Downsample option
    }

/// Lays out a convolution and the normalisation after it as one, for inference: stride, padding, the two layers.
type PackConvNorm = int64 -> int64 -> Conv2d -> BatchNorm -> Conv2d

/// Shortcuts as inference wants them.
[<RequireQualifiedAccess>]
module Downsample =
    /// The shortcut for inference on the processor.
    let packed (pack: PackConvNorm) (stride: int64) (layers: Downsample) : Downsample =
        { layers with
            ``0`` = pack stride 0L layers.``0`` layers.``1``
        }

/// Bottlenecks as shapes, and as inference wants them.
[<RequireQualifiedAccess>]
module Bottleneck =
    /// The block for inference on the processor. Strides of the first and the second convolution and of the shortcut.
    let packed
        (pack: PackConvNorm)
        (first: int64)
        (second: int64)
        (shortcut: int64)
        (block: Bottleneck)
        : Bottleneck =
        { block with
            conv1 = pack first 0L block.conv1 block.bn1
            conv2 = pack second 1L block.conv2 block.bn2
            conv3 = pack 1L 0L block.conv3 block.bn3
            downsample = block.downsample |> Option.map (Downsample.packed pack shortcut)
        }

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
        /// Of the query, channels to channels.
        q_proj: Linear
        /// Of the keys, channels to channels.
        k_proj: Linear
        /// Of the values, channels to channels.
        v_proj: Linear
        /// Of the merged heads, channels to the joint space.
        c_proj: Linear
    }

/// CLIP's ResNet, below `visual.` in OpenAI's names: a stem of three convolutions, average pooling in place of strides,
/// attention in place of the last pooling. Small towers end earlier: their upper stages are empty.
[<NoComparison; NoEquality>]
type ModifiedResNet =
    {
        /// 3×3 with stride 2, from RGB to half the stem's width.
        conv1: Conv2d
        /// After `conv1`.
        bn1: BatchNorm
        /// 3×3, within half the stem's width.
        conv2: Conv2d
        /// After `conv2`.
        bn2: BatchNorm
        /// 3×3, to the stem's width.
        conv3: Conv2d
        /// After `conv3`.
        bn3: BatchNorm
        /// The first stage: at 1/4 of the image's side.
        layer1: Bottleneck list
        /// The second, at 1/8.
        layer2: Bottleneck list
        /// The third, at 1/16.
        layer3: Bottleneck list
        /// The fourth, at 1/32.
        layer4: Bottleneck list
        /// Reads the image's feature and those of the cells off the last map.
        attnpool: AttentionPool
    }

/// What distinguishes one modified ResNet from another.
type ModifiedResNetShape =
    {
        /// Channels after the stem.
        Width: int64
        /// Blocks of the stages, one to four.
        Blocks: int list
        /// Cells a side at the pretrained resolution.
        Grid: int64
        /// Width of the joint space of images and texts.
        Embed: int64
    }

/// Reads the architecture off shapes, and computes features.
[<RequireQualifiedAccess>]
module ModifiedResNet =
    /// Of every batch normalisation.
    let eps = 1e-5

    /// The architecture that names and sizes below `visual.` show; a `Model` error where they show none.
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
            let counts = [ for stage in 1..4 -> Shapes.count $"layer{stage}" shapes ]
            let blocks = counts |> List.takeWhile (fun count -> count > 0)

            match Positions.side positions[0] with
            | None ->
                Error(
                    Shapes.refuse $"{positions[0]} positions are not a square grid and a mean token" shapes
                )
            | Some _ when blocks.IsEmpty || List.sum blocks < List.sum counts ->
                Error(
                    Shapes.refuse
                        $"a stage below the last has no block ({shapeText (List.map int64 counts)})"
                        shapes
                )
            | Some grid ->
                Ok
                    {
                        Width = conv3[0]
                        Blocks = blocks
                        Grid = grid
                        Embed = out[0]
                    })

    /// How many times smaller the map is after so many stages: the stem divides by 4, every stage but the first by 2.
    let private reduction (stages: int) = 2L <<< stages

    /// Its shapes, to load into and to count.
    let template (shape: ModifiedResNetShape) : ModifiedResNet =
        let width = shape.Width
        let channels = width * reduction shape.Blocks.Length

        let stage number =
            let planes = width <<< number
            let inputs = if number = 0 then width else 2L * planes

            shape.Blocks
            |> List.tryItem number
            |> Option.map (Bottleneck.templates inputs planes)
            |> Option.defaultValue []

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

    /// The blocks of each stage that it has.
    let blocks (tower: ModifiedResNet) =
        [ tower.layer1; tower.layer2; tower.layer3; tower.layer4 ]
        |> List.filter (List.isEmpty >> not)

    /// Pixels a cell of the last map; 32 for a tower of four stages.
    let stride (tower: ModifiedResNet) = reduction (blocks tower).Length

    /// The side in pixels of the images that it was pretrained on.
    let inputSize (tower: ModifiedResNet) =
        let positions = tower.attnpool.positional_embedding.shape[0]
        stride tower * (Positions.side positions |> Option.defaultValue 1L)

    let private halved (x: Tensor) = functional.avg_pool2d (x, 2L)

    let private stem normalise (tower: ModifiedResNet) =
        let convNorm = convNorm Epilogue.Relu normalise eps

        convNorm 2L 1L tower.conv1 tower.bn1
        --> convNorm 1L 1L tower.conv2 tower.bn2
        --> convNorm 1L 1L tower.conv3 tower.bn3
        --> halved

    /// [B, C, h, w] → [B, 4·planes, h/stride, w/stride], stride 1 or 2.
    let private bottleneck normalise (stride: int) (block: Bottleneck) (x: Tensor) =
        scoped (fun () ->
            let pooled (x: Tensor) = if stride = 1 then x else halved x

            let identity =
                match block.downsample with
                | Some shortcut ->
                    convNorm Epilogue.Nothing normalise eps 1L 0L shortcut.``0`` shortcut.``1`` (pooled x)
                | None -> x

            convNorm Epilogue.Relu normalise eps 1L 0L block.conv1 block.bn1 x
            |> convNorm Epilogue.Relu normalise eps 1L 1L block.conv2 block.bn2
            |> pooled
            |> convNorm (Epilogue.AddRelu identity) normalise eps 1L 0L block.conv3 block.bn3)

    let private stage normalise stride (blocks: Bottleneck list) =
        blocks
        |> List.mapi (fun index -> bottleneck normalise (if index = 0 then stride else 1))
        |> List.reduce (-->)

    /// The stem and the stages, each a function of the map before it. `normalise eps layer` is batch normalisation.
    let stagesWith normalise (tower: ModifiedResNet) : (Tensor -> Tensor) list =
        stem normalise tower
        :: (blocks tower
            |> List.mapi (fun number -> stage normalise (if number = 0 then 1 else 2)))

    /// The mean token and the cells of the last map, positions added. [B, C, H, W] → [B, H·W + 1, C]
    let private poolTokens (pool: AttentionPool) (map: Tensor) =
        scoped (fun () ->
            let cells = map.flatten(2L).transpose(1L, 2L) // [B, H·W, C]
            let mean = cells.mean ([| 1L |], keepdim = true) // [B, 1, C]

            torch
                .cat([| mean; cells |], 1L)
                .add(Positions.forGrid map.shape[2] map.shape[3] pool.positional_embedding, unity))

    /// Multi-head attention with the pool's projections. [B, m, C] and [B, n, C] → [B, m, embed]
    let private poolAttention (pool: AttentionPool) (queries: Tensor) (tokens: Tensor) =
        scoped (fun () ->
            let split layer (x: Tensor) =
                linear layer x |> splitHeads (Transformer.heads x.shape[2]) // [B, heads, n, C / heads]

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
            let split layer = // [B, heads, n, C / heads]
                linear layer tokens |> splitHeads (Transformer.heads tokens.shape[2])

            Transformer.sclip (split pool.q_proj) (split pool.k_proj) (split pool.v_proj)
            |> mergeHeads
            |> linear pool.c_proj)

    /// Features from the maps of the stages. MaskCLIP's dense map is c_proj(v_proj(x)) at every cell, without
    /// positions; the plain one asks the pool with every cell as DenseCLIP does.
    let features (mode: DenseMode) (tower: ModifiedResNet) (maps: Tensor list) : TowerFeatures =
        let map = List.last maps

        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            let pool = tower.attnpool
            let tokens = poolTokens pool map // [B, H·W + 1, C]
            let height, width = map.shape[2], map.shape[3]
            let cellsOf (x: Tensor) = x.narrow (1L, 1L, height * width) // [B, H·W, ...]

            let cells = // [B, H·W, embed]
                match mode with
                | DenseMode.Plain -> poolAttention pool (cellsOf tokens) tokens
                | DenseMode.Maskclip ->
                    (linear pool.v_proj --> linear pool.c_proj) (map.flatten(2L).transpose(1L, 2L))
                | DenseMode.Sclip -> cellsOf (poolSclip pool tokens)

            {
                Dense = cells.unflatten (1L, [| height; width |]) // [B, H, W, embed]
                Image = (poolAttention pool (tokens.narrow (1L, 0L, 1L)) tokens).squeeze 1L // [B, embed]
                Skips = [ for skip in List.take (maps.Length - 1) maps -> skip.alias () ]
            })

    /// The tower for inference on the processor: convolutions with their normalisation, and the pool's linear layers.
    let packed
        (packConvNorm: PackConvNorm)
        (packLinear: Linear -> Linear)
        (tower: ModifiedResNet)
        : ModifiedResNet =
        let stage = List.map (Bottleneck.packed packConvNorm 1L 1L 1L)

        { tower with
            conv1 = packConvNorm 2L 1L tower.conv1 tower.bn1
            conv2 = packConvNorm 1L 1L tower.conv2 tower.bn2
            conv3 = packConvNorm 1L 1L tower.conv3 tower.bn3
            layer1 = stage tower.layer1
            layer2 = stage tower.layer2
            layer3 = stage tower.layer3
            layer4 = stage tower.layer4
            attnpool =
                { tower.attnpool with
                    q_proj = packLinear tower.attnpool.q_proj
                    k_proj = packLinear tower.attnpool.k_proj
                    v_proj = packLinear tower.attnpool.v_proj
                    c_proj = packLinear tower.attnpool.c_proj
                }
        }
