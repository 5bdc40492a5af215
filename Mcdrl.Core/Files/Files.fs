namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography

/// File writes that leave either the old or the new file, whole.
[<RequireQualifiedAccess>]
module Files =
    [<DllImport("libc", EntryPoint = "open", SetLastError = true)>]
    extern int private openDirectory(string path, int flags)

    [<DllImport("libc", EntryPoint = "fsync", SetLastError = true)>]
    extern int private fsync(int descriptor)

    [<DllImport("libc", EntryPoint = "close", SetLastError = true)>]
    extern int private close(int descriptor)

    [<DllImport("libc", EntryPoint = "sync")>]
    extern void private sync()

    /// Makes a rename in `directory` survive a power cut. .NET has no call for it.
    let private syncDirectory directory =
        if OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() then
            let descriptor = openDirectory (directory, 0)

            if descriptor >= 0 then
                fsync descriptor |> ignore
                close descriptor |> ignore

    /// The error of a file operation that the system refused.
    let ioError (path: string) (problem: exn) =
        McdrlError.resource
            problem.Message
            path
            "Check that the folder exists, is writable and has free space"

    /// Runs a file operation; the system's refusals become an error that names the path.
    let attempt (path: string) (operation: unit -> 'a) : Result<'a, McdrlError> =
        try
            Ok(operation ())
        with
        | :? IOException as problem -> Error(ioError path problem)
        | :? UnauthorizedAccessException as problem -> Error(ioError path problem)

    let private replace durable (path: string) (write: Stream -> unit) : Result<unit, McdrlError> =
        attempt path (fun () ->
            let full = Path.GetFullPath path

            let directory =
                Path.GetDirectoryName full |> Option.ofObj |> Option.defaultValue "."

            Directory.CreateDirectory directory |> ignore

            let temporary =
                Path.Combine(directory, $".{Path.GetFileName full}.{Guid.NewGuid():N}.tmp")

            try
                using (new FileStream(temporary, FileMode.CreateNew, FileAccess.Write)) (fun stream ->
                    write stream
                    stream.Flush durable)

                File.Move(temporary, full, true)

                if durable then
                    syncDirectory directory
            finally
                File.Delete temporary)

    /// Writes a sibling temporary file, flushes it to the disk and renames it over `path`.
    /// On failure nothing is left behind and the old file is untouched.
    let writeAtomically (path: string) (write: Stream -> unit) : Result<unit, McdrlError> =
        replace true path write

    /// `writeAtomically` without the wait for the disk, for one of very many files; call `settle` after the last of
    /// them and before the file that vouches for them.
    let writeManyAtomically (path: string) (write: Stream -> unit) : Result<unit, McdrlError> =
        replace false path write

    /// Waits until everything written so far is on the disk.
    let settle () =
        if OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() then
            sync ()

    /// `writeAtomically` for text, as UTF-8 without a byte order mark.
    let writeText (path: string) (text: string) =
        writeAtomically path (fun stream -> stream.Write(ReadOnlySpan(Text.Encoding.UTF8.GetBytes text)))

    /// Lower-case hexadecimal sha256 of a file.
    let sha256 (path: string) : Result<string, McdrlError> =
        attempt path (fun () ->
            use stream = File.OpenRead path
            Convert.ToHexStringLower(SHA256.HashData stream))

    /// The bytes of a file, if it is there and not larger than `most` bytes.
    let readBounded (most: int64) (path: string) : Result<byte[], McdrlError> =
        if not (File.Exists path) then
            Error(McdrlError.data "the file does not exist" path "Check the path")
        else
            attempt path (fun () ->
                use stream = File.OpenRead path

                if stream.Length > most then
                    Error(
                        McdrlError.resource
                            $"the file has {stream.Length} bytes, over the limit of {most}"
                            path
                            "Give a smaller file"
                    )
                else
                    let bytes = Array.zeroCreate<byte>(int stream.Length)
                    stream.ReadExactly(bytes, 0, bytes.Length)
                    Ok bytes)
            |> Result.bind id
