namespace Mcdrl

open System
open System.Collections.Generic

/// What an exported segmenter states about itself.
[<RequireQualifiedAccess>]
type OnnxFacts =
    {
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The dictionary, if the file says how much each condition matters.
        Conditions: string list
        /// How it intervenes: the one mode that it was exported for.
        Mode: Marginalisation
        /// Side of the square input in pixels.
        InputSize: int
        /// Regions that cover a smaller share of the picture are not marked, where no smallest region is asked for; `None` for 0.
        MinArea: float option
    }

/// The answer about some frames, row by row in the order of the axes.
[<RequireQualifiedAccess>]
type OnnxOutput =
    {
        /// P(Y | do(F)), [B, K + 1, S, S].
        Probabilities: float32 array
        /// I(Y; Z | F) in nats, [B, S, S], for modes that look at single conditions.
        Disagreement: float32 array option
        /// Mean KL divergence of each condition's answer from the adjusted one in nats, [B, M], for the same modes.
        Influence: float32 array option
    }

/// An exported segmenter in ONNX Runtime until it is disposed. One instance serves any number of threads.
[<Sealed; NoComparison; NoEquality>]
type OnnxEngine =
    /// What the file states.
    member Facts: OnnxFacts

    /// What it computes on.
    member Device: OnnxDevice

    /// All that the file's metadata state, as they stand there: product, task, trained_on, data_sha256, weights_sha256 and more.
    member Metadata: IReadOnlyDictionary<string, string>

    interface IDisposable

/// Runs files that `OnnxExport` wrote.
[<RequireQualifiedAccess>]
module OnnxEngine =
    /// Opens an exported segmenter on the processor. `threads` 0 leaves the number to ONNX Runtime. A file of any other form is a
    /// `Model` error.
    val load: path: string -> threads: int -> Result<OnnxEngine, McdrlError>

    /// `load` on a device. What the device fails in, then or later, is a `Resource` error.
    val loadOn: device: OnnxDevice -> path: string -> threads: int -> Result<OnnxEngine, McdrlError>

    /// `load` for the bytes of such a file; `path` names them in errors. They may change once this has returned.
    val ofBytes: path: string -> threads: int -> content: byte[] -> Result<OnnxEngine, McdrlError>

    /// `ofBytes` on a device.
    val ofBytesOn:
        device: OnnxDevice ->
        path: string ->
        threads: int ->
        content: byte[] ->
            Result<OnnxEngine, McdrlError>

    /// What a file's metadata state, each number within its bounds; a `Model` error that says which isn't. `path` names the file.
    val internal factsOf:
        path: string -> metadata: IReadOnlyDictionary<string, string> -> Result<OnnxFacts, McdrlError>

    /// Runs frames [B, 3, S, S] in [0, 1], row by row, S the input size.
    val run: engine: OnnxEngine -> frames: float32 array -> Result<OnnxOutput, McdrlError>

    /// `run` on a picture of any size.
    val runPicture: engine: OnnxEngine -> picture: Picture -> Result<OnnxOutput, McdrlError>

    /// The answer that the outputs for a picture come to.
    val answer:
        engine: OnnxEngine -> marking: Marking -> picture: Picture -> found: OnnxOutput -> SegmentationResult

    /// Segments a picture of any size, as `Segmenter.segmentWith` does.
    val segment:
        engine: OnnxEngine -> marking: Marking -> picture: Picture -> Result<SegmentationResult, McdrlError>

    /// The exported segmenter as an engine, which disposes it. It answers in the mode that it was exported for and in no other,
    /// and can't explain.
    val engine: exported: OnnxEngine -> Engine
