namespace Mcdrl

open TorchSharp

/// CLIP's vision transformer, below `visual.` in OpenAI's names.
[<NoComparison; NoEquality>]
type VisionTransformer =
    {
        /// [width]
        class_embedding: Tensor
        /// [cells + 1, width], the class token first.
        positional_embedding: Tensor
        /// [width, embed]
        proj: Tensor
        /// Patches to tokens: kernel and stride of a patch, no bias.
        conv1: Conv2d
        /// Of the placed tokens, [width].
        ln_pre: LayerNorm
        /// Its blocks.
        transformer: Transformer
        /// Of the tokens before `proj`, [width].
        ln_post: LayerNorm
    }

/// What distinguishes one vision transformer from another.
type VisionTransformerShape =
    {
        /// Channels of a token.
        Width: int64
        /// Blocks.
        Layers: int
        /// Pixels a side of a patch.
        Patch: int64
        /// Cells a side at the pretrained resolution.
        Grid: int64
        /// Units between the two layers of a block.
        Hidden: int64
        /// Width of the joint space of images and texts.
        Embed: int64
    }

/// Reads the architecture off shapes, and computes features.
[<RequireQualifiedAccess>]
module VisionTransformer =
    /// The architecture that names and sizes below `visual.` show; a `Model` error where they show none.
    let shape (shapes: Shapes) : Result<VisionTransformerShape, McdrlError> =
        shapes
        |> Shapes.require
            [
                "conv1.weight", 4
                "positional_embedding", 2
                "proj", 2
                "transformer.resblocks.0.mlp.c_fc.weight", 2
            ]
        |> Result.bind (fun sizes ->
            let conv1, positions, proj, hidden = sizes[0], sizes[1], sizes[2], sizes[3]

            match Positions.side positions[0] with
            | None ->
                Error(
                    Shapes.refuse $"{positions[0]} positions are not a square grid and a class token" shapes
                )
            | Some grid ->
                Ok
                    {
                        Width = conv1[0]
                        Layers = Shapes.count "transformer.resblocks" shapes
                        Patch = conv1[3]
                        Grid = grid
                        Hidden = hidden[0]
                        Embed = proj[1]
                    })

    /// Its shapes, to load into and to count.
    let template (shape: VisionTransformerShape) : VisionTransformer =
        {
            class_embedding = Template.tensor [ shape.Width ]
            positional_embedding = Template.tensor [ shape.Grid * shape.Grid + 1L; shape.Width ]
            proj = Template.tensor [ shape.Width; shape.Embed ]
            conv1 = Template.conv2d 3L shape.Width shape.Patch
            ln_pre = Template.layerNorm shape.Width
            transformer = Transformer.template shape.Width shape.Hidden shape.Layers
            ln_post = Template.layerNorm shape.Width
        }

    /// Pixels a side of a patch.
    let patch (tower: VisionTransformer) = tower.conv1.weight.shape[3]

    /// The side in pixels of the images that it was pretrained on.
    let inputSize (tower: VisionTransformer) =
        let grid =
            Positions.side tower.positional_embedding.shape[0] |> Option.defaultValue 1L

        grid * patch tower

    /// Patches, class token first, positions added, ln_pre. [B, 3, h, w] → [B, H·W + 1, width] and H, W
    let private tokens (tower: VisionTransformer) (images: Tensor) =
        use scope = torch.NewDisposeScope()
        let map = conv2d (patch tower) 0L tower.conv1 images // [B, width, H, W]
        let height, width = map.shape[2], map.shape[3]
        let cells = map.flatten(2L).transpose(1L, 2L) // [B, H·W, width]
        let first = tower.class_embedding.expand (cells.shape[0], 1L, -1L) // [B, 1, width]
        let positions = Positions.forGrid height width tower.positional_embedding // [H·W + 1, width]
        let placed = torch.cat([| first; cells |], 1L).add(positions, unity) // [B, H·W + 1, width]
        scope.MoveToOuter(layerNorm tower.ln_pre placed), height, width

    /// After how many blocks the skip maps are taken: 1/4, 1/2 and 3/4 of the depth, before the last block.
    let skipDepths depth =
        [ for quarter in 1..3 -> min (depth - 1) (max 1 (depth * quarter / 4)) ]

    /// Into the joint space. [B, n, width] → [B, n, embed]
    let private project (tower: VisionTransformer) (x: Tensor) =
        scoped (fun () -> (layerNorm tower.ln_post x).matmul tower.proj)

    /// What the tokens read in the last block: the class token always as CLIP does, the cells in the way of `mode`.
    let private lastAttention (mode: DenseMode) =
        match mode with
        | DenseMode.Plain -> Transformer.attention None
        | DenseMode.Maskclip -> Transformer.exceptFirst Transformer.maskclip
        | DenseMode.Sclip -> Transformer.exceptFirst Transformer.sclip

    /// `forward` in several ways at once: all blocks but the last run once.
    let forwardAll (modes: DenseMode list) (tower: VisionTransformer) (images: Tensor) : TowerFeatures list =
        let kept (all: TowerFeatures list) : Tensor seq =
            seq {
                for features in all do
                    features.Dense
                    features.Image
                    yield! features.Skips
            }

        scopedWith kept (fun () ->
            let embedded, height, width = tokens tower images
            let blocks = tower.transformer.resblocks
            let depth = blocks.Length
            let body, last = List.take (depth - 1) blocks, List.last blocks

            let advance (from, x) upTo =
                upTo, Transformer.run None body[from .. upTo - 1] x

            let states =
                skipDepths depth @ [ depth - 1 ]
                |> List.scan advance (0, embedded)
                |> List.tail
                |> List.map snd

            let grid (x: Tensor) = // [B, width, H, W]
                x.narrow(1L, 1L, height * width).transpose(1L, 2L).unflatten(2L, [| height; width |])

            [
                for mode in modes do
                    let joint = // [B, H·W + 1, embed]
                        Transformer.blockBy (lastAttention mode) last (List.last states)
                        |> project tower

                    let cells = joint.narrow (1L, 1L, height * width) // [B, H·W, embed]

                    {
                        Dense = cells.unflatten (1L, [| height; width |]) // [B, H, W, embed]
                        Image = joint.select (1L, 0L) // [B, embed]
                        Skips = states |> List.truncate 3 |> List.map grid
                    }
            ])

    /// Image features (the class token's, not of unit length), the dense map in the way of `mode`, and the token grids
    /// after 1/4, 1/2 and 3/4 of the blocks. [B, 3, h, w], h and w multiples of the patch
    /// → Dense [B, H, W, embed], Image [B, embed], Skips three of [B, width, H, W]
    let forward (mode: DenseMode) (tower: VisionTransformer) (images: Tensor) : TowerFeatures =
        List.head (forwardAll [ mode ] tower images)
