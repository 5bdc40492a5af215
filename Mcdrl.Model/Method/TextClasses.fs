namespace Mcdrl

open TorchSharp

/// How much the similarities to the class texts count, where texts tell the classes apart (ours, not the paper's).
[<NoComparison; NoEquality>]
type TextClasses =
    {
        /// Weight of each cell's similarity, [1].
        cells: Tensor
        /// Weight of the whole image's similarity, [1].
        image: Tensor
    }

/// From similarities to scores of the classes, and from these to logits.
[<RequireQualifiedAccess>]
module TextClasses =
    /// At first both count in full.
    let create filling : TextClasses =
        let full = Filling.fill (fun shape _ -> Init.ones shape) [ 1L ]

        {
            cells = full filling
            image = full filling
        }

    /// The temperature that CLIP begins to learn with (Radford et al. 2021). It is part of what a model is, unlike the one
    /// of the alignment loss, which is a setting: training tunes the two weights, not this.
    let temperature = 0.07

    /// (cells · cos(C[h,w], e_k) + image · cos(F_vis, e_k)) / 0.07 from the similarities to the texts of cells
    /// [B', H, W, K] and of images [B, 1, 1, K], B' a multiple of B → [B', K, H, W].
    let scores (weights: TextClasses) (cells: Tensor) (images: Tensor) =
        scoped (fun () ->
            let copies = cells.shape[0] / images.shape[0]
            let cells, whole = cells.mul weights.cells, images.mul weights.image
            let sum = cells.add (whole.repeat (copies, 1L, 1L, 1L), unity) // [B', H, W, K]
            sum.div(scalar temperature).permute(0L, 3L, 1L, 2L)) // [B', K, H, W]

    /// P(k) = P(lesion) P(k | lesion): logits of normal and lesion [B', 2, S, S] and scores of the classes
    /// [B', K, S, S] → logits [B', K + 1, S, S].
    let split (lesion: Tensor) (scores: Tensor) =
        scoped (fun () ->
            let classes = lesion.narrow(1L, 1L, 1L).add(scores.log_softmax 1L, unity) // [B', K, S, S]
            torch.cat ([| lesion.narrow (1L, 0L, 1L); classes |], 1L)) // [B', K + 1, S, S]
