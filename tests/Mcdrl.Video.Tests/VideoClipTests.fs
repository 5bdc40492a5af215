module Mcdrl.Tests.VideoClipTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.Clips

let private refusedAs code parts path =
    VideoClip.probe CancellationToken.None path |> Outcome.refusedWith code parts

let tests =
    testList
        "clips"
        [
            test "size, rate, duration and sound are what the headers say" {
                Folder.temporary (fun folder ->
                    let plain, sounding = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "b.mp4")
                    write plain (panning 25 20 (97, 63) 2)
                    let clip = probed plain
                    Expect.equal (clip.Width, clip.Height, clip.Rotation) (97, 63, 0) "size"
                    Expect.floatClose Accuracy.medium clip.Rate 25.0 "rate"
                    Expect.equal clip.Sound None "silent"
                    Expect.floatClose Accuracy.low (Option.get clip.Duration) 0.8 "duration"

                    remake
                        [ "-f"; "lavfi"; "-i"; "sine=d=1"; "-vf"; "crop=96:62"; "-c:a"; "aac" ]
                        plain
                        sounding

                    let clip = probed sounding
                    Expect.equal (clip.Width, clip.Height, clip.Codec) (96, 62, "h264") "size and codec"
                    Expect.equal clip.Sound (Some "aac") "sound")
            }

            test "a text, a play list and a clip without its index are refused in words, whatever their name" {
                Folder.temporary (fun folder ->
                    let text, list, other, cut =
                        Path.Combine(folder, "notes.mp4"),
                        Path.Combine(folder, "list.mp4"),
                        Path.Combine(folder, "a.mkv"),
                        Path.Combine(folder, "cut.mp4")

                    ffmpeg () |> ignore
                    File.WriteAllText(text, "no clip, but a text")
                    refusedAs 4 [ text; "FFmpeg can't read it as a video" ] text
                    write other (panning 25 12 (64, 48) 2)
                    File.WriteAllText(list, $"ffconcat version 1.0\nfile '{other}'\n")
                    refusedAs 4 [ list; "whitelist" ] list

                    File.WriteAllText(
                        list,
                        $"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n"
                    )

                    refusedAs 4 [ list; "whitelist" ] list
                    remake [] other (Path.Combine(folder, "b.mp4"))
                    let bytes = File.ReadAllBytes(Path.Combine(folder, "b.mp4"))
                    File.WriteAllBytes(cut, bytes[.. bytes.Length / 2])
                    refusedAs 4 [ cut; "moov atom not found" ] cut)
            }

            test "sound alone, a folder, a pipe and nothing at all are refused" {
                Folder.temporary (fun folder ->
                    let sound, pipe = Path.Combine(folder, "a.mkv"), Path.Combine(folder, "pipe.mp4")
                    ffmpeg () |> ignore

                    run "ffmpeg" [ "-v"; "error"; "-f"; "lavfi"; "-i"; "sine=d=0.2"; sound ]
                    |> ignore

                    refusedAs 4 [ "no moving pictures" ] sound
                    Folder.pipe pipe
                    refusedAs 4 [ "a pipe" ] pipe
                    refusedAs 4 [ "a folder" ] folder
                    refusedAs 4 [ "does not exist" ] (Path.Combine(folder, "none.mp4")))
            }

            test "frames too large are refused before any is decoded" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.mkv")
                    ffmpeg () |> ignore

                    run
                        "ffmpeg"
                        [
                            "-v"
                            "error"
                            "-f"
                            "lavfi"
                            "-i"
                            "color=s=16000x4000:r=1:d=1"
                            "-c:v"
                            "mjpeg"
                            path
                        ]
                    |> ignore

                    refusedAs 5 [ path; "over the limit" ] path)
            }
        ]
