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

/// What a ResNet-50 file states about itself and shapes can't tell.
type ResNet50Facts =
    {
        /// ε of every batch normalisation.
        BatchNormEps: float
        /// Of the stem's pooling, 3×3 with stride 2: 0 or 1.
        MaxPoolPadding: int64
        /// Where a stage's stride of 2 sits.
        StrideIn: StrideIn
        /// Subtracted from RGB in [0, 1], one number per channel.
        Mean: float list
        /// Divided by, one number per channel.
        Std: float list
        /// Side in pixels of the images that it was trained on.
        InputSize: int64
    }

/// ResNet-50 in torchvision's names.
[<NoComparison; NoEquality>]
type ResNet50 =
    {
        /// What its file states.
        Facts: ResNet50Facts
        /// 7×7 with stride 2, from RGB to 64 channels.
        conv1: Conv2d
        /// After `conv1`.
        bn1: BatchNorm
        /// The first stage: three blocks at 1/4 of the image's side, 256 channels.
        layer1: Bottleneck list
        /// Four blocks at 1/8, 512 channels.
        layer2: Bottleneck list
        /// Six blocks at 1/16, 1024 channels.
        layer3: Bottleneck list
        /// Three blocks at 1/32, 2048 channels.
        layer4: Bottleneck list
        /// The ImageNet classifier, which only checks need.
        fc: Linear option
    }

