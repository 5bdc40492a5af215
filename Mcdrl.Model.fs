// MCDRL, "Multimodal Causality-Driven Representation Learning for Generalizable Medical Image Segmentation"
// (Liang et al., arXiv 2508.05008, CVPR 2026), Eq. 1-12, in the order in which an image passes through:
// Regions (6), Intervention (2, 8), Backdoor (1-5, 7), Head (4), Network (the whole way), Gate, Loss (9-12).
// Beside it lie what towers say (Texts.fs, TowerFeatures.fs) and what is ours: texts that tell lesions (TextClasses.fs), the
// head's refinements, further losses (SoftDice.fs, Alignment.fs, Grounding.fs), Prior.fs, NetworkTemplate.fs.
// Symbols: B images, H×W cells, d joint width of image and text, K lesion classes (class 0 is background),
// M confounders, N selected regions, S side of the network input. C dense map, F regions, Z dictionary, π prior.
namespace Mcdrl

open System
open TorchSharp
open type TorchSharp.torch.nn

/// MTRS: the regions that the class texts point at (Eq. 6).
[<RequireQualifiedAccess>]
module Regions =
    /// S[h,w,k] = cos(C[h,w], e_k) (Eq. 6). [B', H, W, d] and [1 or B, K, d], B' a multiple of B → [B', H, W, K] in
    /// [−1, 1], at least fp32; zero vectors give 0.
    let similarity (dense: Tensor) (classes: Tensor) =
        scoped (fun () ->
            let cells, texts = unit (widened dense), unit (widened classes)

            if texts.shape[0] = 1L then
                cells.matmul (texts.squeeze(0L).t()) // [B', H, W, K]
            else
                let copies = cells.shape[0] / texts.shape[0]
                let own = texts.repeat(copies, 1L, 1L).transpose(1L, 2L).unsqueeze 1L // [B', 1, d, K]
                cells.matmul own) // [B', H, W, K]

    /// N = round(α·cells), midpoints away from zero, at least 1 and at most all.
    let count (alpha: float) (cells: int64) =
        let wanted = Math.Round(alpha * float cells, MidpointRounding.AwayFromZero)
        int64 (Math.Clamp(wanted, 1.0, float cells))

    /// The cells of S^mask: the N largest of Ŝ = max_k S, ties to the lower index.
    /// [B, H, W, K] → [B, N], row-major cell numbers in increasing order.
    let select (alpha: float) (similarity: Tensor) =
        scoped (fun () ->
            let best = similarity.amax([| -1L |]).flatten 1L // [B, H·W]
            let struct (_, order) = best.sort (1L, true, true)
            let chosen = order.narrow (1L, 0L, count alpha best.shape[1]) // [B, N]
            let struct (cells, _) = chosen.sort 1L
            cells)

    let private index (cells: Tensor) (width: int64) =
        cells.unsqueeze(-1L).expand(cells.shape[0], cells.shape[1], width) // [B, N, width]

    /// F: the rows of C at `cells`. [B, H, W, d] → [B, N, d]
    let gather (cells: Tensor) (dense: Tensor) =
        scoped (fun () ->
            let rows = dense.flatten (1L, 2L) // [B, H·W, d]
            rows.gather (1L, index cells dense.shape[3]))

    /// Puts the rows of F back at their cells of `map`. [B, N, d] into [B, H, W, d] → [B, H, W, d]
    let scatter (cells: Tensor) (map: Tensor) (regions: Tensor) =
        scoped (fun () ->
            let rows = map.flatten (1L, 2L) // [B, H·W, d]
            rows.scatter(1L, index cells map.shape[3], regions).view_as map)

/// One layer of A: cross-attention from regions to confounders, then a feed-forward part, both pre-norm and
/// with residuals. Without the residual the image would be erased: every row a mixture of M vectors.
[<NoComparison; NoEquality>]
type CausalLayer =
    {
        /// Of the regions before they ask, [d].
        ln_1: LayerNorm
        /// From regions to confounders, width d.
        attn: Attention
        /// Of the attended regions, [d].
        ln_2: LayerNorm
        /// [10/3·d, d].
        c_fc: Linear
        /// [d, 10/3·d].
        c_proj: Linear
    }

/// The causal intervention network A(F, Z) (Eq. 2, 8).
[<NoComparison; NoEquality>]
type Intervention =
    {
        /// In turn; as many as `method.layers` says.
        layers: CausalLayer list
    }

