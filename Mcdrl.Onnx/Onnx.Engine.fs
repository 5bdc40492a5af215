namespace Mcdrl

open System
open System.Collections.Generic
open System.Globalization
open System.IO
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
        Place: OnnxDevice
    }

    member this.Facts = this.Stated

    member this.Device = this.Place

    member this.Metadata: IReadOnlyDictionary<string, string> =
        this.Session.ModelMetadata.CustomMetadataMap

    interface IDisposable with
        member this.Dispose() = this.Session.Dispose()

[<RequireQualifiedAccess>]
module OnnxEngine =
    let private foreign path what =
        McdrlError.model what path "Use a file written by `mcdrl export onnx`"

    /// What a message of ONNX Runtime says of the device and not of the file.
    let private deviceWords =
        [ "CUDA"; "CUDNN"; "CUBLAS"; "cuDNN"; "Failed to allocate memory" ]

    /// ONNX Runtime's refusals as an error of the file, or of the device where they speak of it.
    let private attempt device path (operation: unit -> 'a) : Result<'a, McdrlError> =
        try
            Ok(operation ())
        with :? OnnxRuntimeException as problem ->
            let text = problem.Message.Trim().TrimEnd '.'

            if device <> OnnxDevice.Cpu && deviceWords |> List.exists text.Contains then
                Error(
                    McdrlError.resource
                        $"ONNX Runtime fails on {OnnxDevice.name device}: {text}"
                        path
                        "Free memory on the device, run `mcdrl doctor` to see what it lacks, or use cpu"
                )
            else
                Error(foreign path $"ONNX Runtime refuses it: {text}")

    /// Bytes of an exported file: Protocol Buffers' own limit of a message.
    let private largest = int64 Array.MaxLength

    let private stated path (metadata: IReadOnlyDictionary<string, string>) key =
        match metadata.TryGetValue key with
        | true, text -> Ok text
        | false, _ -> Error(foreign path $"its metadata has no `{key}`")

    let private names path metadata key =
        stated path metadata key
        |> Result.bind (StrangerJson.texts (fun what -> foreign path $"its `{key}` can't be used: {what}"))

    let private requireNone path key faults =
        match faults with
        | [] -> Ok()
        | faults -> Error(foreign path $"""its `{key}` can't be used: {String.concat "; " faults}""")

    /// The sizes that a port must have; −1 for the batch.
    let private checkPort
        path
        (ports: IReadOnlyDictionary<string, NodeMetadata>)
        (name: string)
        (expected: int list)
        =
        let listed sizes =
            sizes |> Seq.map string |> String.concat ", "

        match ports.TryGetValue name with
        | false, _ -> Error(foreign path $"it has no port `{name}`")
        | true, port when port.ElementType <> typeof<float32> ->
            Error(foreign path $"its port `{name}` is not of float32")
        | true, port when List.ofArray port.Dimensions <> expected ->
            Error(
                foreign
                    path
                    $"its port `{name}` is [{listed port.Dimensions}], and what it states of itself makes [{listed expected}]"
            )
        | true, _ -> Ok()

    let private checkPorts path (session: InferenceSession) (facts: OnnxFacts) =
        let side = facts.InputSize
        let outputs = session.OutputMetadata

        let optional name expected =
            if outputs.ContainsKey name then
                checkPort path outputs name expected
            else
                Ok()

        result {
            do! checkPort path session.InputMetadata OnnxContract.image [ -1; 3; side; side ]
            do! checkPort path outputs OnnxContract.probabilities [ -1; facts.Classes.Length + 1; side; side ]
            do! optional OnnxContract.disagreement [ -1; side; side ]
            do! optional OnnxContract.influence [ -1; facts.Conditions.Length ]
        }

    /// The facts that a file's metadata state, each within its bounds.
    let internal factsOf
        (path: string)
        (metadata: IReadOnlyDictionary<string, string>)
        : Result<OnnxFacts, McdrlError> =
        result {
            let! classes = names path metadata "classes"
            do! requireNone path "classes" (ModelLimits.classFaults classes)
            let! conditions = names path metadata "conditions"
            do! requireNone path "conditions" (ModelLimits.conditionFaults conditions)

            let! mode =
                stated path metadata "mode"
                |> Result.bind (
                    Marginalisation.parse >> Result.mapError (McdrlError.describe >> foreign path)
                )

            do!
                List.contains mode Marginalisation.inFeatures
                |> Result.requireTrue (
                    foreign path $"no file can answer in its mode, {Marginalisation.name mode}"
                )

            let! minArea =
                match metadata.TryGetValue OnnxContract.minArea with
                | false, _ -> Ok None
                | true, text ->
                    match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
                    | true, share when share >= 0.0 && share <= 0.1 -> Ok(Some share)
                    | _ -> Error(foreign path $"its `{OnnxContract.minArea}` is \"{text}\"")

            let! sideText = stated path metadata "input_size"

            let! side =
                match Int32.TryParse(sideText, NumberStyles.None, CultureInfo.InvariantCulture) with
                | true, side -> Ok side
                | false, _ -> Error(foreign path $"its `input_size` is \"{sideText}\"")

            do! requireNone path "input_size" (ModelLimits.sideFaults side)
            do! requireNone path "input_size" (ModelLimits.answerFaults classes.Length conditions.Length side)

            return
                {
                    OnnxFacts.Classes = classes
                    Conditions = conditions
                    Mode = mode
                    InputSize = side
                    MinArea = minArea
                }
        }

    /// The facts that a file states, as its ports have them.
    let private facts path (session: InferenceSession) : Result<OnnxFacts, McdrlError> =
        result {
            let! stated = factsOf path session.ModelMetadata.CustomMetadataMap

            let facts =
                if session.OutputMetadata.ContainsKey OnnxContract.influence then
                    stated
                else
                    { stated with Conditions = [] }

            do! checkPorts path session facts
            return facts
        }

    let ofBytesOn
        (device: OnnxDevice)
        (path: string)
        (threads: int)
        (content: byte[])
        : Result<OnnxEngine, McdrlError> =
        result {
            do! OnnxGuard.check path content

            let! session =
                attempt device path (fun () ->
                    OnnxRuntime.sessionOn device [] content (fun options ->
                        options.IntraOpNumThreads <- threads))
                |> Result.bind id

            match facts path session with
            | Ok facts ->
                return
                    {
                        Session = session
                        Stated = facts
                        Place = device
                    }
            | Error fault ->
                session.Dispose()
                return! Error fault
        }

    let ofBytes (path: string) (threads: int) (content: byte[]) : Result<OnnxEngine, McdrlError> =
        ofBytesOn OnnxDevice.Cpu path threads content

    let loadOn (device: OnnxDevice) (path: string) (threads: int) : Result<OnnxEngine, McdrlError> =
        // Read once: the bytes that were checked are those that run.
        Files.read largest path
        |> Result.mapError McdrlError.asModel
        |> Result.bind (ofBytesOn device path threads)

    let load (path: string) (threads: int) : Result<OnnxEngine, McdrlError> =
        loadOn OnnxDevice.Cpu path threads

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

        let ask () : OnnxOutput =
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
            }

        attempt engine.Device "ONNX Runtime" (fun () -> OnnxRuntime.inTurn engine.Device engine.Session ask)
        |> Result.bind (fun (found: OnnxOutput) ->
            let has (expected: int64) (values: float32 array) = int64 values.Length = images * expected
            let area = side * side

            if
                has (int64 (engine.Facts.Classes.Length + 1) * area) found.Probabilities
                && Option.forall (has area) found.Disagreement
                && Option.forall (has (int64 engine.Facts.Conditions.Length)) found.Influence
            then
                Ok found
            else
                Error(foreign "ONNX Runtime" "an answer is not of the size that the file states"))

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
