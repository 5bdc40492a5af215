module Mcdrl.Tests.VideoFilesTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

let private size = 96, 64

/// Two seconds, through which the polyp is seen from 0.32 s to 1.52 s.
let private passing =
    lazy ([ for index in 0..49 -> shot (0.04 * float index) size (20 + 4 * index, 128) ])

let private seen (shot: Shot) =
    Array.exists (fun label -> label > 0uy) shot.Truth.Labels

let private truth _ map = map

let private segmentWith cancel request engine path out =
    let target = Outcome.ok (VideoTargets.plan [ path ] out) |> List.head
    let warnings = List<string>()
    let clip = probed path

    let outcome =
        VideoFiles.run engine request target clip warnings.Add (Progress.until cancel)

    target, outcome, List.ofSeq warnings

let private segment request engine path out =
    let target, outcome, _ = segmentWith CancellationToken.None request engine path out

    target, Outcome.ok outcome

let private lines (target: VideoTarget) =
    File.ReadAllLines target.Lines
    |> Array.map (fun line -> JsonDocument.Parse(line).RootElement)
    |> List.ofArray

/// Work on a clip of these shots, and a folder for its results.
let private withClip shots work =
    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "clip.mkv")
        write path shots
        work path (Path.Combine(folder, "out")))

/// Drops every third answer for five frames and adds marks in a corner of single frames.
let private unsteady index (map: LabelMap) =
    if index % 3 = 2 && index > 20 && index < 35 then
        { map with
            Labels = Array.zeroCreate map.Labels.Length
        }
    elif index % 9 = 4 then
        let labels = Array.copy map.Labels

        for y in 0..9 do
            for x in 0..9 do
                labels[y * map.Width + x] <- 1uy

        { map with Labels = labels }
    else
        map

let private children () =
    [
        for folder in Directory.GetDirectories "/proc" do
            let stat = Path.Combine(folder, "stat")

            try
                let text = File.ReadAllText stat

                if text.Contains "(ffmpeg)" then
                    let parent = (text.Substring(text.LastIndexOf ')' + 2).Split ' ')[1]

                    if int parent = Environment.ProcessId then
                        text
            with
            | :? IOException
            | :? UnauthorizedAccessException -> ()
    ]

