namespace Mcdrl

open TorchSharp

/// The Dice loss (ours, not the paper's), which small lesions weigh as much in as large ones.
[<RequireQualifiedAccess>]
module SoftDice =
    /// 1 − soft Dice of each lesion class over the pixels that aren't ignored, mean over the images and classes. Sums are smoothed
    /// by a share of the frame, or by one pixel for `None`: in a frame without a lesion, a mark of P pixels is pushed down by
    /// s / (P + s)², next to nothing if s is one pixel. Logits [B, K + 1, S, S], labels int64 [B, S, S] → scalar in [0, 1].
    let loss (smoothing: float option) (logits: Tensor) (labels: Tensor) =
        scoped (fun () ->
            let smoothed (x: Tensor) =
                smoothing
                |> Option.map (fun share -> share * float (labels.shape[1] * labels.shape[2]))
                |> Option.defaultValue 1.0
                |> fun pixels -> x.add (scalar pixels, unity)

            let counts = labels.ne(scalar (float Ignored.label)).unsqueeze 1L // [B, 1, S, S]
            let p = logits.softmax(1L).slice(1L, 1L, logits.shape[1], 1L).mul counts // [B, K, S, S]

            let each =
                torch.tensor([| 1L .. logits.shape[1] - 1L |], device = labels.device).view(1L, -1L, 1L, 1L) // [1, K, 1, 1]

            let g = labels.unsqueeze(1L).eq(each).``to`` p.dtype // [B, K, S, S]
            let over (x: Tensor) = x.sum [| 2L; 3L |] // [B, K]
            let overlap = smoothed ((over (p.mul g)).mul(scalar 2.0))
            let total = smoothed ((over p).add(over g, unity))
            overlap.div(total).neg().add(scalar 1.0, unity).mean())
