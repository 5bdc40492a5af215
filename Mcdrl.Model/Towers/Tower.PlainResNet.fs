namespace Mcdrl

open System.Globalization
open System.Text.Json
open TorchSharp
open type TorchSharp.torch.nn

/// Where the stride of a stage sits in its first block.
[<RequireQualifiedAccess>]
type StrideIn =
    /// The first 1×1 convolution (He et al. 2015, Caffe and Keras).
    | Conv1
    /// The 3×3 convolution (torchvision).
    | Conv2

/// The published ResNets that never saw text.
[<RequireQualifiedAccess>]
type ResNetDepth =
    /// Eight basic blocks, 11 million weights.
    | ResNet18
    /// Sixteen basic blocks, 21 million weights.
    | ResNet34
    /// Sixteen bottlenecks, 24 million weights.
    | ResNet50

/// What a plain ResNet's file states about itself and shapes can't tell.
type PlainResNetFacts =
    {
        /// ε of every batch normalisation.
        BatchNormEps: float
        /// Of the stem's pooling, 3×3 with stride 2: 0 or 1.
        MaxPoolPadding: int64
        /// Where the stride of 2 sits in a stage of bottlenecks. In a basic block it is the first convolution's.
        StrideIn: StrideIn
        /// Subtracted from RGB in [0, 1], one number per channel.
        Mean: float list
        /// Divided by, one number per channel.
        Std: float list
        /// Side in pixels of the images that it was trained on.
        InputSize: int64
        /// How many parts from the stem on (the stem, `layer1`, …) normalise each frame by its own mean and variance of every
        /// channel in place of the stored ones: instance normalisation with the batch normalisation's γ and β. 0 to 3.
        InstanceNorm: int
    }

/// A residual block of two 3×3 convolutions.
[<NoComparison; NoEquality>]
type BasicBlock =
    {
        /// 3×3, with the block's stride.
        conv1: Conv2d
        /// After `conv1`.
        bn1: BatchNorm
        /// 3×3.
        conv2: Conv2d
        /// After `conv2`.
        bn2: BatchNorm
        /// The shortcut's, where channels or sides change.
        downsample: Downsample option
    }

/// A block of either kind.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type ResidualBlock =
    /// Of ResNet-18 and ResNet-34.
    | Basic of BasicBlock
    /// Of a ResNet-50.
    | Bottleneck of Bottleneck

/// ResNet-18, -34 or -50 in torchvision's names.
[<NoComparison; NoEquality>]
type PlainResNet =
    {
        /// What its file states.
        Facts: PlainResNetFacts
        /// 7×7 with stride 2, from RGB to 64 channels.
        conv1: Conv2d
        /// After `conv1`.
        bn1: BatchNorm
        /// The first stage: at 1/4 of the image's side, 64 channels of basic blocks or 256 of bottlenecks.
        layer1: ResidualBlock list
        /// At 1/8, twice the channels.
        layer2: ResidualBlock list
        /// At 1/16, four times the channels.
        layer3: ResidualBlock list
        /// At 1/32, eight times the channels.
        layer4: ResidualBlock list
        /// The ImageNet classifier, which only checks need.
        fc: Linear option
    }

/// Depths by name, and what they are made of.
[<RequireQualifiedAccess>]
module ResNetDepth =
    /// As `--tower` calls it.
    let name depth =
        match depth with
        | ResNetDepth.ResNet18 -> "resnet18"
        | ResNetDepth.ResNet34 -> "resnet34"
        | ResNetDepth.ResNet50 -> "resnet50"

    /// Blocks of the four stages.
    let blocks depth =
        match depth with
        | ResNetDepth.ResNet18 -> [ 2; 2; 2; 2 ]
        | ResNetDepth.ResNet34
        | ResNetDepth.ResNet50 -> [ 3; 4; 6; 3 ]

    /// Whether its blocks are bottlenecks.
    let isNarrowing depth =
        match depth with
        | ResNetDepth.ResNet18
        | ResNetDepth.ResNet34 -> false
        | ResNetDepth.ResNet50 -> true

    /// The depth whose file this most looks like; what else differs is for the loader to tell.
    let ofShapes (shapes: Shapes) =
        if
            not (Shapes.has "layer1.0.conv2.weight" shapes)
            || Shapes.has "layer1.0.conv3.weight" shapes
        then
            ResNetDepth.ResNet50
        elif Shapes.count "layer3" shapes > 2 then
            ResNetDepth.ResNet34
        else
            ResNetDepth.ResNet18

