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
    let segment engine mode marking picture =
        engine.Segment mode marking picture
        |> Result.bind SegmentationResult.requireFinite

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

    let explain engine mode marking picture =
        match engine.Explain with
        | Some explain -> explain mode marking picture |> Result.bind requireFinite
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