/// Applies A.
[<RequireQualifiedAccess>]
module Intervention =
    /// Attention heads of 64 channels; where 64 does not divide d, as many as do with at least 64 each.
    let heads (width: int64) =
        Seq.find (fun count -> width % count = 0L) (seq { max 1L (width / 64L) .. -1L .. 1L })

    /// Each z as long as √d, so that a dictionary of any text tower is read alike; a zero vector stays zero.
    let directions (confounders: Tensor) =
        scoped (fun () -> (unit confounders).mul(scalar (sqrt (float (Array.last confounders.shape)))))

    /// A(F, Z). Attention weights are π_m exp(s_m) / (1 + Σ_j π_j exp(s_j)): each region and head decides how much of the
    /// dictionary applies to it, of one confounder too, A(F, z). F [B, N, d], Z [1 or B, M, d], log π [M] → [B, N, d]
    let apply (network: Intervention) (logPrior: Tensor) (confounders: Tensor) (regions: Tensor) =
        let confounders = (directions confounders).``to`` regions.dtype

        let step (x: Tensor) (layer: CausalLayer) =
            scoped (fun () ->
                let width = x.shape[2]
                let queries = layerNorm layer.ln_1 x
                let attended = attend (heads width) logPrior layer.attn queries confounders // [B, N, d]
                let x = x.add (attended, unity)

                layerNorm layer.ln_2 x
                |> linearThen Epilogue.Gelu layer.c_fc // [B, N, 10/3·d]
                |> linearThen (Epilogue.Add x) layer.c_proj) // [B, N, d]

        scoped (fun () -> List.fold step (regions.alias ()) network.layers)

/// Backdoor adjustment over the confounder dictionary, for any network A and any head H. `intervene logPrior z f`
/// is A; `logits` is H without its softmax, [B', N, d] → [B', K + 1, ...] for any number B' of maps in the
/// order condition by condition.
[<RequireQualifiedAccess>]
module Backdoor =
    /// log π from weights ≥ 0 of any scale, [M], float64. A weight of zero gives −∞.
    let logPrior (weights: float seq) =
        scoped (fun () ->
            let weights = torch.tensor (Seq.toArray weights, dtype = torch.float64)
            weights.div(weights.sum ()).log())

    /// Σ_m π_m x_m over the leading axis.
    let expectation (logPrior: Tensor) (x: Tensor) =
        scoped (fun () ->
            let shape = Array.init (int (x.dim ())) (fun axis -> if axis = 0 then -1L else 1L)
            let prior = logPrior.exp().``to``(x.dtype).view shape // [M, 1, ...]
            x.mul(prior).sum 0L)

    /// log π of a dictionary of one.
    let private certain (like: Tensor) =
        torch.zeros (1L, dtype = like.dtype, device = like.device)

    /// A(F, z_m) for every m at once, the confounders folded into the batch.
    /// F [B, N, d], Z [M, d] → [M, B, N, d]
    let underEach intervene (conditions: Tensor) (regions: Tensor) : Tensor =
        scoped (fun () ->
            let images, confounders = regions.shape[0], conditions.shape[0]
            let copies = regions.repeat (confounders, 1L, 1L) // [M·B, N, d]
            let single = conditions.repeat_interleave(images, 0L).unsqueeze 1L // [M·B, 1, d]

            let intervened: Tensor = intervene (certain regions) single copies
            intervened.unflatten (0L, [| confounders; images |])) // [M, B, N, d]

    /// H(A(F, z_m)) for every m: [M, B, K + 1, ...]. Masks under do(condition = m) come from these. At most 16 maps, or
    /// B, are in the head at once, whatever M is: that bounds memory.
    let logitsUnderEach intervene (logits: Tensor -> Tensor) (conditions: Tensor) (regions: Tensor) =
        let ofSome (conditions: Tensor) =
            scoped (fun () ->
                let intervened = underEach intervene conditions regions // [M', B, N, d]
                let each = logits (intervened.flatten (0L, 1L)) // [M'·B, K + 1, ...]
                each.unflatten (0L, intervened.shape[..1]))

        conditions |> inParts (max 1L (16L / regions.shape[0])) ofSome

    /// Σ_m π_m softmax(l_m): [M, B, K + 1, ...] → [B, K + 1, ...] probabilities.
    let exact (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () -> expectation logPrior (logits.softmax 2L))

    /// softmax(Σ_m π_m l_m): [M, B, K + 1, ...] → [B, K + 1, ...] probabilities.
    let nwgm (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () -> (expectation logPrior logits).softmax 1L)

    /// F_ca, the invariant feature E_z[A(F, z)] (Eq. 5, 7) or what stands for it (Eq. 8). [B, N, d] → [B, N, d].
    /// `drawn` is one confounder for each image, int64 [B], which `Sampled` takes; without it, their mean. `Rendered` has
    /// intervened on the pixels (Rendered.fs), and leaves F as it is. The modes that answer under each condition have none; theirs
    /// is the mean.
    let invariant mode (drawn: Tensor option) intervene (texts: Texts) (regions: Tensor) : Tensor =
        scoped (fun () ->
            match mode, drawn with
            | (Marginalisation.Never | Marginalisation.Rendered), _ -> regions.alias ()
            | Marginalisation.Attention, _ ->
                let whole = texts.conditions.unsqueeze 0L // [1, M, d]
                intervene texts.log_prior whole regions
            | Marginalisation.Sampled, Some drawn ->
                let single = texts.conditions.index_select(0L, drawn).unsqueeze 1L // [B, 1, d]
                intervene (certain regions) single regions
            | Marginalisation.Sampled, None
            | (Marginalisation.FeatureMean | Marginalisation.Exact | Marginalisation.Nwgm | Marginalisation.Custom),
              _ -> expectation texts.log_prior (underEach intervene texts.conditions regions))

    /// P(Y | do(F)) by any way of making one answer of those under single conditions, as `exact` and `nwgm` are two:
    /// `combine` log π [M] and logits [M, B, K + 1, ...] → probabilities [B, K + 1, ...]. F [B, N, d].
    let adjustBy combine intervene (logits: Tensor -> Tensor) (texts: Texts) (regions: Tensor) : Tensor =
        scoped (fun () ->
            logitsUnderEach intervene logits texts.conditions regions
            |> combine texts.log_prior)

    /// P(Y | do(F)) (Eq. 1-8). F [B, N, d] → probabilities [B, K + 1, ...]. `Custom` needs its function: `adjustBy`.
    let adjust mode intervene (logits: Tensor -> Tensor) (texts: Texts) (regions: Tensor) =
        scoped (fun () ->
            match mode with
            | Marginalisation.Exact -> adjustBy exact intervene logits texts regions
            | Marginalisation.Nwgm -> adjustBy nwgm intervene logits texts regions
            | Marginalisation.Custom -> invalidArg "mode" "custom is a function: Backdoor.adjustBy takes it"
            | Marginalisation.FeatureMean
            | Marginalisation.Attention
            | Marginalisation.Sampled
            | Marginalisation.Rendered
            | Marginalisation.Never -> (logits (invariant mode None intervene texts regions)).softmax 1L)