/// A plain ResNet: an image tower that never saw text.
[<RequireQualifiedAccess>]
module PlainResNet =
    /// torchvision's own facts, for a file that states none.
    let torchvision: PlainResNetFacts =
        {
            BatchNormEps = 1e-5
            MaxPoolPadding = 1L
            StrideIn = StrideIn.Conv2
            Mean = [ 0.485; 0.456; 0.406 ]
            Std = [ 0.229; 0.224; 0.225 ]
            InputSize = 224L
            InstanceNorm = 0
        }

    let private instanceNormKey = "instance_norm"

    let private invariant = CultureInfo.InvariantCulture

    /// The tower's depth.
    let depth (tower: PlainResNet) =
        match List.tryHead tower.layer1, tower.layer3.Length with
        | Some(ResidualBlock.Basic _), count when count > 2 -> ResNetDepth.ResNet34
        | Some(ResidualBlock.Basic _), _ -> ResNetDepth.ResNet18
        | Some(ResidualBlock.Bottleneck _), _
        | None, _ -> ResNetDepth.ResNet50

    /// Channels of the four stages.
    let channels (tower: PlainResNet) =
        let expansion = if ResNetDepth.isNarrowing (depth tower) then 4L else 1L
        [ for planes in [ 64L; 128L; 256L; 512L ] -> expansion * planes ]

    /// The facts as the string map of a file that holds this depth.
    let metadata depth (facts: PlainResNetFacts) : Map<string, string> =
        let list (values: float list) =
            values
            |> List.map (fun value -> value.ToString("R", invariant))
            |> String.concat ", "
            |> sprintf "[%s]"

        Map
            [
                "architecture", ResNetDepth.name depth
                "bn_eps", facts.BatchNormEps.ToString("R", invariant)
                "maxpool_padding", string facts.MaxPoolPadding
                "stride_in",
                (match facts.StrideIn with
                 | StrideIn.Conv1 -> "conv1"
                 | StrideIn.Conv2 -> "conv2")
                "image_mean", list facts.Mean
                "image_std", list facts.Std
                "input", string facts.InputSize
                if facts.InstanceNorm > 0 then
                    instanceNormKey, string facts.InstanceNorm
            ]

    let private number (text: string) =
        match System.Double.TryParse(text, NumberStyles.Float, invariant) with
        | true, value when System.Double.IsFinite value -> Some value
        | _ -> None

    let private whole (text: string) =
        match System.Int64.TryParse(text, NumberStyles.None, invariant) with
        | true, value -> Some value
        | _ -> None

    let private colour (text: string) =
        // Three numbers don't take more text.
        if text.Length > 1000 then
            None
        else

        try
            let values = JsonSerializer.Deserialize<float array> text |> Option.ofObj

            values
            |> Option.filter (fun values -> values.Length = 3 && Array.forall System.Double.IsFinite values)
            |> Option.map List.ofArray
        with :? JsonException ->
            None

    /// Reads a file's string map; what it does not state is torchvision's. Every entry that is stated and can't be used
    /// is reported, as one `Model` error: nothing that is stated is replaced by a default.
    let facts (origin: string) (metadata: Map<string, string>) : Result<PlainResNetFacts, McdrlError> =
        let stated key read fallback =
            match metadata.TryFind key with
            | None -> Ok fallback
            | Some text ->
                read text
                |> Option.map Ok
                |> Option.defaultValue (
                    Error(
                        McdrlError.model
                            $"{key} is \"{text}\""
                            $"{origin}, __metadata__"
                            "Correct the entry, or leave it out for torchvision's value"
                    )
                )

        let stride text =
            match text with
            | "conv1" -> Some StrideIn.Conv1
            | "conv2" -> Some StrideIn.Conv2
            | _ -> None

        let isMean values =
            (ModelLimits.colourFaults values [ 1.0; 1.0; 1.0 ]).IsEmpty

        let isStd values =
            (ModelLimits.colourFaults [ 0.0; 0.0; 0.0 ] values).IsEmpty

        let eps =
            stated
                "bn_eps"
                (number >> Option.filter (fun eps -> eps > 0.0 && eps <= 1.0))
                torchvision.BatchNormEps

        let padding =
            stated "maxpool_padding" (whole >> Option.filter (fun p -> p <= 1L)) torchvision.MaxPoolPadding

        let strideIn = stated "stride_in" stride torchvision.StrideIn
        let mean = stated "image_mean" (colour >> Option.filter isMean) torchvision.Mean
        let std = stated "image_std" (colour >> Option.filter isStd) torchvision.Std

        let input =
            stated
                "input"
                (whole >> Option.filter (fun side -> side >= 32L && side <= 4096L))
                torchvision.InputSize

        let instanceNorm =
            stated instanceNormKey (whole >> Option.filter (fun parts -> parts <= 3L)) 0L

        match eps, padding, strideIn, mean, std, input, instanceNorm with
        | Ok eps, Ok padding, Ok strideIn, Ok mean, Ok std, Ok input, Ok instanceNorm ->
            Ok
                {
                    BatchNormEps = eps
                    MaxPoolPadding = padding
                    StrideIn = strideIn
                    Mean = mean
                    Std = std
                    InputSize = input
                    InstanceNorm = int instanceNorm
                }
        | _ ->
            let errorOf outcome =
                match outcome with
                | Ok _ -> None
                | Error error -> Some error

            [
                errorOf (Result.map ignore eps)
                errorOf (Result.map ignore padding)
                errorOf (Result.map ignore strideIn)
                errorOf (Result.map ignore mean)
                errorOf (Result.map ignore std)
                errorOf (Result.map ignore input)
                errorOf (Result.map ignore instanceNorm)
            ]
            |> List.choose id
            |> McdrlError.ofList
            |> Option.map Error
            |> Option.defaultValue (Ok torchvision)

    let private basic inputs planes isFirst : BasicBlock =
        {
            conv1 = Template.conv2d inputs planes 3L
            bn1 = Template.batchNorm planes
            conv2 = Template.conv2d planes planes 3L
            bn2 = Template.batchNorm planes
            downsample =
                if isFirst && inputs <> planes then
                    Some
                        {
                            ``0`` = Template.conv2d inputs planes 1L
                            ``1`` = Template.batchNorm planes
                        }
                else
                    None
        }

    /// `classes` is the width of the classifier, if there is one.
    let template depth (facts: PlainResNetFacts) (classes: int64 option) : PlainResNet =
        let stage number =
            let planes, count = 64L <<< number, (ResNetDepth.blocks depth)[number]

            if ResNetDepth.isNarrowing depth then
                let inputs = if number = 0 then 64L else 2L * planes
                Bottleneck.templates inputs planes count |> List.map ResidualBlock.Bottleneck
            else
                List.init count (fun index ->
                    let inputs = if index = 0 && number > 0 then planes / 2L else planes
                    ResidualBlock.Basic(basic inputs planes (index = 0)))

        {
            Facts = facts
            conv1 = Template.conv2d 3L 64L 7L
            bn1 = Template.batchNorm 64L
            layer1 = stage 0
            layer2 = stage 1
            layer3 = stage 2
            layer4 = stage 3
            fc =
                classes
                |> Option.map (Template.linear (if ResNetDepth.isNarrowing depth then 2048L else 512L))
        }

    /// The normalisation of a part, 0 for the stem and n for `layer`n.
    let private normalise (tower: PlainResNet) part =
        if part < tower.Facts.InstanceNorm then
            batchNormByFrame
        else
            batchNorm

    let private convNorm epilogue (tower: PlainResNet) part =
        convNorm epilogue (normalise tower part) tower.Facts.BatchNormEps

    /// A map in the element type of the kernel that reads it: half of a tower in mixed precision may be packed in fp32.
    let private readBy (kernel: Conv2d) (x: Tensor) =
        if OneDnn.isPacked kernel.weight || x.dtype = kernel.weight.dtype then
            x.alias ()
        else
            x.``to`` kernel.weight.dtype

    /// [B, 3, h, w] → [B, 64, h/4, w/4]
    let private stem (tower: PlainResNet) =
        readBy tower.conv1
        --> convNorm Epilogue.Relu tower 0 2L 3L tower.conv1 tower.bn1
        --> fun map -> functional.max_pool2d (map, 3L, stride = 2L, padding = tower.Facts.MaxPoolPadding)

    /// The strides of a block's first and second convolution.
    let private strides (facts: PlainResNetFacts) (stride: int64) (block: ResidualBlock) =
        match block, facts.StrideIn with
        | ResidualBlock.Basic _, _
        | ResidualBlock.Bottleneck _, StrideIn.Conv1 -> stride, 1L
        | ResidualBlock.Bottleneck _, StrideIn.Conv2 -> 1L, stride

    let private residual tower part (stride: int64) (block: ResidualBlock) (x: Tensor) =
        scoped (fun () ->
            let first, second = strides tower.Facts stride block

            let shortcut (downsample: Downsample option) =
                match downsample with
                | Some shortcut ->
                    convNorm Epilogue.Nothing tower part stride 0L shortcut.``0`` shortcut.``1`` x
                | None -> x

            match block with
            | ResidualBlock.Basic block ->
                let identity = shortcut block.downsample

                convNorm Epilogue.Relu tower part first 1L block.conv1 block.bn1 x
                |> convNorm (Epilogue.AddRelu identity) tower part second 1L block.conv2 block.bn2
            | ResidualBlock.Bottleneck block ->
                let identity = shortcut block.downsample

                convNorm Epilogue.Relu tower part first 0L block.conv1 block.bn1 x
                |> convNorm Epilogue.Relu tower part second 1L block.conv2 block.bn2
                |> convNorm (Epilogue.AddRelu identity) tower part 1L 0L block.conv3 block.bn3)

    let private firstKernel (block: ResidualBlock) =
        match block with
        | ResidualBlock.Basic block -> block.conv1
        | ResidualBlock.Bottleneck block -> block.conv1

    let private stage tower part (stride: int64) (blocks: ResidualBlock list) =
        readBy (firstKernel blocks.Head)
        --> (blocks
             |> List.mapi (fun index -> residual tower part (if index = 0 then stride else 1L))
             |> List.reduce (-->))

    /// The stem and the four stages, each a function of the map before it: lower ones can run without gradients, or be
    /// cached, and the rest go on from there.
    let stages (tower: PlainResNet) : (Tensor -> Tensor) list =
        [
            stem tower
            stage tower 1 1L tower.layer1
            stage tower 2 2L tower.layer2
            stage tower 3 2L tower.layer3
            stage tower 4 2L tower.layer4
        ]

    /// Features from the maps of layer1 to layer4: Dense is layer4, [B, H, W, C], Image its mean over the cells.
    let features (maps: Tensor list) : TowerFeatures =
        let map = List.last maps

        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            {
                Dense = map.permute (0L, 2L, 3L, 1L) // [B, H, W, C]
                Image = map.mean [| 2L; 3L |] // [B, C]
                Skips = [ for skip in List.take (maps.Length - 1) maps -> skip.alias () ]
            })

    /// The tower for inference on the processor: each convolution with its normalisation, but for parts that normalise by the
    /// frame, which stay as they are.
    let packed (pack: PackConvNorm) (tower: PlainResNet) : PlainResNet =
        let block stride (block: ResidualBlock) =
            let first, second = strides tower.Facts stride block

            match block with
            | ResidualBlock.Basic block ->
                ResidualBlock.Basic
                    { block with
                        conv1 = pack first 1L block.conv1 block.bn1
                        conv2 = pack second 1L block.conv2 block.bn2
                        downsample = block.downsample |> Option.map (Downsample.packed pack stride)
                    }
            | ResidualBlock.Bottleneck block ->
                ResidualBlock.Bottleneck(Bottleneck.packed pack first second stride block)

        let isPacked part = part >= tower.Facts.InstanceNorm

        let stage part stride blocks =
            if isPacked part then
                blocks |> List.mapi (fun index -> block (if index = 0 then stride else 1L))
            else
                blocks

        { tower with
            conv1 =
                if isPacked 0 then
                    pack 2L 3L tower.conv1 tower.bn1
                else
                    tower.conv1
            layer1 = stage 1 1L tower.layer1
            layer2 = stage 2 2L tower.layer2
            layer3 = stage 3 2L tower.layer3
            layer4 = stage 4 2L tower.layer4
        }
