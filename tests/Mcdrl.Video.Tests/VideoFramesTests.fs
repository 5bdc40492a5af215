module Mcdrl.Tests.VideoFramesTests

open System
open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

/// Times are kept to the millisecond by Matroska.
let private sameTimes (expected: float list) (found: VideoFrame list) =
    Expect.equal found.Length expected.Length "so many frames"

    for expected, frame in List.zip expected found do
        Expect.isLessThan (abs (frame.Time - expected)) 0.0011 $"{frame.Time} is {expected}"

let private samePictures (expected: Shot list) (found: VideoFrame list) =
    for expected, frame in List.zip expected found do
        Expect.isTrue (expected.Picture.Rgb = frame.Picture.Rgb) $"the picture of frame {frame.Index}"

/// What is found of a clip of these shots is the pictures and times of those that are expected.
let private gives choice (shots: Shot list) (expected: Shot list) =
    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "clip.mkv")
        write path shots
        let outcome, found, warnings = frames choice (probed path)
        Outcome.ok outcome
        Expect.equal warnings [] "nothing to complain of"
        sameTimes (expected |> List.map _.Time) found
        samePictures expected found
        Expect.equal (found |> List.map _.Index) [ 0 .. found.Length - 1 ] "numbered")

let private choice every most from until =
    Outcome.ok (VideoFrames.choose every most from until)

let private varying count =
    panning 25 count (64, 48) 2
    |> List.mapi (fun index shot ->
        { shot with
            Time = Math.Round(0.02 * float index + 0.004 * float (index * index), 3)
        })

