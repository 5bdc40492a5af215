namespace Mcdrl

open System
open System.Buffers
open System.Text.Json
open TorchSharp
open FsToolkit.ErrorHandling

/// One tensor as a safetensors header describes it. `Begin` counts from the end of the header, in bytes.
type internal SafetensorsEntry =
    {
        Name: string
        /// The format's name of its element type.
        Type: string
        Shape: int64 list
        Begin: int64
        Length: int64
    }

/// A whole header: the tensors in the order of their bytes, and the file's string map.
type internal SafetensorsHeader =
    {
        Entries: SafetensorsEntry list
        Metadata: Map<string, string>
    }

/// The header of a safetensors file as text: the rules that hold before any tensor is touched.
[<RequireQualifiedAccess>]
module internal SafetensorsHeader =
    /// The format's own limit on the header, in bytes.
    let largest = 100_000_000L

    /// Tensors of one file: a hundred times what the largest tower and its checkpoint have. More take time and memory that no
    /// weights are worth.
    let mostTensors = 100_000

    /// Entries of the string map.
    let private mostFacts = 10_000

    /// Bytes of a tensor's name.
    let private longestName = 1_000

    /// The header's bounds as JSON: room for `mostTensors` of all the axes that one may have.
    let private bounds: JsonBounds =
        {
            MostBytes = largest
            MostTokens = 40 * mostTensors
            MostDepth = 8
            Repeats = false
        }

    /// More axes than any weight has, and few enough for every tensor operation.
    let private mostAxes = 16

    /// How many faulty tensors one error names.
    let private mostFaults = 20

    /// Element types of the format that torch can hold here, with their bytes.
    let private dtypes =
        [
            "F64", torch.ScalarType.Float64, 8L
            "F32", torch.ScalarType.Float32, 4L
            "F16", torch.ScalarType.Float16, 2L
            "BF16", torch.ScalarType.BFloat16, 2L
            "I64", torch.ScalarType.Int64, 8L
            "I32", torch.ScalarType.Int32, 4L
            "I16", torch.ScalarType.Int16, 2L
            "I8", torch.ScalarType.Int8, 1L
            "U8", torch.ScalarType.Byte, 1L
            "BOOL", torch.ScalarType.Bool, 1L
        ]

    /// Those of bookkeeping, which can be left out but not read.
    let private unread = [ "U16", 2L; "U32", 4L; "U64", 8L ]

    /// The format's name of an element type; `None` where it has none that we read.
    let dtypeName dtype =
        dtypes
        |> List.tryPick (fun (name, scalar, _) -> if scalar = dtype then Some name else None)

    /// Bytes of one element; 0 for a type that the format does not have.
    let elementSize dtype =
        dtypes
        |> List.tryPick (fun (_, scalar, size) -> if scalar = dtype then Some size else None)
        |> Option.defaultValue 0L

    /// The element type of that name; `None` for one that can't be read.
    let scalarType (name: string) =
        dtypes
        |> List.tryPick (fun (known, scalar, _) -> if known = name then Some scalar else None)

    /// The error of a tensor whose element type can't be read.
    let unsupported (where: string) (name: string) =
        McdrlError.model
            $"element type {name} is not supported"
            where
            "Convert the tensor to F32, F16, BF16 or I64"

    let private fault where what =
        McdrlError.model what where "The file is damaged or not safetensors: fetch or write it again"

    let private checkedProduct (factors: int64 list) =
        try
            Some(List.fold (fun product factor -> Checked.(*) product factor) 1L factors)
        with :? OverflowException ->
            None

    let private naturals (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.Array then
            None
        else
            let values =
                [
                    for item in element.EnumerateArray() do
                        if item.ValueKind = JsonValueKind.Number then
                            match item.TryGetInt64() with
                            | true, value when value >= 0L -> value
                            | _ -> ()
                ]

            if values.Length = element.GetArrayLength() then
                Some values
            else
                None

    let private property (name: string) (element: JsonElement) =
        match element.TryGetProperty name with
        | true, value -> Some value
        | _ -> None

    /// The first of the conditions that doesn't hold as a fault; texts are made of it alone, for there are many tensors.
    let private require (where: unit -> string) holds (what: unit -> string) =
        if holds then Ok() else Error(fault (where ()) (what ()))

    let private known = [ "dtype"; "shape"; "data_offsets" ]

    let private entry path dataLength (item: JsonProperty) =
        let name, value = item.Name, item.Value

        let where () =
            let shown = if name.Length > longestName then name[..99] + "…" else name
            $"{path}, tensor \"{shown}\""

        let require = require where

        let wanted (what: unit -> string) found =
            match found with
            | Some value -> Ok value
            | None -> Error(fault (where ()) (what ()))

        result {
            do!
                require (name.Length <= longestName) (fun () ->
                    $"its name has more than {longestName} characters")

            do!
                require (value.ValueKind = JsonValueKind.Object) (fun () ->
                    "its description is not a JSON object")

            let unknown =
                [
                    for field in value.EnumerateObject() do
                        if not (List.exists (fun (name: string) -> field.NameEquals name) known) then
                            field.Name
                ]

            do!
                require unknown.IsEmpty (fun () ->
                    $"""unknown fields: {unknown |> List.truncate 3 |> String.concat ", "}""")

            let! dtypeText =
                property "dtype" value
                |> Option.filter (fun value -> value.ValueKind = JsonValueKind.String)
                |> Option.bind (fun value -> Option.ofObj (value.GetString()))
                |> wanted (fun () -> "dtype is missing or not text")

            let! size =
                [ for name, _, size in dtypes -> name, size ] @ unread
                |> List.tryPick (fun (name, size) -> if name = dtypeText then Some size else None)
                |> Option.map Ok
                |> Option.defaultWith (fun () -> Error(unsupported (where ()) dtypeText))

            let! shape =
                property "shape" value
                |> Option.bind naturals
                |> wanted (fun () -> "shape is not a list of natural numbers below 2^63")

            do!
                require (shape.Length <= mostAxes) (fun () ->
                    $"it has {shape.Length} axes, more than {mostAxes}")

            let! first, last =
                property "data_offsets" value
                |> Option.bind naturals
                |> Option.bind (fun offsets ->
                    match offsets with
                    | [ first; last ] when first <= last && last <= dataLength -> Some(first, last)
                    | _ -> None)
                |> wanted (fun () ->
                    $"data_offsets is not a pair begin ≤ end within the {dataLength} bytes after the header")

            let! bytes =
                checkedProduct (size :: shape)
                |> wanted (fun () -> $"{dtypeText} {shapeText shape} has more bytes than can be counted")

            do!
                require (bytes = last - first) (fun () ->
                    $"{dtypeText} {shapeText shape} needs {bytes} bytes, data_offsets gives {last - first}")

            return
                {
                    Name = name
                    Type = dtypeText
                    Shape = shape
                    Begin = first
                    Length = bytes
                }
        }

    let private metadata path (root: JsonElement) =
        match property "__metadata__" root with
        | None -> Ok Map.empty
        | Some map when map.ValueKind <> JsonValueKind.Object ->
            Error(fault path "__metadata__ is not a JSON object")
        | Some map when map.GetPropertyCount() > mostFacts ->
            Error(fault path $"__metadata__ has {map.GetPropertyCount()} entries, more than {mostFacts}")
        | Some map ->
            map.EnumerateObject()
            |> Seq.toList
            |> List.traverseResultM (fun item ->
                match item.Value.ValueKind, item.Value with
                | JsonValueKind.String, value -> Ok(item.Name, value.GetString() |> string)
                | _ -> Error(fault path $"__metadata__ \"{item.Name}\" is not text"))
            |> Result.map Map.ofList

    /// The entries in byte order, if together they cover the data from its first to its last byte.
    let private contiguous path dataLength (entries: SafetensorsEntry list) =
        let ordered =
            entries
            |> List.sortWith (fun a b ->
                match compare a.Begin b.Begin, compare a.Length b.Length with
                | 0, 0 -> String.CompareOrdinal(a.Name, b.Name)
                | 0, order
                | order, _ -> order)

        let gap =
            ordered
            |> List.scan
                (fun (_, expected) entry -> Some entry, max expected (entry.Begin + entry.Length))
                (None, 0L)
            |> List.pairwise
            |> List.tryPick (fun ((_, expected), (entry, _)) ->
                entry
                |> Option.filter (fun entry -> entry.Begin <> expected)
                |> Option.map (fun entry -> entry, expected))

        match gap, List.tryLast ordered with
        | Some(entry, expected), _ ->
            let kind = if entry.Begin < expected then "overlap" else "hole"

            Error(
                fault
                    $"{path}, tensor \"{entry.Name}\""
                    $"data_offsets begin at {entry.Begin}, the tensors before it end at {expected} ({kind})"
            )
        | None, last ->
            let covered =
                last
                |> Option.map (fun entry -> entry.Begin + entry.Length)
                |> Option.defaultValue 0L

            if covered = dataLength then
                Ok ordered
            else
                Error(
                    fault
                        $"{path}, byte {covered} of the data"
                        $"the tensors end there, the file's data has {dataLength} bytes"
                )

    let private interpret path dataLength (root: JsonElement) =
        result {
            do!
                Result.requireTrue
                    (fault path "the header is not a JSON object")
                    (root.ValueKind = JsonValueKind.Object)

            let! metadata = metadata path root

            let tensors =
                root.GetPropertyCount()
                - (if (property "__metadata__" root).IsSome then 1 else 0)

            do!
                Result.requireTrue
                    (fault path $"the header describes {tensors} tensors, more than {mostTensors}")
                    (tensors <= mostTensors)

            let described =
                [
                    for item in root.EnumerateObject() do
                        if item.Name <> "__metadata__" then
                            entry path dataLength item
                ]

            let good = described |> List.choose Result.toOption

            let bad =
                described
                |> List.choose (fun outcome ->
                    match outcome with
                    | Error error -> Some error
                    | Ok _ -> None)

            match McdrlError.ofList (List.truncate mostFaults bad) with
            | Some error -> return! Error error
            | None ->
                let! entries = contiguous path dataLength good

                return
                    {
                        Entries = entries
                        Metadata = metadata
                    }
        }

    /// Reads and checks a header. `path` names the file in errors; `dataLength` is the number of bytes that
    /// follow the header in it.
    let parse
        (path: string)
        (dataLength: int64)
        (text: ReadOnlyMemory<byte>)
        : Result<SafetensorsHeader, McdrlError> =
        StrangerJson.read
            bounds
            (fun what -> fault path $"the header can't be read: {what}")
            text
            (interpret path dataLength)

    /// The header's bytes, padded with spaces to a multiple of 8. Equal headers give equal bytes.
    let render (header: SafetensorsHeader) : byte array =
        let buffer = ArrayBufferWriter<byte>()

        using (new Utf8JsonWriter(buffer)) (fun json ->
            json.WriteStartObject()

            if not header.Metadata.IsEmpty then
                json.WriteStartObject "__metadata__"

                for KeyValue(key, value) in header.Metadata do
                    json.WriteString(key, value)

                json.WriteEndObject()

            for entry in header.Entries do
                json.WriteStartObject entry.Name
                json.WriteString("dtype", entry.Type)
                json.WriteStartArray "shape"
                entry.Shape |> List.iter json.WriteNumberValue
                json.WriteEndArray()
                json.WriteStartArray "data_offsets"
                json.WriteNumberValue entry.Begin
                json.WriteNumberValue(entry.Begin + entry.Length)
                json.WriteEndArray()
                json.WriteEndObject()

            json.WriteEndObject())

        let padding = (8 - buffer.WrittenCount % 8) % 8
        Array.append (buffer.WrittenSpan.ToArray()) (Array.create padding (byte ' '))