/// The segmentation head H: logits of each pixel.
[<NoComparison; NoEquality>]
type Head =
    {
        /// Of each cell, [d].
        ln: LayerNorm
        /// 3×3, from d channels to the head's width.
        conv_1: Conv2d
        /// Steps to more detail, coarse to fine; none in the paper preset.
        refinements: Refinement list
        /// 1×1, to logits.
        conv_2: Conv2d
    }

/// Applies H.
[<RequireQualifiedAccess>]
module Head =
    /// Logits at the network's input size. Map [B', H, W, d] and the style of its details [B', d], where B' may be a
    /// multiple of the B images that the details belong to → [B', K + 1, S, S].
    let logits (head: Head) (side: int64) (details: Detail list) (style: Tensor) (map: Tensor) =
        scoped (fun () ->
            (layerNorm head.ln map).permute(0L, 3L, 1L, 2L) // [B', d, H, W]
            |> conv2dThen Epilogue.Gelu 1L 1L head.conv_1 // [B', hidden, H, W]
            |> fun coarse -> List.zip head.refinements details |> List.fold (Refinement.apply style) coarse
            |> conv2d 1L 0L head.conv_2 // [B', K + 1, h, w]
            |> widened
            |> resized [ side; side ]) // [B', K + 1, S, S]

/// The trained part of MCDRL.
[<NoComparison; NoEquality>]
type Network =
    {
        /// From the tower's width to the text's, for towers that were not trained with text.
        projection: Linear option
        /// A, which every class and condition shares.
        intervention: Intervention
        /// What unselected cells hold, [d]; `None` leaves the dense map there.
        background: Tensor option
        /// Of two logits, normal and lesion, where texts tell the classes apart; else of K + 1.
        head: Head
        /// From the style of a head's details to a row that A acts on; `None` for a head that reads no skip maps.
        style: Linear option
        /// How the texts count, where they tell lesions and their classes.
        text_classes: TextClasses option
        /// log π before it is normalised, [M], while it is learned.
        log_prior: Tensor option
    }

