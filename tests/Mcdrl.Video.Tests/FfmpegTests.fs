module Mcdrl.Tests.FfmpegTests

open System
open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

let tests =
    testList
        "FFmpeg"
        [
            testSequenced (
                test "where there is none, it is said how to get it" {
                    Folder.temporary (fun folder ->
                        let path = nonNull (Environment.GetEnvironmentVariable "PATH")
                        let clip = Path.Combine(folder, "clip.mp4")
                        File.WriteAllText(clip, "no clip")

                        try
                            Environment.SetEnvironmentVariable("PATH", folder)

                            for refused in
                                [
                                    VideoClip.probe CancellationToken.None clip |> Result.map ignore
                                    Ffmpeg.version CancellationToken.None |> Result.map ignore
                                ] do
                                refused
                                |> Outcome.refusedWith
                                    5
                                    [
                                        "apt-get install ffmpeg"
                                        "brew install ffmpeg"
                                        "winget install ffmpeg"
                                    ]
                        finally
                            Environment.SetEnvironmentVariable("PATH", path))
                }
            )

            test "its errors are told from its chatter, whatever a clip says of itself" {
                for line, complaint in
                    [
                        "[mov,mp4 @ 0x55d] [error] moov atom not found", Some "moov atom not found"
                        "[fatal] out of memory", Some "out of memory"
                        "[info]     title : [error] not one", None
                        "    title           : [error] not one", None
                        "[Parsed_showinfo_1 @ 0x55d] [info] n:   0 pts:      0", None
                    ] do
                    Expect.equal (Ffmpeg.complaint line) complaint line
            }

            test "its version is read" {
                let found = ffmpeg ()
                Expect.isNotEmpty found.Text "text"
                Expect.isTrue (found.Number.IsNone || found.Number > Some(3, 0)) "number"
            }
        ]
