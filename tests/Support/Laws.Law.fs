namespace Mcdrl.Tests.Causal

open Expecto
open TorchSharp
open Mcdrl

/// How a law is stated.
[<RequireQualifiedAccess>]
module Law =
    /// Fails unless the two agree everywhere up to `tolerance`, relative to the larger numbers of `expected`.
    let close (tolerance: float) (what: string) (expected: Tensor) (actual: Tensor) =
        Expect.equal (List.ofArray actual.shape) (List.ofArray expected.shape) $"shape of {what}"

        if expected.numel () > 0L then
            let wide (x: Tensor) = x.detach().``to`` torch.float64
            let error = (wide actual).sub(wide expected).abs().max().item<float>()
            let scale = max 1.0 ((wide expected).abs().max().item<float>())
            Expect.isTrue (error <= tolerance * scale) $"{what}: off by {error} at scale {scale}"

    /// Bit for bit.
    let same (what: string) (expected: Tensor) (actual: Tensor) =
        Expect.isTrue (expected.equal(actual).all().item<bool>()) what

    /// Fails unless every entry is ≥ −tolerance.
    let nonNegative (tolerance: float) (what: string) (x: Tensor) =
        let least = x.min().item<float>()
        Expect.isTrue (least >= -tolerance) $"{what}: {least}"

    /// A law over `cases` random worlds, checked in a scope of its own.
    let forAll (cases: int) (name: string) (holds: World -> unit) =
        let config =
            { Mcdrl.Tests.Property.config name with
                maxTest = cases
                arbitrary = [ typeof<Worlds> ]
            }

        testPropertyWithConfig config $"{name} ({cases} cases)" (fun (world: World) ->
            use _scope = torch.NewDisposeScope()
            holds world)

    /// A law that is one exact calculation.
    let example (name: string) (holds: unit -> unit) =
        testCase $"{name} (example)" (fun () ->
            use _scope = torch.NewDisposeScope()
            holds ())
