namespace Mcdrl

open TorchSharp

/// How much the similarities to the texts count, where texts tell a lesion from normal mucosa and the classes from one
/// another (ours, not the paper's).
[<NoComparison; NoEquality>]
type TextClasses =
    {
        /// Weight of what each cell's similarities say about a lesion, [1].
        lesion: Tensor
        /// Weight of each cell's similarity in telling the classes apart, [1].
        cells: Tensor
        /// Weight of the whole image's similarity in telling the classes apart, [1].
        image: Tensor
    }

/// From similarities to scores of the classes and of a lesion, and from these to logits.
[<RequireQualifiedAccess>]
module TextClasses =
    /// At first all count in full.
    let create filling : TextClasses =
        let full = Filling.fill (fun shape _ -> Init.ones shape) [ 1L ]

        {
            lesion = full filling
            cells = full filling
            image = full filling
        }

    /// The temperature that CLIP begins to learn with (Radford et al. 2021). It is part of what a model is, unlike the one
    /// of the alignment loss, which is a setting: training tunes the weights, not this.
    let temperature = 0.07

    let private lesions (similarity: Tensor) =
        similarity.narrow (-1L, 1L, Array.last similarity.shape - 1L)

    /// What the texts say. Similarities to the texts of normal mucosa and of the K classes: of cells [B', H, W, K + 1], of
    /// images [B', 1, 1, K + 1] → [B', K + 1, H, W]: first what they say about a lesion of any class,
    /// lesion · (log Σ_k exp(cos(C[h,w], e_k) / 0.07) − cos(C[h,w], e_normal) / 0.07), then the scores of the classes,
    /// (cells · cos(C[h,w], e_k) + image · cos(F_vis, e_k)) / 0.07.
    let evidence (weights: TextClasses) (cells: Tensor) (images: Tensor) =
        scoped (fun () ->
            let cells, images = cells.div (scalar temperature), images.div (scalar temperature)
            let found = (lesions cells).logsumexp(-1L, true) // [B', H, W, 1]
            let lesion = found.sub(cells.narrow (-1L, 0L, 1L)).mul weights.lesion

            let classes = // [B', H, W, K]
                (lesions cells).mul(weights.cells).add((lesions images).mul weights.image, unity)

            torch.cat([| lesion; classes |], -1L).permute(0L, 3L, 1L, 2L))

    /// P(k) = P(lesion) P(k | lesion): logits of normal and lesion by the head [B', 2, S, S] and what the texts say
    /// [B', K + 1, S, S], see `evidence` → logits [B', K + 1, S, S].
    let split (read: Tensor) (evidence: Tensor) =
        scoped (fun () ->
            let classes = evidence.narrow (1L, 1L, evidence.shape[1] - 1L) // [B', K, S, S]
            let lesion = read.narrow(1L, 1L, 1L).add(evidence.narrow (1L, 0L, 1L), unity) // [B', 1, S, S]
            torch.cat ([| read.narrow (1L, 0L, 1L); lesion.add (classes.log_softmax 1L, unity) |], 1L))
