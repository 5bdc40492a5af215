module Mcdrl.Cli.Tests.SegmentVideosTests

open System.Diagnostics
open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

/// A clip of ten frames of the world's, in a second; skips the running test where there is no FFmpeg.
let private withClip work =
    Folder.temporary (fun folder ->
        let frame = Path.Combine(World.data (), "c", "images", "frame1.png")
        let clip = Path.Combine(folder, "clip.mp4")

        let info =
            ProcessStartInfo(
                "ffmpeg",
                [ "-v"; "error"; "-loop"; "1"; "-r"; "10"; "-i"; frame; "-t"; "1"; clip ],
                RedirectStandardOutput = true,
                RedirectStandardError = true
            )

        let made =
            try
                ended info
            with :? System.ComponentModel.Win32Exception ->
                skiptest "skipped, no ffmpeg"

        Expect.equal made.Code 0 made.Err
        work clip (Path.Combine(folder, "out")))

let private segment arguments =
    mcdrl ("segment" :: arguments @ [ "--model"; World.bundle () ])

let private refused (parts: string list) outcome =
    Expect.equal outcome.Code 2 outcome.Err

    for part in parts do
        Expect.stringContains outcome.Err part "named"

let tests =
    testSequenced (
        testList
            "segment, videos"
            [
                test "a clip's files are written, and told as JSON and in words" {
                    withClip (fun clip out ->
                        let arguments = [ clip; "--out"; out; "--every"; "2"; "--smooth"; "0.2" ]
                        let outcome = segment (arguments @ [ "--json" ])
                        Expect.equal outcome.Code 0 outcome.Err

                        match objects outcome with
                        | [| told |] ->
                            Expect.equal (told.GetProperty("frames").GetInt32()) 5 "frames"
                            Expect.equal (told.GetProperty("every").GetInt32()) 2 "every"
                            Expect.equal (told.GetProperty("smooth").GetDouble()) 0.2 "smooth"
                            Expect.equal (told.GetProperty("tracks").GetArrayLength()) 1 "one polyp"
                        | other -> failtest $"{other.Length} objects on stdout, not 1"

                        Expect.equal
                            (Directory.GetFiles out |> Array.map Path.GetFileName |> Array.sort)
                            [|
                                "clip.frames.jsonl"
                                "clip.mask.mkv"
                                "clip.overlay.mp4"
                                "clip.tracks.json"
                            |]
                            "files"

                        let outcome = segment arguments
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.stringContains outcome.Out "polyp, seen from 0:00 to 0:00" "in words"
                        Expect.stringContains outcome.Out "1 of 1 clips, 5 frames" "all")
                }

                test "what says nothing about a video, or about images, is refused in words" {
                    withClip (fun clip out ->
                        let frame = Path.Combine(World.data (), "c", "images", "frame1.png")

                        for flag in [ "--explain"; "--probabilities"; "--recursive" ] do
                            segment [ clip; "--out"; out; flag ]
                            |> refused [ flag; "is for images, and a video is named" ]

                        for flag, value in
                            [ "--every", "2"; "--fps", "2"; "--from", "0"; "--to", "1"; "--smooth", "1" ] do
                            segment [ frame; "--out"; out; flag; value ]
                            |> refused [ flag; "is for videos, and no video is named" ]

                        segment [ clip; frame; "--out"; out ]
                        |> refused [ frame; "either images or videos" ]

                        segment [ clip; "--from"; "1:75"; "--out"; out ]
                        |> refused [ "--from"; "“1:75”" ]

                        segment [ clip; "--every"; "0"; "--out"; out ] |> refused [ "--every" ]
                        segment [ clip; "--smooth"; "-1"; "--out"; out ] |> refused [ "--smooth" ]
                        Expect.isFalse (Directory.Exists out) "nothing was written")
                }

                test "a text by a video's name is told before anything is done" {
                    withClip (fun clip out ->
                        let text = Path.Combine(nonNull (Path.GetDirectoryName clip), "text.mp4")
                        File.WriteAllText(text, "no clip")
                        let outcome = segment [ text; "--out"; out ]
                        Expect.equal outcome.Code 4 outcome.Err
                        Expect.stringContains outcome.Err "FFmpeg can't read it as a video" "why"
                        let both = segment [ clip; text; "--out"; out ]
                        Expect.equal both.Code 4 "told before anything is done"
                        Expect.stringContains both.Err text "named")
                }

                test "where there is no FFmpeg, it is said how to get it: exit 5" {
                    withClip (fun clip out ->
                        let info = infoOf [ "segment"; clip; "--out"; out ]
                        info.FileName <- nonNull System.Environment.ProcessPath
                        info.Environment["PATH"] <- "/nowhere"
                        let outcome = ended info
                        Expect.equal outcome.Code 5 outcome.Err
                        Expect.stringContains outcome.Err "apt-get install ffmpeg" "how")
                }
            ]
    )
