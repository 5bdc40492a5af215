namespace Mcdrl

open System.Runtime.Intrinsics.X86

/// What the processor can do.
[<RequireQualifiedAccess>]
module Processor =
    /// Those of `avx2`, `avx512`, `avx512_bf16`, `amx_bf16` that it has, by bits of CPUID leaf 7 (Intel SDM, volume 2A).
    let features =
        if X86Base.IsSupported then
            let struct (highest, _, _, edx) = X86Base.CpuId(7, 0)

            let struct (eax, _, _, _) =
                if highest >= 1 then
                    X86Base.CpuId(7, 1)
                else
                    struct (0, 0, 0, 0)

            [
                if Avx2.IsSupported then
                    "avx2"
                if Avx512F.IsSupported then
                    "avx512"
                if Avx512F.IsSupported && eax &&& (1 <<< 5) <> 0 then
                    "avx512_bf16"
                if edx &&& (1 <<< 22) <> 0 then
                    "amx_bf16"
            ]
        else
            []

    let private hasBf16 =
        features
        |> List.exists (fun feature -> feature = "avx512_bf16" || feature = "amx_bf16")

    /// Whether it multiplies in bf16 faster than in fp32, with oneDNN, which `ONEDNN_MAX_CPU_ISA` may keep from it.
    let hasFastBf16 () =
        hasBf16 && Result.isOk (Native.load ()) && OneDnn.supportsBf16 ()
