namespace Mcdrl

open System
open System.Globalization
open System.Text.Json
open FsToolkit.ErrorHandling
open Microsoft.ML.OnnxRuntime

[<RequireQualifiedAccess>]
type OnnxFacts =
    {
        Classes: string list
        Conditions: string list
        Mode: Marginalisation
        InputSize: int
        MinArea: float option
    }

[<RequireQualifiedAccess>]
type OnnxOutput =
    {
        Probabilities: float32 array
        Disagreement: float32 array option
        Influence: float32 array option
    }

[<RequireQualifiedAccess; NoComparison; NoEquality>]
type OnnxEngine =
    {
        Session: InferenceSession
        Stated: OnnxFacts
    }

    member this.Facts = this.Stated

    interface IDisposable with
        member this.Dispose() = this.Session.Dispose()

[<RequireQualifiedAccess>]
module OnnxEngine =
    let private foreign path what =
        McdrlError.model what path "Use a file written by `mcdrl export onnx`"

    /// ONNX Runtime's refusals as an error of the file, and its absence as one.
    let private attempt path (operation: unit -> 'a) : Result<'a, McdrlError> =
        try
            Ok(operation ())
        with
        | :? OnnxRuntimeException as problem ->
            Error(foreign path $"ONNX Runtime refuses it: {problem.Message.Trim().TrimEnd '.'}")
        | :? TypeInitializationException as problem when (problem.InnerException :? DllNotFoundException) ->
            Error(
                McdrlError.resource
                    "ONNX Runtime's native library is not there"
                    AppContext.BaseDirectory
                    "Build or install Mcdrl again"
            )

    let private facts path (session: InferenceSession) : Result<OnnxFacts, McdrlError> =
        let stated key =
            match session.ModelMetadata.CustomMetadataMap.TryGetValue key with
            | true, text -> Ok text
            | false, _ -> Error(foreign path $"its metadata has no `{key}`")

        let names key =
            stated key
            |> Result.bind (fun text ->
                try
                    match JsonSerializer.Deserialize<string list> text with
                    | null -> Error(foreign path $"its `{key}` is no list of texts")
                    | names -> Ok names
                with :? JsonException ->
                    Error(foreign path $"its `{key}` is no list of texts"))

        result {
            let! classes = names "classes"
            let! conditions = names "conditions"

            let! mode =
                stated "mode"
                |> Result.bind (
                    Marginalisation.parse >> Result.mapError (McdrlError.describe >> foreign path)
                )

            do!
                List.contains mode Marginalisation.inFeatures
                |> Result.requireTrue (
                    foreign path $"no file can answer in its mode, {Marginalisation.name mode}"
                )

            let! minArea =
                match session.ModelMetadata.CustomMetadataMap.TryGetValue OnnxContract.minArea with
                | false, _ -> Ok None
                | true, text ->
                    match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
                    | true, share when share >= 0.0 && share <= 0.1 -> Ok(Some share)
                    | _ -> Error(foreign path $"its `{OnnxContract.minArea}` is \"{text}\"")

            let! side = stated "input_size"

            match Int32.TryParse side with
            | true, side when side > 0 ->
                return
                    {
                        Classes = classes
                        Conditions =
                            if session.OutputMetadata.ContainsKey OnnxContract.influence then
                                conditions
                            else
                                []
                        Mode = mode
                        InputSize = side
                        MinArea = minArea
                    }
            | _ -> return! Error(foreign path $"its `input_size` is \"{side}\"")
        }

    let load (path: string) (threads: int) : Result<OnnxEngine, McdrlError> =
        result {
            do! OnnxGuard.check path

            let! session =
                attempt path (fun () ->
                    OnnxRuntime.session path (fun options -> options.IntraOpNumThreads <- threads))

            match facts path session with
            | Ok facts -> return { Session = session; Stated = facts }
            | Error fault ->
                session.Dispose()
                return! Error fault
        }

    let run (engine: OnnxEngine) (frames: float32 array) : Result<OnnxOutput, McdrlError> =
        let side = int64 engine.Facts.InputSize
        let images = int64 frames.Length / (3L * side * side)

        let names =
            [|
                for name in
                    [
                        OnnxContract.probabilities
                        OnnxContract.disagreement
                        OnnxContract.influence
                    ] do
                    if engine.Session.OutputMetadata.ContainsKey name then
                        name
            |]

        attempt "ONNX Runtime" (fun () ->
            use input =
                OrtValue.CreateTensorValueFromMemory(frames, [| images; 3L; side; side |])

            use options = new RunOptions()

            use outputs =
                engine.Session.Run(options, [| OnnxContract.image |], [| input |], names)

            let output name =
                match Array.IndexOf(names, name) with
                | -1 -> None
                | index -> Some(outputs[index].GetTensorDataAsSpan<float32>().ToArray())

            {
                Probabilities = output OnnxContract.probabilities |> Option.defaultValue [||]
                Disagreement = output OnnxContract.disagreement
                Influence = output OnnxContract.influence
            })

    let runPicture (engine: OnnxEngine) (picture: Picture) : Result<OnnxOutput, McdrlError> =
        Resampling.frame engine.Facts.InputSize picture |> run engine

    let answer
        (engine: OnnxEngine)
        (marking: Marking)
        (picture: Picture)
        (found: OnnxOutput)
        : SegmentationResult =
        let facts = engine.Facts
        let marking = Marking.inPicture facts.MinArea picture.Height picture.Width marking

        let upright =
            Marking.labels marking picture.Height picture.Width facts.InputSize found.Probabilities

        {
            Mask = LabelMap.inFile picture.Orientation upright
            Upright = upright
            Classes = facts.Classes
            Mode = facts.Mode
            Marking = marking
            Probabilities = found.Probabilities
            Side = facts.InputSize
            Orientation = picture.Orientation
            Influence =
                found.Influence
                |> Option.map (Seq.map float >> Seq.zip facts.Conditions >> List.ofSeq)
                |> Option.defaultValue []
            Disagreement = found.Disagreement |> Option.map (Array.averageBy float)
        }

    let segment
        (engine: OnnxEngine)
        (marking: Marking)
        (picture: Picture)
        : Result<SegmentationResult, McdrlError> =
        runPicture engine picture |> Result.map (answer engine marking picture)

    let engine (exported: OnnxEngine) : Engine =
        let stated = exported.Facts

        {
            Classes = stated.Classes
            Segment =
                fun mode marking picture ->
                    match mode with
                    | Some Marginalisation.Rendered ->
                        Error(
                            McdrlError.usage
                                "an exported model sees a frame once and can't render it under conditions"
                                "“mode” rendered"
                                "Load the model's folder instead, which libtorch computes"
                        )
                    | Some asked when asked <> stated.Mode ->
                        Error(
                            McdrlError.usage
                                $"the file was exported for the mode {Marginalisation.name stated.Mode}"
                                $"“mode” {Marginalisation.name asked}"
                                "Leave the mode to the model, or export the one that you want"
                        )
                    | _ -> segment exported marking picture
            Explain = None
            Share =
                fun _ ->
                    { new IDisposable with
                        member _.Dispose() = ()
                    }
            Free = (exported :> IDisposable).Dispose
        }
        |> Engine.keptWhileUsed
