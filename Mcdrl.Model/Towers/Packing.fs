namespace Mcdrl

open TorchSharp

/// How weights are laid out for inference on the processor.
[<NoComparison; NoEquality>]
type Packing =
    {
        /// The element type of the packed weights.
        Precision: Precision
        /// Whether linear layers are packed too, or left to libtorch's own choice of a kernel. In bf16 they always are.
        Linears: bool
        /// Told of each fp32 weight once its packed one is made: what owns it may free it.
        Release: Tensor -> unit
    }

/// A model's weights as inference on the processor wants them: normalisations folded into convolutions, linear layers and
/// convolutions laid out for oneDNN. The result answers as the original does up to rounding, and only without gradients.
[<RequireQualifiedAccess>]
module Packing =
    /// Every leaf but packed ones and float64 (log π) in another element type.
    let cast precision (tree: 'T) =
        tree
        |> Tree.map (fun leaf ->
            if leaf.dtype = torch.float64 || OneDnn.isPacked leaf then
                leaf.alias ()
            else
                leaf.``to`` (Precision.dtype precision))

    let private linear packing (weightFactor: float) (biasFactor: float) (layer: Linear) : Linear =
        let scaled (factor: float) (leaf: Tensor) =
            if factor = 1.0 then leaf else leaf.mul (scalar factor)

        let weight =
            scoped (fun () ->
                (scaled weightFactor layer.weight).``to``(Precision.dtype packing.Precision)
                |> OneDnn.packLinear)

        packing.Release layer.weight

        {
            weight = weight
            bias =
                layer.bias
                |> Option.map (fun bias -> scoped (fun () -> (scaled biasFactor bias).alias()))
        }

    let private laidOut packing stride padding (weight: Tensor) =
        scoped (fun () ->
            weight.``to`` (Precision.dtype packing.Precision)
            |> OneDnn.packConvolution stride padding)

    let private conv packing stride padding (layer: Conv2d) : Conv2d =
        let weight = laidOut packing stride padding layer.weight
        packing.Release layer.weight
        { layer with weight = weight }

    let private convNorm packing eps stride padding (layer: Conv2d) norm : Conv2d =
        let one = folded eps layer norm
        let weight = laidOut packing stride padding one.weight
        one.weight.Dispose()
        packing.Release layer.weight
        { one with weight = weight }

    let private isLinearPacked packing =
        packing.Linears || packing.Precision = Precision.Bf16

    /// A vision transformer in fp32 on the processor, packed.
    let vit packing (tower: VisionTransformer) : VisionTransformer =
        { tower with
            conv1 = conv packing (VisionTransformer.patch tower) 0L tower.conv1
            transformer =
                if isLinearPacked packing then
                    Transformer.packed (linear packing) tower.transformer
                else
                    tower.transformer
        }
        |> cast packing.Precision

    /// CLIP's ResNet in fp32 on the processor, packed.
    let clipResNet packing (tower: ModifiedResNet) : ModifiedResNet =
        ModifiedResNet.packed (convNorm packing ModifiedResNet.eps) (linear packing 1.0 1.0) tower
        |> cast packing.Precision

    /// A plain ResNet in fp32 on the processor, packed.
    let plainResNet packing (tower: PlainResNet) : PlainResNet =
        PlainResNet.packed (convNorm packing tower.Facts.BatchNormEps) tower
        |> cast packing.Precision

    /// An image tower in fp32 on the processor, packed.
    let tower packing (tower: Tower) : Tower =
        match tower with
        | Tower.ViT tower -> Tower.ViT(vit packing tower)
        | Tower.ClipResNet tower -> Tower.ClipResNet(clipResNet packing tower)
        | Tower.PlainResNet tower -> Tower.PlainResNet(plainResNet packing tower)

    /// The trained part in fp32 on the processor, packed. Attention to the dictionary stays as it is: it is brought to the
    /// regions' side at every call.
    let network packing (network: Network) : Network =
        let linear layer =
            if isLinearPacked packing then
                linear packing 1.0 1.0 layer
            else
                layer

        let layer (layer: CausalLayer) =
            { layer with
                c_fc = linear layer.c_fc
                c_proj = linear layer.c_proj
            }

        let refinement (refinement: Refinement) =
            { refinement with
                lateral = conv packing 1L 0L refinement.lateral
                conv = conv packing 1L 1L refinement.conv
            }

        { network with
            projection = network.projection |> Option.map linear
            intervention =
                {
                    layers = List.map layer network.intervention.layers
                }
            head =
                { network.head with
                    conv_1 = conv packing 1L 1L network.head.conv_1
                    refinements = List.map refinement network.head.refinements
                    conv_2 = conv packing 1L 0L network.head.conv_2
                }
        }
        |> cast packing.Precision
