namespace Mcdrl

open TorchSharp

/// What can be read off the answers under every single condition, beyond the adjusted one. Probabilities are
/// [K + 1, S, S] of one image, logits [M, B, K + 1, h, w].
[<RequireQualifiedAccess>]
module Explanation =
    /// P(Y | do(F), do(condition = m)), [M, B, K + 1, h, w] → [B, K + 1, h, w].
    let under (condition: int) (logits: Tensor) =
        scoped (fun () -> logits.select(0L, int64 condition).softmax 1L)

    /// argmax_m KL(p_m ‖ Σ π p) of each pixel and its value in nats, among the conditions that have weight.
    /// log π [M] and `Disagreement.divergence` [M, B, h, w] → int64 and float [B, h, w].
    let mostInfluential (logPrior: Tensor) (divergence: Tensor) : struct (Tensor * Tensor) =
        use _scope = torch.NewDisposeScope()
        let weightless = logPrior.isneginf().view(-1L, 1L, 1L, 1L).``to`` divergence.device

        let weighed =
            torch.where (weightless, (scalar -1.0).``to`` divergence.device, divergence)

        let struct (value, index) = weighed.max 0L
        struct (index.MoveToOuterDisposeScope(), value.MoveToOuterDisposeScope())

    /// ½ Σ_k |p_k − q_k|, the largest change of any event's probability. [K + 1, S, S] twice → [S, S] in [0, 1].
    let totalVariation (p: Tensor) (q: Tensor) =
        scoped (fun () -> p.sub(q).abs().sum(0L).mul(scalar 0.5))

    /// Dice of two masks of one picture, all lesion classes together; 1 where both are empty.
    let dice (a: LabelMap) (b: LabelMap) =
        Metrics.dice EmptyTruth.Counted (Counts.ofLesions a.Labels b.Labels)

    /// 1 where two masks of one picture differ, and how often they do.
    let changes (a: LabelMap) (b: LabelMap) : LabelMap * int64 =
        let labels = Array.map2 (fun a b -> if a = b then 0uy else 1uy) a.Labels b.Labels

        { a with Labels = labels }, labels |> Array.sumBy int64

    /// The gap between two answers for a picture of the given size, marked alike.
    let gap marking (height: int) (width: int) (exact: Tensor) (attention: Tensor) : AttentionGap =
        use _scope = torch.NewDisposeScope()
        let variation = (totalVariation exact attention).``to`` torch.float64
        let adjusted = Upsampling.marked marking height width exact
        let mask = Upsampling.marked marking height width attention
        let flips, count = changes adjusted mask

        {
            MeanTotalVariation = variation.mean().cpu().item<float>()
            MaxTotalVariation = variation.max().cpu().item<float>()
            Dice = dice adjusted mask
            Flips = count
            FlipMap = flips
            Mask = mask
        }

    /// The region mask S^mask of one image: 1 for the cells that MTRS selected. Cell numbers [N] → H × W.
    let regionMask (height: int) (width: int) (cells: Tensor) : LabelMap =
        use _scope = torch.NewDisposeScope()
        let labels = Array.zeroCreate<byte>(height * width)

        for cell in cells.cpu().data<int64>() do
            labels[int cell] <- 1uy

        {
            Width = width
            Height = height
            Labels = labels
        }
