namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// Segments clips into overlay, mask, JSON lines and tracks.
[<RequireQualifiedAccess>]
module VideoFiles =
    /// The model's own way, every frame, nothing smoothed.
    let standard: VideoRequest =
        {
            Mode = None
            Marking = Marking.standard
            Choice = VideoFrames.all
            Smooth = None
            Tracking = Tracks.standard
        }

    /// H.264 that every player shows, at a quality at which a person sees no difference; the sound of the same stretch as it is. Nothing
    /// else of the clip goes along: neither its title nor other words that may name a patient.
    let private overlayArguments version (choice: FrameChoice) (clip: VideoClip) format (path: string) =
        let silent = clip.Sound.IsNone

        (if silent then
             []
         else
             Ffmpeg.reading (VideoFrames.stretch choice) clip.Path)
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

    let private raised outcome =
        Result.defaultWith (VideoFault >> raise) outcome

    /// Segments what is wanted of a clip; overlay and mask into files of these names, lines into a stream.
    let private segmented
        (engine: Engine)
        (request: VideoRequest)
        (clip: VideoClip)
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

        let interval = 1.0 / VideoFrames.rate request.Choice clip

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

        let mutable state = ClipState.start
        let expected = VideoFrames.expected request.Choice clip |> Option.defaultValue 0

        let work (frame: VideoFrame) =
            let found =
                Engine.segment engine request.Mode request.Marking frame.Picture
                |> Result.mapError (
                    McdrlError.mapWhere (fun where -> $"{clip.Path} at {frame.Time} s: {where}")
                )
                |> raised

            {
                Result = found
                Grey = BlockMotion.grey frame.Picture
                Findings =
                    if request.Smooth.IsNone then
                        Some(SegmentationResult.findings found)
                    else
                        None
            }

        let finished frame answer =
            state <- ClipState.next request lines overlay mask state frame answer

            progress.Tell
                {
                    Stage = "segmenting"
                    Done = state.Frames
                    Total = if expected = 0 then 0 else max expected state.Frames
                    Note = VideoTime.text frame.Time
                }

        FrameQueue.inOrder
            workers
            (VideoFrames.read version request.Choice clip warn cancel)
            work
            finished
            cancel

        overlay.Finish()
        mask.Finish()
        state

    /// Segments what is wanted of a clip, some frames at a time, and writes all results, the report last: all of them or none. What FFmpeg
    /// complains of while it goes on is told by `warn`. Of a clip that is cut off, what can be decoded is segmented.
    let run
        (engine: Engine)
        (request: VideoRequest)
        (target: VideoTarget)
        (clip: VideoClip)
        (warn: string -> unit)
        (progress: Progress)
        : Result<VideoReport, McdrlError> =
        let folder = nonNull (Path.GetDirectoryName(Path.GetFullPath target.Mask))
        let ending, format = VideoTargets.container clip
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

                        let mutable state = ClipState.start
                        do! Files.writeAtomically target.Lines (fun lines -> state <- write version lines)

                        match state.Last with
                        | None ->
                            return!
                                Error(McdrlError.data "no frame was decoded" clip.Path "Name another clip")
                        | Some last ->
                            let report =
                                ClipState.report engine request target clip version overlay state last

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
