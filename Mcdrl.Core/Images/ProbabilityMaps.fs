namespace Mcdrl

open System

/// Probabilities as 16-bit grey PNGs: sample / 65535.
[<RequireQualifiedAccess>]
module ProbabilityMaps =
    let private sample (probability: float32) =
        uint16 (MathF.Round(65535.0f * Math.Clamp(probability, 0.0f, 1.0f)))

    /// Writes a map of probabilities, one a pixel; an old file is replaced, whole or not at all.
    let write (path: string) (map: ValueMap) : Result<unit, McdrlError> =
        Files.writeAtomically path (fun stream ->
            Png.write16 stream map.Width map.Height (Array.map sample map.Values))
