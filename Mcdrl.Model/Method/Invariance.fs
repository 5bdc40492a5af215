namespace Mcdrl

open TorchSharp

/// One answer for one frame, whatever it was taken under (ours).
[<RequireQualifiedAccess>]
module Invariance =
    /// Jensen–Shannon divergence of the answers to x and to T_m(x), mean over pixels. Logits [B, K + 1, S, S] twice
    /// → scalar in [0, log 2].
    let loss (logits: Tensor) (other: Tensor) =
        scoped (fun () ->
            let p, q = logits.log_softmax 1L, other.log_softmax 1L
            let middle = p.logaddexp(q).sub(scalar (log 2.0))
            let towards (x: Tensor) = x.exp().mul(x.sub middle).sum 1L // [B, S, S]
            (torch.stack [| towards p; towards q |]).mean())
