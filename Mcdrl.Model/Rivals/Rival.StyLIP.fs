namespace Mcdrl

open TorchSharp

/// Two layers after a norm: [..., inputs] → [..., inputs / 16] → [..., outputs].
[<NoComparison; NoEquality>]
type Projector =
    {
        /// Of the inputs.
        ln: LayerNorm
        /// To a sixteenth of the inputs.
        linear1: Linear
        /// From there to the outputs.
        linear2: Linear
    }

/// Makes projectors and applies them.
[<RequireQualifiedAccess>]
module Projector =
    /// The last layer is 0, so that it says 0 at first.
    let create (inputs: int64) (outputs: int64) filling : Projector =
        let hidden = max 1L (inputs / 16L)

        {
            ln = Init.layerNorm inputs filling
            linear1 = Init.linear inputs hidden (Filling.named "linear1" filling)
            linear2 = Init.silent hidden outputs filling
        }

    /// [..., inputs] → [..., outputs]
    let apply (projector: Projector) (x: Tensor) =
        (layerNorm projector.ln
         --> linear projector.linear1
         --> relu
         --> linear projector.linear2)
            x

/// The trained leaves of StyLIP.
[<NoComparison; NoEquality>]
type StyLIP =
    {
        /// One a layer of the tower, from 2·channels to a token's width.
        styles: Projector list
        /// From the channels of all layers to d.
        content: Projector
    }

/// Style-conditioned prompts (Bose et al., StyLIP, arXiv 2302.09251): the style of an image, which is the mean μ and the
/// deviation σ of each channel over the positions of each layer, makes the prompt's tokens; its content, the layers'
/// pooled maps together, is fused into the prompt's feature. CLIP is frozen.
///
/// Published for image classification, without code. Ours, where the abstract leaves it open: the layers are the maps
/// that the frame of all methods exposes (the skip maps and the dense map); a projector is a norm and two layers with
/// CoCoOp's bottleneck; a layer's style is added to the token of its number (`PromptFrame.words`, from the start again
/// when there are more layers) and the content to the class texts of unit length, so that training starts from the plain
/// prompt.
[<RequireQualifiedAccess>]
module StyLIP =
    /// `channels` of every layer, as in `layers`.
    let create (frame: PromptFrame) (channels: int64 list) filling : StyLIP =
        let style index count =
            Projector.create
                (2L * count)
                (PromptFrame.width frame)
                (Filling.named "styles" filling |> Filling.split index)

        {
            styles = List.mapi style channels
            content =
                Projector.create
                    (List.sum channels)
                    (PromptFrame.embed frame)
                    (Filling.named "content" filling)
        }

    /// The maps whose style counts, fine to coarse and then the dense map, each [B, channels, h, w].
    let layers (features: TowerFeatures) : Tensor list =
        features.Skips @ [ features.Dense.permute (0L, 3L, 1L, 2L) ]

    /// A root of less than this is not told from 0, whose slope is infinite.
    let private least = 1e-5

    /// μ and σ of each channel over the positions, σ = √(variance + 1e-5). [B, channels, h, w] → [B, 2·channels]
    let statistics (map: Tensor) =
        scoped (fun () ->
            let positions = (widened map).flatten 2L
            let variance = positions.var ([| 2L |], unbiased = false)
            torch.cat ([| positions.mean [| 2L |]; variance.add(scalar least, unity).sqrt() |], 1L))

    /// The prompt's tokens. [B, 4, width]
    let context (frame: PromptFrame) (learner: StyLIP) (features: TowerFeatures) =
        scoped (fun () ->
            let styles =
                List.map2
                    (fun projector layer -> Projector.apply projector (statistics layer))
                    learner.styles
                    (layers features)

            let token index =
                styles
                |> List.indexed
                |> List.filter (fun (layer, _) -> layer % int PromptFrame.length = index)
                |> List.fold
                    (fun (sum: Tensor) (_, style) -> sum.add (style, unity))
                    (frame.context[int64 index].expand(features.Image.shape[0], -1L))

            torch.stack (Array.init (int PromptFrame.length) token, 1L))

    /// What the image's content adds to every class text. [B, d]
    let content (learner: StyLIP) (features: TowerFeatures) =
        scoped (fun () ->
            let pooled =
                layers features
                |> List.map (fun map -> (widened map).mean [| 2L; 3L |])
                |> List.toArray

            Projector.apply learner.content (torch.cat (pooled, 1L)))

    /// t_k(x), [B, K, d]
    let classTexts (frame: PromptFrame) (learner: StyLIP) (features: TowerFeatures) =
        scoped (fun () ->
            let texts = PromptFrame.features frame (context frame learner features)
            (unit texts).add((content learner features).unsqueeze 1L, unity))
