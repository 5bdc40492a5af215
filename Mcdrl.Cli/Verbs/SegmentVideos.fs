namespace Mcdrl.Cli

open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling
open Mcdrl

/// What `segment` does with video files.
[<RequireQualifiedAccess>]
module SegmentVideos =
    /// What is asked by the flags that are for videos alone, as it is written.
    type Asked =
        {
            Every: int option
            Fps: float option
            From: string option
            To: string option
            Smooth: float option
        }

    /// Nothing.
    let none: Asked =
        {
            Every = None
            Fps = None
            From = None
            To = None
            Smooth = None
        }

    let everyUsage = "of a video, segment each N-th frame. Default: all."

    let fpsUsage =
        "of a video, segment at most so many frames a second, the clip's own."

    let fromUsage =
        "of a video, begin at this time: seconds (12.5) or minutes and seconds (1:02.5)."

    let toUsage = "of a video, end before this time."

    let smoothUsage =
        "of a video, smooth the probabilities in time, along the motion; an answer counts for a third after so many seconds, 0.2 for example. No frame waits for later ones. Default: each frame stands alone."

    /// Whether a path is taken for a video's: by its name.
    let isVideo (path: string) =
        let ending = (nonNull (Path.GetExtension path)).ToLowerInvariant()
        List.contains ending VideoClip.endings && not (Directory.Exists path)

    /// Refuses flags that say nothing about what is segmented.
    let private refuse what (flags: (string * bool) list) fix =
        match flags |> List.filter snd |> List.map fst with
        | [] -> Ok()
        | given ->
            let given = String.concat ", " given
            Error(McdrlError.usage $"{given} {what}" "mcdrl segment" fix)

    /// Refuses flags for videos where images are segmented.
    let refuseForImages (asked: Asked) : Result<unit, McdrlError> =
        refuse
            "is for videos, and no video is named"
            [
                "--every", asked.Every.IsSome
                "--fps", asked.Fps.IsSome
                "--from", asked.From.IsSome
                "--to", asked.To.IsSome
                "--smooth", asked.Smooth.IsSome
            ]
            "Leave it out, or name a video"

    /// Refuses flags for images where videos are segmented, each with whether it is given, and images beside videos.
    let refuseForVideos (flags: (string * bool) list) (images: string list) : Result<unit, McdrlError> =
        match images with
        | image :: _ ->
            Error(
                McdrlError.usage
                    "videos are named beside it, and a call takes either images or videos"
                    image
                    "Segment them in two calls"
            )
        | [] -> refuse "is for images, and a video is named" flags "Leave it out, or name single frames"

    let private time flag (text: string option) =
        match text with
        | None -> Ok None
        | Some text ->
            VideoTime.parse text
            |> Result.map Some
            |> Result.mapError (fun what -> McdrlError.usage what flag "Write the time so")

    let private requestOf (asked: Asked) mode marking : Result<VideoRequest, McdrlError> =
        result {
            let! from = time "--from" asked.From
            let! until = time "--to" asked.To
            let! choice = VideoFrames.choose asked.Every asked.Fps from until
            let! smooth = asked.Smooth |> Option.traverseResult Smoothing.check

            return
                { VideoFiles.standard with
                    Mode = mode
                    Marking = marking
                    Choice = choice
                    Smooth = smooth
                }
        }

    let private show session (report: VideoReport) =
        let clip = report.Clip.Path

        if report.Tracks.IsEmpty then
            Session.say session $"{clip}: nothing marked for longer than two frames"

        for track in report.Tracks do
            Session.say
                session
                $"{clip}: {track.Track}: {track.Text} ({track.Frames} frames, probability up to {track.MaxProbability:F2})"

        match report.Flicker with
        | Some flicker ->
            Session.say
                session
                $"{clip}: from frame to frame {100.0 * flicker.Beyond:F2} %% of the pixels change their class beyond the motion"
        | None -> ()

        Session.emit session (RecordJson.toObject report)

    /// Segments clips, one after another, by the engine that `load` makes for so many pictures, tells of each and of all, and gives the exit
    /// code. What isn't a clip is told before the engine is loaded.
    let run
        (session: Session)
        load
        (asked: Asked)
        mode
        marking
        (paths: string list)
        out
        : Result<int, McdrlError> =
        result {
            let! request = requestOf asked mode marking
            let! targets = VideoTargets.plan paths out

            let! clips =
                targets
                |> List.map (fun target -> VideoClip.probe session.Cancel target.Input)
                |> Array.ofList
                |> McdrlError.complete

            let expected =
                clips
                |> List.sumBy (VideoFrames.expected request.Choice >> Option.defaultValue 0)

            use! engine = load (max 2 expected)
            let clock = Stopwatch.StartNew()
            let mutable frames, failed = 0, 0

            for target, clip in List.zip targets clips do
                let outcome =
                    ProgressBar.above session (max 2 expected) (fun session progress ->
                        VideoFiles.run engine request target clip (Session.warn session) progress)

                match outcome with
                | Ok report ->
                    frames <- frames + report.Frames
                    show session report
                | Error McdrlError.Cancelled -> return! Error McdrlError.Cancelled
                | Error fault when targets.Length = 1 -> return! Error fault
                | Error fault ->
                    failed <- failed + 1
                    Session.warn session (Flags.describe fault)

            let seconds = clock.Elapsed.TotalSeconds

            Session.say
                session
                $"{targets.Length - failed} of {targets.Length} clips, {frames} frames in {seconds:F1} s ({float frames / seconds:F1} a second), results in {out}. {Product.notice}"

            return if failed = 0 then 0 else 1
        }
