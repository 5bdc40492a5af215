namespace Mcdrl

open System
open System.Buffers.Binary
open System.Globalization
open System.IO
open System.Threading
open System.Threading.Channels
open System.Threading.Tasks
open CliWrap

/// How raw pictures are laid out.
[<RequireQualifiedAccess>]
type internal PixelLayout =
    /// One byte a pixel.
    | Grey
    /// Red, green, blue, and one that is ignored.
    | Rgba

/// Raw pictures with time stamps in Matroska, the one form in which FFmpeg takes both from a pipe.
/// Every element is its identifier, its length as 8 bytes, and its content (RFC 8794, RFC 9559).
[<RequireQualifiedAccess>]
module internal TimedPictures =
    let private bigEndian (value: uint64) =
        let bytes = Array.zeroCreate<byte> 8
        BinaryPrimitives.WriteUInt64BigEndian(Span bytes, value)
        bytes

    /// A number or identifier in as few bytes as it has.
    let private shortest value =
        bigEndian value |> Array.skipWhile ((=) 0uy)

    let private head (identifier: uint64) (length: int64) =
        Array.append (shortest identifier) (bigEndian (0x0100_0000_0000_0000UL ||| uint64 length))

    let private element identifier (content: byte[]) =
        Array.append (head identifier (int64 content.Length)) content

    let private number identifier (value: uint64) = element identifier (bigEndian value)

    let private text identifier (value: string) =
        element identifier (Text.Encoding.ASCII.GetBytes value)

    let private group identifier parts = element identifier (Array.concat parts)

    /// What stands before the pictures: one track of pictures of this size, time stamps in microseconds. The last picture is shown for
    /// `interval` seconds, the others until the next.
    let header layout (width: int) (height: int) (interval: float) : byte[] =
        let fourLetters =
            match layout with
            | PixelLayout.Grey -> "Y800"
            | PixelLayout.Rgba -> "RGBA"

        Array.concat
            [
                group 0x1A45DFA3UL [ text 0x4282UL "matroska"; number 0x4287UL 4UL; number 0x4285UL 2UL ]
                // A segment of unknown length: it ends where the stream does.
                shortest 0x18538067UL
                shortest 0x01FF_FFFF_FFFF_FFFFUL
                group 0x1549A966UL [ number 0x2AD7B1UL 1000UL ]
                group
                    0x1654AE6BUL
                    [
                        group
                            0xAEUL
                            [
                                number 0xD7UL 1UL
                                number 0x73C5UL 1UL
                                number 0x83UL 1UL
                                number 0x23E383UL (uint64 (max 1.0 (1e9 * interval)))
                                text 0x86UL "V_UNCOMPRESSED"
                                group
                                    0xE0UL
                                    [
                                        number 0xB0UL (uint64 width)
                                        number 0xBAUL (uint64 height)
                                        text 0x2EB524UL fourLetters
                                    ]
                            ]
                    ]
            ]

    /// What stands before the pixels of a picture that is shown at this time: a cluster with one block, on track 1, a key frame.
    let before (microseconds: uint64) (bytes: int) : byte[] =
        let block = [| 0x81uy; 0uy; 0uy; 0x80uy |]
        let stamp = number 0xE7UL microseconds
        let blockHead = head 0xA3UL (int64 block.Length + int64 bytes)

        let length =
            int64 stamp.Length + int64 blockHead.Length + int64 block.Length + int64 bytes

        Array.concat [ head 0x1F43B675UL length; stamp; blockHead; block ]

/// FFmpeg as it encodes what it is given, until disposed; `what` names the file in errors, `arguments` are those after the input of
/// pictures.
type internal VideoEncoder(what: string, header: byte[], arguments: string list, cancel: CancellationToken) =
    let stop = CancellationTokenSource.CreateLinkedTokenSource cancel
    let pictures = Channel.CreateBounded<struct (uint64 * byte[])> 2
    let tail = Ffmpeg.Tail()

    let feed (stream: Stream) (cancel: CancellationToken) =
        task {
            do! stream.WriteAsync(ReadOnlyMemory header, cancel)
            let mutable more = true

            while more do
                let! isThere = pictures.Reader.WaitToReadAsync cancel

                if isThere then
                    let! (struct (time, pixels)) = pictures.Reader.ReadAsync cancel
                    do! stream.WriteAsync(ReadOnlyMemory(TimedPictures.before time pixels.Length), cancel)
                    do! stream.WriteAsync(ReadOnlyMemory pixels, cancel)
                else
                    more <- false
        }
        :> Task

    /// FFmpeg takes the first picture's time for the beginning, unless it is told.
    let encode (first: float) =
        task {
            try
                return!
                    Ffmpeg.execute
                        "ffmpeg"
                        ([ "-hide_banner"; "-nostats"; "-loglevel"; "level+error"; "-itsoffset" ]
                         @ [ first.ToString("0.######", CultureInfo.InvariantCulture) ]
                         @ [ "-f"; "matroska"; "-i"; "pipe:0" ]
                         @ arguments)
                        (PipeSource.Create(Func<Stream, CancellationToken, Task> feed))
                        PipeTarget.Null
                        (fun line -> Ffmpeg.complaint line |> Option.iter tail.Add)
                        stop.Token
            finally
                pictures.Writer.TryComplete() |> ignore
        }

    let mutable begun: Task<int> option = None

    let ended () =
        match begun with
        | Some encoding -> encoding.GetAwaiter().GetResult()
        | None -> 0

    let fail () =
        cancel.ThrowIfCancellationRequested()
        let words = String.concat "; " tail.Lines

        raise (
            VideoFault(
                McdrlError.resource
                    $"FFmpeg can't write it: {words}"
                    what
                    "Check the disk, and that your FFmpeg has the encoders libx264 and ffv1"
            )
        )

    /// Encodes a picture that is shown at this time, in seconds; waits while earlier ones are being encoded.
    member _.Write (seconds: float) (pixels: byte[]) =
        let time = uint64 (round (1e6 * max 0.0 seconds))

        if begun.IsNone then
            begun <- Some(encode (max 0.0 seconds))

        let rec write () =
            if not (pictures.Writer.TryWrite(struct (time, pixels))) then
                if pictures.Writer.WaitToWriteAsync(stop.Token).AsTask().GetAwaiter().GetResult() then
                    write ()
                else
                    ended () |> ignore
                    fail ()

        write ()

    /// Waits until all is written.
    member _.Finish() =
        pictures.Writer.TryComplete() |> ignore

        if ended () <> 0 then
            fail ()

    interface IDisposable with
        member _.Dispose() =
            stop.Cancel()

            try
                ended () |> ignore
            with
            | :? OperationCanceledException
            | VideoFault _ -> ()

            stop.Dispose()
