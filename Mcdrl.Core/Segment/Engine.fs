namespace Mcdrl

open System

[<NoComparison; NoEquality>]
type Engine =
    {
        Classes: string list
        Segment: Marginalisation option -> Marking -> Picture -> Result<SegmentationResult, McdrlError>
        Explain:
            (Marginalisation option -> Marking -> Picture -> Result<ExplanationResult, McdrlError>) option
        Share: int -> IDisposable
        Free: unit -> unit
    }

    interface IDisposable with
        member this.Dispose() = this.Free()

[<RequireQualifiedAccess>]
module Engine =
    let private answered (picture: Picture) (ask: Picture -> Result<'answer, McdrlError>) =
        Guard.run $"a picture of {picture.Width} x {picture.Height} pixels" (fun () -> ask picture)

    let segment engine mode marking picture =
        answered picture (engine.Segment mode marking)

    let explain engine mode marking picture =
        match engine.Explain with
        | Some explain -> answered picture (explain mode marking)
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