/// An image on its way through MCDRL: the aligned dense map and the regions the texts chose.
[<NoComparison; NoEquality>]
type Observation =
    {
        /// C, [B, H, W, d].
        Dense: Tensor
        /// F_vis, [B, d].
        Image: Tensor
        /// S, [B, H, W, K].
        Similarity: Tensor
        /// The selected cells, [B, N].
        Cells: Tensor
        /// F, [B, N, d].
        Regions: Tensor
        /// All that the head reads under a condition, row by row, which is what A acts on: F; then F_vis, where texts count;
        /// then the style of the details, where there are any. [B, N + 0 to 2, d].
        Rows: Tensor
        /// Earlier maps for the head, coarse to fine, without their style.
        Details: Detail list
        /// The texts of normal mucosa and of the classes, [1 or B, K + 1, d].
        Prompts: Tensor
    }

/// The whole way of a batch: dense map, regions, intervention, head.
[<RequireQualifiedAccess>]
module Network =
    /// From the tower's width to the text's: [..., width] → [..., d].
    let aligned (model: Network) (x: Tensor) =
        match model.projection with
        | Some projection -> linear projection x
        | None -> x.alias ()

    /// Dense map, similarities, selected regions (Eq. 6). α = 1 keeps every cell.
    let observe (model: Network) (texts: Texts) (alpha: float) (features: TowerFeatures) : Observation =
        let dense, image = aligned model features.Dense, aligned model features.Image
        let similarity = Regions.similarity dense texts.classes
        let cells = Regions.select alpha (similarity.detach ())
        let regions = Regions.gather cells dense
        let details = Refinement.details model.head.refinements features.Skips

        {
            Dense = dense
            Image = image
            Similarity = similarity
            Cells = cells
            Regions = regions
            Rows =
                scoped (fun () ->
                    torch.cat (
                        [|
                            regions
                            if model.text_classes.IsSome then
                                image.unsqueeze 1L
                            for style in Option.toList model.style do
                                let own = torch.cat ([| for detail in details -> detail.Style |], 1L)
                                (linear style own).unsqueeze 1L
                        |],
                        1L
                    ))
            Details = details
            Prompts = Texts.prompts texts
        }

    /// F among the rows, or what became of it. [B', N + 0 to 2, d] → [B', N, d]
    let regionsOf (observation: Observation) (rows: Tensor) =
        rows.narrow (1L, 0L, observation.Cells.shape[1])

    /// Intervened regions back in the map, as the head reads it. [B', N, d] → [B', H, W, d]
    let mapOf (model: Network) (observation: Observation) (regions: Tensor) =
        scoped (fun () ->
            let map =
                match model.background with
                | Some vector -> vector.expand_as observation.Dense // [B, H, W, d]
                | None -> observation.Dense

            let copies = regions.shape[0] / observation.Cells.shape[0]
            let cells = observation.Cells.repeat (copies, 1L) // [B', N]
            Regions.scatter cells (map.repeat (copies, 1L, 1L, 1L)) regions)

    /// H of intervened rows: regions scattered into the map, then through the head. [B', N + 0 to 2, d] → [B', K + 1, S, S]
    let logits (model: Network) (side: int64) (observation: Observation) (rows: Tensor) =
        scoped (fun () ->
            let map = regionsOf observation rows |> mapOf model observation
            let style = rows.select (1L, -1L) // [B', d]
            let read = Head.logits model.head side observation.Details style map

            match model.text_classes with
            | None -> read
            | Some weights ->
                // What z does to F_vis is learned from grounding alone: the labels of confounded sites would teach it the confounding.
                let image = rows.narrow(1L, observation.Cells.shape[1], 1L).detach().unsqueeze 1L // [B', 1, 1, d]

                let told x =
                    Regions.similarity x observation.Prompts // [B', h, w, K + 1]

                TextClasses.evidence weights (told map) (told image)
                |> resized [ side; side ]
                |> TextClasses.split read)

    /// The rows after the intervention, F_ca first (Eq. 7, 8), `drawn` as in `Backdoor.invariant`. [B, N + 0 to 2, d]
    let intervene (model: Network) (texts: Texts) mode drawn (rows: Tensor) =
        Backdoor.invariant mode drawn (Intervention.apply model.intervention) texts rows

    /// P(Y | do(F)), [B, K + 1, S, S].
    let probabilities (model: Network) (texts: Texts) mode (side: int64) (observation: Observation) =
        let logits = logits model side observation
        Backdoor.adjust mode (Intervention.apply model.intervention) logits texts observation.Rows

    /// Logits under do(condition = m) for every m, [M, B, K + 1, S, S].
    let logitsUnderEach (model: Network) (texts: Texts) (side: int64) (observation: Observation) =
        Backdoor.logitsUnderEach
            (Intervention.apply model.intervention)
            (logits model side observation)
            texts.conditions
            observation.Rows

