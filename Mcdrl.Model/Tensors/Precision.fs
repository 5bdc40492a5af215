namespace Mcdrl

open TorchSharp

/// The element type that a model computes in. Similarities, probabilities and what is said about conditions are fp32 in
/// either.
[<RequireQualifiedAccess>]
type Precision =
    /// Single precision.
    | Fp32
    /// bfloat16, eight bits of precision with single precision's range.
    | Bf16

/// What torch calls it.
[<RequireQualifiedAccess>]
module Precision =
    /// torch's element type of a precision.
    let dtype precision =
        match precision with
        | Precision.Fp32 -> torch.float32
        | Precision.Bf16 -> torch.bfloat16
