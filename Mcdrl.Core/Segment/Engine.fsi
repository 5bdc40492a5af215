namespace Mcdrl

open System

/// What computes a model's answers: libtorch (`Segmenter.engine`) or ONNX Runtime (`OnnxEngine.engine`). Any number of threads may
/// use one at the same time.
[<NoComparison; NoEquality>]
type Engine =
    {
        /// Lesion classes of the model, label 1 first.
        Classes: string list
        /// The answer about a picture of any size, in the model's own mode where none is given.
        Segment: Marginalisation option -> Marking -> Picture -> Result<SegmentationResult, McdrlError>
        /// `Segment`, and what the answer depends on; `None` for an engine that can't tell.
        Explain:
            (Marginalisation option -> Marking -> Picture -> Result<ExplanationResult, McdrlError>) option
        /// Shares the engine's own threads between this many pictures that are worked on side by side, until disposed.
        Share: int -> IDisposable
        /// Gives the model's memory back.
        Free: unit -> unit
    }

    interface IDisposable

/// What any engine is asked.
[<RequireQualifiedAccess>]
module Engine =
    /// The answer about a picture, in the model's own mode where none is given. What the engine throws is an error too.
    val segment:
        engine: Engine ->
        mode: Marginalisation option ->
        marking: Marking ->
        picture: Picture ->
            Result<SegmentationResult, McdrlError>

    /// The answer about a picture and what it depends on; a `Usage` error where the engine can't tell.
    val explain:
        engine: Engine ->
        mode: Marginalisation option ->
        marking: Marking ->
        picture: Picture ->
            Result<ExplanationResult, McdrlError>

    /// The engine, whose memory is given back only when the last call under way has ended: also one that its caller let go of.
    /// Later calls throw `ObjectDisposedException`.
    val keptWhileUsed: engine: Engine -> Engine

    /// `Parallel.inOrder` with the engine's threads shared between the items.
    val inOrder:
        engine: Engine ->
        stage: string ->
        work: ('item -> 'result) ->
        finished: ('item -> 'result -> unit) ->
        items: 'item array ->
        progress: Progress ->
            Result<unit, McdrlError>
