namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text

/// A file of records of one size, written once and then read at random: prepared frames or tower features, which
/// for many images would not fit in memory. The file starts with a digest of what the records were made from, so
/// that a file of another data set, weights or preprocessing is never taken for this one.
type Store private (path: string, handle: Microsoft.Win32.SafeHandles.SafeFileHandle, recordBytes: int) =
    static let digestBytes = 32

    static let digest (key: string) =
        SHA256.HashData(Encoding.UTF8.GetBytes key)

    static let openExisting path key recordBytes count =
        let handle = File.OpenHandle path
        let found = Array.zeroCreate<byte> digestBytes
        let whole = int64 digestBytes + int64 recordBytes * int64 count

        if
            RandomAccess.GetLength handle = whole
            && RandomAccess.Read(handle, Span found, 0L) = digestBytes
            && found = digest key
        then
            Some(new Store(path, handle, recordBytes))
        else
            handle.Dispose()
            None

    /// The file.
    member _.Path = path

    /// Fills `target`, which must hold one record, with record `index`. Throws an `EndOfStreamException` if someone has cut
    /// the file short.
    member _.Read(index: int, target: Span<byte>) =
        let start = int64 digestBytes + int64 recordBytes * int64 index
        let mutable filled = 0

        while filled < recordBytes do
            let got = RandomAccess.Read(handle, target.Slice filled, start + int64 filled)

            if got = 0 then
                raise (EndOfStreamException $"the file ends within record {index}")

            filled <- filled + got

    interface IDisposable with
        member _.Dispose() = handle.Dispose()

    /// Opens the store at `path` if it was made from `key`; otherwise makes it by asking for the records in order.
    /// The first failing record ends the making and leaves no file.
    static member openOrCreate path key recordBytes count (record: int -> Result<byte[], McdrlError>) =
        let existing =
            match FileIdentity.ofPath path with
            // Refused when it is to be replaced; a pipe would never be opened.
            | Some { Kind = kind } when kind <> FileKind.PlainFile -> Ok None
            | _ when File.Exists path ->
                Files.attempt path (fun () -> openExisting path key recordBytes count)
            | _ -> Ok None

        existing
        |> Result.bind (fun existing ->
            match existing with
            | Some store -> Ok store
            | None ->
                let mutable failure = None

                let written =
                    Files.writeAtomically path (fun stream ->
                        stream.Write(ReadOnlySpan(digest key))
                        let mutable index = 0

                        while index < count && failure.IsNone do
                            match record index with
                            | Ok bytes -> stream.Write(ReadOnlySpan bytes)
                            | Error fault -> failure <- Some fault

                            index <- index + 1)

                match failure, written with
                | Some fault, _ ->
                    File.Delete path
                    Error fault
                | None, Error fault -> Error fault
                | None, Ok() ->
                    Files.attempt path (fun () -> openExisting path key recordBytes count)
                    |> Result.bind (fun store ->
                        match store with
                        | Some store -> Ok store
                        | None ->
                            Error(
                                McdrlError.resource
                                    "the file changed while it was being made"
                                    path
                                    "Run it again"
                            )))
