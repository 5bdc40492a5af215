namespace Mcdrl

open System
open System.Buffers.Binary
open System.IO
open System.Runtime.InteropServices

/// Native libraries by their file or name.
[<RequireQualifiedAccess>]
module SharedLibrary =
    /// The loader's own words, without .NET's general advice around them.
    let private loaderText (problem: exn) =
        problem.Message.Split '\n'
        |> Array.map _.Trim()
        |> Array.filter (fun line -> line.StartsWith '/' || line.StartsWith "lib")
        |> Array.distinct
        |> function
            | [||] -> problem.Message
            | lines -> String.concat "; " lines

    /// The handle of a library, by its path or by a name that the system looks up; else why not, in the loader's words.
    let load (path: string) : Result<nativeint, string> =
        try
            Ok(NativeLibrary.Load path)
        with
        | :? DllNotFoundException as problem -> Error(loaderText problem)
        | :? BadImageFormatException as problem -> Error(loaderText problem)

    let private elfMagic = 0x464c457fu

    /// Whether the ELF library at `path` reaches as far as its own header says: one cut short would end the process with SIGBUS. May
    /// throw what file reads throw.
    let whole (path: string) : Result<unit, string> =
        use file = File.OpenRead path
        let header = Array.zeroCreate<byte> 64

        let u16 offset =
            BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(header, offset, 2))

        if
            file.ReadAtLeast(Span header, 64, false) < 64
            || BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(header, 0, 4)) <> elfMagic
        then
            Error "not a shared library"
        else
            let table = BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(header, 0x28, 8))
            let size = uint64 (u16 0x3A) * uint64 (u16 0x3C)

            if table > uint64 file.Length || size > uint64 file.Length - table then
                Error $"the file is cut short at {file.Length} bytes"
            else
                Ok()
