namespace Mcdrl

open TorchSharp

/// Cell-text alignment (ours). Without it Eq. 6 would rank noise for a tower that never saw text.
[<RequireQualifiedAccess>]
module Alignment =
    /// Cross-entropy of cos(C[h,w], prompt) / τ. Prompts as from `Texts.prompts`, labels int64 [B, H, W] (0 normal, k class k, or ignored),
    /// C [B, H, W, d] → scalar ≥ 0.
    let loss (tau: float) (prompts: Tensor) (labels: Tensor) (dense: Tensor) =
        scoped (fun () ->
            let scores = (Regions.similarity dense prompts).div(scalar tau)
            Loss.crossEntropy (scores.flatten (0L, 2L)) (labels.flatten ()))
