namespace Mcdrl

open System

[<NoComparison; NoEquality>]
type Engine =
    {
        Classes: string list
        Segment: Marginalisation option -> Picture -> Result<SegmentationResult, McdrlError>
        Explain: (Marginalisation option -> Picture -> Result<ExplanationResult, McdrlError>) option
        Share: int -> IDisposable
        Free: unit -> unit
    }

    interface IDisposable with
        member this.Dispose() = this.Free()

[<RequireQualifiedAccess>]
module Engine =
    let segment engine mode picture = engine.Segment mode picture

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
