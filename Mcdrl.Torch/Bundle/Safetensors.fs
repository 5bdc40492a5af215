namespace Mcdrl

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open TorchSharp
open FsToolkit.ErrorHandling

[<NoComparison; NoEquality>]
type SafetensorsContent =
    {
        Tensors: Map<string, Tensor>
        Metadata: Map<string, string>
    }

type SafetensorsOptions = { Widen: bool; RequireFinite: bool }

[<RequireQualifiedAccess>]
module Safetensors =
    let private damaged path what =
        McdrlError.model what path "The file is damaged or not safetensors: fetch or write it again"

    let private bufferSize = 1 <<< 20

    /// Opens a model file; a missing one is a `Model` error, a refusal of the system a `Resource` error.
    let private opened (path: string) (work: Stream -> Result<'a, McdrlError>) =
        if Directory.Exists path then
            Error(McdrlError.model "it is a folder" path "Name the .safetensors file inside it")
        else
            Files.reading path (fun stream -> work stream)
            |> Result.mapError McdrlError.asModel

    /// What stands in the place of weights where a download went wrong, told by its first bytes, and what to do.
    let private disguises =
        [
            "version ",
            "this is a Git LFS pointer, not the file that it stands for",
            "Fetch the file itself, in a clone with `git lfs pull`"
            "<",
            "this is a page of HTML, as a server answers that wants a login",
            "Fetch the file again, logged in"
            "PK",
            "this is a zip archive, as PyTorch writes pickles, which can run code and are never read",
            "Use the safetensors file of the same weights"
        ]

    /// The error of a file whose first eight bytes are no length of a header.
    let private noHeader path (prefix: byte[]) claimed =
        disguises
        |> List.tryPick (fun (beginning, what, fix) ->
            if prefix.AsSpan().StartsWith(ReadOnlySpan(Text.Encoding.ASCII.GetBytes beginning)) then
                Some(McdrlError.model what path fix)
            else
                None)
        |> Option.defaultWith (fun () ->
            damaged path $"the header claims {claimed} bytes, more than {SafetensorsHeader.largest}")

    /// The checked header and the position of the first data byte; `stream` is left there.
    let readHeader path (stream: Stream) =
        result {
            let length = stream.Length
            do! Result.requireTrue (damaged path $"{length} bytes are too few for a header") (length >= 8L)
            let prefix = Array.zeroCreate<byte> 8
            stream.ReadExactly prefix
            let claimed = BinaryPrimitives.ReadUInt64LittleEndian prefix

            do!
                Result.requireTrue
                    (noHeader path prefix claimed)
                    (claimed <= uint64 SafetensorsHeader.largest)

            let headerLength = int64 claimed

            do!
                Result.requireTrue
                    (damaged path $"the header claims {headerLength} bytes, the file has {length}")
                    (headerLength <= length - 8L)

            let text = Array.zeroCreate<byte>(int headerLength)
            stream.ReadExactly text
            return! SafetensorsHeader.parse path (length - 8L - headerLength) (ReadOnlyMemory text)
        }

    /// A NaN or an infinity makes the sum one, and the sum needs no memory; only a sum that overflowed needs a look at
    /// every element.
    let isFinite (tensor: Tensor) =
        use _scope = torch.NewDisposeScope()

        Double.IsFinite(tensor.sum().to_type(torch.ScalarType.Float64).item<float>())
        || tensor.isfinite().all().item<bool>()

    let private readValue options path (stream: Stream) (entry: SafetensorsEntry) (dtype: torch.ScalarType) =
        use scope = torch.NewDisposeScope()
        let stored = torch.empty (List.toArray entry.Shape, dtype = dtype)

        if entry.Length > int64 Int32.MaxValue then
            stored.ReadBytesFromStream(stream, bufferSize)
        elif entry.Length > 0L then
            stream.ReadExactly stored.bytes

        let value =
            match dtype with
            | torch.ScalarType.Float16
            | torch.ScalarType.BFloat16 when options.Widen -> stored.``to`` torch.ScalarType.Float32
            | _ -> stored

        if options.RequireFinite && value.is_floating_point () && not (isFinite value) then
            Error(
                McdrlError.model
                    "it holds a NaN or an infinity"
                    $"{path}, tensor \"{entry.Name}\""
                    "Use weights from a training run that converged"
            )
        else
            Ok(scope.MoveToOuter value)

    let private readTensor options path stream (entry: SafetensorsEntry) =
        match SafetensorsHeader.scalarType entry.Type with
        | Some dtype -> readValue options path stream entry dtype
        | None -> Error(SafetensorsHeader.unsupported $"{path}, tensor \"{entry.Name}\"" entry.Type)

    let private skip (stream: Stream) (length: int64) =
        let buffer = Array.zeroCreate<byte>(int (min length (int64 bufferSize)))
        let mutable left = length

        while left > 0L do
            let part = int (min left (int64 buffer.Length))
            stream.ReadExactly(buffer, 0, part)
            left <- left - int64 part

    /// Runs work on torch; an exception of the native library becomes an error about `path`.
    let private guarded path (work: unit -> Result<'a, McdrlError>) =
        try
            work ()
        with
        | :? ExternalException as problem ->
            Error(McdrlError.resource problem.Message path "Free memory, or use a smaller file")
        | :? OutOfMemoryException as problem ->
            Error(McdrlError.resource problem.Message path "Free memory, or use a smaller file")

    let private readContent isIgnored options path (stream: Stream) : Result<SafetensorsContent, McdrlError> =
        guarded path (fun () ->
            result {
                let! header = readHeader path stream
                use scope = torch.NewDisposeScope()

                let! tensors =
                    header.Entries
                    |> List.traverseResultM (fun entry ->
                        if isIgnored entry.Name entry.Type then
                            skip stream entry.Length
                            Ok None
                        else
                            readTensor options path stream entry
                            |> Result.map (fun tensor -> Some(entry.Name, tensor)))
                    |> Result.map (List.choose id)

                for _, tensor in tensors do
                    scope.MoveToOuter tensor |> ignore

                return
                    {
                        Tensors = Map.ofList tensors
                        Metadata = header.Metadata
                    }
            })

    let private everything (_: string) (_: string) = false

    let readWithout
        isIgnored
        (options: SafetensorsOptions)
        (path: string)
        : Result<SafetensorsContent, McdrlError> =
        opened path (readContent isIgnored options path)

    let readWith (options: SafetensorsOptions) (path: string) : Result<SafetensorsContent, McdrlError> =
        readWithout everything options path

    let digestedFrom
        (options: SafetensorsOptions)
        (path: string)
        (stream: Stream)
        : Result<SafetensorsContent * string, McdrlError> =
        use digested = new DigestStream(stream)

        readContent everything options path digested
        |> Result.map (fun content -> content, digested.Sha256)

    let readDigested
        (options: SafetensorsOptions)
        (path: string)
        : Result<SafetensorsContent * string, McdrlError> =
        opened path (digestedFrom options path)

    let read (path: string) : Result<SafetensorsContent, McdrlError> =
        readWith { Widen = false; RequireFinite = false } path

    let shapes (path: string) : Result<Map<string, int64 list>, McdrlError> =
        opened path (fun stream ->
            readHeader path stream
            |> Result.map (fun header ->
                header.Entries |> List.map (fun entry -> entry.Name, entry.Shape) |> Map.ofList))

    let private describeTensors path (tensors: (string * Tensor) list) =
        let unsupported =
            [
                for name, tensor in tensors do
                    if (SafetensorsHeader.dtypeName tensor.dtype).IsNone then
                        $"{name} ({tensor.dtype})"
            ]

        let repeated =
            [
                for name, group in List.groupBy fst tensors do
                    if name = "__metadata__" || group.Length > 1 then
                        name
            ]

        let refuse what names =
            McdrlError.usage
                $"""{what}: {String.concat ", " names}"""
                path
                "Give every tensor its own name and an element type that safetensors has"

        match unsupported, repeated with
        | _ :: _, _ -> Error(refuse "element types that the format lacks" unsupported)
        | [], _ :: _ -> Error(refuse "names used twice or reserved" repeated)
        | [], [] ->
            // Wide elements first, so that every tensor starts at a multiple of its element size.
            let ordered =
                tensors
                |> List.sortWith (fun (nameA, a) (nameB, b) ->
                    match
                        compare
                            (SafetensorsHeader.elementSize b.dtype)
                            (SafetensorsHeader.elementSize a.dtype)
                    with
                    | 0 -> String.CompareOrdinal(nameA, nameB)
                    | order -> order)

            let place start (name, tensor: Tensor) =
                let length = tensor.numel () * SafetensorsHeader.elementSize tensor.dtype

                {
                    Name = name
                    Type = SafetensorsHeader.dtypeName tensor.dtype |> Option.defaultValue ""
                    Shape = List.ofArray tensor.shape
                    Begin = start
                    Length = length
                },
                start + length

            let entries, _ = List.mapFold place 0L ordered
            Ok(entries, List.map snd ordered)

    /// The JSON writer would put U+FFFD for half a surrogate pair, so that two names could become one.
    let private isUnicode (text: string) =
        let rec from index =
            if index >= text.Length then
                true
            elif not (Char.IsSurrogate text[index]) then
                from (index + 1)
            else
                index + 1 < text.Length
                && Char.IsSurrogatePair(text[index], text[index + 1])
                && from (index + 2)

        from 0

    let private writeTensor (stream: Stream) (tensor: Tensor) =
        if tensor.numel () > 0L then
            use _scope = torch.NewDisposeScope()
            tensor.detach().cpu().contiguous().WriteBytesToStream(stream, bufferSize)

    let write
        (path: string)
        (metadata: Map<string, string>)
        (tensors: (string * Tensor) list)
        : Result<unit, McdrlError> =
        result {
            let! entries, ordered = describeTensors path tensors

            let texts =
                List.map fst tensors
                @ List.collect (fun (key, value) -> [ key; value ]) (Map.toList metadata)

            do!
                Result.requireTrue
                    (McdrlError.usage
                        "a name or a metadata text has half a surrogate pair"
                        path
                        "Use names and metadata that are valid Unicode")
                    (List.forall isUnicode texts)

            let header =
                SafetensorsHeader.render
                    {
                        Entries = entries
                        Metadata = metadata
                    }

            do!
                Result.requireTrue
                    (McdrlError.usage
                        $"the header would have {header.Length} bytes, more than {SafetensorsHeader.largest}"
                        path
                        "Write fewer tensors or less metadata")
                    (int64 header.Length <= SafetensorsHeader.largest)

            return!
                guarded path (fun () ->
                    Files.writeAtomically path (fun stream ->
                        let prefix = Array.zeroCreate<byte> 8
                        BinaryPrimitives.WriteUInt64LittleEndian(Span prefix, uint64 header.Length)
                        stream.Write prefix
                        stream.Write header
                        List.iter (writeTensor stream) ordered))
        }
