namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Security
open System.Security.Cryptography
open System.Text
open System.Threading
open System.Threading.Tasks
open Microsoft.Win32.SafeHandles

/// The one way to open a file, and writes that leave either the old or the new file, whole.
[<RequireQualifiedAccess>]
module Files =
    [<DllImport("libc", EntryPoint = "open", SetLastError = true)>]
    extern int private openFile(string path, int flags)

    [<DllImport("libc", EntryPoint = "fsync", SetLastError = true)>]
    extern int private fsync(int descriptor)

    [<DllImport("libc", EntryPoint = "close", SetLastError = true)>]
    extern int private close(int descriptor)

    [<DllImport("libc", EntryPoint = "sync")>]
    extern void private sync()

    /// O_NONBLOCK and O_CLOEXEC of Linux.
    let private nonblocking, private closeOnExec = 0x800, 0x80000

    /// Makes a rename in `directory` survive a power cut. .NET has no call for it.
    let private syncDirectory directory =
        if OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() then
            let descriptor = openFile (directory, 0)

            if descriptor >= 0 then
                fsync descriptor |> ignore
                close descriptor |> ignore

    /// What helps against a refusal of the system.
    let private remedy (problem: exn) =
        let noSpace, quota, readOnly = 28, 122, 30

        match problem with
        | :? FileNotFoundException
        | :? DirectoryNotFoundException -> "Check the path"
        | :? PathTooLongException -> "Use a shorter name"
        | :? UnauthorizedAccessException -> "Check that you may read it, or write there"
        | _ when problem.HResult = noSpace || problem.HResult = quota -> "Free some space"
        | _ when problem.HResult = readOnly -> "Choose a place that can be written"
        | _ -> "Check the disk and the path"

    /// The error of a file operation that the system refused.
    let ioError (path: string) (problem: exn) =
        McdrlError.resource (problem.Message.TrimEnd '.') path (remedy problem)

    /// A path that can be one: not empty, and without a NUL.
    let private sound (path: string) =
        if path = "" then
            Error(McdrlError.usage "the path is empty" "“”" "Name a file or folder")
        elif path.Contains '\000' then
            Error(McdrlError.usage "the path holds a NUL character" path "Name a file or folder")
        else
            Ok()

    /// Runs a file operation; the system's refusals become an error that names the path.
    let attempt (path: string) (operation: unit -> 'a) : Result<'a, McdrlError> =
        sound path
        |> Result.bind (fun () ->
            try
                Ok(operation ())
            with
            | :? IOException as problem -> Error(ioError path problem)
            | :? UnauthorizedAccessException as problem -> Error(ioError path problem)
            | :? SecurityException as problem -> Error(ioError path problem))

    /// Whether a writer may put a file here: where nothing lies yet, or a plain file that it replaces.
    let replaceable (path: string) : Result<unit, McdrlError> =
        match FileIdentity.ofPath path with
        | None
        | Some { Kind = FileKind.PlainFile } -> Ok()
        | Some { Kind = kind } ->
            Error(
                McdrlError.usage
                    $"this is {FileIdentity.describe kind}, and would be replaced by a file"
                    path
                    "Name a file"
            )

    let private replace
        durable
        (path: string)
        (write: Stream -> Result<'a, McdrlError>)
        : Result<'a, McdrlError> =
        replaceable path
        |> Result.bind (fun () ->
            attempt path (fun () ->
                let full = Path.GetFullPath path

                let directory =
                    Path.GetDirectoryName full |> Option.ofObj |> Option.defaultValue "."

                Directory.CreateDirectory directory |> ignore

                use stream = Temporaries.create directory

                try
                    write stream
                    |> Result.bind (fun written ->
                        stream.Flush durable

                        if Interruption.isLetGo () then
                            Error McdrlError.Cancelled
                        else
                            // Renamed while it is held, or others would take it for forsaken.
                            File.Move(stream.Name, full, true)

                            if durable then
                                syncDirectory directory

                            Ok written)
                finally
                    Temporaries.forget stream.Name)
            |> Result.bind id)

    /// Writes a sibling temporary file, flushes it to the disk and renames it over `path`.
    /// On failure nothing is left behind and the old file is untouched.
    let writeAtomically (path: string) (write: Stream -> unit) : Result<unit, McdrlError> =
        replace true path (write >> Ok)

    /// `writeAtomically` of what may come to nothing: where `write` fails, the old file is untouched too.
    let tryWriteAtomically (path: string) (write: Stream -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        replace true path write

    /// `writeAtomically` without the wait for the disk, for one of very many files; call `settle` after the last of
    /// them and before the file that vouches for them.
    let writeManyAtomically (path: string) (write: Stream -> unit) : Result<unit, McdrlError> =
        replace false path (write >> Ok)

    /// Waits until everything written so far is on the disk.
    let settle () =
        if OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() then
            sync ()

    /// `writeAtomically` for text, as UTF-8 without a byte order mark.
    let writeText (path: string) (text: string) =
        writeAtomically path (fun stream -> stream.Write(ReadOnlySpan(Encoding.UTF8.GetBytes text)))

    let private notPlain path kind =
        McdrlError.data
            $"this is {FileIdentity.describe kind}, not a file"
            path
            "Save its content to a file, and name that"

    /// Opens a file to be read from its beginning. Only what has an end is opened: a pipe, a device, a socket or a folder
    /// is refused, and nothing waits for somebody to write.
    let openRead (path: string) : Result<FileStream, McdrlError> =
        let missing () =
            McdrlError.data "the file does not exist" path "Check the path"

        let opened () =
            if OperatingSystem.IsLinux() then
                let handle =
                    new SafeFileHandle(nativeint (openFile (path, nonblocking ||| closeOnExec)), true)

                if handle.IsInvalid then
                    let problem = Marshal.GetLastPInvokeError()
                    Error(ioError path (IOException(Marshal.GetPInvokeErrorMessage problem, problem)))
                else
                    Ok(new FileStream(handle, FileAccess.Read, 65536))
            else
                Ok(File.OpenRead path)

        sound path
        |> Result.bind (fun () ->
            match FileIdentity.ofPath path with
            | None when not (Path.Exists path) -> Error(missing ())
            | Some { Kind = kind } when kind <> FileKind.PlainFile -> Error(notPlain path kind)
            | _ -> attempt path opened |> Result.bind id)
        |> Result.bind (fun stream ->
            match FileIdentity.ofHandle stream.SafeFileHandle with
            | Some { Kind = FileKind.PlainFile } -> Ok stream
            | found ->
                stream.Dispose()
                let kind = found |> Option.map _.Kind |> Option.defaultValue FileKind.Device
                Error(notPlain path kind))

    /// Opens a plain file, reads from it and closes it.
    let reading (path: string) (work: FileStream -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        openRead path
        |> Result.bind (fun stream ->
            attempt path (fun () ->
                use stream = stream
                work stream)
            |> Result.bind id)

    /// Lower-case hexadecimal sha256 of a file.
    let sha256 (path: string) : Result<string, McdrlError> =
        reading path (fun stream -> Ok(Convert.ToHexStringLower(SHA256.HashData stream)))

    let private tooLarge most (path: string) =
        McdrlError.resource $"the file has more than {most} bytes, the limit" path "Give a smaller file"

    /// All bytes of a stream to its end; `None` where there are more than `most`.
    let toEnd (most: int64) (stream: Stream) =
        use memory = new MemoryStream()
        let buffer = Array.zeroCreate<byte> 65536
        let mutable count = stream.Read(buffer, 0, buffer.Length)

        while count > 0 && memory.Length <= most do
            memory.Write(buffer, 0, count)
            count <- stream.Read(buffer, 0, buffer.Length)

        if memory.Length > most then
            None
        else
            Some(memory.ToArray())

    /// `toEnd` without a thread that waits: for streams that may be read no other way, such as the body of a request.
    let toEndAsync (most: int64) (stream: Stream) (cancel: CancellationToken) : Task<byte[] option> =
        task {
            use memory = new MemoryStream()
            let buffer = Array.zeroCreate<byte> 65536
            let! first = stream.ReadAsync(buffer, cancel)
            let mutable count = first

            while count > 0 && memory.Length <= most do
                memory.Write(buffer, 0, count)
                let! next = stream.ReadAsync(buffer, cancel)
                count <- next

            return
                if memory.Length > most then
                    None
                else
                    Some(memory.ToArray())
        }

    /// The bytes of a plain file that is not larger than `most` bytes.
    let read (most: int64) (path: string) : Result<byte[], McdrlError> =
        reading path (fun stream ->
            let length = stream.Length

            if length > most then
                Error(tooLarge most path)
            elif length > 0L then
                let bytes = Array.zeroCreate<byte>(int length)
                stream.ReadExactly(bytes, 0, bytes.Length)
                Ok bytes
            else
                // The system's own files, below /proc, say 0 and hold more.
                match toEnd most stream with
                | Some bytes -> Ok bytes
                | None -> Error(tooLarge most path))

    let private encodingOf (bytes: byte[]) : Encoding =
        let begins (mark: byte list) =
            bytes.Length >= mark.Length
            && List.ofArray (Array.take mark.Length bytes) = mark

        if begins [ 0xFFuy; 0xFEuy ] then
            UnicodeEncoding(false, true, true)
        elif begins [ 0xFEuy; 0xFFuy ] then
            UnicodeEncoding(true, true, true)
        else
            UTF8Encoding(true, true)

    /// The text of bytes as editors write it: UTF-8 with or without a byte order mark, or UTF-16 with one. Bytes that are no
    /// text are a `Data` error that says where; `where` names them.
    let text (where: string) (bytes: byte[]) : Result<string, McdrlError> =
        let encoding = encodingOf bytes

        let mark =
            if bytes.AsSpan().StartsWith(encoding.Preamble) then
                encoding.Preamble.Length
            else
                0

        try
            Ok(encoding.GetString(bytes, mark, bytes.Length - mark))
        with :? DecoderFallbackException as problem ->
            Error(
                McdrlError.data
                    $"this is no text in {encoding.WebName}, from byte {int64 mark + int64 problem.Index} on"
                    where
                    "Save it as UTF-8"
            )

    /// The text of a plain file that is not larger than `most` bytes.
    let readText (most: int64) (path: string) : Result<string, McdrlError> =
        read most path |> Result.bind (text path)
