namespace Mcdrl

open System
open System.IO
open System.Text

/// A line of a text file.
[<Struct>]
type TextLine =
    {
        /// Counted from 1 where reading began.
        Line: int64
        /// Without what ends it.
        Text: string
        /// Whether a line feed ends it: the last line of a file that somebody is writing may be half of one.
        IsEnded: bool
    }

/// Reads a file of UTF-8 line by line, in memory that depends on its longest line alone. Lines end in a line feed, before which a carriage
/// return is dropped; a byte order mark at the beginning of the file is none of the text.
[<Sealed>]
type LineReader private (path: string, stream: FileStream, longest: int) =
    static let strict = UTF8Encoding(false, true)
    static let byteOrderMark = 0xEFuy, 0xBBuy, 0xBFuy
    let buffer = Array.zeroCreate<byte> 65536
    let line = new MemoryStream()
    let mutable at, filled, number, offset = 0, 0, 0L, stream.Position

    let text isFirst =
        let bytes, length = line.GetBuffer(), int line.Length

        let first =
            if isFirst && length >= 3 && (bytes[0], bytes[1], bytes[2]) = byteOrderMark then
                3
            else
                0

        let last =
            if length > first && bytes[length - 1] = 13uy then
                length - 1
            else
                length

        strict.GetString(bytes, first, last - first)

    /// Where in the file the next line begins.
    member _.Offset = offset

    /// The next line, `None` after the last; a `Data` error for one that is no text or longer than it may be.
    member _.Next() : Result<TextLine option, McdrlError> =
        let refused what =
            Error(McdrlError.data what $"{path}, line {number}" "Correct the file")

        let rec gather () =
            if at = filled then
                filled <- stream.Read(buffer, 0, buffer.Length)
                at <- 0

            if filled = 0 then
                false
            else
                match buffer.AsSpan(at, filled - at).IndexOf 10uy with
                | -1 ->
                    line.Write(buffer, at, filled - at)
                    at <- filled
                    line.Length <= int64 longest && gather ()
                | count ->
                    line.Write(buffer, at, count)
                    at <- at + count + 1
                    true

        line.SetLength 0L
        let isFirst = offset = 0L
        number <- number + 1L

        Files.attempt path gather
        |> Result.bind (fun isEnded ->
            offset <- offset + line.Length + (if isEnded then 1L else 0L)

            if line.Length > int64 longest then
                refused $"it has more than {longest} bytes"
            elif line.Length = 0L && not isEnded then
                Ok None
            else
                try
                    Ok(
                        Some
                            {
                                Line = number
                                Text = text isFirst
                                IsEnded = isEnded
                            }
                    )
                with :? DecoderFallbackException ->
                    refused "it is not UTF-8")

    interface IDisposable with
        member _.Dispose() =
            stream.Dispose()
            line.Dispose()

    /// Reads from an offset at which a line begins; lines may have `longest` bytes.
    static member openAt (offset: int64) (longest: int) (path: string) : Result<LineReader, McdrlError> =
        Files.openRead path
        |> Result.bind (fun stream ->
            Files.attempt path (fun () ->
                stream.Position <- offset
                new LineReader(path, stream, longest)))
