namespace Mcdrl

open System
open System.ComponentModel
open System.IO
open System.Text
open System.Threading
open System.Threading.Tasks
open CliWrap
open FsToolkit.ErrorHandling

/// The programs of DCMTK, as Debian's package `dcmtk` has them. What they say on stderr may quote a file, a patient's name in it, and is
/// thrown away.
[<RequireQualifiedAccess>]
module Dcmtk =
    /// Longer than any of them takes for one frame or one file.
    let private longest = TimeSpan.FromMinutes 2.0

    let private missing program =
        McdrlError.resource
            $"DICOM files are read and written by DCMTK, and its program {program} is not installed"
            program
            "Install it (Debian, Ubuntu: apt-get install dcmtk)"

    exception private TooMuch

    /// Copies up to `most` bytes; a program that gives more is stopped.
    let private bounded (most: int64) (target: MemoryStream) =
        PipeTarget.Create(fun stream (cancel: CancellationToken) ->
            task {
                let buffer = Array.zeroCreate<byte> 65536
                let! first = stream.ReadAsync(buffer, cancel)
                let mutable count = first

                while count > 0 do
                    if target.Length + int64 count > most then
                        raise TooMuch

                    target.Write(buffer, 0, count)
                    let! next = stream.ReadAsync(buffer, cancel)
                    count <- next
            }
            :> Task)

    /// Runs a program and gives its exit code and up to `most` bytes of its output. `where` names the file in errors; relative paths are seen from
    /// `folder`.
    let run
        (folder: string)
        (program: string)
        (arguments: string list)
        (most: int64)
        (where: string)
        : Result<int * byte[], McdrlError> =
        use output = new MemoryStream()
        use over = new CancellationTokenSource(longest)

        let command =
            Cli
                .Wrap(program)
                .WithWorkingDirectory(folder)
                .WithArguments(arguments :> string seq)
                .WithValidation(CommandResultValidation.None)
                .WithStandardErrorPipe(PipeTarget.Null)
                .WithStandardOutputPipe(bounded most output)

        try
            let code = command.ExecuteAsync(over.Token).Task.GetAwaiter().GetResult().ExitCode
            Ok(code, output.ToArray())
        with
        | :? Win32Exception -> Error(missing program)
        | :? OperationCanceledException ->
            Error(
                McdrlError.resource
                    $"{program} took longer than {longest.TotalMinutes:F0} minutes"
                    where
                    "Look at the file with another program"
            )
        | TooMuch ->
            Error(
                McdrlError.data
                    $"{program} gives more for it than its header says"
                    where
                    "Replace the file with an intact copy"
            )

    /// What `dcmdump` and its like print: text in UTF-8.
    let text (bytes: byte[]) = Encoding.UTF8.GetString bytes

    /// The version, where it is installed: `3.6.7`.
    let version () : string option =
        match run (Path.GetTempPath()) "dcmdump" [ "--version" ] 65536L "dcmdump" with
        | Ok(0, bytes) ->
            let words =
                (text bytes).Split([| ' '; '\n' |], StringSplitOptions.RemoveEmptyEntries)

            words
            |> Array.tryFind (fun word -> word.Length > 1 && word[0] = 'v' && Char.IsDigit word[1])
            |> Option.map _.Substring(1)
        | _ -> None
