namespace Mcdrl

open System
open System.Collections.Generic
open System.ComponentModel
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Tasks
open CliWrap

/// What ends the work on a clip, on whatever thread it is found.
exception internal VideoFault of McdrlError

/// FFmpeg as it is installed.
type FfmpegVersion =
    {
        /// As it tells it, e.g. `5.1.9-0+deb12u1`.
        Text: string
        /// Major and minor number; `None` for builds that tell none.
        Number: (int * int) option
    }

/// FFmpeg's two programs, found on the PATH. What a file of a stranger may make them do is bounded: it is read as a file, by
/// readers of containers, and nothing that it names is opened.
[<RequireQualifiedAccess>]
module Ffmpeg =
    /// The error where a program is absent, which says how to get it.
    let internal absent (program: string) =
        McdrlError.resource
            "the program is not installed, and videos are read and written by it"
            program
            "Install FFmpeg: `apt-get install ffmpeg` on Debian and Ubuntu, `brew install ffmpeg` on macOS, `winget install ffmpeg` on Windows"

    /// The last lines of what a program says, each bounded.
    type internal Tail() =
        let lines = Queue<string>()
        let most, longest = 5, 300

        member _.Add(line: string) =
            lock lines (fun () ->
                lines.Enqueue(
                    if line.Length > longest then
                        line.Substring(0, longest) + "…"
                    else
                        line
                )

                if lines.Count > most then
                    lines.Dequeue() |> ignore)

        member _.Lines = lock lines (fun () -> List.ofSeq lines)

    /// Lines at the levels that `-loglevel level+…` writes before them: the level, and the rest.
    let private levelled =
        Regex(
            @"^(?:\[[^\]]* @ 0x[0-9a-f]+\] )?\[(panic|fatal|error|warning|info|verbose)\] (.*)$",
            RegexOptions.CultureInvariant
        )

    /// What an error line of `-loglevel level+…` says; `None` for other lines.
    let internal complaint (line: string) : string option =
        let found = levelled.Match line

        match found.Groups[1].Value with
        | "panic"
        | "fatal"
        | "error" -> Some found.Groups[2].Value
        | _ -> None

    /// Runs a program to its end; its exit code. Cancelled, it is killed. `tell` is given each line of its errors.
    let internal execute
        (program: string)
        (arguments: string list)
        (input: PipeSource)
        (output: PipeTarget)
        (tell: string -> unit)
        (cancel: CancellationToken)
        : Task<int> =
        task {
            try
                let! result =
                    Cli
                        .Wrap(program)
                        .WithArguments(arguments)
                        .WithValidation(CommandResultValidation.None)
                        .WithStandardInputPipe(input)
                        .WithStandardOutputPipe(output)
                        .WithStandardErrorPipe(PipeTarget.ToDelegate(Action<string> tell, Encoding.UTF8))
                        .ExecuteAsync(cancel)

                return result.ExitCode
            with :? Win32Exception ->
                return raise (VideoFault(absent program))
        }

    /// What a program writes, at most so many bytes, its exit code, and the last of its errors.
    let internal capture program arguments (most: int64) (cancel: CancellationToken) =
        let tail = Tail()
        let mutable written = Some [||]

        let read (stream: Stream) (cancel: CancellationToken) =
            task {
                let! found = Files.toEndAsync most stream cancel
                written <- found
                // Or else the program would wait for somebody to read the rest.
                do! stream.CopyToAsync(Stream.Null, cancel)
            }
            :> Task

        let code =
            (execute
                program
                arguments
                PipeSource.Null
                (PipeTarget.Create(Func<Stream, CancellationToken, Task> read))
                tail.Add
                cancel)
                .GetAwaiter()
                .GetResult()

        code, written, tail.Lines

    /// Containers that are read. Play lists and scripts, which name other files, are none of them.
    let private containers =
        [
            "mov"
            "matroska"
            "avi"
            "mpeg"
            "mpegts"
            "mpegvideo"
            "asf"
            "ogg"
            "flv"
            "dv"
            "mxf"
            "nut"
        ]

    /// A file to be read, as arguments: `options` are those of the input.
    let internal reading (options: string list) (path: string) =
        [ "-protocol_whitelist"; "file,pipe"; "-format_whitelist" ]
        @ [ String.concat "," containers ]
        @ options
        @ [ "-i"; "file:" + Path.GetFullPath path ]

    /// FFmpeg's version; a `Resource` error that says how to get it where there is none.
    let version (cancel: CancellationToken) : Result<FfmpegVersion, McdrlError> =
        try
            let _, written, _ = capture "ffmpeg" [ "-version" ] 65536L cancel

            let text = written |> Option.map Encoding.UTF8.GetString |> Option.defaultValue ""

            let found = Regex.Match(text, @"^ffmpeg version (\S+)")
            let number = Regex.Match(found.Groups[1].Value, @"^n?(\d{1,4})\.(\d{1,4})")

            Ok
                {
                    Text = found.Groups[1].Value
                    Number =
                        if number.Success then
                            Some(int number.Groups[1].Value, int number.Groups[2].Value)
                        else
                            None
                }
        with VideoFault error ->
            Error error

    /// Every frame is written as it comes, none twice, none left out. The option's name changed with 5.1.
    let internal passthrough (version: FfmpegVersion) =
        match version.Number with
        | Some number when number < (5, 1) -> [ "-vsync"; "passthrough" ]
        | _ -> [ "-fps_mode"; "passthrough" ]
