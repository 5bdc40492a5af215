namespace Mcdrl

open TorchSharp

/// The trained leaves of BiomedCoOp.
[<NoComparison; NoEquality>]
type BiomedCoOp =
    {
        /// v_1 .. v_4, [4, width].
        context: Tensor
    }

/// Prompt learning for biomedical images (Koleilat et al., BiomedCoOp, arXiv 2411.15232): a learned context, the same for
/// all images, held to an ensemble of descriptive prompts of each class by consistency (SCCM) and by distillation from
/// those that the images agree on (KDSP).
///
/// Published for image classification, on BiomedCLIP and with 50 prompts a class. Ours: the class texts take the place of
/// the fixed ones in the frame of all methods; the prompts are our own (`BiomedPrompts`); the frozen image feature of the
/// teacher is F_vis without its gradient (the tower's own, or projected where it never saw text). Their robust score by median and MAD is left out, since standardising
/// it again undoes it: what remains is the z-score of u.
///
/// Ensembles E are features of the class's prompts, [K, P, d]; f images [B, d]; s the scale of cosines.
[<RequireQualifiedAccess>]
module BiomedCoOp =
    /// λ_s and λ_k, as published for Kvasir.
    let consistencyWeight, distillationWeight = 0.75, 0.75

    /// Largest |z| of a prompt that is kept, as published for Kvasir.
    let threshold = 1.5

    /// Before training: the context is the frame's.
    let create (frame: PromptFrame) : BiomedCoOp = { context = frame.context.clone () }

    /// g_k, the same for every image. [1, K, d]
    let classTexts (frame: PromptFrame) (learner: BiomedCoOp) =
        scoped (fun () -> PromptFrame.features frame (learner.context.unsqueeze 0L))

    /// SCCM: mean over all entries of (g − ē)², ē the mean of the class's prompts; all of unit length. g [K, d]
    let consistency (ensemble: Tensor) (texts: Tensor) =
        scoped (fun () ->
            let mean = unit ((unit ensemble).mean [| 1L |])
            (squared ((unit texts).sub mean)).mean())

    /// Which prompts are kept, bool [P]: |u_i − mean u| ≤ τ·std u, u_i the mean over images of max_k s·cos(f, e_{k,i}).
    let kept (scale: float) (ensemble: Tensor) (image: Tensor) =
        scoped (fun () ->
            let cosines = (unit ensemble).matmul((unit (widened image)).t()) // [K, P, B]
            let score = cosines.mul(scalar scale).amax([| 0L |]).mean [| 1L |]
            let distance = score.sub(score.mean ()).abs()
            distance.le (score.std().mul(scalar threshold)))

    /// KDSP: KL(teacher ‖ student) / (B·K), the teacher by the normalised mean of the kept prompts, the student by g [K, d].
    let distillation (scale: float) (ensemble: Tensor) (image: Tensor) (texts: Tensor) =
        scoped (fun () ->
            let told (image: Tensor) (texts: Tensor) =
                (unit (widened image)).matmul((unit texts).t()).mul(scalar scale).log_softmax 1L

            let seen = image.detach ()
            let weight = (kept scale ensemble seen).``to``(ensemble.dtype).view(1L, -1L, 1L)
            let teacher = told seen ((unit ensemble).mul(weight).sum 1L)
            let student = told image texts

            let divergence = teacher.exp().mul(teacher.sub student).sum()
            divergence.div(scalar (float (student.numel ()))).``to`` divergence.dtype)
