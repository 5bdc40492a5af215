namespace Mcdrl

open TorchSharp

/// Random tensors of a seed.
[<RequireQualifiedAccess>]
module SeedTensors =
    /// A torch generator on the CPU. The caller disposes it.
    let generator seed =
        new torch.Generator(Seed.value seed, torch.CPU)

    /// Standard normal numbers, float32 on the CPU.
    let normal (shape: int64 list) seed =
        use source = generator seed
        torch.randn (List.toArray shape, dtype = torch.float32, generator = source)

    /// Uniform numbers in [-bound, bound), float32 on the CPU.
    let symmetric (bound: float) (shape: int64 list) seed =
        use source = generator seed

        scoped (fun () ->
            torch
                .rand(List.toArray shape, dtype = torch.float32, generator = source)
                .mul(scalar (2.0 * bound))
                .sub(scalar bound))