/// A plain ResNet-50: an image tower that never saw text.
[<RequireQualifiedAccess>]
module ResNet50 =
    /// torchvision's own facts, for a file that states none.
    let torchvision: ResNet50Facts =
        {
            BatchNormEps = 1e-5
            MaxPoolPadding = 1L
            StrideIn = StrideIn.Conv2
            Mean = [ 0.485; 0.456; 0.406 ]
            Std = [ 0.229; 0.224; 0.225 ]
            InputSize = 224L
        }

    let private invariant = CultureInfo.InvariantCulture

    /// The facts as a file's string map.
    let metadata (facts: ResNet50Facts) : Map<string, string> =
        let list (values: float list) =
            values
            |> List.map (fun value -> value.ToString("R", invariant))
            |> String.concat ", "
            |> sprintf "[%s]"

        Map
            [
                "architecture", "resnet50"
                "bn_eps", facts.BatchNormEps.ToString("R", invariant)
                "maxpool_padding", string facts.MaxPoolPadding
                "stride_in",
                (match facts.StrideIn with
                 | StrideIn.Conv1 -> "conv1"
                 | StrideIn.Conv2 -> "conv2")
                "image_mean", list facts.Mean
                "image_std", list facts.Std
                "input", string facts.InputSize
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
        try
            let values = JsonSerializer.Deserialize<float array> text |> Option.ofObj

            values
            |> Option.filter (fun values -> values.Length = 3 && Array.forall System.Double.IsFinite values)
            |> Option.map List.ofArray
        with :? JsonException ->
            None

    /// Reads a file's string map; what it does not state is torchvision's. Every entry that is stated and can't be used
    /// is reported, as one `Model` error: nothing that is stated is replaced by a default.
    let facts (origin: string) (metadata: Map<string, string>) : Result<ResNet50Facts, McdrlError> =
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

        let positive values =
            values |> List.forall (fun value -> value > 0.0)

        let eps =
            stated "bn_eps" (number >> Option.filter (fun eps -> eps > 0.0)) torchvision.BatchNormEps

        let padding =
            stated "maxpool_padding" (whole >> Option.filter (fun p -> p <= 1L)) torchvision.MaxPoolPadding

        let strideIn = stated "stride_in" stride torchvision.StrideIn
        let mean = stated "image_mean" colour torchvision.Mean
        let std = stated "image_std" (colour >> Option.filter positive) torchvision.Std

        let input =
            stated
                "input"
                (whole >> Option.filter (fun side -> side >= 32L && side <= 4096L))
                torchvision.InputSize

        match eps, padding, strideIn, mean, std, input with
        | Ok eps, Ok padding, Ok strideIn, Ok mean, Ok std, Ok input ->
            Ok
                {
                    BatchNormEps = eps
                    MaxPoolPadding = padding
                    StrideIn = strideIn
                    Mean = mean
                    Std = std
                    InputSize = input
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
            ]
            |> List.choose id
            |> McdrlError.ofList
            |> Option.map Error
            |> Option.defaultValue (Ok torchvision)

    /// `classes` is the width of the classifier, if there is one.
    let template (facts: ResNet50Facts) (classes: int64 option) : ResNet50 =
        {
            Facts = facts
            conv1 = Template.conv2d 3L 64L 7L
            bn1 = Template.batchNorm 64L
            layer1 = Bottleneck.templates 64L 64L 3
            layer2 = Bottleneck.templates 256L 128L 4
            layer3 = Bottleneck.templates 512L 256L 6
            layer4 = Bottleneck.templates 1024L 512L 3
            fc = classes |> Option.map (Template.linear 2048L)
        }

    let private convNorm epilogue (tower: ResNet50) =
        convNorm epilogue batchNorm tower.Facts.BatchNormEps

    /// [B, 3, h, w] → [B, 64, h/4, w/4]
    let private stem (tower: ResNet50) =
        convNorm Epilogue.Relu tower 2L 3L tower.conv1 tower.bn1
        --> fun map -> functional.max_pool2d (map, 3L, stride = 2L, padding = tower.Facts.MaxPoolPadding)

    /// The strides of a block's first and second convolution.
    let private strides (tower: ResNet50) (stride: int64) =
        match tower.Facts.StrideIn with
        | StrideIn.Conv1 -> stride, 1L
        | StrideIn.Conv2 -> 1L, stride

    let private bottleneck (tower: ResNet50) (stride: int64) (block: Bottleneck) (x: Tensor) =
        scoped (fun () ->
            let first, second = strides tower stride

            let identity =
                match block.downsample with
                | Some shortcut -> convNorm Epilogue.Nothing tower stride 0L shortcut.``0`` shortcut.``1`` x
                | None -> x

            convNorm Epilogue.Relu tower first 0L block.conv1 block.bn1 x
            |> convNorm Epilogue.Relu tower second 1L block.conv2 block.bn2
            |> convNorm (Epilogue.AddRelu identity) tower 1L 0L block.conv3 block.bn3)

    let private stage tower (stride: int64) (blocks: Bottleneck list) =
        blocks
        |> List.mapi (fun index -> bottleneck tower (if index = 0 then stride else 1L))
        |> List.reduce (-->)

    /// The stem and the four stages, each a function of the map before it: lower ones can run without gradients, or be
    /// cached, and the rest go on from there.
    let stages (tower: ResNet50) : (Tensor -> Tensor) list =
        [
            stem tower
            stage tower 1L tower.layer1
            stage tower 2L tower.layer2
            stage tower 2L tower.layer3
            stage tower 2L tower.layer4
        ]

    /// Features from the maps of layer1 to layer4: Dense is layer4, [B, H, W, 2048], Image its mean over the cells.
    let features (maps: Tensor list) : TowerFeatures =
        let map = List.last maps

        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            {
                Dense = map.permute (0L, 2L, 3L, 1L) // [B, H, W, 2048]
                Image = map.mean [| 2L; 3L |] // [B, 2048]
                Skips = [ for skip in List.take (maps.Length - 1) maps -> skip.alias () ]
            })

    /// The tower for inference on the processor: each convolution with its normalisation.
    let packed (pack: PackConvNorm) (tower: ResNet50) : ResNet50 =
        let stage stride =
            List.mapi (fun index block ->
                let stride = if index = 0 then stride else 1L
                let first, second = strides tower stride
                Bottleneck.packed pack first second stride block)

        { tower with
            conv1 = pack 2L 3L tower.conv1 tower.bn1
            layer1 = stage 1L tower.layer1
            layer2 = stage 2L tower.layer2
            layer3 = stage 2L tower.layer3
            layer4 = stage 2L tower.layer4
        }
