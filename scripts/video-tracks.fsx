// A clip of 60 s whose truth is known, and how tracks compare with it. The clip: frames of a dataset's site, each for five seconds, seen by
// a camera that wanders over it, 1280 x 720 at 25 frames a second with sensor noise. The truth: the frame's own mask seen by the same camera.
//
//   dotnet fsi scripts/video-tracks.fsx make SITE-FOLDER CLIP      (SITE-FOLDER holds images/ and masks/)
//   dotnet fsi scripts/video-tracks.fsx compare SITE-FOLDER FRAMES.jsonl
#load "load.fsx"

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open Mcdrl

let width, height, rate, shots, length = 1280, 720, 25, 12, 125

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

/// The site's frames with a lesion, every so many, and their masks.
let framesOf (site: string) =
    let maskOf (image: string) =
        Path.Combine(site, "masks", nonNull (Path.GetFileNameWithoutExtension image) + ".png")

    let all =
        Directory.GetFiles(Path.Combine(site, "images"))
        |> Array.sort
        |> Array.map (fun image ->
            let map = get (Masks.read ImageLimits.standard (maskOf image))

            image,
            { map with
                Labels = map.Labels |> Array.map (min 1uy)
            })
        |> Array.filter (fun (_, map) -> Array.exists ((<) 0uy) map.Labels)

    [ for shot in 0 .. shots - 1 -> all[shot * all.Length / shots] ]

/// Where the window lies in a picture of this size: left, top and pixels of the picture for one of the window.
let window (map: LabelMap) shot frame =
    let time = float frame / float length * 2.0 * Math.PI
    let largest = min (float map.Width / float width) (float map.Height / float height)
    let scale = largest * (0.75 + 0.1 * sin (time + float shot))
    let roomX = float map.Width - scale * float width
    let roomY = float map.Height - scale * float height

    let at room turns =
        room * (0.5 + 0.45 * sin (turns * time + float shot))

    at roomX 1.0, at roomY 2.0, scale

let nearest (map: LabelMap) (left, top, scale) : LabelMap =
    {
        Width = width
        Height = height
        Labels =
            Array.init (width * height) (fun pixel ->
                let x = int (left + scale * (float (pixel % width) + 0.5))
                let y = int (top + scale * (float (pixel / width) + 0.5))
                map.Labels[min (map.Height - 1) y * map.Width + min (map.Width - 1) x])
    }

let noise = Random 17

let bilinear (picture: Picture) (left, top, scale) =
    let rgb = Array.zeroCreate<byte>(width * height * 3)

    for y in 0 .. height - 1 do
        let atY =
            max 0.0 (min (float picture.Height - 1.001) (top + scale * (float y + 0.5) - 0.5))

        for x in 0 .. width - 1 do
            let atX =
                max 0.0 (min (float picture.Width - 1.001) (left + scale * (float x + 0.5) - 0.5))

            let column, row = int atX, int atY
            let shareX, shareY = atX - float column, atY - float row
            let grain = 8.0 * (noise.NextDouble() + noise.NextDouble() - 1.0)

            for channel in 0..2 do
                let at row column =
                    float picture.Rgb[3 * (row * picture.Width + column) + channel]

                let above = at row column + shareX * (at row (column + 1) - at row column)

                let below =
                    at (row + 1) column + shareX * (at (row + 1) (column + 1) - at (row + 1) column)

                rgb[3 * (y * width + x) + channel] <-
                    byte (max 0.0 (min 255.0 (above + shareY * (below - above) + grain)))

    rgb

let make site (clip: string) =
    let info =
        ProcessStartInfo(
            "ffmpeg",
            [
                "-v"
                "error"
                "-f"
                "rawvideo"
                "-pix_fmt"
                "rgb24"
                "-s"
                $"{width}x{height}"
            ]
            @ [
                "-r"
                string rate
                "-i"
                "pipe:0"
                "-f"
                "lavfi"
                "-i"
                $"sine=d={shots * length / rate}"
            ]
            @ [
                "-c:v"
                "libx264"
                "-preset"
                "veryfast"
                "-crf"
                "20"
                "-pix_fmt"
                "yuv420p"
            ]
            @ [ "-c:a"; "aac"; "-y"; clip ],
            RedirectStandardInput = true
        )

    use encoder = Process.Start info |> nonNull

    for shot, (image, map) in List.indexed (framesOf site) do
        let picture = get (Images.read ImageLimits.standard image)

        for frame in 0 .. length - 1 do
            encoder.StandardInput.BaseStream.Write(ReadOnlySpan(bilinear picture (window map shot frame)))

    encoder.StandardInput.Close()
    encoder.WaitForExit()

