namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// Cell-text alignment (ours). Without it Eq. 6 would rank noise for a tower that never saw text.
[<RequireQualifiedAccess>]
module Alignment =
    /// The prompts of normal mucosa and of the classes, in the order of a cell's labels. [1 or B, K + 1, d], as the class
    /// texts are.
    let prompts (texts: Texts) =
        scoped (fun () ->
            let normal = texts.normal.expand (texts.classes.shape[0], 1L, -1L) // [1 or B, 1, d]
            torch.cat ([| normal; texts.classes |], 1L))

    /// Cross-entropy of cos(C[h,w], prompt) / τ. Prompts as from `prompts`, labels int64 [B, H, W] (0 normal, k class k),
    /// C [B, H, W, d] → scalar ≥ 0.
    let loss (tau: float) (prompts: Tensor) (labels: Tensor) (dense: Tensor) =
        scoped (fun () ->
            let scores = (Regions.similarity dense prompts).div(scalar tau)
            functional.cross_entropy (scores.flatten (0L, 2L), labels.flatten ()))
