namespace Mcdrl

open TorchSharp

/// The image towers. The leaves below a case are named as in the files they come from (`visual.` left out).
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Tower =
    /// CLIP's vision transformer.
    | ViT of VisionTransformer
    /// CLIP's ResNet.
    | ClipResNet of ModifiedResNet
    /// A ResNet that never saw text.
    | PlainResNet of PlainResNet

/// What every tower can be asked, whichever it is.
[<RequireQualifiedAccess>]
module Tower =
    /// Colour normalisation of every CLIP.
    let private clipMean, private clipStd =
        [ 0.48145466; 0.4578275; 0.40821073 ], [ 0.26862954; 0.26130258; 0.27577711 ]

    /// Which architecture it is; sizes other than the published ones are spelt out.
    let name (tower: Tower) =
        match tower with
        | Tower.ViT tower ->
            let width = tower.class_embedding.shape[0]
            let depth = tower.transformer.resblocks.Length
            let patch = VisionTransformer.patch tower
            let resolution = VisionTransformer.inputSize tower

            let size =
                match width, depth with
                | 768L, 12 -> $"ViT-B-{patch}"
                | 1024L, 24 -> $"ViT-L-{patch}"
                | _ -> $"ViT-{depth}x{width}-{patch}"

            if resolution = 224L then size else $"{size}-{resolution}"
        | Tower.ClipResNet tower ->
            let blocks = ModifiedResNet.blocks tower |> List.map List.length

            match tower.conv3.weight.shape[0], blocks with
            | 64L, [ 3; 4; 6; 3 ] -> "RN50"
            | 64L, [ 3; 4; 23; 3 ] -> "RN101"
            | width, blocks ->
                let listed = blocks |> List.map string |> String.concat "-"
                $"RN-{listed}-{width}"
        | Tower.PlainResNet tower -> ResNetDepth.name (PlainResNet.depth tower)

    /// Channels of the dense map and of the image feature.
    let width (tower: Tower) =
        match tower with
        | Tower.ViT tower -> tower.proj.shape[1]
        | Tower.ClipResNet tower -> tower.attnpool.c_proj.weight.shape[0]
        | Tower.PlainResNet tower -> List.last (PlainResNet.channels tower)

    /// Channels of the skip maps, fine to coarse.
    let skipChannels (tower: Tower) =
        match tower with
        | Tower.ViT tower -> List.replicate 3 tower.class_embedding.shape[0]
        | Tower.ClipResNet tower ->
            let width = tower.conv3.weight.shape[0]
            [ for stage in 2 .. (ModifiedResNet.blocks tower).Length -> width <<< stage ]
        | Tower.PlainResNet tower -> List.take 3 (PlainResNet.channels tower)

    /// Side in pixels of the images that it was pretrained on.
    let inputSize (tower: Tower) =
        match tower with
        | Tower.ViT tower -> VisionTransformer.inputSize tower
        | Tower.ClipResNet tower -> ModifiedResNet.inputSize tower
        | Tower.PlainResNet tower -> tower.Facts.InputSize

    /// The input's side must be a multiple of this many pixels.
    let granularity (tower: Tower) =
        match tower with
        | Tower.ViT tower -> VisionTransformer.patch tower
        | Tower.ClipResNet tower -> ModifiedResNet.stride tower
        | Tower.PlainResNet _ -> 32L

    /// Mean and standard deviation of each channel: the tower takes (rgb/255 − mean)/std.
    let normalisation (tower: Tower) : float list * float list =
        match tower with
        | Tower.ViT _
        | Tower.ClipResNet _ -> clipMean, clipStd
        | Tower.PlainResNet tower -> tower.Facts.Mean, tower.Facts.Std

    /// Whether its dense map and its text embeddings share a space.
    let isAligned (tower: Tower) =
        match tower with
        | Tower.ViT _
        | Tower.ClipResNet _ -> true
        | Tower.PlainResNet _ -> false

    /// What the network is made to go with.
    let sizes (tower: Tower) : TowerSizes =
        {
            IsAligned = isAligned tower
            Width = width tower
            SkipChannels = skipChannels tower
        }

    /// The fact that states the activation of a CLIP's transformer blocks; OpenAI's where it is absent.
    let activationKey = "activation"

    /// What `assemble` needs besides the tensors, as text: empty for OpenAI's CLIPs.
    let facts (tower: Tower) : Map<string, string> =
        match tower with
        | Tower.ViT tower -> Transformer.activation tower.transformer |> Activation.toFacts activationKey
        | Tower.ClipResNet _ -> Map.empty
        | Tower.PlainResNet tower -> PlainResNet.metadata (PlainResNet.depth tower) tower.Facts

    /// The tower with so many of its first parts normalising by the frame, see `PlainResNetFacts.InstanceNorm`; `None` leaves it
    /// as it is. A CLIP tower has none to change, and 0 is all that it takes: a `Usage` error.
    let withInstanceNorm (parts: int option) (tower: Tower) : Result<Tower, McdrlError> =
        match tower, parts with
        | _, None
        | Tower.ViT _, Some 0
        | Tower.ClipResNet _, Some 0 -> Ok tower
        | Tower.PlainResNet tower, Some parts ->
            Ok(
                Tower.PlainResNet
                    { tower with
                        Facts =
                            { tower.Facts with
                                InstanceNorm = parts
                            }
                    }
            )
        | Tower.ViT _, Some _
        | Tower.ClipResNet _, Some _ ->
            Error(
                McdrlError.usage
                    $"needs a plain ResNet (resnet18, resnet34 or resnet50), and the tower is {name tower}"
                    "method.instance_norm"
                    "Leave the setting out, or use weights of a plain ResNet"
            )

    /// A plain ResNet with its kernels in this precision, through which gradients go back to those given; norms, parts that are
    /// packed and a CLIP tower stay as they are.
    let inPrecision (precision: Precision) (tower: Tower) : Tower =
        match tower, precision with
        | Tower.PlainResNet _, Precision.Bf16 ->
            tower
            |> Tree.map (fun leaf ->
                if leaf.dim () = 4L && not (OneDnn.isPacked leaf) then
                    leaf.``to`` (Precision.dtype precision)
                else
                    leaf)
        | Tower.PlainResNet _, Precision.Fp32
        | Tower.ViT _, _
        | Tower.ClipResNet _, _ -> tower

    /// The names of its parts from the last to the first: a leaf belongs to a part whose name and a dot it begins with.
    /// Training the last n blocks means the leaves of the first n parts.
    let parts (tower: Tower) : string list =
        match tower with
        | Tower.ViT tower ->
            [
                for index in tower.transformer.resblocks.Length - 1 .. -1 .. 0 do
                    $"transformer.resblocks.{index}"
            ]
        | Tower.ClipResNet tower ->
            [
                for stage in (ModifiedResNet.blocks tower).Length .. -1 .. 1 do
                    $"layer{stage}"
            ]
        | Tower.PlainResNet _ -> [ "layer4"; "layer3"; "layer2"; "layer1" ]

    /// Whether the leaf at `path` can be trained: the running statistics of batch normalisation can't, torch refuses
    /// gradients for them.
    let isTrainable (path: string) =
        not (
            path.EndsWith("running_mean", System.StringComparison.Ordinal)
            || path.EndsWith("running_var", System.StringComparison.Ordinal)
        )

    /// Whether the leaf at `path` is trained when the last `blocks` parts are: weights and biases, never running
    /// statistics.
    let isTrained (blocks: int) (tower: Tower) (path: string) =
        isTrainable path
        && parts tower
           |> List.truncate blocks
           |> List.exists (fun part -> path.StartsWith(part + ".", System.StringComparison.Ordinal))

    /// Outputs of a ResNet's stages. Only they are kept.
    let private throughStages (stages: (Tensor -> Tensor) list) (images: Tensor) : Tensor list =
        scopedWith Seq.ofList (fun () -> List.scan (fun x stage -> stage x) images stages |> List.skip 2)

    let private forwardBy normalise (mode: DenseMode) (tower: Tower) (images: Tensor) : TowerFeatures =
        let fromStages stages (features: Tensor list -> TowerFeatures) =
            scopedWith
                (fun (features: TowerFeatures) -> features.Dense :: features.Image :: features.Skips)
                (fun () -> throughStages stages images |> features)

        match tower with
        | Tower.ViT tower -> VisionTransformer.forward mode tower images
        | Tower.ClipResNet tower ->
            fromStages (ModifiedResNet.stagesWith normalise tower) (ModifiedResNet.features mode tower)
        | Tower.PlainResNet tower -> fromStages (PlainResNet.stages tower) PlainResNet.features

    /// The features of normalised images [B, 3, h, w], h and w multiples of `granularity`. `mode` says how the dense map
    /// of a CLIP tower is read; for a plain ResNet it has no meaning. Usable with and without gradients.
    let forward (mode: DenseMode) (tower: Tower) (images: Tensor) : TowerFeatures =
        forwardBy batchNorm mode tower images

    /// `forward` for pretraining: a CLIP ResNet normalises by the batch's own statistics.
    let forwardByBatch (mode: DenseMode) (tower: Tower) (images: Tensor) : TowerFeatures =
        forwardBy batchNormByBatch mode tower images

    /// Mean and variance of what enters each batch normalisation when the tower looks at these images and normalises by
    /// the batch, by the path of the leaf that stores them; empty for a tower without.
    let batchStatistics (tower: Tower) (images: Tensor) : (string * float32[]) list =
        let paths = Tree.leaves tower
        let found = System.Collections.Generic.List<string * float32[]>()

        let note (leaf: Tensor) (value: Tensor) =
            let path =
                paths |> List.find (fun (_, other) -> obj.ReferenceEquals(other, leaf)) |> fst

            found.Add(path, value.cpu().data<float32>().ToArray())

        let observing eps (layer: BatchNorm) (x: Tensor) =
            scoped (fun () ->
                let axes = [| 0L; 2L; 3L |]
                note layer.running_mean (x.mean axes)
                note layer.running_var (x.var (axes, unbiased = false))
                batchNormByBatch eps layer x)

        use _scope = torch.NewDisposeScope()
        forwardBy observing DenseMode.Maskclip tower images |> ignore
        List.ofSeq found

    /// Builds the tower that the names and shapes describe. All missing, unexpected and mismatching names are reported
    /// at once. `facts` is the file's string map, see `facts`.
    let assemble
        (origin: string)
        (facts: Map<string, string>)
        (tensors: Map<string, Tensor>)
        : Result<Tower, McdrlError> =
        let shapes = Shapes.ofTensors origin tensors

        if
            Shapes.has "class_embedding" shapes
            || Shapes.count "transformer.resblocks" shapes > 0
        then
            Activation.ofFacts activationKey origin facts
            |> Result.bind (fun activation ->
                VisionTransformer.shape shapes
                |> Result.bind (fun shape -> Tree.fill origin (VisionTransformer.template shape) tensors)
                |> Result.map (fun tower ->
                    Tower.ViT
                        { tower with
                            transformer = Transformer.activatedBy activation tower.transformer
                        }))
        elif Shapes.count "attnpool" shapes > 0 then
            ModifiedResNet.shape shapes
            |> Result.bind (fun shape -> Tree.fill origin (ModifiedResNet.template shape) tensors)
            |> Result.map Tower.ClipResNet
        else
            PlainResNet.facts origin facts
            |> Result.bind (fun facts ->
                let classes = shapes.Sizes.TryFind "fc.weight" |> Option.bind List.tryHead

                Tree.fill origin (PlainResNet.template (ResNetDepth.ofShapes shapes) facts classes) tensors)
            |> Result.map Tower.PlainResNet