/// Left, top, right, bottom.
let overlap (l, t, r, b) (l', t', r', b') =
    let both = max 0 (min r r' - max l l') * max 0 (min b b' - max t t')
    let area = (r - l) * (b - t) + (r' - l') * (b' - t') - both
    float both / float (max 1 area)

/// Pixels of a region in the truth that count as a lesion: a thousandth of the picture.
let least = int64 (width * height / 1000)

/// A truth lesion is found in a frame by the region whose box overlaps it most, by at least 0.3.
let compare site (lines: string) =
    let told =
        File.ReadAllLines lines
        |> Array.map (fun line -> JsonDocument.Parse(line).RootElement)

    let seen = Collections.Generic.Dictionary<int * int, int * int list>()
    let tracks = Collections.Generic.Dictionary<int, int * int>()

    for shot, (_, map) in List.indexed (framesOf site) do
        // Lesions are told apart in the whole picture.
        let numbered =
            { map with
                Labels = Array.copy map.Labels
            }

        for run in PixelRun.find map do
            Array.fill
                numbered.Labels
                (run.Row * map.Width + run.First)
                (run.After - run.First)
                (byte (run.Region + 1))

        for frame in 0 .. min length (told.Length - shot * length) - 1 do
            let truth =
                Contours.find (nearest numbered (window map shot frame))
                |> List.groupBy _.Label
                |> List.map (fun (label, parts) ->
                    label,
                    parts |> List.sumBy _.Area,
                    (parts |> List.map _.X |> List.min,
                     parts |> List.map _.Y |> List.min,
                     parts |> List.map (fun part -> part.X + part.Width) |> List.max,
                     parts |> List.map (fun part -> part.Y + part.Height) |> List.max))
                |> List.filter (fun (_, area, _) -> area >= least)

            let found =
                [
                    for region in told[shot * length + frame].GetProperty("regions").EnumerateArray() do
                        let box =
                            [ for side in region.GetProperty("box").EnumerateArray() -> side.GetInt32() ]

                        let track = region.GetProperty "track"

                        (if track.ValueKind = JsonValueKind.Null then
                             0
                         else
                             track.GetInt32()),
                        (box[0], box[1], box[0] + box[2], box[1] + box[3])
                ]

            for label, _, box in truth do
                let best =
                    found
                    |> List.filter (fun (_, other) -> overlap box other >= 0.3)
                    |> List.sortByDescending (fun (_, other) -> overlap box other)
                    |> List.tryHead

                let count, numbers =
                    match seen.TryGetValue((shot, label)) with
                    | true, known -> known
                    | _ -> 0, []

                seen[(shot, label)] <-
                    (count + 1, (best |> Option.map fst |> Option.defaultValue -1) :: numbers)

            for track, box in found do
                if track > 0 then
                    let frames, right =
                        match tracks.TryGetValue track with
                        | true, known -> known
                        | _ -> 0, 0

                    let isRight = truth |> List.exists (fun (_, _, other) -> overlap box other >= 0.3)
                    tracks[track] <- (frames + 1, (if isRight then right + 1 else right))

    let lesions = [ for KeyValue(_, (count, numbers)) in seen -> count, numbers ]

    let numbersOf numbers =
        numbers |> List.filter ((<) 0) |> List.distinct

    let lost = lesions |> List.filter (fun (_, numbers) -> (numbersOf numbers).IsEmpty)

    let split =
        lesions |> List.filter (fun (_, numbers) -> (numbersOf numbers).Length > 1)

    let right =
        [ for KeyValue(_, (frames, right)) in tracks -> float right / float frames ]

    let frames = lesions |> List.sumBy fst

    let matched =
        lesions
        |> List.sumBy (fun (_, numbers) -> numbers |> List.filter ((<=) 0) |> List.length)

    printfn
        $"lesions {lesions.Length}, each in {float frames / float lesions.Length:F0} frames, found in {100.0 * float matched / float frames:F1} %% of them"

    printfn
        $"one track {lesions.Length - lost.Length - split.Length}, split {split.Length}, lost {lost.Length}"

    let wrong = right |> List.filter (fun share -> share < 0.5)
    printfn $"tracks {tracks.Count}, of them {wrong.Length} on no lesion for most of their frames"

match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
| [ "make"; site; clip ] -> make site clip
| [ "compare"; site; lines ] -> compare site lines
| _ ->
    eprintfn
        "Usage: dotnet fsi scripts/video-tracks.fsx make SITE-FOLDER CLIP | compare SITE-FOLDER FRAMES.jsonl"

    exit 2
