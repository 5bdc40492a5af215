namespace Mcdrl

open System
open System.IO
open Google.Protobuf
open TorchSharp

/// A field of a Protocol Buffers message, with its number.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type private Field =
    | Integer of number: int * value: int64
    | Single of number: int * value: float32
    | Text of number: int * value: string
    | Integers of number: int * values: int64 list
    | Raw of number: int * length: int64 * write: (Stream -> unit)
    | Message of number: int * message: Message

/// A message and how many bytes it takes.
and [<NoComparison; NoEquality>] private Message = { Fields: Field list; Size: int64 }

/// The wire format of Protocol Buffers, as far as ONNX needs it.
[<RequireQualifiedAccess>]
module private Wire =
    let private delimited (length: int64) =
        // Lengths beyond 2 GiB are refused before anything is written.
        int64 (CodedOutputStream.ComputeLengthSize(int (min length (int64 Int32.MaxValue))))
        + length

    let private packed (values: int64 list) =
        values |> List.sumBy (CodedOutputStream.ComputeInt64Size >> int64)

    let private size field =
        let tag, content =
            match field with
            | Field.Integer(number, value) -> number, int64 (CodedOutputStream.ComputeInt64Size value)
            | Field.Single(number, value) -> number, int64 (CodedOutputStream.ComputeFloatSize value)
            | Field.Text(number, value) -> number, int64 (CodedOutputStream.ComputeStringSize value)
            | Field.Integers(number, values) -> number, delimited (packed values)
            | Field.Raw(number, length, _) -> number, delimited length
            | Field.Message(number, message) -> number, delimited message.Size

        int64 (CodedOutputStream.ComputeTagSize tag) + content

    let message (fields: Field list) : Message =
        {
            Fields = fields
            Size = List.sumBy size fields
        }

    let rec private writeField (stream: Stream) (coded: CodedOutputStream) field =
        match field with
        | Field.Integer(number, value) ->
            coded.WriteTag(number, WireFormat.WireType.Varint)
            coded.WriteInt64 value
        | Field.Single(number, value) ->
            coded.WriteTag(number, WireFormat.WireType.Fixed32)
            coded.WriteFloat value
        | Field.Text(number, value) ->
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited)
            coded.WriteString value
        | Field.Integers(number, values) ->
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited)
            coded.WriteLength(int (packed values))
            List.iter coded.WriteInt64 values
        | Field.Raw(number, length, write) ->
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited)
            coded.WriteLength(int length)
            coded.Flush()
            write stream
        | Field.Message(number, message) ->
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited)
            coded.WriteLength(int message.Size)
            List.iter (writeField stream coded) message.Fields

    let write (stream: Stream) (message: Message) =
        use coded = new CodedOutputStream(stream, true)
        List.iter (writeField stream coded) message.Fields

/// An attribute of a node.
[<RequireQualifiedAccess>]
type internal OnnxAttribute =
    | Integer of int64
    | Integers of int64 list
    | Single of float32
    | Text of string

/// One operation: `NodeProto`.
[<RequireQualifiedAccess>]
type internal OnnxNode =
    {
        Op: string
        Inputs: string list
        Outputs: string list
        Attributes: (string * OnnxAttribute) list
    }

/// A constant held by the file: `TensorProto`. float32 or int64; any layout, brought to row-major order when written.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type internal OnnxTensor = { Name: string; Value: Tensor }

/// An input or output: `ValueInfoProto` of a float32 tensor.
[<RequireQualifiedAccess>]
type internal OnnxPort =
    {
        Name: string
        /// One text an axis: a number, or the name of a size that is only known when running.
        Axes: string list
        Description: string
    }

/// A model as a file holds it: `ModelProto` with one graph.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type internal OnnxModel =
    {
        Name: string
        Description: string
        ProducerVersion: string
        Opset: int64
        Inputs: OnnxPort list
        Outputs: OnnxPort list
        Nodes: OnnxNode list
        Initialisers: OnnxTensor list
        Metadata: (string * string) list
    }

