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
    /// An explanation, if all that it compares are numbers.
    let private requireFinite (found: ExplanationResult) =
        let isFinite (map: ValueMap) = Array.forall Single.IsFinite map.Values

        SegmentationResult.requireFinite found.Segmentation
        |> Result.bind (fun _ ->
            if
                isFinite found.MutualInformation
                && isFinite found.GeometricDisagreement
                && isFinite found.StrongestInfluence
                && Double.IsFinite found.Gap.MeanTotalVariation
                && List.forall isFinite found.Regions.Similarity
                && found.Conditions
                   |> List.forall (fun answer ->
                       Double.IsFinite answer.Weight && Double.IsFinite answer.Influence)
            then
                Ok found
            else
                Error SegmentationResult.notFinite)

    let private answered (picture: Picture) (ask: Picture -> Result<'answer, McdrlError>) =
        Guard.run $"a picture of {picture.Width} x {picture.Height} pixels" (fun () -> ask picture)

    let segment engine mode marking picture =
        answered picture (engine.Segment mode marking)
        |> Result.bind SegmentationResult.requireFinite

    let explain engine mode marking picture =
        match engine.Explain with
        | Some explain -> answered picture (explain mode marking) |> Result.bind requireFinite
        | None ->
            Error(
                McdrlError.usage
                    "an exported model can't explain its answers"
                    "explain"
                    "Load the model's folder instead"
            )

    let keptWhileUsed (engine: Engine) : Engine =
        let gate = obj ()
        let mutable calls = 0
        let mutable freed = false

        let during (work: unit -> 'a) =
            lock gate (fun () ->
                ObjectDisposedException.ThrowIf(freed, engine)
                calls <- calls + 1)

            try
                work ()
            finally
                lock gate (fun () ->
                    calls <- calls - 1

                    if freed && calls = 0 then
                        engine.Free())

        { engine with
            Segment = fun mode marking picture -> during (fun () -> engine.Segment mode marking picture)
            Explain =
                engine.Explain
                |> Option.map (fun explain mode marking picture ->
                    during (fun () -> explain mode marking picture))
            Free =
                fun () ->
                    lock gate (fun () ->
                        if not freed then
                            freed <- true

                            if calls = 0 then
                                engine.Free())
        }

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
