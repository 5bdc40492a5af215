namespace Mcdrl

open System
open System.Text.Json
open FsToolkit.ErrorHandling

/// An output that a client of KServe's protocol asks for.
type InferOutput =
    {
        /// `labels` or `probabilities`.
        Name: string
        /// As bytes behind the JSON, not as numbers in it.
        IsBinary: bool
    }

/// What a client of KServe's inference protocol, version 2, asks.
type InferRequest =
    {
        /// The client's name for the request.
        Id: string option
        /// The image.
        Picture: Picture
        /// How to intervene; `None` for the model's own way.
        Mode: Marginalisation option
        /// Which pixels to mark.
        Marking: Marking
        /// What to answer with.
        Outputs: InferOutput list
    }

/// Requests of KServe's protocol: one image, UINT8 [1, height, width, 3], as numbers or as bytes behind the JSON.
[<RequireQualifiedAccess>]
module InferRequest =
    /// The one input.
    let image = "image"

    /// The outputs: UINT8 [1, height, width], and FP32 [1, classes + 1, height, width].
    let labels, probabilities = "labels", "probabilities"

    let private refuse what where fix = Error(McdrlError.usage what where fix)

    let private field (name: string) (element: JsonElement) =
        match element.ValueKind, lazy (element.TryGetProperty name) with
        | JsonValueKind.Object, Lazy(true, found) -> Some found
        | _ -> None

    let private items (element: JsonElement option) =
        match element with
        | Some found when found.ValueKind = JsonValueKind.Array -> List.ofSeq (found.EnumerateArray())
        | _ -> []

    let private text element =
        element
        |> Option.bind (fun (found: JsonElement) -> Option.ofObj (found.GetString()))

    let private isTrue element =
        match element with
        | Some(found: JsonElement) -> found.ValueKind = JsonValueKind.True
        | None -> false

    /// A parameter as text, be it written as a number or as a text.
    let private parameter name (parameters: JsonElement option) =
        parameters
        |> Option.bind (field name)
        |> Option.map (fun found ->
            if found.ValueKind = JsonValueKind.String then
                string (found.GetString())
            else
                found.GetRawText())

    let private shapeOf (input: JsonElement) =
        match items (field "shape" input) |> List.map _.GetInt64() with
        | [ 1L; height; width; 3L ] -> Ok(width, height)
        | _ ->
            refuse
                "its shape is not [1, height, width, 3]"
                "inputs[0].shape"
                "Send one image, row by row, red, green, blue"

    /// Numbers in however many lists within lists, row by row.
    let private numbers count (data: JsonElement) : Result<byte[], McdrlError> =
        let bytes = Array.zeroCreate<byte> count
        let mutable filled = 0

        let rec fill (element: JsonElement) =
            if element.ValueKind = JsonValueKind.Array then
                for item in element.EnumerateArray() do
                    fill item
            else
                let value = element.GetByte()

                if filled < count then
                    bytes[filled] <- value

                filled <- filled + 1

        fill data

        if filled = count then
            Ok bytes
        else
            refuse
                $"it has {filled} numbers, and its shape {count}"
                "inputs[0].data"
                "Send as many as the shape says"

    let private pixels (input: JsonElement) count (behind: ReadOnlyMemory<byte>) =
        match field "data" input, parameter "binary_data_size" (field "parameters" input) with
        | Some data, None -> numbers count data
        | None, Some size when size = string count && behind.Length = count -> Ok(behind.ToArray())
        | None, Some size ->
            refuse
                $"{size} bytes are announced and {behind.Length} follow the JSON, where its shape has {count}"
                "inputs[0].parameters.binary_data_size"
                "Send as many as the shape says"
        | _ -> refuse "it has no data" "inputs[0]" "Send data, or bytes behind the JSON with binary_data_size"

    let private outputOf byDefault (element: JsonElement) =
        let name = field "name" element |> text |> Option.defaultValue ""

        if name = labels || name = probabilities then
            let said = field "parameters" element |> Option.bind (field "binary_data")

            Ok
                {
                    Name = name
                    IsBinary = (if said.IsSome then isTrue said else byDefault)
                }
        else
            refuse "there is no such output" $"outputs: {name}" $"Ask for {labels} or {probabilities}"

    let private ofRoot modes limits (behind: ReadOnlyMemory<byte>) (root: JsonElement) =
        result {
            let parameters = field "parameters" root

            let! input =
                match items (field "inputs" root) with
                | [ input ] when text (field "name" input) = Some image -> Ok input
                | _ -> refuse $"there is not one input, {image}" "inputs" $"Send one input named {image}"

            do!
                match text (field "datatype" input) with
                | Some "UINT8" -> Ok()
                | other ->
                    refuse
                        $"""its type is {Option.defaultValue "not said" other}"""
                        "inputs[0].datatype"
                        "Send UINT8, 0 to 255"

            let! width, height = shapeOf input
            do! ImageLimits.check limits "inputs[0].shape" width height
            let! rgb = pixels input (int (width * height * 3L)) behind

            let! mode =
                parameter "mode" parameters |> Option.traverseResult (ImageQuery.mode modes)

            let! marking =
                ImageQuery.marking (parameter "threshold" parameters) (parameter "min_area" parameters)

            let isBinary = parameters |> Option.bind (field "binary_data_output") |> isTrue

            let! outputs =
                match items (field "outputs" root) with
                | [] ->
                    Ok
                        [
                            for name in [ labels; probabilities ] do
                                { Name = name; IsBinary = isBinary }
                        ]
                | asked -> asked |> List.traverseResultM (outputOf isBinary)

            return
                {
                    Id = field "id" root |> text
                    Picture =
                        {
                            Width = int width
                            Height = int height
                            Rgb = rgb
                            Orientation = Orientation.TopLeft
                        }
                    Mode = mode
                    Marking = marking
                    Outputs = outputs
                }
        }

    /// Reads a body, of which the first `headerLength` bytes are JSON; all of it where there is none.
    let read
        (modes: Marginalisation list)
        (limits: ImageLimits)
        (headerLength: int option)
        (body: byte[])
        : Result<InferRequest, McdrlError> =
        let length = Option.defaultValue body.Length headerLength

        if length < 0 || length > body.Length then
            refuse
                $"it says {length}, and the body has {body.Length} bytes"
                "Inference-Header-Content-Length"
                "Say how many bytes the JSON has"
        else
            let bounds =
                { StrangerJson.standard with
                    MostBytes = limits.MaxBytes
                    MostTokens = int limits.MaxBytes
                }

            StrangerJson.read
                bounds
                (fun reason ->
                    McdrlError.usage reason "the body" "Send a request of KServe's protocol, version 2")
                (ReadOnlyMemory(body, 0, length))
                (ofRoot modes limits (ReadOnlyMemory(body, length, body.Length - length)))
