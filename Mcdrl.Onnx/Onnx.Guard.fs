namespace Mcdrl

open System
open System.IO

/// Lets only files through to ONNX Runtime that are built as Onnx.Proto.fs writes them: no data outside the file, no
/// subgraphs, functions or foreign operators, every length within the file, and not a byte changed since.
[<RequireQualifiedAccess>]
module OnnxGuard =
    /// What may stand in a message: the fields that are plain, and those that hold messages, by their numbers.
    type private Form =
        {
            Plain: int list
            Inner: Map<int, Form>
        }

    let private form plain inner = { Plain = plain; Inner = Map inner }

    /// ModelProto, with the numbers of Onnx.Proto.fs; below GraphProto the same holds for nodes and tensors.
    let private model =
        let attribute = form [ 1; 2; 3; 4; 8; 20 ] []
        let node = form [ 1; 2; 3; 4 ] [ 5, attribute ]
        let tensor = form [ 1; 2; 8; 9 ] []
        let graph = form [ 2; 11; 12 ] [ 1, node; 5, tensor ]
        form [ 1; 2; 3; 6; 14 ] [ 7, graph; 8, form [ 2 ] [] ]

    /// The next number in seven-bit groups, or `None` if there is none before `limit`.
    let private varint (stream: Stream) (limit: int64) : uint64 option =
        let rec go (value: uint64) shift =
            if shift > 63 || stream.Position >= limit then
                None
            else
                let next = uint64 (stream.ReadByte())
                let value = value ||| ((next &&& 0x7FUL) <<< shift)
                if next < 0x80UL then Some value else go value (shift + 7)

        go 0UL 0

    let private skips (stream: Stream) (length: int64) limit =
        stream.Position <- stream.Position + length
        stream.Position <= limit

    /// Whether the message that ends at `limit` has the form.
    let rec private holds (stream: Stream) (form: Form) (limit: int64) : bool =
        let content number kind =
            match kind, form.Inner.TryFind number with
            | 0UL, None -> List.contains number form.Plain && (varint stream limit).IsSome
            | 5UL, None -> List.contains number form.Plain && skips stream 4L limit
            | 2UL, inner ->
                match varint stream limit, inner with
                | Some length, _ when length > uint64 (limit - stream.Position) -> false
                | Some length, Some inner -> holds stream inner (stream.Position + int64 length)
                | Some length, None -> List.contains number form.Plain && skips stream (int64 length) limit
                | None, _ -> false
            | _ -> false

        let mutable fine = true

        while fine && stream.Position < limit do
            fine <-
                match varint stream limit with
                | Some tag when tag < 1024UL -> content (int (tag >>> 3)) (tag &&& 7UL)
                | _ -> false

        fine && stream.Position = limit

    let private refuse path what fix = Error(McdrlError.model what path fix)

    /// A `Model` error for a content of any other form, or that is not as it was written; `path` names it.
    let check (path: string) (content: byte[]) : Result<unit, McdrlError> =
        let place = content.Length - SelfDigest.length

        let isSigned =
            place >= OnnxContract.digestEntry.Length
            && content
                .AsSpan(place - OnnxContract.digestEntry.Length, OnnxContract.digestEntry.Length)
                .SequenceEqual(ReadOnlySpan OnnxContract.digestEntry)

        use stream = new MemoryStream(content, false)

        if not (holds stream model stream.Length) then
            refuse
                path
                "it is no ONNX file as Mcdrl writes them"
                "Use a file written by `mcdrl export onnx`, copied whole"
        elif not isSigned then
            refuse
                path
                "it holds no sha256 of itself: it is damaged, or an earlier version exported it"
                "Export the model again with `mcdrl export onnx`"
        elif not (SelfDigest.isAt place content) then
            refuse
                path
                "sha256 mismatch: it is not as it was written"
                "Copy the file again, whole, or export it again"
        else
            Ok()