let tests =
    testList
        "video files"
        [
            test "mask, lines and tracks are the truth, frame by frame" {
                withClip passing.Value (fun path out ->
                    let shots = passing.Value
                    let target, report = segment VideoFiles.standard (engineOf truth shots) path out
                    Expect.equal report.Frames shots.Length "frames"
                    let masks = decoded "gray" (fst size * snd size) target.Mask
                    Expect.equal masks.Length shots.Length "masks"

                    for shot, mask in List.zip shots masks do
                        Expect.isTrue (shot.Truth.Labels = mask) $"the mask at {shot.Time} s"

                    let times = ffprobe [ "-show_entries"; "frame=pts_time" ] target.Mask

                    for shot, line, time in List.zip3 shots (lines target) times do
                        Expect.floatClose
                            Accuracy.low
                            (line.GetProperty("time").GetDouble())
                            shot.Time
                            "the line's time"

                        Expect.floatClose Accuracy.low (float time) shot.Time "the mask's time"

                        let regions =
                            [
                                for region in line.GetProperty("regions").EnumerateArray() ->
                                    region.GetProperty("area").GetInt64()
                            ]

                        Expect.equal
                            regions
                            (Contours.find shot.Truth |> List.map _.Area)
                            $"the regions at {shot.Time} s"

                    let visible = shots |> List.filter seen |> List.map _.Time

                    match report.Tracks with
                    | [ track ] ->
                        Expect.floatClose Accuracy.low track.First (List.head visible) "first"
                        Expect.floatClose Accuracy.low track.Last (List.last visible) "last"
                        Expect.equal track.Frames visible.Length "frames that show it"
                        Expect.equal track.Text "polyp, seen from 0:00 to 0:01" "in words"
                    | other -> failtest $"{other.Length} tracks"

                    Expect.equal
                        (Directory.GetFiles out |> Array.map Path.GetFileName |> Array.sort)
                        [|
                            "clip.frames.jsonl"
                            "clip.mask.mkv"
                            "clip.overlay.mp4"
                            "clip.tracks.json"
                        |]
                        "these files and no others")
            }

            test "an engine that drops frames and adds marks splits and loses no track" {
                withClip passing.Value (fun path out ->
                    let shots = passing.Value
                    let target, report = segment VideoFiles.standard (engineOf unsteady shots) path out
                    Expect.equal report.Tracks.Length 1 "neither split nor lost, and nothing besides"

                    let told =
                        [
                            for line in lines target do
                                for region in line.GetProperty("regions").EnumerateArray() do
                                    region.GetProperty("track").ValueKind
                        ]

                    Expect.contains told JsonValueKind.Null "what was added is in the lines, of no track"
                    let flicker = Option.get report.Flicker
                    let _, steady = segment VideoFiles.standard (engineOf truth shots) path (out + "2")
                    let still = Option.get steady.Flicker
                    Expect.isGreaterThan flicker.Beyond (2.0 * still.Beyond) "it flickers")
            }

            test "smoothed, marks flicker less, and no frame depends on later ones" {
                withClip passing.Value (fun path out ->
                    let engine = engineOf unsteady passing.Value

                    let request =
                        { VideoFiles.standard with
                            Smooth = Some 0.15
                        }

                    let target, report = segment request engine path out
                    let before, after = Option.get report.FlickerOfModel, Option.get report.Flicker
                    Expect.isLessThan after.Beyond (0.7 * before.Beyond) "less"

                    let part =
                        { request with
                            Choice = Outcome.ok (VideoFrames.choose None None None (Some 1.0))
                        }

                    let early, _ = segment part engine path (out + "2")
                    let told = File.ReadAllLines early.Lines
                    Expect.equal told.Length 25 "half of it"
                    Expect.equal told (File.ReadAllLines(target.Lines)[..24]) "the same")
            }

            test "the overlay has each frame at its time, an even size, the marks, and the sound as it was" {
                Folder.temporary (fun folder ->
                    let silent, path = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "clip.mkv")

                    let shots =
                        [
                            for index in 0..24 -> shot (0.04 * float index) (97, 63) (90 + 2 * index, 128)
                        ]

                    write silent shots

                    for codec, ending in [ "aac", ".mp4"; "pcm_s16le", ".mkv" ] do
                        let out = Path.Combine(folder, codec)

                        remake [ "-f"; "lavfi"; "-i"; "sine=d=1"; "-c:v"; "copy"; "-c:a"; codec ] silent path

                        let target, report = segment VideoFiles.standard (engineOf truth shots) path out
                        let overlay = target.Overlay + ending
                        Expect.equal (Path.Combine(out, report.Overlay)) overlay "told"
                        let clip = probed overlay
                        Expect.equal (clip.Width, clip.Codec) (98, "h264") "even"
                        Expect.equal (clip.Height % 2) 0 "even"
                        Expect.isGreaterThan clip.Height 63 "the line below"

                        let times file =
                            ffprobe [ "-select_streams"; "v"; "-show_entries"; "frame=pts_time" ] file
                            |> List.map float

                        Expect.equal (times overlay).Length shots.Length "frames"

                        for own, time in List.zip (times path) (times overlay) do
                            Expect.isLessThan (abs (time - own)) 0.002 "its time"

                        let sound file =
                            run
                                "ffmpeg"
                                [
                                    "-v"
                                    "error"
                                    "-i"
                                    file
                                    "-map"
                                    "0:a"
                                    "-c"
                                    "copy"
                                    "-f"
                                    "md5"
                                    "pipe:1"
                                ]

                        Expect.equal (sound overlay) (sound path) "the sound, byte by byte"

                    let pictures =
                        let clip = probed (Path.Combine(folder, "aac", "clip.overlay.mp4"))
                        let _, found, _ = frames VideoFrames.all clip
                        found

                    let difference =
                        let drawn, own = pictures[12].Picture, shots[12].Picture

                        let at (picture: Picture) x y =
                            float picture.Rgb[3 * (y * picture.Width + x)]

                        [
                            for y in 0..62 do
                                for x in 0..96 do
                                    if abs (at drawn x y - at own x y) > 60.0 then
                                        x, y
                        ]

                    Expect.isGreaterThan difference.Length 30 "something is drawn"
                    Expect.isLessThan difference.Length 3000 "on the frame")
            }

            test "intervals that differ, a stretch, each N-th: overlay and mask are in time" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "clip.mkv")

                    let shots =
                        [
                            for index in 0..29 ->
                                shot
                                    (Math.Round(0.02 * float index + 0.004 * float (index * index), 3))
                                    size
                                    (90 + 2 * index, 128)
                        ]

                    write path shots

                    let request =
                        { VideoFiles.standard with
                            Choice = Outcome.ok (VideoFrames.choose (Some 2) None (Some 0.5) (Some 3.0))
                        }

                    let wanted =
                        shots
                        |> List.filter (fun shot -> shot.Time >= 0.5 && shot.Time < 3.0)
                        |> List.indexed
                        |> List.filter (fun (index, _) -> index % 2 = 0)
                        |> List.map (fun (_, shot) -> shot.Time)

                    let target, report =
                        segment request (engineOf truth shots) path (Path.Combine(folder, "out"))

                    Expect.equal report.Frames wanted.Length "frames"
                    let apart = wanted |> List.pairwise |> List.map (fun (one, next) -> next - one)
                    let least, most = List.min apart, List.max apart

                    for found, expected in List.zip report.Intervals [ least; most ] do
                        Expect.floatClose Accuracy.low found expected "intervals"

                    for file in [ target.Overlay + ".mp4"; target.Mask ] do
                        let times = ffprobe [ "-show_entries"; "frame=pts_time" ] file

                        for wanted, time in List.zip wanted times do
                            Expect.isLessThan (abs (float time - (wanted - 0.5))) 0.002 $"{file}: {time}")
            }

            test "stopped, nothing is left: no file, no program" {
                withClip
                    [ for index in 0..199 -> shot (0.04 * float index) size (20 + index, 128) ]
                    (fun path out ->
                        use cancelled = new CancellationTokenSource()
                        let engine = engineOf truth [ shot 0.0 size (0, 0) ]
                        let mutable asked = 0

                        let engine =
                            { engine with
                                Segment =
                                    fun _ marking picture ->
                                        if Interlocked.Increment &asked = 20 then
                                            cancelled.Cancel()

                                        Ok(
                                            answerOf
                                                marking
                                                {
                                                    Width = picture.Width
                                                    Height = picture.Height
                                                    Labels =
                                                        Array.zeroCreate (picture.Width * picture.Height)
                                                }
                                        )
                            }

                        let _, outcome, _ = segmentWith cancelled.Token VideoFiles.standard engine path out

                        Expect.equal outcome (Error McdrlError.Cancelled) "stopped"
                        Expect.equal (Directory.GetFileSystemEntries out) [||] "no file")
            }

            test "an answer that fails ends the clip, names the time, and leaves nothing" {
                withClip passing.Value (fun path out ->
                    let _, outcome, _ =
                        segmentWith
                            CancellationToken.None
                            VideoFiles.standard
                            (engineOf truth (List.truncate 30 passing.Value))
                            path
                            out

                    outcome |> Outcome.refusedWith 4 [ path; "1.2 s"; "none of the clip's" ]
                    Expect.equal (Directory.GetFileSystemEntries out) [||] "no file")
            }

            test "a clip that is cut off is segmented as far as it goes, which is told" {
                Folder.temporary (fun folder ->
                    let whole, cut = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "clip.mkv")
                    write whole passing.Value
                    let bytes = File.ReadAllBytes whole
                    File.WriteAllBytes(cut, bytes[.. bytes.Length / 2])

                    let lenient =
                        { engineOf truth passing.Value with
                            Segment =
                                fun mode marking picture ->
                                    match (engineOf truth passing.Value).Segment mode marking picture with
                                    | Ok found -> Ok found
                                    | Error _ -> Ok(answerOf marking passing.Value.Head.Truth)
                        }

                    let _, outcome, warnings =
                        segmentWith
                            CancellationToken.None
                            VideoFiles.standard
                            lenient
                            cut
                            (Path.Combine(folder, "out"))

                    let report = Outcome.ok outcome
                    Expect.isLessThan report.Frames 45 "not all"
                    Expect.isGreaterThan report.Frames 10 "some"
                    Expect.equal warnings.Length 1 "told")
            }

            test "results never replace a clip, nor each other's, nor a folder" {
                withClip (List.truncate 3 passing.Value) (fun path out ->
                    let folder = nonNull (Path.GetDirectoryName path)
                    let other = Path.Combine(folder, "clip.mp4")
                    File.WriteAllText(other, "")
                    VideoTargets.plan [ path; other ] out |> Outcome.refusedWith 2 [ "same name" ]
                    let overlay = Path.Combine(folder, "clip.overlay.mp4")
                    File.WriteAllText(overlay, "")

                    VideoTargets.plan [ path; overlay ] folder
                    |> Outcome.refusedWith 2 [ "would replace"; overlay ]

                    Directory.CreateDirectory(Path.Combine(out, "clip.mask.mkv")) |> ignore

                    let _, outcome, _ =
                        segmentWith
                            CancellationToken.None
                            VideoFiles.standard
                            (engineOf truth passing.Value)
                            path
                            out

                    outcome |> Outcome.refusedWith 2 [ "clip.mask.mkv"; "a folder" ])
            }

            testSequenced (
                test "no program outlives its clip" {
                    withClip passing.Value (fun path out ->
                        segment VideoFiles.standard (engineOf truth passing.Value) path out |> ignore
                        Expect.equal (children ()) [] "none")
                }
            )
        ]
