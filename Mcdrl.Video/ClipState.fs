namespace Mcdrl

open System
open System.IO
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
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

/// What is known after a frame, for the next.
type internal ClipState =
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

/// An engine's answer about a frame, with what can be told of the frame without those before it.
[<NoComparison; NoEquality>]
type internal FrameAnswer =
    {
        Result: SegmentationResult
        Grey: GreyFrame
        /// What the answer finds, where that is not smoothed first.
        Findings: ClassFinding list option
    }

/// From frame to frame: what is written of each.
[<RequireQualifiedAccess>]
module internal ClipState =
    /// Before the first frame.
    let start: ClipState =
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
    let private smoothed (request: VideoRequest) (state: ClipState) motion time (found: SegmentationResult) =
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

    /// Four digits are more than a probability is worth, and a clip has very many.
    let private short (value: float) = Math.Round(value, 4)

    let private regionReport (found: RegionFinding, name, track) : FrameRegionReport =
        let region = found.Region

        {
            Class = name
            Label = region.Label
            Track = track
            Area = region.Area
            MeanProbability = short found.MeanProbability
            MaxProbability = short found.MaxProbability
            Box = [ region.X; region.Y; region.Width; region.Height ]
        }

    /// One frame after another: what is written of each, and what is known after it.
    let next
        (request: VideoRequest)
        (lines: Stream)
        (overlay: VideoEncoder)
        (mask: VideoEncoder)
        (state: ClipState)
        (frame: VideoFrame)
        (answer: FrameAnswer)
        : ClipState =
        let motion =
            state.Grey |> Option.map (fun before -> BlockMotion.find before answer.Grey)

        let smooth, result = smoothed request state motion frame.Time answer.Result

        let findings =
            answer.Findings
            |> Option.defaultWith (fun () -> SegmentationResult.findings result)

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
                Score = findings |> List.map _.Score |> List.fold max 0.0 |> short
                Share = findings |> List.sumBy _.Share |> short
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

        let ofModel = counted (Option.map fst state.Maps) answer.Result.Mask state.OfModel

        {
            Grey = Some answer.Grey
            Answer = smooth
            Maps = Some(answer.Result.Mask, result.Mask)
            OfModel = ofModel
            Written =
                if smooth.IsNone then
                    ofModel
                else
                    counted (Option.map snd state.Maps) result.Mask state.Written
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

    /// What is told of a lesion.
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
            MaxProbability = short track.Probability
            Area = track.Area
            LargestAt = track.LargestAt
            Box = [ box.X; box.Y; box.Width; box.Height ] |> List.map int
        }

    /// What is told of the clip after its last frame, whose answer this is.
    let report
        (engine: Engine)
        (request: VideoRequest)
        (target: VideoTarget)
        clip
        (version: FfmpegVersion)
        overlay
        (state: ClipState)
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
            Overlay = nonNull (Path.GetFileName(overlay: string))
            Mask = nonNull (Path.GetFileName target.Mask)
            Lines = nonNull (Path.GetFileName target.Lines)
            Ffmpeg = version.Text
            Notice = Product.notice
        }
