namespace Mcdrl

open System
open System.IO
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
open System.Threading
open FsToolkit.ErrorHandling

/// What is asked of an engine about clips.
type VideoRequest =
    {
        /// How to intervene; `None` for the model's own way.
        Mode: Marginalisation option
        /// Which pixels to mark.
        Marking: Marking
        /// Which frames to segment.
        Choice: FrameChoice
        /// Seconds after which an answer counts for a third in those that follow (`Smoothing.step`); `None` where each frame stands alone.
        Smooth: float option
        /// How lesions are followed.
        Tracking: TrackSettings
    }

/// A clip and where its results go.
type VideoTarget =
    {
        /// The clip.
        Input: string
        /// Where its overlay goes, but for the ending, which depends on the clip's sound.
        Overlay: string
        /// Where its mask goes.
        Mask: string
        /// Where its JSON lines go.
        Lines: string
        /// Where its `VideoReport` goes, as JSON.
        Report: string
    }

/// Segments clips into overlay, mask, JSON lines and tracks.
[<RequireQualifiedAccess>]
module VideoFiles =
    /// The model's own way, every frame, nothing smoothed.
    let standard: VideoRequest =
        {
            Mode = None
            Marking = Marking.standard
            Choice = Frames.all
            Smooth = None
            Tracking = Tracks.standard
        }

    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    /// Sound that MP4 takes as it is; with other sound, the overlay is Matroska, which takes any.
    let private soundOfMp4 = [ "aac"; "mp3"; "ac3"; "eac3"; "alac"; "opus"; "flac" ]

    /// Ending and format of the overlay.
    let private container (clip: Clip) =
        match clip.Sound with
        | Some codec when not (List.contains codec soundOfMp4) -> ".mkv", "matroska"
        | _ -> ".mp4", "mp4"

    let private filesOf (target: VideoTarget) =
        [
            target.Overlay + ".mp4"
            target.Overlay + ".mkv"
            target.Mask
            target.Lines
            target.Report
        ]

    let private target (out: string) (input: string) : VideoTarget =
        let at ending =
            Path.Combine(out, nonNull (Path.GetFileNameWithoutExtension input) + ending)

        {
            Input = input
            Overlay = at ".overlay"
            Mask = at ".mask.mkv"
            Lines = at ".frames.jsonl"
            Report = at ".tracks.json"
        }

    /// Where the results of each clip go. Results that would have the same name or replace a clip are `Usage` errors, all told at once.
    let plan (paths: string list) (out: string) : Result<VideoTarget list, McdrlError> =
        let targets = paths |> List.distinctBy Path.GetFullPath |> List.map (target out)

        let collisions =
            targets
            |> List.groupBy _.Mask
            |> List.filter (fun (_, members) -> members.Length > 1)
            |> List.map (fun (mask, members) ->
                let names = members |> List.map _.Input |> String.concat ", "

                McdrlError.usage
                    $"the results of {names} would have the same name"
                    mask
                    "Segment them into different folders")

        let overwritten =
            targets
            |> Seq.collect filesOf
            |> Inputs.overwritten paths
            |> List.map (fun (file, input) ->
                McdrlError.usage $"a result would replace the input {input}" file "Choose another “out”")

        match McdrlError.ofList (collisions @ overwritten) with
        | Some faults -> Error faults
        | None -> Ok targets

    /// H.264 that every player shows, at a quality at which a person sees no difference; the sound of the same stretch as it is. Nothing
    /// else of the clip goes along: neither its title nor other words that may name a patient.
    let private overlayArguments version (choice: FrameChoice) (clip: Clip) format (path: string) =
        let silent = clip.Sound.IsNone

        (if silent then
             []
         else
             Ffmpeg.reading (Frames.stretch choice) clip.Path)
        @ [ "-map"; "0:v" ]
        @ (if silent then [] else [ "-map"; "1:a"; "-c:a"; "copy" ])
        @ [ "-map_metadata"; "-1"; "-map_metadata:s"; "-1"; "-map_chapters"; "-1" ]
        @ [ "-vf"; "pad=ceil(iw/2)*2:ceil(ih/2)*2"; "-pix_fmt"; "yuv420p" ]
        @ [ "-c:v"; "libx264"; "-preset"; "veryfast"; "-crf"; "20" ]
        @ [ "-enc_time_base"; "1:90000" ]
        @ Ffmpeg.passthrough version
        @ [ "-y"; "-f"; format; "file:" + path ]

    let private maskArguments version (path: string) =
        [ "-map"; "0:v"; "-c:v"; "ffv1"; "-level"; "3"; "-pix_fmt"; "gray" ]
        @ [ "-enc_time_base"; "1:1000" ]
        @ Ffmpeg.passthrough version
        @ [ "-y"; "-f"; "matroska"; "file:" + path ]

    /// What is known after a frame, for the next.
    type private State =
        {
            Grey: GreyFrame option
            Answer: SmoothedAnswer option
            /// As the model gave it, and as it was written.
            Maps: (LabelMap * LabelMap) option
            OfModel: FlickerSum
            Written: FlickerSum
            Tracking: Tracking
            Frames: int
            Time: float option
            Intervals: float list
            Last: SegmentationResult option
        }

    let private start: State =
        {
            Grey = None
            Answer = None
            Maps = None
            OfModel = Flicker.none
            Written = Flicker.none
            Tracking = Tracks.none
            Frames = 0
            Time = None
            Intervals = []
            Last = None
        }

    /// The answer, smoothed if that is asked for, with the marks that follow from it.
    let private smoothed (request: VideoRequest) state motion time (found: SegmentationResult) =
        match request.Smooth with
        | None -> None, found
        | Some seconds ->
            let before = Option.zip state.Answer motion
            let answer = Smoothing.step seconds before time found.Side found.Probabilities
            let map = found.Upright

            let map =
                Marking.labels found.Marking map.Height map.Width found.Side answer.Probabilities

            Some answer,
            { found with
                Mask = map
                Upright = map
                Probabilities = answer.Probabilities
            }

    let private lineOptions =
        JsonSerializerOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    let private line (report: FrameReport) =
        Printable.text ((RecordJson.toObject report).ToJsonString lineOptions) + "\n"

    let private tracked (found: RegionFinding) : TrackedRegion =
        let region = found.Region

        {
            Label = region.Label
            Box =
                {
                    X = float region.X
                    Y = float region.Y
                    Width = float region.Width
                    Height = float region.Height
                }
            Area = region.Area
            Probability = found.MaxProbability
        }

    let private regionReport (found: RegionFinding, name, track) : FrameRegionReport =
        let region = found.Region

        {
            Class = name
            Label = region.Label
            Track = track
            Area = region.Area
            MeanProbability = found.MeanProbability
            MaxProbability = found.MaxProbability
            Box = [ region.X; region.Y; region.Width; region.Height ]
        }

    /// One frame after another: what is written of each, and what is known after it.
    let private next
        (request: VideoRequest)
        (lines: Stream)
        (overlay: VideoEncoder)
        (mask: VideoEncoder)
        state
        (frame: VideoFrame)
        (found: SegmentationResult, grey: GreyFrame)
        : State =
        let motion = state.Grey |> Option.map (fun before -> BlockMotion.find before grey)

        let answer, result = smoothed request state motion frame.Time found
        let findings = SegmentationResult.findings result

        let regions =
            [
                for one in findings do
                    for region in one.Regions -> region, one.Name
            ]

        let tracking, numbers =
            Tracks.step request.Tracking frame.Time (regions |> List.map (fst >> tracked)) state.Tracking

        let regions =
            List.zip regions numbers
            |> List.map (fun ((region, name), number) -> region, name, number)

        let report: FrameReport =
            {
                Frame = frame.Index
                Time = frame.Time
                Score = findings |> List.map _.Score |> List.fold max 0.0
                Share = findings |> List.sumBy _.Share
                Regions = regions |> List.map regionReport
            }

        lines.Write(ReadOnlySpan(Encoding.UTF8.GetBytes(line report)))
        let seconds = frame.Time - request.Choice.From
        mask.Write seconds result.Mask.Labels

        let named =
            regions
            |> List.map (fun (found, name, number) ->
                found.Region,
                match number with
                | Some number -> $"{name} {number}"
                | None -> name)

        let _, _, drawn = Overlay.frame frame.Picture named (VideoTime.text frame.Time)
        overlay.Write seconds drawn

        let counted (before: LabelMap option) now sum =
            match motion, before with
            | Some motion, Some before -> Flicker.add motion before now sum
            | _ -> sum

        {
            Grey = Some grey
            Answer = answer
            Maps = Some(found.Mask, result.Mask)
            OfModel = counted (Option.map fst state.Maps) found.Mask state.OfModel
            Written = counted (Option.map snd state.Maps) result.Mask state.Written
            Tracking = tracking
            Frames = state.Frames + 1
            Time = Some frame.Time
            Intervals =
                match state.Time, state.Intervals with
                | None, _ -> []
                | Some before, [ least; most ] ->
                    [ min least (frame.Time - before); max most (frame.Time - before) ]
                | Some before, _ -> [ frame.Time - before; frame.Time - before ]
            Last = Some { result with Probabilities = [||] }
        }

    let private trackReport (classes: string list) (track: Track) : TrackReport =
        let name =
            List.tryItem (track.Label - 1) classes
            |> Option.defaultValue $"label {track.Label}"

        let box = track.LargestBox

        {
            Track = Option.defaultValue 0 track.Number
            Class = name
            First = track.First
            Last = track.Last
            Text = $"{name}, seen from {VideoTime.text track.First} to {VideoTime.text track.Last}"
            Frames = track.Seen
            MaxProbability = track.Probability
            Area = track.Area
            LargestAt = track.LargestAt
            Box = [ box.X; box.Y; box.Width; box.Height ] |> List.map int
        }

    let private reportOf
        (engine: Engine)
        (request: VideoRequest)
        (target: VideoTarget)
        clip
        (version: FfmpegVersion)
        overlay
        state
        (last: SegmentationResult)
        : VideoReport =
        {
            Clip = clip
            From = request.Choice.From
            To = request.Choice.To
            Every = request.Choice.Every
            Fps = request.Choice.Most
            Frames = state.Frames
            Intervals = state.Intervals |> List.map VideoTime.rounded
            Mode = last.Mode
            Threshold = last.Marking.Threshold
            MinArea = last.Marking.MinArea
            Smooth = request.Smooth
            Tracks = Tracks.all state.Tracking |> List.map (trackReport engine.Classes)
            FlickerOfModel = Flicker.report state.OfModel
            Flicker = Flicker.report state.Written
            Overlay = nameOf overlay
            Mask = nameOf target.Mask
            Lines = nameOf target.Lines
            Ffmpeg = version.Text
            Notice = Product.notice
        }

    let private raised outcome =
        Result.defaultWith (VideoFault >> raise) outcome

    /// Segments what is wanted of a clip; overlay and mask into files of these names, lines into a stream.
    let private segmented
        (engine: Engine)
        (request: VideoRequest)
        (clip: Clip)
        version
        format
        (overlay: string)
        (mask: string)
        (lines: Stream)
        warn
        (progress: Progress)
        =
        let cancel = progress.Cancel
        let workers = max 1 Environment.ProcessorCount
        use _shared = engine.Share workers

        // Its size is that of all drawings of the clip.
        let width, height, _ =
            Overlay.frame
                {
                    Width = clip.Width
                    Height = clip.Height
                    Rgb = Array.zeroCreate (clip.Width * clip.Height * 3)
                    Orientation = Orientation.TopLeft
                }
                []
                ""

        let interval = 1.0 / Frames.rate request.Choice clip

        use overlay =
            new VideoEncoder(
                overlay,
                TimedPictures.header PixelLayout.Rgba width height interval,
                overlayArguments version request.Choice clip format overlay,
                cancel
            )

        use mask =
            new VideoEncoder(
                mask,
                TimedPictures.header PixelLayout.Grey clip.Width clip.Height interval,
                maskArguments version mask,
                cancel
            )

        let mutable state = start
        let expected = Frames.expected request.Choice clip |> Option.defaultValue 0

        // A large frame takes longer than whoever stops the work would wait.
        let work (frame: VideoFrame) =
            Interruption.during cancel (fun () ->
                Engine.segment engine request.Mode request.Marking frame.Picture
                |> Result.mapError (
                    McdrlError.mapWhere (fun where -> $"{clip.Path} at {frame.Time} s: {where}")
                )
                |> raised,
                BlockMotion.grey frame.Picture)

        let finished frame answer =
            state <- next request lines overlay mask state frame answer

            progress.Tell
                {
                    Stage = "segmenting"
                    Done = state.Frames
                    Total = if expected = 0 then 0 else max expected state.Frames
                    Note = VideoTime.text frame.Time
                }

        FrameQueue.inOrder workers (Frames.read version request.Choice clip warn cancel) work finished cancel
        overlay.Finish()
        mask.Finish()
        state

    /// Segments what is wanted of a clip, some frames at a time, and writes all results, the report last: all of them or none. What FFmpeg
    /// complains of while it goes on is told by `warn`. Of a clip that is cut off, what can be decoded is segmented.
    let run
        (engine: Engine)
        (request: VideoRequest)
        (target: VideoTarget)
        (clip: Clip)
        (warn: string -> unit)
        (progress: Progress)
        : Result<VideoReport, McdrlError> =
        let folder = nonNull (Path.GetDirectoryName(Path.GetFullPath target.Mask))
        let ending, format = container clip
        let overlay = target.Overlay + ending
        let temporaries = ResizeArray<string>()
        let placed = ResizeArray<string>()

        let temporary () =
            let path = Temporaries.path folder
            temporaries.Add path
            path

        let write version (lines: Stream) =
            let overlayNow, maskNow = temporary (), temporary ()

            let state =
                segmented engine request clip version format overlayNow maskNow lines warn progress

            for now, path in [ overlayNow, overlay; maskNow, target.Mask ] do
                File.Move(now, path, true)
                placed.Add path

            placed.Add target.Lines
            state

        let outcome =
            Guard.run target.Input (fun () ->
                try
                    result {
                        let! version = Ffmpeg.version progress.Cancel
                        do! Files.attempt folder (fun () -> Directory.CreateDirectory folder |> ignore)

                        for path in [ overlay; target.Mask; target.Lines; target.Report ] do
                            do! Files.replaceable path

                        let mutable state = start
                        do! Files.writeAtomically target.Lines (fun lines -> state <- write version lines)

                        match state.Last with
                        | None ->
                            return!
                                Error(McdrlError.data "no frame was decoded" clip.Path "Name another clip")
                        | Some last ->
                            let report = reportOf engine request target clip version overlay state last
                            do! Files.writeText target.Report (RecordJson.render report)
                            return report
                    }
                with VideoFault error ->
                    Error error)

        for path in temporaries do
            Files.attempt path (fun () -> Temporaries.forget path) |> ignore

        match outcome with
        | Ok report -> Ok report
        | Error error ->
            for path in placed do
                Files.attempt path (fun () -> File.Delete path) |> ignore

            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                Error error
