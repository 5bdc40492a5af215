/// Clips whose truth is known: a camera that moves over a rendered scene.
module Mcdrl.Tests.Clips

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Mcdrl

/// Runs a program; its exit code and what it wrote.
let run (program: string) (arguments: string list) =
    use child =
        Process.Start(
            ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)
        )
        |> nonNull

    let errors = child.StandardError.ReadToEndAsync()
    use bytes = new MemoryStream()
    child.StandardOutput.BaseStream.CopyTo bytes
    child.WaitForExit()

    if child.ExitCode <> 0 then
        failtest $"{program} ended with {child.ExitCode}: {errors.Result}"

    bytes.ToArray()

let private version =
    lazy
        (match Ffmpeg.version CancellationToken.None with
         | Ok version -> Some version
         | Error _ -> None)

/// FFmpeg's version; skips the running test where there is none.
let ffmpeg () =
    match version.Value with
    | Some version -> version
    | None -> skiptest "skipped, no ffmpeg"

/// The lines of ffprobe about a file.
let ffprobe (fields: string list) (path: string) : string list =
    let said =
        run "ffprobe" ([ "-v"; "error"; "-of"; "csv=p=0" ] @ fields @ [ path ])
        |> Text.Encoding.UTF8.GetString

    said.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    |> Array.map (fun line -> line.TrimEnd ',')
    |> List.ofArray

/// A picture, its truth and when it is shown.
type Shot =
    {
        Time: float
        Picture: Picture
        Truth: LabelMap
    }

let private side = 320

/// A wall with a polyp of about 40 pixels in the middle.
let private scene =
    lazy
        (let scene =
            { Phantom.scene Phantom.sites.Head (Some 0) (Seed.create 7UL) with
                Lesion =
                    Some
                        {
                            Class = 0
                            X = 0.5
                            Y = 0.5
                            Radius = 0.07
                        }
                Anatomy = Anatomy.Folds
            }

         Phantom.render side scene None (Seed.create 1UL))

/// The scene through a window whose left upper corner is at (x, y).
let shot time (width, height) (x, y) : Shot =
    let picture, labels = scene.Value
    let at row column = (y + row) * side + x + column

    {
        Time = time
        Picture =
            {
                Width = width
                Height = height
                Rgb =
                    [|
                        for row in 0 .. height - 1 do
                            for column in 0 .. width - 1 do
                                yield! picture.Rgb.AsSpan(3 * at row column, 3).ToArray()
                    |]
                Orientation = Orientation.TopLeft
            }
        Truth =
            {
                Width = width
                Height = height
                Labels =
                    Array.init (width * height) (fun pixel ->
                        labels.Labels[at (pixel / width) (pixel % width)])
            }
    }

/// Frames at a rate, seen by a camera that moves steadily to the right and a little down: `pixels` a frame.
let panning rate count size pixels =
    [
        for index in 0 .. count - 1 ->
            shot (float index / float rate) size (60 + pixels * index, 110 + pixels * index / 4)
    ]

/// Writes shots without loss, at their times, as Matroska.
let write (path: string) (shots: Shot list) =
    let version = ffmpeg ()
    let first = shots.Head.Picture

    use encoder =
        new VideoEncoder(
            path,
            TimedPictures.header PixelLayout.Rgba first.Width first.Height 0.04,
            [ "-c:v"; "ffv1"; "-pix_fmt"; "bgr0" ]
            @ [ "-g"; "5"; "-enc_time_base"; "1:1000" ]
            @ Ffmpeg.passthrough version
            @ [ "-y"; "-f"; "matroska"; "file:" + path ],
            CancellationToken.None
        )

    for shot in shots do
        encoder.Write shot.Time (Picture.rgba shot.Picture)

    encoder.Finish()

/// Makes another file of one, by FFmpeg.
let remake arguments source (out: string) =
    run "ffmpeg" ([ "-v"; "error"; "-i"; source ] @ arguments @ [ "-y"; out ])
    |> ignore

/// The pictures of a file, decoded by FFmpeg without Mcdrl, `bytes` each.
let decoded pixelFormat (bytes: int) path =
    run
        "ffmpeg"
        ([ "-v"; "error"; "-i"; path; "-map"; "0:v:0"; "-pix_fmt"; pixelFormat ]
         @ Ffmpeg.passthrough (ffmpeg ())
         @ [ "-f"; "rawvideo"; "pipe:1" ])
    |> Array.chunkBySize bytes
    |> List.ofArray

/// Frames of a clip and what was warned of.
let frames choice clip =
    let found, warnings = List<VideoFrame>(), List<string>()

    let outcome =
        VideoFrames.visit choice clip found.Add warnings.Add CancellationToken.None

    outcome, List.ofSeq found, List.ofSeq warnings

let probed path =
    Outcome.ok (VideoClip.probe CancellationToken.None path)

/// S, the side of the probabilities of `engineOf`.
let networkSide = 48

/// An answer whose mask is this one.
let answerOf (marking: Marking) (truth: LabelMap) : SegmentationResult =
    let small = LabelMap.resized networkSide networkSide truth

    let lesion =
        small.Labels |> Array.map (fun label -> if label > 0uy then 0.9f else 0.1f)

    FakeEngine.answerOf [ "polyp" ] marking truth networkSide (FakeEngine.ofLesion lesion)

/// An engine that says of each picture of the shots, told by its pixels, what `answer` makes of its number and truth.
let engineOf (answer: int -> LabelMap -> LabelMap) (shots: Shot list) : Engine =
    let known =
        shots
        |> List.mapi (fun index shot ->
            Convert.ToHexString(Security.Cryptography.SHA256.HashData shot.Picture.Rgb), (index, shot.Truth))
        |> dict

    FakeEngine.saying [ "polyp" ] (fun _ marking picture ->
        match known.TryGetValue(Convert.ToHexString(Security.Cryptography.SHA256.HashData picture.Rgb)) with
        | true, (index, truth) -> Ok(answerOf marking (answer index truth))
        | _ -> Error(McdrlError.data "the picture is none of the clip's" "engine" "Decode without loss"))
