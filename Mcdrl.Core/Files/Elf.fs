namespace Mcdrl

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text

/// ELF files of 64-bit little-endian machines, as Linux' shared libraries are: whether one is whole, which others it asks for, and a copy that
/// asks for less. Layout: System V ABI, “ELF Header”, “Sections”, “Program Header”, “Dynamic Section”; Linux Standard Base Core, “Symbol
/// Versioning”.
[<RequireQualifiedAccess>]
module Elf =
    let private magic, private wide, private littleEndian = 0x464c457fu, 2uy, 1uy
    let private headerSize = 64

    let private loadSegment, private dynamicSegment = 1u, 2u
    let private needed, private stringTable, private stringTableSize = 1UL, 5UL, 10UL

    let private dynamicSymbols, private versionNeeds, private symbolVersions =
        11u, 0x6ffffffeu, 0x6fffffffu

    /// VER_FLG_WEAK: the loader accepts a library that does not define the version.
    let private weakFlag = 2us

    /// Called by libstdc++ 13 and later from every object that includes `<iostream>`; older ones initialise the
    /// streams by themselves and a missing definition is never called, because nothing relocates against it.
    let private harmless = set [ "_ZSt21ios_base_library_initv" ]

    /// Bytes of a table that no library comes near.
    let private largest = 1UL <<< 24

    let private u16 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(bytes, offset, 2))

    let private u32 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, offset, 4))

    let private u64 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(bytes, offset, 8))

    let private i32 bytes offset = Checked.int (u32 bytes offset)
    let private i64 bytes offset = Checked.int (u64 bytes offset)

    let private text (encoding: Encoding) (bytes: byte[]) offset =
        let rest = ReadOnlySpan(bytes, offset, bytes.Length - offset)
        encoding.GetString(rest.Slice(0, rest.IndexOf 0uy))

    /// Rows of one size.
    type private Table =
        {
            Offset: uint64
            RowSize: int
            Rows: int
        }

        member table.Size = uint64 table.RowSize * uint64 table.Rows

    type private Header = { Segments: Table; Sections: Table }

    let private tableAt bytes offsetAt rowSizeAt rowsAt =
        {
            Offset = u64 bytes offsetAt
            RowSize = int (u16 bytes rowSizeAt)
            Rows = int (u16 bytes rowsAt)
        }

    /// What the first bytes of a file say; `None` where it is no such file.
    let private header (bytes: byte[]) =
        if
            bytes.Length < headerSize
            || u32 bytes 0 <> magic
            || bytes[4] <> wide
            || bytes[5] <> littleEndian
        then
            None
        else
            Some
                {
                    Segments = tableAt bytes 0x20 0x36 0x38
                    Sections = tableAt bytes 0x28 0x3A 0x3C
                }

    let private headerOf (file: FileStream) =
        let bytes = Array.zeroCreate<byte> headerSize
        let read = file.ReadAtLeast(Span bytes, headerSize, false)
        header (Array.truncate read bytes)

    /// `None` where what is read leads astray, or there is nothing to read.
    let private unlessDamaged (read: unit -> 'a) : 'a option =
        try
            Some(read ())
        with
        | :? IOException
        | :? UnauthorizedAccessException
        | :? InvalidDataException
        | :? ArgumentException
        | :? IndexOutOfRangeException
        | :? OverflowException
        | :? KeyNotFoundException -> None

    /// Whether the library at `path` reaches as far as its own header says: one cut short would end the process with SIGBUS. May throw what
    /// file reads throw.
    let whole (path: string) : Result<unit, string> =
        use file = File.OpenRead path

        match headerOf file with
        | None -> Error "not a shared library"
        | Some { Sections = table } ->
            let length = uint64 file.Length

            if table.Offset > length || table.Size > length - table.Offset then
                Error $"the file is cut short at {length} bytes"
            else
                Ok()

    type private Segment =
        {
            Kind: uint32
            Offset: uint64
            Address: uint64
            Size: uint64
        }

    let private part (file: FileStream) (offset: uint64) (size: uint64) =
        if size > largest || offset > uint64 file.Length then
            raise (InvalidDataException())

        let bytes = Array.zeroCreate<byte>(int size)
        file.Position <- int64 offset
        file.ReadExactly(bytes, 0, bytes.Length)
        bytes

    let private segments file (table: Table) =
        let bytes = part file table.Offset table.Size

        [
            for row in 0 .. table.Rows - 1 do
                let at = row * table.RowSize

                {
                    Kind = u32 bytes at
                    Offset = u64 bytes (at + 8)
                    Address = u64 bytes (at + 16)
                    Size = u64 bytes (at + 32)
                }
        ]

    let private neededOf file (header: Header) =
        let segments = segments file header.Segments
        let dynamic = segments |> List.find (fun segment -> segment.Kind = dynamicSegment)
        let table = part file dynamic.Offset dynamic.Size

        let entries =
            [ for at in 0..16 .. table.Length - 16 -> u64 table at, u64 table (at + 8) ]

        let valueOf tag =
            entries |> List.find (fst >> (=) tag) |> snd

        let address = valueOf stringTable

        let holder =
            segments
            |> List.find (fun segment ->
                segment.Kind = loadSegment
                && segment.Address <= address
                && address - segment.Address < segment.Size)

        let names =
            part file (holder.Offset + address - holder.Address) (valueOf stringTableSize)

        [
            for tag, offset in entries do
                if tag = needed then
                    text Encoding.UTF8 names (Checked.int offset)
        ]

    /// The names of the libraries that the one at `path` asks the system's loader for, in its own order; `None` for a file that is no such
    /// library.
    let neededLibraries (path: string) : string list option =
        unlessDamaged (fun () ->
            use file = File.OpenRead path
            headerOf file |> Option.map (neededOf file))
        |> Option.flatten

    type private Section =
        {
            Kind: uint32
            Offset: int
            Size: int
            Link: int
            Entries: int
        }

    let private sections image (table: Table) =
        Array.init table.Rows (fun row ->
            let at = Checked.int table.Offset + row * table.RowSize

            {
                Kind = u32 image (at + 4)
                Offset = i64 image (at + 0x18)
                Size = i64 image (at + 0x20)
                Link = i32 image (at + 0x28)
                Entries = i32 image (at + 0x2C)
            })

    /// Offsets of the entries (vernaux) that require `version`.
    let private requirements image (all: Section[]) version =
        [
            for need in all |> Array.filter (fun section -> section.Kind = versionNeeds) do
                let names = all[need.Link].Offset
                let mutable file = need.Offset

                for _ in 1 .. need.Entries do
                    let mutable entry = file + i32 image (file + 8)

                    for _ in 1 .. int (u16 image (file + 2)) do
                        if text Encoding.ASCII image (names + i32 image (entry + 8)) = version then
                            entry

                        entry <- entry + i32 image (entry + 12)

                    file <- file + i32 image (file + 12)
        ]

    /// Names of the symbols that the library wants in one of the version indices.
    let private wanted image (all: Section[]) indices =
        [
            for versions in all |> Array.filter (fun section -> section.Kind = symbolVersions) do
                let symbols = all[versions.Link]

                if symbols.Kind = dynamicSymbols then
                    let names = all[symbols.Link].Offset

                    for symbol in 0 .. versions.Size / 2 - 1 do
                        let index = u16 image (versions.Offset + 2 * symbol) &&& 0x7fffus

                        if List.contains index indices then
                            text Encoding.ASCII image (names + i32 image (symbols.Offset + 24 * symbol))
        ]

    let private weakened version image (header: Header) =
        let all = sections image header.Sections

        let strong =
            requirements image all version
            |> List.filter (fun entry -> u16 image (entry + 4) &&& weakFlag = 0us)

        let used =
            strong
            |> List.map (fun entry -> u16 image (entry + 6))
            |> wanted image all
            |> List.filter (harmless.Contains >> not)

        match strong, used with
        | [], _ -> Error $"no strong requirement of {version} in it"
        | _, symbol :: _ -> Error $"its symbol {symbol} needs {version}"
        | _ ->
            let copy = Array.copy image

            for entry in strong do
                BinaryPrimitives.WriteUInt16LittleEndian(
                    Span(copy, entry + 4, 2),
                    u16 image (entry + 4) ||| weakFlag
                )

            Ok copy

    /// A copy of the library `image` that no longer insists on `version` of its symbols, which an older libstdc++ lacks. An error says why
    /// there can be none: not such a library, no such requirement, or a symbol that is really used.
    let weaken (version: string) (image: byte[]) : Result<byte[], string> =
        match header image with
        | None -> Error "not a little-endian 64-bit ELF file"
        | Some header ->
            unlessDamaged (fun () -> weakened version image header)
            |> Option.defaultValue (Error "damaged ELF file")
