namespace Mcdrl

open System
open System.Buffers.Binary
open System.IO
open System.Text

/// Which libraries a 64-bit ELF library asks the system's loader for. Layout: System V ABI, “Program Header”, “Dynamic Section”.
[<RequireQualifiedAccess>]
module internal NeededLibraries =
    let private loadSegment, dynamicSegment = 1u, 2u
    let private needed, stringTable, stringTableSize = 1UL, 5UL, 10UL

    /// Bytes of a table that no library comes near.
    let private largest = 1UL <<< 24

    type private Segment =
        {
            Kind: uint32
            Offset: uint64
            Address: uint64
            Size: uint64
        }

    let private u16 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(bytes, offset, 2))

    let private u32 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, offset, 4))

    let private u64 (bytes: byte[]) offset =
        BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(bytes, offset, 8))

    let private part (file: FileStream) (offset: uint64) (size: uint64) =
        if size > largest || offset > uint64 file.Length then
            raise (InvalidDataException())

        let bytes = Array.zeroCreate<byte>(int size)
        file.Position <- int64 offset
        file.ReadExactly(bytes, 0, bytes.Length)
        bytes

    let private segments file (header: byte[]) =
        let size, count = int (u16 header 0x36), int (u16 header 0x38)
        let table = part file (u64 header 0x20) (uint64 (size * count))

        [
            for index in 0 .. count - 1 do
                let at = index * size

                {
                    Kind = u32 table at
                    Offset = u64 table (at + 8)
                    Address = u64 table (at + 16)
                    Size = u64 table (at + 32)
                }
        ]

    let private read (path: string) =
        use file = File.OpenRead path
        let header = part file 0UL 64UL

        if u32 header 0 <> 0x464c457fu || header[4] <> 2uy then
            raise (InvalidDataException())

        let segments = segments file header

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

        let texts =
            part file (holder.Offset + address - holder.Address) (valueOf stringTableSize)

        [
            for tag, offset in entries do
                if tag = needed then
                    let rest =
                        ReadOnlySpan(texts, Checked.int offset, texts.Length - Checked.int offset)

                    Encoding.UTF8.GetString(rest.Slice(0, rest.IndexOf 0uy))
        ]

    /// Their names, in the file's order; `None` for a file that is no such library.
    let of' (path: string) : string list option =
        try
            Some(read path)
        with
        | :? IOException
        | :? UnauthorizedAccessException
        | :? InvalidDataException
        | :? ArgumentException
        | :? OverflowException
        | :? Collections.Generic.KeyNotFoundException -> None
