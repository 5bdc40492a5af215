namespace Mcdrl

open System
open System.Diagnostics
open System.IO
open System.Security.Cryptography
open System.Text
open System.Threading
open FsToolkit.ErrorHandling

/// A part of a list that is to be segmented.
type PartRequest =
    {
        /// The list's file.
        List: string
        /// The folder that the list's paths begin in.
        Root: string
        /// Where results go, those of `c1/a.png` to `c1/a.mask.png` and others; and what is told of the part.
        Out: string
        /// Which part.
        Part: Part
        /// What is asked about each image.
        Segment: SegmentRequest
        /// What all parts have in common.
        Plan: PartsPlan
    }

/// Segments a part of a list. The same part may be begun any number of times, one after the other or at once: what is whole is not done
/// again, one process at a time works on it, and `part-K.done` is written when all is there.
[<RequireQualifiedAccess>]
module SegmentPart =
    /// Images that are handed to the engine at a time. Between two such lots a processor may wait for another.
    let private lot = 512

    /// How often a process that waits for another looks again.
    let private pause = 1000

    /// Refuses a root that isn't there, and an output folder that is the root or holds images of the list.
    let private checkFolders (request: PartRequest) =
        if not (Directory.Exists request.Root) then
            Error(McdrlError.usage "the folder does not exist" request.Root "Name the folder in “root”")
        elif not (Inputs.overwritten [ request.Root ] [ request.Out ]).IsEmpty then
            Error(
                McdrlError.usage
                    "the output folder is the one that images are read from"
                    request.Out
                    "Choose another “out”"
            )
        else
            Ok()

    /// What is known of a list before any work: how many images it names, and of the part.
    let survey
        (part: Part)
        (list: string)
        (root: string)
        (out: string)
        (progress: Progress)
        : Result<ImageListSurvey, McdrlError> =
        ImageList.survey part list progress
        |> Result.bind (fun found ->
            let below = Path.GetRelativePath(Path.GetFullPath root, Path.GetFullPath out) + "/"

            if below.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted below then
                Ok found
            else
                ImageList.iterate list progress (fun image ->
                    if image.Path.StartsWith(below, StringComparison.Ordinal) then
                        Error(
                            McdrlError.data
                                $"{image.Path} lies in the output folder"
                                $"{list}, line {image.Line}"
                                "Choose another “out”"
                        )
                    else
                        Ok())
                |> Result.map (fun () -> found))

    /// The lines that earlier processes left, in files each of which has the order of the list.
    type private Earlier(files: string list) =
        let readers =
            files
            |> List.choose (fun file ->
                match LineReader.openAt 0L PartLine.longest file with
                | Ok reader -> Some(file, reader)
                | Error _ -> None)

        let current =
            readers |> List.map (fun (_, reader) -> ref (reader.Next())) |> Array.ofList

        /// What they tell of the image, which follows those that were asked about before.
        member _.Of(path: string) : string list =
            readers
            |> List.mapi (fun index (_, reader) ->
                match current[index].Value with
                | Ok(Some { Text = line; IsEnded = true }) when PartLine.isOf path line ->
                    current[index].Value <- reader.Next()
                    [ line ]
                | _ -> [])
            |> List.concat

        interface IDisposable with
            member _.Dispose() =
                for _, reader in readers do
                    (reader :> IDisposable).Dispose()

    /// What an image came to, and whether an earlier process had segmented it.
    type private Answer =
        {
            Image: ListedImage
            Line: string
            Failure: McdrlError option
            IsReused: bool
        }

    let private answer engine (request: PartRequest) (image: ListedImage, earlier: string list) : Answer =
        let target =
            SegmentTargets.target request.Out (image.Path, nonNull (Path.GetDirectoryName image.Path))

        let file = Path.Combine(request.Root, image.Path)
        let named = McdrlError.mapWhere (fun where -> where.Replace(file, image.Path))

        let told digest size outcome : Answer =
            let failure =
                match outcome with
                | Error fault -> Some(named fault)
                | Ok _ -> None

            {
                Image = image
                Line =
                    PartLine.render
                        {
                            Path = image.Path
                            Error = failure |> Option.map McdrlError.describe
                            Sha256 = digest
                            Size = size
                            Report = Result.toOption outcome
                        }
                Failure = failure
                IsReused = false
            }

        match Files.read request.Segment.Limits.MaxBytes file with
        | Error fault -> told None None (Error fault)
        | Ok bytes ->
            let digest = Convert.ToHexStringLower(SHA256.HashData bytes)
            let size = int64 bytes.Length

            let isThere line =
                PartLine.answers image.Path digest size line
                && SegmentFiles.areWritten request.Segment target

            match List.tryFind isThere earlier with
            | Some line ->
                {
                    Image = image
                    Line = line
                    Failure = None
                    IsReused = true
                }
            | None ->
                let read limits where =
                    Images.decode limits where bytes
                    |> Result.map (fun picture -> picture, Images.pictures bytes)

                SegmentFiles.one read engine request.Segment target
                |> told (Some digest) (Some size)

    /// The images of the part from where the list's reader stands, a lot at most, each with what earlier processes told of it.
    let private nextLot (request: PartRequest) (reader: LineReader) (earlier: Earlier) =
        let images = ResizeArray<ListedImage * string list>()

        let rec go () =
            if images.Count = lot then
                Ok()
            else
                match ImageList.next request.List reader with
                | Error fault -> Error fault
                | Ok None -> Ok()
                | Ok(Some image) ->
                    if Part.holds request.Part image.Place then
                        images.Add(image, earlier.Of image.Path)

                    go ()

        go () |> Result.map images.ToArray

    /// Whether a fault is one of the output folder, such as a full disk: none of the image, and the next one would have it too.
    let private isOfOutput (request: PartRequest) fault =
        let out = Path.GetFullPath request.Out
        let isInside = ref false

        let look (where: string) =
            if
                where <> ""
                && (Path.GetFullPath where).StartsWith(out, StringComparison.Ordinal)
            then
                isInside.Value <- true

            where

        McdrlError.mapWhere look fault |> ignore
        McdrlError.exitCode fault = 5 && isInside.Value

    [<Struct>]
    type private Tally =
        {
            Told: int64
            Failed: int64
            Reused: int64
        }

    /// Segments the images of the part and writes their lines to a journal, each as soon as it and those before it are known.
    let private write (engine: Engine) (request: PartRequest) inPart told journal (progress: Progress) =
        result {
            use! reader = ImageList.opened request.List
            use earlier = new Earlier(PartFiles.earlier request.Out request.Part.Index)

            use! lines =
                Files.attempt journal (fun () ->
                    Directory.CreateDirectory(nonNull (Path.GetDirectoryName journal)) |> ignore

                    new FileStream(
                        journal,
                        FileMode.CreateNew,
                        FileAccess.Write,
                        FileShare.Read ||| FileShare.Delete
                    ))

            // One thread an image whatever the lot holds: sums of several threads differ in their last digits.
            use _shared = engine.Share Environment.ProcessorCount
            let tally = ref { Told = 0L; Failed = 0L; Reused = 0L }
            use stop = CancellationTokenSource.CreateLinkedTokenSource progress.Cancel
            let ended = ref None

            let finished _ (answer: Answer) =
                match answer.Failure with
                | Some McdrlError.Cancelled -> ()
                | Some fault when isOfOutput request fault ->
                    ended.Value <- Some fault
                    stop.Cancel()
                | _ ->
                    lines.Write(ReadOnlySpan(Encoding.UTF8.GetBytes(answer.Line + "\n")))
                    lines.Flush()
                    answer.Failure |> Option.iter (told answer.Image.Path)
                    let count isSo = if isSo then 1L else 0L
                    let sofar = tally.Value

                    tally.Value <-
                        {
                            Told = sofar.Told + 1L
                            Failed = sofar.Failed + count answer.Failure.IsSome
                            Reused = sofar.Reused + count answer.IsReused
                        }

            let within before =
                { progress with
                    Cancel = stop.Token
                    Tell =
                        fun step ->
                            progress.Tell
                                { step with
                                    Done = int before + step.Done
                                    Total = int inPart
                                }
                }

            let work item =
                Interruption.during stop.Token (fun () -> answer engine request item)

            let rec lots () =
                nextLot request reader earlier
                |> Result.bind (fun images ->
                    if Array.isEmpty images then
                        Ok tally.Value
                    else
                        Files.attempt journal (fun () ->
                            Parallel.inOrder
                                (string request.Part)
                                work
                                finished
                                images
                                (within tally.Value.Told))
                        |> Result.bind id
                        |> Result.bind lots)

            let! tally =
                match lots (), ended.Value with
                | Error McdrlError.Cancelled, Some fault -> Error fault
                | outcome, _ -> outcome

            do! Files.attempt journal (fun () -> lines.Flush true)
            return tally
        }

    /// Makes the journal the part's lines, and says that the part is done.
    let private close (request: PartRequest) journal (tally: Tally) seconds =
        let part = request.Part.Index

        result {
            let! list = Files.sha256 request.List

            do!
                if list = request.Plan.ListSha256 then
                    Ok()
                else
                    Error(
                        McdrlError.data
                            "the list was changed meanwhile"
                            request.List
                            "Begin again in another “out”"
                    )

            let! digest = Files.sha256 journal
            let lines = PartFiles.lines request.Out part
            do! Files.attempt lines (fun () -> File.Move(journal, lines, true))

            let found: PartDone =
                {
                    Plan = PartsPlan.digest request.Plan
                    Sha256 = digest
                    Images = tally.Told
                    Failed = tally.Failed
                    Reused = tally.Reused
                    Seconds = seconds
                    Machine = Environment.MachineName
                }

            do! Files.writeText (PartFiles.isDone request.Out part) (RecordJson.render found)

            for old in PartFiles.journals request.Out part do
                // Another process may have deleted it.
                Files.attempt old (fun () -> File.Delete old) |> ignore

            return found
        }

    let private attempt engine (request: PartRequest) inPart told progress =
        let clock = Stopwatch.StartNew()
        let journal = PartFiles.newJournal request.Out request.Part.Index

        write engine request inPart told journal progress
        |> Result.bind (fun tally -> close request journal tally clock.Elapsed.TotalSeconds)

    /// Works on the part as soon as no other process does, unless that one ends it.
    let private hold engine (request: PartRequest) inPart told (progress: Progress) =
        let index = request.Part.Index
        let watch = LeaseWatch Lease.standard

        let rec go () =
            match PartsPlan.doneOf request.Out request.Plan index with
            | Some found -> Ok found
            | None ->
                match Lease.tryTake watch (PartFiles.lease request.Out index) with
                | Error fault -> Error fault
                | Ok(Error holder) ->
                    progress.Tell
                        {
                            Stage =
                                $"waiting for process {holder.Process} on {holder.Machine}, which has {request.Part}"
                            Done = 0
                            Total = 0
                            Note = ""
                        }

                    if progress.Cancel.WaitHandle.WaitOne pause then
                        Error McdrlError.Cancelled
                    else
                        go ()
                | Ok(Ok lease) ->
                    let outcome =
                        use lease = lease

                        match PartsPlan.doneOf request.Out request.Plan index with
                        | Some found -> Ok(Some found)
                        | None ->
                            Lease.working lease progress (fun progress ->
                                attempt engine request inPart told progress)

                    match outcome with
                    | Ok(Some found) -> Ok found
                    | Ok None -> go ()
                    | Error fault -> Error fault

        go ()

    /// Segments what of the part isn't segmented yet, by the engine that `load` makes where there is anything to do, and tells of each image
    /// that can't be. Where another process works on the part, waits for it to end or to be gone. A `Usage` error where the output folder holds
    /// another plan's parts.
    let run
        (load: unit -> Result<Engine, McdrlError>)
        (request: PartRequest)
        (inPart: int64)
        (told: string -> McdrlError -> unit)
        (progress: Progress)
        : Result<PartDone, McdrlError> =
        result {
            do! checkFolders request
            do! PartsPlan.check request.Out request.Plan

            match PartsPlan.doneOf request.Out request.Plan request.Part.Index with
            | Some found -> return found
            | None ->
                use! engine = load ()
                do! PartsPlan.settle request.Out request.Plan
                return! hold engine request inPart told progress
        }
