namespace Mcdrl

open System
open System.Globalization
open System.IO
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Channels
open System.Threading.Tasks
open CliWrap
open FsToolkit.ErrorHandling

/// Which frames of a clip are wanted.
type FrameChoice =
    {
        /// Each N-th frame from the first that is wanted; 1 is all of them.
        Every: int
        /// At most so many frames a second: the first of the clip's own in each of these intervals.
        Most: float option
        /// Seconds from the clip's beginning; frames before are not wanted.
        From: float
        /// Seconds from the clip's beginning; frames from there on are not wanted.
        To: float option
    }

/// A frame of a clip.
type VideoFrame =
    {
        /// Its number among those that are wanted, from 0.
        Index: int
        /// Its time stamp: seconds from the clip's beginning.
        Time: float
        /// The picture, upright.
        Picture: Picture
    }

/// Frames as a stream: FFmpeg decodes no further ahead than a few frames of whoever takes them.
[<RequireQualifiedAccess>]
module VideoFrames =
    /// Every frame of a clip.
    let all =
        {
            Every = 1
            Most = None
            From = 0.0
            To = None
        }

    /// A choice; what is out of range is a `Usage` error, all of it at once.
    let choose
        (every: int option)
        (most: float option)
        (from: float option)
        (until: float option)
        : Result<FrameChoice, McdrlError> =
        let from' = Option.defaultValue 0.0 from

        [
            match every with
            | Some every when every < 1 ->
                McdrlError.usage $"{every} is no number of frames" "“every”" "Give 1 or more"
            | _ -> ()

            match most with
            | Some most when not (most > 0.0 && most <= 1000.0) ->
                McdrlError.usage
                    $"{most} is no number of frames a second"
                    "“fps”"
                    "Give a number above 0, at most 1000"
            | _ -> ()

            if every.IsSome && most.IsSome then
                McdrlError.usage "“fps” doesn't go with “every”" "“every”" "Give one of them"

            match until with
            | Some until when until <= from' ->
                McdrlError.usage
                    $"{until} s is not after {from'} s, where “from” is"
                    "“to”"
                    "Give a later time"
            | _ -> ()
        ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (
            Ok
                {
                    Every = Option.defaultValue 1 every
                    Most = most
                    From = from'
                    To = until
                }
        )

    /// How many frames a second there are, as far as the headers tell.
    let internal rate (choice: FrameChoice) (clip: VideoClip) : float =
        let own = clip.Rate / float choice.Every
        choice.Most |> Option.map (min own) |> Option.defaultValue own

    /// How many frames there may be, as far as the headers tell.
    let expected (choice: FrameChoice) (clip: VideoClip) : int option =
        let last =
            match choice.To, clip.Duration with
            | Some until, Some duration -> Some(min until duration)
            | one, other -> Option.orElse other one

        last
        |> Option.map (fun last ->
            int (ceil (min 1e9 (max 0.0 (last - choice.From) * rate choice clip - 1e-6))))

    let private plain (value: float) =
        value.ToString("0.######", CultureInfo.InvariantCulture)

    let private filters (choice: FrameChoice) (clip: VideoClip) =
        [
            // FFmpeg's own `-to` counts from the first frame that there is, and may so end late.
            match choice.To with
            | Some until -> $"select='lt(t,{plain (until - choice.From)}-1e-6)'"
            | None -> ()

            if choice.Every > 1 then
                $"select='not(mod(n,{choice.Every}))'"

            match choice.Most with
            | Some most ->
                let slot time = $"floor({time}*{plain most}+1e-6)"
                $"""select='isnan(prev_selected_t)+gt({slot "t"},{slot "prev_selected_t"})'"""
            | None -> ()

            "settb=AVTB"
            "showinfo=checksum=0"
            $"scale={clip.Width}:{clip.Height}"
            "format=rgb24"
        ]
        |> String.concat ","

    /// The stretch of the clip that is wanted, as options of an input.
    let internal stretch (choice: FrameChoice) =
        [
            if choice.From > 0.0 then
                yield! [ "-ss"; plain choice.From ]
            match choice.To with
            | Some until -> yield! [ "-to"; plain until ]
            | None -> ()
        ]

    let private arguments version (choice: FrameChoice) (clip: VideoClip) =
        [ "-hide_banner"; "-nostdin"; "-nostats"; "-loglevel"; "level+info" ]
        @ Ffmpeg.reading (stretch choice) clip.Path
        @ [ "-map"; "0:V:0"; "-vf"; filters choice clip ]
        @ Ffmpeg.passthrough version
        @ [ "-enc_time_base"; "1:1000000"; "-f"; "rawvideo"; "pipe:1" ]

    /// The line that FFmpeg writes of each frame before the frame, with its time in microseconds.
    let private stamp =
        Regex(
            @"^\[Parsed_showinfo_\d+ @ 0x[0-9a-f]+\] \[info\] n: *\d+ pts: *(-?\d+) ",
            RegexOptions.CultureInvariant
        )

    /// Decoded frames that wait to be taken.
    let private ahead = 2

    /// A decoder at work, until disposed.
    type private Decoder(version, choice: FrameChoice, clip: VideoClip, warn: string -> unit, cancel) =
        let stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancel: CancellationToken)

        let frames = Channel.CreateBounded<byte[]> ahead
        let times = Channel.CreateUnbounded<int64>()
        let tail = Ffmpeg.Tail()
        let size = clip.Width * clip.Height * 3
        let mutable complaints = 0

        let tell (line: string) =
            let found = stamp.Match line

            if found.Success then
                times.Writer.TryWrite(Int64.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture))
                |> ignore
            else
                Ffmpeg.complaint line
                |> Option.iter (fun said ->
                    complaints <- complaints + 1
                    tail.Add said)

        let read (stream: Stream) (cancel: CancellationToken) =
            task {
                let mutable isOver = false

                while not isOver do
                    let bytes = Array.zeroCreate<byte> size
                    let! count = stream.ReadAtLeastAsync(Memory bytes, size, false, cancel)

                    if count = size then
                        do! frames.Writer.WriteAsync(bytes, cancel)
                    else
                        isOver <- true
            }
            :> Task

        let ended =
            task {
                try
                    return!
                        Ffmpeg.execute
                            "ffmpeg"
                            (arguments version choice clip)
                            PipeSource.Null
                            (PipeTarget.Create(Func<Stream, CancellationToken, Task> read))
                            tell
                            stop.Token
                finally
                    frames.Writer.TryComplete() |> ignore
                    times.Writer.TryComplete() |> ignore
            }

        let wait (work: ValueTask<'a>) = work.AsTask().GetAwaiter().GetResult()

        let broken what =
            VideoFault(McdrlError.data what clip.Path "Replace the file with an intact copy")

        /// The frame of this number; none after the last.
        member _.Next index : VideoFrame option =
            if wait (frames.Reader.WaitToReadAsync stop.Token) then
                let bytes = wait (frames.Reader.ReadAsync stop.Token)

                if not (wait (times.Reader.WaitToReadAsync stop.Token)) then
                    raise (broken "FFmpeg doesn't tell when a frame is shown")

                let microseconds = wait (times.Reader.ReadAsync stop.Token)

                Some
                    {
                        Index = index
                        Time = VideoTime.rounded (choice.From + float microseconds / 1e6)
                        Picture =
                            {
                                Width = clip.Width
                                Height = clip.Height
                                Rgb = bytes
                                Orientation = Orientation.TopLeft
                            }
                    }
            else
                let code = ended.GetAwaiter().GetResult()
                let words = String.concat "; " tail.Lines

                if code <> 0 then
                    raise (broken $"FFmpeg can't decode it: {words}")
                elif index = 0 && complaints = 0 then
                    raise (
                        VideoFault(
                            McdrlError.usage
                                "the clip has no frame between “from” and “to”"
                                clip.Path
                                "Choose another stretch"
                        )
                    )
                elif index = 0 then
                    raise (broken $"no frame of it can be decoded: {words}")
                elif complaints > 0 then
                    warn $"{clip.Path}: FFmpeg complains {complaints} times while it decodes: {words}"

                None

        interface IDisposable with
            member _.Dispose() =
                stop.Cancel()

                try
                    ended.GetAwaiter().GetResult() |> ignore
                with
                | :? OperationCanceledException
                | VideoFault _ -> ()

                stop.Dispose()

    /// The frames of a clip, decoded while they are taken; what FFmpeg complains of is told at the end. Whoever stops taking them ends
    /// FFmpeg. What stands against them is thrown.
    let internal read version choice clip warn cancel : VideoFrame seq =
        seq {
            use decoder = new Decoder(version, choice, clip, warn, cancel)

            yield!
                Seq.unfold (fun index -> decoder.Next index |> Option.map (fun frame -> frame, index + 1)) 0
        }

    /// Gives each frame of a clip to `visit`, in order. What FFmpeg complains of while it goes on is told by `warn`.
    let visit
        (choice: FrameChoice)
        (clip: VideoClip)
        (visit: VideoFrame -> unit)
        (warn: string -> unit)
        (cancel: CancellationToken)
        : Result<unit, McdrlError> =
        result {
            let! version = Ffmpeg.version cancel

            return!
                Guard.run clip.Path (fun () ->
                    try
                        Seq.iter visit (read version choice clip warn cancel)
                        Ok()
                    with VideoFault error ->
                        Error error)
        }
