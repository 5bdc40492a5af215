namespace Mcdrl

open System
open System.Collections.Generic
open System.IO
open System.Text
open FsToolkit.ErrorHandling

/// What the parts of a list come to together.
type MergedParts =
    {
        /// How many parts there are.
        Parts: int
        /// Parts that aren't done, or whose lines aren't as they were written. Where there is one, nothing is merged.
        Missing: int list
        /// How many images the lines are about.
        Images: int64
        /// How many of them could not be segmented.
        Failed: int64
        /// The lines of all images.
        File: string
    }

/// Makes one file of the lines of all parts. It has the order of the list, so that its line k is about the list's line k, and needs no
/// sorting: each part has that order too, and memory is bounded however many images there are.
[<RequireQualifiedAccess>]
module MergeParts =
    /// Bytes of all parts' lines together that are held at a time.
    let private held = 64 * 1024 * 1024

    /// A part's lines, a few of which are held.
    type private PartLines(file: string, most: int) =
        let lines = Queue<string>()
        let mutable offset = 0L

        let rec gather (reader: LineReader) =
            if reader.Offset - offset >= int64 most then
                Ok()
            else
                match reader.Next() with
                | Ok(Some line) ->
                    lines.Enqueue line.Text
                    gather reader
                | Ok None -> Ok()
                | Error fault -> Error fault

        /// The next line; `None` after the last.
        member _.Next() : Result<string option, McdrlError> =
            result {
                if lines.Count = 0 then
                    // Closed again: there may be more parts than files that a process may have open.
                    use! reader = LineReader.openAt offset PartLine.longest file
                    do! gather reader
                    offset <- reader.Offset

                return
                    match lines.TryDequeue() with
                    | true, line -> Some line
                    | false, _ -> None
            }

    let private unlike file image =
        McdrlError.data
            $"it holds no line about {image} where the list has it"
            file
            "Delete the part's .done, and segment it again"

    let private write list out (plan: PartsPlan) (progress: Progress) (stream: Stream) =
        let parts =
            Array.init plan.Parts (fun index ->
                PartLines(PartFiles.lines out index, max 4096 (held / plan.Parts)))

        let failed = ref 0L

        ImageList.iterate list progress (fun image ->
            let index = Part.ofName plan.Parts image.Place

            parts[index].Next()
            |> Result.bind (fun line ->
                match line with
                | Some line when PartLine.isOf image.Path line ->
                    if not (PartLine.isAnswer image.Path line) then
                        failed.Value <- failed.Value + 1L

                    if image.Line % 1024L = 0L then
                        progress.Tell
                            {
                                Stage = "merging"
                                Done = int image.Line
                                Total = int plan.Images
                                Note = ""
                            }

                    stream.Write(ReadOnlySpan(Encoding.UTF8.GetBytes(line + "\n")))
                    Ok()
                | _ -> Error(unlike (PartFiles.lines out index) image.Path)))
        |> Result.map (fun () -> failed.Value)

    let private checkList (list: string) (plan: PartsPlan) =
        Files.sha256 list
        |> Result.bind (fun digest ->
            if digest = plan.ListSha256 then
                Ok()
            else
                Error(
                    McdrlError.usage
                        "this is not the list that the parts were made of"
                        list
                        "Name that list in “list”"
                ))

    let private theirs (out: string) (plan: PartsPlan) list (progress: Progress) =
        checkList list plan
        |> Result.bind (fun () ->
            Files.tryWriteAtomically (PartFiles.merged out) (fun stream ->
                // Not disposed: that would close what it writes to.
                let buffered = new BufferedStream(stream, 1 <<< 20)

                write list out plan progress buffered
                |> Result.map (fun failed ->
                    buffered.Flush()
                    failed)))

    /// Merges the parts of a folder into `images.jsonl`, if all are done. `list` is the list's file, where it isn't where it was when the
    /// parts were begun.
    let run (out: string) (list: string option) (progress: Progress) : Result<MergedParts, McdrlError> =
        result {
            let! plan =
                PartsPlan.read out
                |> Result.bind (fun plan ->
                    plan
                    |> Result.requireSome (
                        McdrlError.usage
                            "it holds no parts"
                            out
                            "Name the folder that `mcdrl segment --list` was given in “out”"
                    ))

            let missing =
                [
                    for index in 0 .. plan.Parts - 1 do
                        if not progress.IsCancelled && (PartsPlan.doneOf out plan index).IsNone then
                            index
                ]

            if progress.IsCancelled then
                return! Error McdrlError.Cancelled

            let! failed =
                if missing.IsEmpty then
                    theirs out plan (Option.defaultValue plan.List list) progress
                else
                    Ok 0L

            return
                {
                    Parts = plan.Parts
                    Missing = missing
                    Images = if missing.IsEmpty then plan.Images else 0L
                    Failed = failed
                    File = PartFiles.merged out
                }
        }
