namespace Mcdrl

open System
open System.Buffers.Binary
open System.Text

/// The one change that Mcdrl makes to an ELF64 shared library: a copy that no longer insists on a symbol
/// version which the system's libstdc++ lacks. Layout: System V ABI, "Linux Standard Base Core", symbol versioning.
module internal Elf =
    /// Called by libstdc++ 13 and later from every object that includes `<iostream>`; older ones initialise the
    /// streams by themselves and a missing definition is never called, because nothing relocates against it.
    let private harmless = set [ "_ZSt21ios_base_library_initv" ]

    let private dynamicSymbols, versionNeeds, symbolVersions =
        11u, 0x6ffffffeu, 0x6fffffffu

    /// VER_FLG_WEAK: the loader accepts a library that does not define the version.
    let private weakFlag = 2us

    type private Section =
        {
            Kind: uint32
            Offset: int
            Size: int
            Link: int
            Entries: int
        }

    let private u16 (image: byte[]) offset =
        BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(image, offset, 2))

    let private u32 (image: byte[]) offset =
        BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(image, offset, 4))

    let private i32 image offset = Checked.int (u32 image offset)

    let private i64 (image: byte[]) offset =
        Checked.int (BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(image, offset, 8)))

    let private text (image: byte[]) offset =
        let rest = ReadOnlySpan(image, offset, image.Length - offset)
        Encoding.ASCII.GetString(rest.Slice(0, rest.IndexOf 0uy))

    let private sections image =
        let table, size, count = i64 image 0x28, int (u16 image 0x3A), int (u16 image 0x3C)

        Array.init count (fun index ->
            let at = table + index * size

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
                        if text image (names + i32 image (entry + 8)) = version then
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
                            text image (names + i32 image (symbols.Offset + 24 * symbol))
        ]

    /// A copy of the library `image` whose requirement of `version` is weak. An error says why there can be
    /// none: not such a library, no such requirement, or a symbol that is really used.
    let weaken (version: string) (image: byte[]) : Result<byte[], string> =
        try
            if u32 image 0 <> 0x464c457fu || image[4] <> 2uy || image[5] <> 1uy then
                Error "not a little-endian 64-bit ELF file"
            else
                let all = sections image

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
        with
        | :? ArgumentException
        | :? IndexOutOfRangeException
        | :? OverflowException -> Error "damaged ELF file"
