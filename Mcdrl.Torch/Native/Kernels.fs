namespace Mcdrl

open System

/// Which of libtorch's two libraries for products is the faster one on this processor.
[<RequireQualifiedAccess>]
module internal Kernels =
    /// What may keep oneDNN from a processor's newer instructions, by either of its names.
    let limits = [ "ONEDNN_MAX_CPU_ISA"; "DNNL_MAX_CPU_ISA" ]

    /// Names of instruction sets older than AVX2, as oneDNN spells them.
    let private old = [ "SSE41"; "AVX" ]

    /// Whether packed weights are faster on a processor with these features, its oneDNN held to these sets: from AVX2 on, where oneDNN takes
    /// 0.2 to 0.95 of MKL's time; without, twice to three times as long (docs/speed.md).
    let packedIsFasterOn (features: string list) (heldTo: string list) =
        List.contains "avx2" features
        && heldTo
           |> List.forall (fun limit ->
               not (
                   List.exists
                       (fun name -> String.Equals(name, limit, StringComparison.OrdinalIgnoreCase))
                       old
               ))

    /// Whether linear layers in fp32 are to be computed by oneDNN with packed weights, not by MKL with plain ones. By what the
    /// processor is, never by a clock: the two differ in the last digits, and the same machine must give the same ones.
    let packedIsFaster () =
        limits
        |> List.choose (Environment.GetEnvironmentVariable >> Option.ofObj)
        |> packedIsFasterOn Processor.features
