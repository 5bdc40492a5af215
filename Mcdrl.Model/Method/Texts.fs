namespace Mcdrl

open TorchSharp

/// Text embeddings of the prompts, computed once and kept with the model.
[<NoComparison; NoEquality>]
type Texts =
    {
        /// e_k, "A {class} in an endoscopic image", [1, K, d]; [B, K, d] where each image has its own.
        classes: Tensor
        /// z_m, "An endoscopy image with {condition}", [M, d].
        conditions: Tensor
        /// t_{k,m}, "A {class} with {condition}", [K, M, d].
        class_conditions: Tensor
        /// "An endoscopic image of normal mucosa", [d]; [B, 1, d] where each image has its own.
        normal: Tensor
        /// log π, [M], float64; −∞ for a condition of no weight.
        log_prior: Tensor
    }

/// Texts as prompts.
[<RequireQualifiedAccess>]
module Texts =
    /// Those of normal mucosa and of the classes, in the order of a cell's labels. [1 or B, K + 1, d], as the class texts are.
    let prompts (texts: Texts) =
        scoped (fun () ->
            let normal = texts.normal.expand (texts.classes.shape[0], 1L, -1L) // [1 or B, 1, d]
            torch.cat ([| normal; texts.classes |], 1L))
