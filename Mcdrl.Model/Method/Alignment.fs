namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// Cell-text alignment (ours). Without it Eq. 6 would rank noise for a tower that never saw text.
[<RequireQualifiedAccess>]
module Alignment =
    /// The prompts of normal mucosa and of the classes, in the order of a cell's labels. [K + 1, d], or [B, K + 1, d] where
    /// each image has its own class texts.
    let prompts (texts: Texts) =
        scoped (fun () ->
            let normal = texts.normal.unsqueeze 0L

            if texts.classes.dim () = 2L then
                torch.cat ([| normal; texts.classes |], 0L)
            else
                torch.cat ([| normal.expand (texts.classes.shape[0], 1L, -1L); texts.classes |], 1L))

    /// Cross-entropy of cos(C[h,w], prompt) / τ. Prompts as from `prompts`, labels int64 [B, H, W] (0 normal, k class k),
    /// C [B, H, W, d] → scalar ≥ 0.
    let loss (tau: float) (prompts: Tensor) (labels: Tensor) (dense: Tensor) =
        scoped (fun () ->
            let scores = (Regions.similarity dense prompts).div(scalar tau)
            functional.cross_entropy (scores.flatten (0L, 2L), labels.flatten ()))
