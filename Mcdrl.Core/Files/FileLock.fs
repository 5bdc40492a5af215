namespace Mcdrl

open System
open System.IO
open System.Threading

/// A file that one process holds at a time. The system frees it when the process ends, however it ends.
[<RequireQualifiedAccess>]
module FileLock =
    /// EWOULDBLOCK of Linux, what .NET's exception carries when somebody else holds the file.
    let private wouldBlock = 11

    let private take (options: FileOptions) (path: string) : Result<FileStream option, McdrlError> =
        Files.attempt path (fun () ->
            Path.GetFullPath path
            |> Path.GetDirectoryName
            |> Option.ofObj
            |> Option.iter (fun folder -> Directory.CreateDirectory folder |> ignore))
        |> Result.bind (fun () ->
            try
                new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, options)
                |> Some
                |> Ok
            with
            | :? IOException as problem when problem.HResult = wouldBlock -> Ok None
            | :? IOException as problem -> Error(Files.ioError path problem)
            | :? UnauthorizedAccessException as problem -> Error(Files.ioError path problem))

    /// Takes the lock, creating its file and folder where they are missing; `None` while another holds it.
    let tryTake (path: string) = take FileOptions.None path

    /// As `tryTake`; the file is deleted when the lock is let go.
    let tryTakeTemporary (path: string) = take FileOptions.DeleteOnClose path

    let private interval = TimeSpan.FromMilliseconds 200.0

    /// Takes the lock as soon as nobody else holds it.
    let rec wait (path: string) (cancel: CancellationToken) : Result<FileStream, McdrlError> =
        match tryTake path with
        | Error fault -> Error fault
        | Ok(Some held) -> Ok held
        | Ok None ->
            if cancel.WaitHandle.WaitOne interval then
                Error McdrlError.Cancelled
            else
                wait path cancel
