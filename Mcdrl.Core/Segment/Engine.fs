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
        Segment: Marginalisation option -> Picture -> Result<SegmentationResult, McdrlError>
        /// `Segment`, and what the answer depends on; `None` for an engine that can't tell.
        Explain: (Marginalisation option -> Picture -> Result<ExplanationResult, McdrlError>) option
        /// Shares the engine's own threads between this many pictures that are worked on side by side, until disposed.
        Share: int -> IDisposable
        /// Gives the model's memory back.
        Free: unit -> unit
    }

    interface IDisposable with
        member this.Dispose() = this.Free()

[<RequireQualifiedAccess>]
module Engine =
    /// The answer about a picture, in the model's own mode where none is given.
    let segment engine mode picture = engine.Segment mode picture

    /// The answer about a picture and what it depends on; a usage error where the engine can't tell.
    let explain engine mode picture =
        match engine.Explain with
        | Some explain -> explain mode picture
        | None ->
            Error(
                McdrlError.usage
                    "an exported model can't explain its answers"
                    "explain"
                    "Load the model's folder instead"
            )

    /// `Parallel.inOrder` with the engine's threads shared between the items.
    let inOrder
        engine
        stage
        (work: 'item -> 'result)
        (finished: 'item -> 'result -> unit)
        (items: 'item array)
        (progress: Progress)
        =
        use _shared = engine.Share(Parallel.workers items)
        Parallel.inOrder stage work finished items progress