let tests =
    testList
        "frames"
        [
            test "each once, to the pixel, with its time" {
                let shots = panning 25 30 (64, 48) 2
                gives VideoFrames.all shots shots
            }

            test "sides of odd length" {
                let shots = panning 25 6 (97, 63) 2
                gives VideoFrames.all shots shots
            }

            test "intervals that differ" {
                let shots = varying 20
                gives VideoFrames.all shots shots

                let expected =
                    shots |> List.filter (fun shot -> shot.Time >= 0.2 && shot.Time < 0.8)

                gives (choice None None (Some 0.2) (Some 0.8)) shots expected
            }

            test "from, to and every N-th, the first that is wanted being the first" {
                let shots = panning 25 40 (64, 48) 2
                gives (choice None None (Some 0.4) None) shots shots[10..]
                gives (choice None None None (Some 0.4)) shots shots[..9]
                gives (choice (Some 3) None None None) shots [ for index in 0..3..39 -> shots[index] ]

                gives
                    (choice (Some 4) None (Some 0.28) (Some 1.0))
                    shots
                    [ for index in 7..4..24 -> shots[index] ]
            }

            test "at most so many a second: the clip's own, at their own times" {
                let shots = panning 30 60 (64, 48) 1

                let firsts rate =
                    shots |> List.distinctBy (fun shot -> floor (shot.Time * rate + 1e-6))

                gives (choice None (Some 5.0) None None) shots (firsts 5.0)
                gives (choice None (Some 100.0) None None) shots shots
            }

            test "a stretch without a frame is a usage error" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "clip.mkv")
                    write path (panning 25 10 (64, 48) 2)
                    let outcome, _, _ = frames (choice None None (Some 5.0) None) (probed path)
                    Outcome.refusedWith 2 [ "no frame"; path ] outcome)
            }

            test "choices out of range are all told at once" {
                VideoFrames.choose (Some 0) (Some -1.0) (Some 2.0) (Some 1.0)
                |> Outcome.refusedWith 2 [ "“every”"; "“fps”"; "“to”" ]
            }

            test "turned as the file asks for" {
                Folder.temporary (fun folder ->
                    let path, turned = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "b.mp4")
                    let shots = panning 25 4 (64, 48) 2
                    write path shots

                    let before, after =
                        if (ffmpeg ()).Number < Some(6, 0) then
                            [], [ "-metadata:s:v:0"; "rotate=90" ]
                        else
                            [ "-display_rotation:v:0"; "270" ], []

                    let straight = Path.Combine(folder, "c.mp4")
                    remake [ "-c:v"; "libx264"; "-qp"; "0"; "-pix_fmt"; "yuv444p" ] path straight

                    run
                        "ffmpeg"
                        ([ "-v"; "error" ]
                         @ before
                         @ [ "-i"; straight; "-c"; "copy" ]
                         @ after
                         @ [ turned ])
                    |> ignore

                    let clip = probed turned
                    Expect.equal (clip.Width, clip.Height) (48, 64) "upright"
                    Expect.contains [ 90; 270 ] clip.Rotation "turned"
                    let _, found, _ = frames VideoFrames.all clip
                    Expect.equal found.Length 4 "frames"
                    let own = shots.Head.Picture
                    let frame = found.Head.Picture

                    let difference at =
                        Seq.averageBy
                            (fun pixel ->
                                let x, y = pixel % 48, pixel / 48
                                abs (float frame.Rgb[3 * pixel] - float own.Rgb[3 * at x y]))
                            (seq { 0 .. 48 * 64 - 1 })

                    let clockwise = difference (fun x y -> (47 - x) * 64 + y)
                    let counter = difference (fun x y -> x * 64 + 63 - y)

                    let wanted = if clip.Rotation = 90 then clockwise else counter
                    let unwanted = if clip.Rotation = 90 then counter else clockwise
                    Expect.isLessThan wanted 4.0 "the picture, turned"
                    Expect.isGreaterThan unwanted 2.0 "the other way it is another")
            }

            test "of a clip that is cut off, what is there, and a warning" {
                Folder.temporary (fun folder ->
                    let whole, cut = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "b.mkv")
                    let shots = panning 25 40 (64, 48) 2
                    write whole shots
                    let bytes = File.ReadAllBytes whole
                    File.WriteAllBytes(cut, bytes[.. bytes.Length / 2])
                    let outcome, found, warnings = frames VideoFrames.all (probed cut)
                    Outcome.ok outcome
                    Expect.isGreaterThan found.Length 5 "half of it"
                    Expect.isLessThan found.Length 35 "half of it"

                    samePictures
                        (List.truncate (found.Length - 1) shots)
                        (List.truncate (found.Length - 1) found)

                    Expect.equal warnings.Length 1 "told"
                    Expect.stringContains warnings.Head cut "where")
            }

            test "names that look like options, protocols and patterns are names" {
                Folder.temporary (fun folder ->
                    let shots = panning 25 3 (64, 48) 2

                    for name in [ "-i.mkv"; "http:x.mkv"; "a'b %03d [0].mkv"; "concat:a|b.mkv" ] do
                        let path = Path.Combine(folder, name)
                        write path shots
                        let outcome, found, _ = frames VideoFrames.all (probed path)
                        Outcome.ok outcome
                        samePictures shots found)
            }

            test "who stops taking frames ends FFmpeg, and it never was far ahead" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "clip.mkv")
                    write path (panning 25 60 (64, 48) 2)
                    let clip = probed path

                    let taken =
                        VideoFrames.read (ffmpeg ()) VideoFrames.all clip ignore CancellationToken.None
                        |> Seq.truncate 3
                        |> List.ofSeq

                    Expect.equal taken.Length 3 "three"
                    use cancelled = new CancellationTokenSource()

                    let outcome =
                        VideoFrames.visit
                            VideoFrames.all
                            clip
                            (fun frame ->
                                if frame.Index = 2 then
                                    cancelled.Cancel())
                            ignore
                            cancelled.Token

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled")
            }

            test "what is expected is about what there is" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "clip.mkv")
                    write path (panning 25 40 (64, 48) 2)
                    let clip = probed path

                    for choice in
                        [
                            VideoFrames.all
                            choice (Some 3) None None None
                            choice None (Some 5.0) None None
                            choice None None (Some 0.4) (Some 1.2)
                        ] do
                        let _, found, _ = frames choice clip
                        let expected = VideoFrames.expected choice clip |> Option.get
                        Expect.isLessThan (abs (expected - found.Length)) 3 $"{expected} and {found.Length}")
            }
        ]
