namespace Mcdrl

open TorchSharp

/// How far the answers under single conditions are from one another. log π is [M] float64, logits are `Backdoor.logitsUnderEach`'s.
[<RequireQualifiedAccess>]
module Disagreement =
    /// H(p) in nats over the classes, which lie along `axis` of probabilities; 0 where one class is certain.
    let entropy (axis: int64) (p: Tensor) =
        scoped (fun () -> p.mul(p.maximum(scalar 1e-12).log()).sum(axis).neg())

    /// How far the conditions disagree about each pixel: I(Y; Z | F) = H(Σ π_m p_m) − Σ π_m H(p_m) in nats.
    /// Logits [M, B, K + 1, h, w] → [B, h, w] in [0, min(log M, log(K + 1))].
    let mutualInformation (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () ->
            let each = logits.softmax 2L
            let mixed = Backdoor.expectation logPrior each
            (entropy 1L mixed).sub(Backdoor.expectation logPrior (entropy 2L each)).maximum(scalar 0.0))

    /// −log Z_geo with Z_geo = Σ_k Π_m p_m(k)^π_m: how far the conditions are from one answer, in nats; 0 exactly where
    /// all of them agree. Logits [M, B, K + 1, h, w] → [B, h, w], ≥ 0 and without bound.
    let geometric (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () ->
            let mean = Backdoor.expectation logPrior (logits.log_softmax 2L)
            mean.logsumexp(1L).neg().maximum(scalar 0.0))

    /// Σ π_m p_m [B, K + 1, h, w] and KL(p_m ‖ Σ π p) [M, B, h, w].
    let private fromMixture (logPrior: Tensor) (logits: Tensor) : struct (Tensor * Tensor) =
        use scope = torch.NewDisposeScope()
        let logs = logits.log_softmax 2L
        let each = logs.exp ()
        let mixed = Backdoor.expectation logPrior each
        let apart = logs.sub_ (mixed.maximum(scalar 1e-12).log())

        struct (scope.MoveToOuter mixed, scope.MoveToOuter(apart.mul_(each).sum(2L).maximum(scalar 0.0)))

    /// How far the answer under condition m alone is from the adjusted one: KL(p_m ‖ Σ π p) of each pixel, in nats.
    /// Logits [M, B, K + 1, h, w] → [M, B, h, w].
    let divergence (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () ->
            let struct (_, divergence) = fromMixture logPrior logits
            divergence)

    /// The mean of `divergence` over pixels. Logits [M, B, K + 1, h, w] → [B, M].
    let influence (logPrior: Tensor) (logits: Tensor) =
        scoped (fun () -> (divergence logPrior logits).mean([| 2L; 3L |]).t())

    /// Exact adjustment, `mutualInformation` and `influence` at once: Σ π_m p_m [B, K + 1, h, w], I(Y; Z | F) [B, h, w], which
    /// is the mean of the divergences under π, and [B, M].
    let compare (logPrior: Tensor) (logits: Tensor) : struct (Tensor * Tensor * Tensor) =
        use scope = torch.NewDisposeScope()
        let struct (mixed, divergence) = fromMixture logPrior logits

        struct (scope.MoveToOuter mixed,
                scope.MoveToOuter(Backdoor.expectation logPrior divergence),
                scope.MoveToOuter(divergence.mean([| 2L; 3L |]).t()))
