namespace Mcdrl

open TorchSharp

/// The trained leaves of CoCoOp.
[<NoComparison; NoEquality>]
type CoCoOp =
    {
        /// v_1 .. v_4, [4, width].
        context: Tensor
        /// First layer of h, [d / 16, d].
        linear1: Linear
        /// Second layer of h, [width, d / 16].
        linear2: Linear
    }

/// Conditional prompt learning (Zhou et al., CoCoOp, arXiv 2203.05557): a meta-net h shifts the learned context by what
/// the image shows, v_m(x) = v_m + h(F_vis), the same shift for every m.
///
/// Published for image classification. Ours: its class texts take the place of the fixed ones (Eq. 6, `TextClasses`) in
/// the frame of all methods, so all images of a batch are encoded at once where the authors take one; F_vis is of unit
/// length when it enters h, as theirs; the context starts from `PromptFrame.words`.
[<RequireQualifiedAccess>]
module CoCoOp =
    /// Before training: the context is the frame's, h is drawn.
    let create (frame: PromptFrame) filling : CoCoOp =
        let visual = PromptFrame.embed frame
        let hidden = max 1L (visual / 16L)

        {
            context = frame.context.clone ()
            linear1 = Init.linear visual hidden (Filling.named "linear1" filling)
            linear2 = Init.linear hidden (PromptFrame.width frame) (Filling.named "linear2" filling)
        }

    /// v_m(x). F_vis [B, d] → [B, 4, width]
    let context (learner: CoCoOp) (image: Tensor) =
        scoped (fun () ->
            let shift =
                (linear learner.linear1 --> relu --> linear learner.linear2) (unit (widened image))

            learner.context.unsqueeze(0L).add(shift.unsqueeze 1L, unity))

    /// t_k(x). F_vis [B, d] → [B, K, d]
    let classTexts (frame: PromptFrame) (learner: CoCoOp) (image: Tensor) =
        scoped (fun () -> PromptFrame.features frame (context learner image))
