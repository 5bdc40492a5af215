namespace Mcdrl

open System
open System.Globalization
open System.Text.Json
open System.Threading
open FsToolkit.ErrorHandling

/// A video file, as its headers tell it.
type VideoClip =
    {
        /// Its path.
        Path: string
        /// Pixels a row, upright: after the rotation that the file asks for.
        Width: int
        /// Rows, upright.
        Height: int
        /// How far the stored pictures are turned to be upright, clockwise: 0, 90, 180 or 270 degrees.
        Rotation: int
        /// Name of the pictures' codec.
        Codec: string
        /// Frames a second, as the file has it, at most 1000; its frames may follow each other at other intervals, that differ.
        Rate: float
        /// Seconds; none where the file doesn't tell.
        Duration: float option
        /// Name of the sound's codec; none without sound.
        Sound: string option
    }

/// Looks at video files.
[<RequireQualifiedAccess>]
module VideoClip =
    /// Endings of names of files that are taken for videos.
    let endings =
        [
            ".mp4"
            ".m4v"
            ".mov"
            ".mkv"
            ".webm"
            ".avi"
            ".mpg"
            ".mpeg"
            ".ts"
            ".mts"
            ".m2ts"
            ".wmv"
            ".ogv"
            ".flv"
            ".dv"
            ".mxf"
        ]

    /// How large the frames of a clip may be: several are held in memory at a time.
    let limits =
        { ImageLimits.standard with
            MaxPixels = 40_000_000L
        }

    let private field (name: string) (element: JsonElement) =
        match element.TryGetProperty name with
        | true, value -> Some value
        | _ -> None

    let private text name element =
        field name element
        |> Option.bind (fun value ->
            if value.ValueKind = JsonValueKind.String then
                Option.ofObj (value.GetString())
            else
                None)

    let private whole name element =
        field name element
        |> Option.bind (fun value ->
            match value.ValueKind = JsonValueKind.Number, lazy (value.TryGetInt32()) with
            | true, Lazy(true, number) -> Some number
            | _ -> None)

    let private items name element =
        field name element
        |> Option.filter (fun value -> value.ValueKind = JsonValueKind.Array)
        |> Option.map (fun value -> List.ofSeq (value.EnumerateArray()))
        |> Option.defaultValue []

    let private number (text: string) =
        match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
        | true, value when Double.IsFinite value -> Some value
        | _ -> None

    /// A fraction such as 30000/1001; none for 0/0.
    let private fraction (text: string) =
        match text.Split '/' |> Array.map number with
        | [| Some above; Some below |] when above > 0.0 && below > 0.0 -> Some(above / below)
        | _ -> None

    let private isCover stream =
        field "disposition" stream |> Option.bind (whole "attached_pic") = Some 1

    /// Degrees clockwise, from the matrix that the file holds, whose rotation is counter-clockwise.
    let private rotationOf stream =
        let degrees =
            items "side_data_list" stream
            |> List.tryPick (whole "rotation")
            |> Option.defaultValue 0

        ((-degrees % 360) + 360) % 360

    let private ofJson (path: string) (root: JsonElement) : Result<VideoClip, McdrlError> =
        let refuse what =
            Error(McdrlError.data what path "Name a video file")

        let streams = items "streams" root
        let kind name stream = text "codec_type" stream = Some name

        match streams |> List.tryFind (fun one -> kind "video" one && not (isCover one)) with
        | None -> refuse "the file holds no moving pictures"
        | Some stream ->
            let size = whole "width" stream, whole "height" stream
            let mean = text "avg_frame_rate" stream |> Option.bind fraction
            let finest = text "r_frame_rate" stream |> Option.bind fraction

            match size, Option.orElse finest mean with
            | (Some width, Some height), Some rate ->
                result {
                    do! ImageLimits.check limits path (int64 width) (int64 height)
                    let rotation = rotationOf stream
                    let isTurned = rotation % 180 <> 0

                    return
                        {
                            Path = path
                            Width = if isTurned then height else width
                            Height = if isTurned then width else height
                            Rotation = rotation
                            Codec = text "codec_name" stream |> Option.defaultValue "unknown"
                            Rate = Math.Round(min 1000.0 rate, 6)
                            Duration =
                                text "duration" stream
                                |> Option.orElse (field "format" root |> Option.bind (text "duration"))
                                |> Option.bind number
                                |> Option.filter (fun seconds -> seconds > 0.0 && seconds <= 1e7)
                            Sound = streams |> List.tryFind (kind "audio") |> Option.bind (text "codec_name")
                        }
                }
            | (Some _, Some _), None -> refuse "the file doesn't tell how many frames a second it has"
            | _ -> refuse "the file doesn't tell how large its frames are"

    /// Bytes of an answer of ffprobe: of a file with very many streams it is not read.
    let private most = 1_000_000L

    /// What a file's headers tell. A file that FFmpeg doesn't take for a video is a `Data` error that has FFmpeg's words.
    let probe (cancel: CancellationToken) (path: string) : Result<VideoClip, McdrlError> =
        result {
            do! Files.reading path (fun _ -> Ok())

            let! code, written, said =
                try
                    Ok(
                        Ffmpeg.capture
                            "ffprobe"
                            ([ "-v"; "error"; "-of"; "json"; "-show_entries" ]
                             @ [
                                 "stream=codec_type,codec_name,width,height,r_frame_rate,avg_frame_rate,duration:stream_disposition=attached_pic:stream_side_data=rotation:format=duration"
                             ]
                             @ Ffmpeg.reading [] path)
                            most
                            cancel
                    )
                with
                | VideoFault error -> Error error
                | :? OperationCanceledException -> Error McdrlError.Cancelled

            let refuse what =
                McdrlError.data what path "Name a video file, or replace it with an intact copy"

            match code, written with
            | 0, Some json ->
                return! StrangerJson.read StrangerJson.standard refuse (ReadOnlyMemory json) (ofJson path)
            | 0, None -> return! Error(refuse "the file has too many streams")
            | _ ->
                let words = String.concat "; " said
                return! Error(refuse $"FFmpeg can't read it as a video: {words}")
        }
