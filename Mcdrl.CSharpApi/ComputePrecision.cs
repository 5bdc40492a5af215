using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>What a model computes in.</summary>
public enum ComputePrecision
{
    /// <summary>What the model records.</summary>
    ModelDefault,

    /// <summary>bf16 where the device has instructions for it, else fp32.</summary>
    Auto,

    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>bfloat16: half the memory, three digits. Probabilities are 32-bit all the same.</summary>
    Bf16,
}

internal static class ComputePrecisions
{
    /// <summary>The precision on a device, none for the model's own.</summary>
    internal static FSharpOption<Precision>? On(this ComputePrecision precision, string device) => precision switch
    {
        ComputePrecision.ModelDefault => null,
        ComputePrecision.Auto => FSharpOption<Precision>.Some(PrecisionName.fastOn(device)),
        ComputePrecision.Fp32 => FSharpOption<Precision>.Some(Precision.Fp32),
        ComputePrecision.Bf16 => FSharpOption<Precision>.Some(Precision.Bf16),
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "there is no such precision"),
    };
}
