namespace Mcdrl

open System
open System.IO

/// Probabilities as 16-bit grey PNGs: sample / 65535.
[<RequireQualifiedAccess>]
module ProbabilityMaps =
    let private sample (probability: float32) =
        uint16 (MathF.Round(65535.0f * Math.Clamp(probability, 0.0f, 1.0f)))

    let private rowsTo width height (overRows: (float32 array -> unit) -> unit) (stream: Stream) =
        let samples = Array.zeroCreate<uint16> width

        Png.write16 stream width height (fun visit ->
            overRows (fun row ->
                for x in 0 .. width - 1 do
                    samples[x] <- sample row[x]

                visit samples))

    let private writeRows path width height overRows =
        Files.writeAtomically path (rowsTo width height overRows)

    /// Writes a map of probabilities, one a pixel; an old file is replaced, whole or not at all.
    let write (path: string) (map: ValueMap) : Result<unit, McdrlError> =
        writeRows path map.Width map.Height (fun visit ->
            for y in 0 .. map.Height - 1 do
                visit (Array.sub map.Values (y * map.Width) map.Width))

    /// Writes P(class) of every pixel of a result's mask, row by row; label 0 is background.
    let writeClass (path: string) (label: int) (segmentation: SegmentationResult) : Result<unit, McdrlError> =
        let mask = segmentation.Mask

        writeRows path mask.Width mask.Height (fun visit ->
            SegmentationResult.overRows segmentation label (fun _ row -> visit row))

    /// Writes P(lesion) = 1 − P(background) of every pixel of a result's mask, row by row, as a PNG into a stream.
    let lesionTo (stream: Stream) (segmentation: SegmentationResult) : unit =
        let mask = segmentation.Mask
        let lesion = Array.zeroCreate<float32> mask.Width

        stream
        |> rowsTo mask.Width mask.Height (fun visit ->
            SegmentationResult.overRows segmentation 0 (fun _ row ->
                for x in 0 .. mask.Width - 1 do
                    lesion[x] <- 1.0f - row[x]

                visit lesion))

    /// `lesionTo` for a file; an old one is replaced, whole or not at all.
    let writeLesion (path: string) (segmentation: SegmentationResult) : Result<unit, McdrlError> =
        Files.writeAtomically path (fun stream -> lesionTo stream segmentation)
