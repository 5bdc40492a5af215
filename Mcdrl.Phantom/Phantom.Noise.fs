namespace Mcdrl

open System

/// Smooth seeded noise over the plane: a table of random numbers, interpolated. Evaluated millions of times a
/// frame, hence float32 and plain arithmetic.
[<RequireQualifiedAccess>]
module PhantomNoise =
    let private bits = 8
    let private period = 1 <<< bits
    let private mask = period - 1

    /// 256 × 256 numbers in [−1, 1].
    let table (seed: Seed) : float32[] =
        let mutable state = uint64 (Seed.uniform seed * 9007199254740992.0)

        Array.init (period * period) (fun _ ->
            state <- state * 6364136223846793005UL + 1442695040888963407UL
            let high = uint32 (state >>> 33)
            float32 (high >>> 7) / 8388607.5f - 1f)

    /// Value noise at (x, y), one feature a unit, in [−1, 1]; repeats every 256 units.
    let inline private lattice (table: float32[]) (x: float32) (y: float32) =
        let left, top = MathF.Floor x, MathF.Floor y
        let fx, fy = x - left, y - top
        let column, row = int left, int top
        let first = (row &&& mask) <<< bits
        let second = ((row + 1) &&& mask) <<< bits
        let near, far = column &&& mask, (column + 1) &&& mask
        let wx = fx * fx * (3f - 2f * fx)
        let wy = fy * fy * (3f - 2f * fy)
        let above = table[first + near] + wx * (table[first + far] - table[first + near])
        let below = table[second + near] + wx * (table[second + far] - table[second + near])
        above + wy * (below - above)

    /// One octave of `frequency` features a unit, turned so that its grid doesn't show.
    let at (table: float32[]) (frequency: float32) (x: float32) (y: float32) =
        let x, y = 0.83f * x - 0.557f * y, 0.557f * x + 0.83f * y
        lattice table (frequency * x + 17.3f * frequency + 31.7f) (frequency * y + 5.1f * frequency + 11.9f)

    /// Three octaves from `frequency` up, each half as strong; in about [−1, 1].
    let fractal (table: float32[]) (frequency: float32) (x: float32) (y: float32) =
        (at table frequency x y
         + 0.5f * at table (2.03f * frequency) y -x
         + 0.25f * at table (4.1f * frequency) -x y)
        * 0.7f

    /// How much of an octave a pixel grid of this pitch can show: 1 for coarse octaves, 0 beyond its limit.
    let shown (pitch: float32) (frequency: float32) =
        MathF.Min(1f, MathF.Max(0f, 1.6f - 2.2f * frequency * pitch))

    /// 0 below `low`, 1 above `high`, smooth between (or the other way round where low > high).
    let step (low: float32) (high: float32) (x: float32) =
        let t = MathF.Min(1f, MathF.Max(0f, (x - low) / (high - low)))
        t * t * (3f - 2f * t)
