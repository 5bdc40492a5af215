namespace Mcdrl

/// The only source of randomness: a value that is split, never advanced. Equal seeds give equal numbers.
[<Struct>]
type Seed = private Seed of uint64

/// Splits seeds and draws from them: the same seed gives the same numbers on every machine.
[<RequireQualifiedAccess>]
module Seed =
    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that scatters neighbouring inputs.
    let private scatter (x: uint64) =
        let x = (x ^^^ (x >>> 30)) * 0xBF58476D1CE4E5B9UL
        let x = (x ^^^ (x >>> 27)) * 0x94D049BB133111EBUL
        x ^^^ (x >>> 31)

    /// The seed that a user gave; any number is as good as another.
    let create (value: uint64) = Seed value

    /// What a generator of another library starts from.
    let value (Seed state) = state

    /// An independent seed for the part numbered `key` of whatever `seed` is for.
    let split (key: int) (Seed state) =
        Seed(scatter (state + 0x9E3779B97F4A7C15UL * (uint64 (uint32 key) + 1UL)))

    /// An independent seed for the part called `name`.
    let named (name: string) (Seed state) =
        let hash =
            (0xCBF29CE484222325UL, name)
            ||> Seq.fold (fun hash letter -> (hash ^^^ uint64 letter) * 0x100000001B3UL)

        Seed(scatter (state ^^^ scatter hash))

    /// One number in [0, 1): 53 random bits over 2⁵³.
    let uniform (Seed state) =
        float (scatter (state + 0xD1B54A32D192ED03UL) >>> 11) / 9007199254740992.0

    /// One number in [low, high).
    let between (low: float) (high: float) seed = low + (high - low) * uniform seed

    /// One integer in [0, count).
    let below (count: int) seed =
        min (count - 1) (int (float count * uniform seed))

    /// A permutation of 0 .. count - 1 (Fisher and Yates).
    let permutation (count: int) seed =
        let order = Array.init count id

        for last in count - 1 .. -1 .. 1 do
            let chosen = seed |> split last |> below (last + 1)
            let held = order[last]
            order[last] <- order[chosen]
            order[chosen] <- held

        order
