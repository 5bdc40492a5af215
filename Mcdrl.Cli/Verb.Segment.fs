namespace Mcdrl.Cli

open System.Diagnostics
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type SegmentArgument =
    | [<MainCommand; Mandatory>] Images of path: string list
    | Model of folder: string
    | [<Unique>] Onnx of file: string
    | Out of folder: string
    | Explain
    | Mode of name: string
    | Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ -> "images, folders of images, or patterns such as 'frames/*.png'."
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: a small embedded model, for a first look."
            | Onnx _ ->
                "segment by a file of `mcdrl export onnx` in ONNX Runtime, without libtorch, in the mode it was exported for."
            | Out _ -> "where masks, overlays and reports go. Default: segmented."
            | Explain ->
                "also write what each answer depends on: a picture sheet, maps, and the mask under every condition."
            | Mode _ -> "exact, feature-mean, nwgm or attention. Default: the model's own."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl segment`
[<RequireQualifiedAccess>]
module SegmentVerb =
    let private describe (report: ImageReport) =
        let classes =
            report.Classes
            |> List.filter (fun found -> found.Area > 0L)
            |> List.map (fun found -> $"{found.Name} {100.0 * found.Share:F1} %%")

        if classes.IsEmpty then
            "nothing marked"
        else
            String.concat ", " classes

    let private show session (target: SegmentTarget, outcome: Result<ImageReport, McdrlError>) =
        match outcome with
        | Ok report ->
            Session.say session $"{target.Input}: {describe report}"
            Session.emit session (RecordJson.toObject report)
        | Error fault ->
            Session.warn session (McdrlError.describe fault)

            Session.emit
                session
                (Json.object
                    [
                        "image", Json.text target.Input
                        "error", Json.text (McdrlError.describe fault)
                    ])

    /// --onnx says it all: what the file is made from and how it answers was decided when it was exported.
    let private engine (arguments: ParseResults<SegmentArgument>) =
        let others =
            [
                "--model", arguments.Contains Model
                "--mode", arguments.Contains Mode
                "--explain", arguments.Contains Explain
                "--device", arguments.Contains Device
            ]
            |> List.filter snd
            |> List.map fst

        match arguments.TryGetResult Onnx, others with
        | file, []
        | (None as file), _ -> Ok file
        | Some _, others ->
            let listed = String.concat ", " others

            Error(
                McdrlError.usage
                    $"--onnx doesn't go with {listed}"
                    "mcdrl segment"
                    "Export the mode that you want, or segment with --model"
            )

    let private byTorch session (arguments: ParseResults<SegmentArgument>) mode targets =
        ModelFolder.orEmbedded session (arguments.TryGetResult Model)
        |> Result.bind (fun folder ->
            Segmenter.load folder (arguments.GetResult(Device, defaultValue = "cpu")))
        |> Result.bind (fun segmenter ->
            use segmenter = segmenter
            let clock = Stopwatch.StartNew()

            ProgressBar.during session (fun report ->
                Segmenting.run
                    segmenter
                    mode
                    (arguments.Contains Explain)
                    ImageLimits.standard
                    targets
                    report
                    session.Cancel)
            |> Result.map (fun outcomes -> outcomes, clock.Elapsed.TotalSeconds))

    let private byOnnx session file targets =
        let clock = Stopwatch.StartNew()

        ProgressBar.during session (fun report ->
            Segmenting.runOnnx file ImageLimits.standard targets report session.Cancel)
        |> Result.map (fun outcomes -> outcomes, clock.Elapsed.TotalSeconds)

    let private run session (arguments: ParseResults<SegmentArgument>) =
        result {
            let out = arguments.GetResult(Out, defaultValue = "segmented")
            let! targets = Segmenting.plan (arguments.GetResult Images) out
            let! mode = MarginalisationName.parse (arguments.TryGetResult Mode)

            let! outcomes, seconds =
                engine arguments
                |> Result.bind (fun file ->
                    match file with
                    | Some file -> byOnnx session file targets
                    | None -> byTorch session arguments mode targets)

            Array.iter (show session) outcomes
            let failed = outcomes |> Array.filter (snd >> Result.isError) |> Array.length
            let done' = outcomes.Length - failed

            Session.say
                session
                $"{done'} of {outcomes.Length} images in {seconds:F1} s ({float done' / seconds:F1} a second), results in {out}. {Segmenting.notice}"

            return if failed = 0 then 0 else 1
        }

    let verb =
        Verb.create<SegmentArgument> "segment" "marks lesions in images: mask, overlay and report of each" run