/// Progressive training: in the first epochs, the paper's ten, the intervention is off. A is the identity until then,
/// and answers are the same to the last bit whatever Z is.
[<RequireQualifiedAccess>]
module Gate =
    /// How to intervene through a gate: not at all while it is closed.
    let through isOpen mode =
        if isOpen then mode else Marginalisation.Never

    /// How to intervene in 0-based `epoch`, through a gate that opens after `closed` epochs.
    let inEpoch (closed: int) (epoch: int) mode = through (epoch >= closed) mode

/// The losses (Eq. 9-12). Each is a scalar tensor ≥ 0.
[<RequireQualifiedAccess>]
module Loss =
    /// sum + weight · part, as every weighted loss is added.
    let plus (weight: float) (part: Tensor) (sum: Tensor) =
        scoped (fun () -> sum.add (part.mul(scalar weight).``to`` sum.dtype, unity))

    /// L = L_seg + λ1 L_causal + λ2 L_contrast (Eq. 9).
    let total lambda1 lambda2 (segmentation: Tensor) (causal: Tensor) (contrast: Tensor) =
        segmentation |> plus lambda1 causal |> plus lambda2 contrast

    /// Cross-entropy, mean over what isn't ignored (`Ignored.label`), 0 where all is. Scores [n, C] or [B, C, S, S], labels int64
    /// [n] or [B, S, S].
    let crossEntropy (scores: Tensor) (labels: Tensor) =
        scoped (fun () ->
            if labels.eq(scalar (float Ignored.label)).all().item<bool>() then
                scores.sum().mul(scalar 0.0).``to`` scores.dtype
            else
                functional.cross_entropy (scores, labels, ignore_index = int64 Ignored.label))

    /// L_seg (Eq. 10): cross-entropy, mean over pixels, of ours those that aren't ignored. Logits [B, K + 1, S, S], labels int64
    /// [B, S, S].
    let segmentation (logits: Tensor) (labels: Tensor) = crossEntropy logits labels

    /// The mean over the images that show a class (0 .. K − 1; −1 shows none), or 0 when none does.
    let private overShown (classes: Tensor) (like: Tensor) (loss: Tensor -> Tensor) =
        scoped (fun () ->
            match classes.ge(scalar 0.0).nonzero().flatten() with // [R]
            | none when none.numel () = 0L -> like.sum().mul(scalar 0.0)
            | rows -> loss rows)

    /// L_causal (Eq. 11): ‖pool(F_ca) − (1/M) Σ_m t_{k,m}‖², mean over the images that show a class. The pooled vector
    /// and each t are of unit length; the mean of the t is not. F_ca [B, N, d], t [K, M, d], classes int64 [B].
    let causal (classConditions: Tensor) (classes: Tensor) (intervened: Tensor) =
        overShown classes intervened (fun rows ->
            let pooled = unit (intervened.index_select(0L, rows).mean [| 1L |]) // [R, d]

            let target = // [R, d]
                (unit classConditions).mean([| 1L |]).index_select(0L, classes.index_select (0L, rows))

            (squared (pooled.sub target)).sum(-1L).mean())

    /// L_contrast (Eq. 12): −log softmax_k(cos(F_vis, e_k) / τ) at the image's class, mean over the images that show
    /// one; exactly 0 for K = 1. F_vis [B, d], e [1 or B, K, d], classes int64 [B].
    let contrast (tau: float) (texts: Tensor) (classes: Tensor) (image: Tensor) =
        overShown classes image (fun rows ->
            let shown = unit (image.index_select (0L, rows)) // [R, d]

            let cosines =
                if texts.shape[0] = 1L then
                    shown.matmul ((unit texts).squeeze(0L).t()) // [R, K]
                else
                    (unit (texts.index_select (0L, rows))).matmul(shown.unsqueeze -1L).squeeze(-1L) // [R, K]

            functional.cross_entropy (cosines.div (scalar tau), classes.index_select (0L, rows)))
