namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Text.Json
open FsToolkit.ErrorHandling

/// Answers of KServe's inference protocol, version 2.
[<RequireQualifiedAccess>]
module InferAnswer =
    /// The header that says where the JSON ends and bytes begin, in requests and answers.
    let headerLength = "Inference-Header-Content-Length"

    /// The one version of a served model.
    let version = "1"

    /// An output as the protocol has it.
    [<NoComparison; NoEquality>]
    type private Tensor =
        {
            Type: string
            Shape: int list
            Bytes: unit -> byte[]
            Numbers: Utf8JsonWriter -> unit
        }

    let private labels (segmentation: SegmentationResult) =
        let map = segmentation.Upright

        {
            Type = "UINT8"
            Shape = [ 1; map.Height; map.Width ]
            Bytes = fun () -> map.Labels
            Numbers =
                fun json ->
                    for label in map.Labels do
                        json.WriteNumberValue(int label)
        }

    let private probabilities (segmentation: SegmentationResult) =
        let map = segmentation.Upright
        let classes = segmentation.Classes.Length + 1

        let values =
            Array.concat
                [
                    for label in 0 .. classes - 1 ->
                        (SegmentationResult.probability label segmentation).Values
                ]

        {
            Type = "FP32"
            Shape = [ 1; classes; map.Height; map.Width ]
            Bytes = fun () -> MemoryMarshal.AsBytes(ReadOnlySpan values).ToArray()
            Numbers =
                fun json ->
                    for value in values do
                        json.WriteNumberValue value
        }

    /// The answer of a model of this name.
    let write (name: string) (request: InferRequest) (segmentation: SegmentationResult) : Content =
        use head = new MemoryStream()
        use behind = new MemoryStream()
        use json = new Utf8JsonWriter(head)
        json.WriteStartObject()
        json.WriteString("model_name", name)
        json.WriteString("model_version", version)
        request.Id |> Option.iter (fun id -> json.WriteString("id", id))
        json.WriteStartArray "outputs"

        for output in request.Outputs do
            let tensor =
                if output.Name = InferRequest.labels then
                    labels segmentation
                else
                    probabilities segmentation

            json.WriteStartObject()
            json.WriteString("name", output.Name)
            json.WriteString("datatype", tensor.Type)
            json.WriteStartArray "shape"
            tensor.Shape |> List.iter json.WriteNumberValue
            json.WriteEndArray()

            if output.IsBinary then
                let bytes = tensor.Bytes()
                behind.Write(bytes, 0, bytes.Length)
                json.WriteStartObject "parameters"
                json.WriteNumber("binary_data_size", bytes.Length)
                json.WriteEndObject()
            else
                json.WriteStartArray "data"
                tensor.Numbers json
                json.WriteEndArray()

            json.WriteEndObject()

        json.WriteEndArray()
        json.WriteEndObject()
        json.Flush()

        if behind.Length = 0L then
            { Content.json "" with
                Bytes = head.ToArray()
            }
        else
            {
                Type = "application/octet-stream"
                Bytes = Array.append (head.ToArray()) (behind.ToArray())
                Headers = [ headerLength, string head.Length ]
            }

    /// Reads a request's body and answers it. `seen` is told of the picture.
    let answer
        (model: ServedModel)
        (limits: ImageLimits)
        (length: int option)
        (body: byte[])
        (seen: Picture -> unit)
        : Result<Content, ProblemReport> =
        result {
            let! request =
                InferRequest.read model.Modes limits length body
                |> Result.mapError Problem.ofRequest

            let! segmentation =
                Engine.segment model.Engine request.Mode request.Marking request.Picture
                |> Result.mapError Problem.ofAnswer

            seen request.Picture
            return write model.Name request segmentation
        }