/// Writes ONNX files. Field numbers and enumerations are those of the public specification, onnx.proto3 of
/// https://github.com/onnx/onnx, IR version 8.
[<RequireQualifiedAccess>]
module internal OnnxModel =
    let private irVersion = 8L

    /// Protocol Buffers' own limit of a message.
    let private largest = int64 Int32.MaxValue

    /// AttributeProto: name 1, f 2, i 3, s 4, ints 8, type 20.
    let private attribute (name, value) =
        Wire.message
            [
                Field.Text(1, name)
                match value with
                | OnnxAttribute.Single value ->
                    Field.Single(2, value)
                    Field.Integer(20, 1L)
                | OnnxAttribute.Integer value ->
                    Field.Integer(3, value)
                    Field.Integer(20, 2L)
                | OnnxAttribute.Text value ->
                    Field.Text(4, value)
                    Field.Integer(20, 3L)
                | OnnxAttribute.Integers values ->
                    Field.Integers(8, values)
                    Field.Integer(20, 7L)
            ]

    /// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5.
    let private node (node: OnnxNode) =
        Wire.message
            [
                for input in node.Inputs do
                    Field.Text(1, input)
                for output in node.Outputs do
                    Field.Text(2, output)
                Field.Text(3, String.concat "," node.Outputs)
                Field.Text(4, node.Op)
                for pair in node.Attributes do
                    Field.Message(5, attribute pair)
            ]

    let private isWhole (tensor: Tensor) = tensor.dtype = torch.int64

    let private writeValues (tensor: Tensor) (stream: Stream) =
        use _scope = torch.NewDisposeScope()
        let kind = if isWhole tensor then torch.int64 else torch.float32
        let plain = tensor.``to``(kind).cpu().contiguous()
        stream.Write(Span.op_Implicit plain.bytes)

    /// TensorProto: dims 1, data_type 2 (FLOAT 1, INT64 7), name 8, raw_data 9 in little-endian order.
    let private tensor (tensor: OnnxTensor) =
        let kind, width = if isWhole tensor.Value then 7L, 8L else 1L, 4L

        Wire.message
            [
                Field.Integers(1, List.ofArray tensor.Value.shape)
                Field.Integer(2, kind)
                Field.Text(8, tensor.Name)
                Field.Raw(9, width * tensor.Value.numel (), writeValues tensor.Value)
            ]

    /// ValueInfoProto: name 1, type 2 (TypeProto: tensor_type 1), doc_string 3. TypeProto.Tensor: elem_type 1, shape 2.
    /// TensorShapeProto: dim 1 (dim_value 1, dim_param 2).
    let private port (port: OnnxPort) =
        let axis (text: string) =
            match Int64.TryParse text with
            | true, size -> Wire.message [ Field.Integer(1, size) ]
            | _ -> Wire.message [ Field.Text(2, text) ]

        let shape = Wire.message [ for text in port.Axes -> Field.Message(1, axis text) ]
        let kind = Wire.message [ Field.Integer(1, 1L); Field.Message(2, shape) ]

        Wire.message
            [
                Field.Text(1, port.Name)
                Field.Message(2, Wire.message [ Field.Message(1, kind) ])
                Field.Text(3, port.Description)
            ]

    /// GraphProto: node 1, name 2, initializer 5, input 11, output 12.
    let private graph (model: OnnxModel) =
        Wire.message
            [
                for item in model.Nodes do
                    Field.Message(1, node item)
                Field.Text(2, model.Name)
                for item in model.Initialisers do
                    Field.Message(5, tensor item)
                for item in model.Inputs do
                    Field.Message(11, port item)
                for item in model.Outputs do
                    Field.Message(12, port item)
            ]

    /// ModelProto: ir_version 1, producer_name 2, producer_version 3, doc_string 6, graph 7, opset_import 8
    /// (OperatorSetIdProto: version 2), metadata_props 14 (StringStringEntryProto: key 1, value 2). The file's own digest comes last,
    /// where `OnnxContract.digestEntry` says.
    let private encode (model: OnnxModel) (digest: string) =
        Wire.message
            [
                Field.Integer(1, irVersion)
                Field.Text(2, "mcdrl")
                Field.Text(3, model.ProducerVersion)
                Field.Text(6, model.Description)
                Field.Message(7, graph model)
                Field.Message(8, Wire.message [ Field.Integer(2, model.Opset) ])
                for key, value in model.Metadata @ [ "sha256", digest ] do
                    Field.Message(14, Wire.message [ Field.Text(1, key); Field.Text(2, value) ])
            ]

    /// Writes the file, weights inside, atomically. Gives its size in bytes; a model of 2 GiB or more is a `Resource` error.
    let write (path: string) (model: OnnxModel) : Result<int64, McdrlError> =
        let message = encode model SelfDigest.blank

        if message.Size > largest then
            Error(
                McdrlError.resource
                    $"the model would take {message.Size} bytes, and an ONNX file with its weights inside can't exceed {largest}"
                    path
                    "Export a model with a smaller tower"
            )
        else
            let digest = SelfDigest.ofWritten (fun stream -> Wire.write stream message)

            Files.writeAtomically path (fun stream -> Wire.write stream (encode model digest))
            |> Result.map (fun () -> message.Size)
