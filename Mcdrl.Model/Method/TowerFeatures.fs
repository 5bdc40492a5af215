namespace Mcdrl

open TorchSharp

/// What an image tower says about a batch of images.
[<NoComparison; NoEquality>]
type TowerFeatures =
    {
        /// The dense map before alignment, [B, H, W, width].
        Dense: Tensor
        /// The image-level feature, [B, width].
        Image: Tensor
        /// Maps of earlier blocks, fine to coarse, [B, channels, h, w].
        Skips: Tensor list
    }
