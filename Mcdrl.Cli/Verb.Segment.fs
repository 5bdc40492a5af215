namespace Mcdrl.Cli

open System.Diagnostics
open System.Threading.Tasks
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
    | Precision of name: string

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
            | Precision _ ->
                "auto, fp32 or bf16 (half the memory, faster where the processor has instructions for it; auto: there only). Default: what the model records."

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

    let private show session (target: SegmentTarget) (outcome: Result<ImageReport, McdrlError>) =
        match outcome with
        | Ok report ->
            Session.say session $"{target.Input}: {describe report}"
            Session.emit session (RecordJson.toObject report)
        | Error fault ->
            Session.warn session (Flags.describe fault)

            Session.emit
                session
                (Json.object [ "image", Json.text target.Input; "error", Json.text (Flags.describe fault) ])

    /// What was asked for. Argu looks a case up by unpickling a quotation, which alone takes longer than to segment a
    /// small image; so each is picked from the list of all.
    type private Asked =
        {
            Images: string list
            Model: string option
            Onnx: string option
            Out: string
            Explain: bool
            Mode: string option
            Device: string option
            Precision: string option
        }

    let private asked (arguments: ParseResults<SegmentArgument>) =
        let none =
            {
                Images = []
                Model = None
                Onnx = None
                Out = "segmented"
                Explain = false
                Mode = None
                Device = None
                Precision = None
            }

        (none, arguments.GetAllResults())
        ||> List.fold (fun asked argument ->
            match argument with
            | Images paths -> { asked with Images = paths }
            | Model folder -> { asked with Model = Some folder }
            | Onnx file -> { asked with Onnx = Some file }
            | Out folder -> { asked with Out = folder }
            | Explain -> { asked with Explain = true }
            | Mode name -> { asked with Mode = Some name }
            | Device name -> { asked with Device = Some name }
            | Precision name -> { asked with Precision = Some name })

    /// --onnx says it all: what the file is made from and how it answers was decided when it was exported.
    let private checkEngine (asked: Asked) =
        let others =
            [
                "--model", asked.Model.IsSome
                "--mode", asked.Mode.IsSome
                "--explain", asked.Explain
                "--device", asked.Device.IsSome
                "--precision", asked.Precision.IsSome
            ]
            |> List.filter snd
            |> List.map fst

        if asked.Onnx.IsNone || others.IsEmpty then
            Ok()
        else
            let listed = String.concat ", " others

            Error(
                McdrlError.usage
                    $"--onnx doesn't go with {listed}"
                    "mcdrl segment"
                    "Export the mode that you want, or segment with --model"
            )

    let private byTorch session (asked: Asked) mode targets (clock: Stopwatch) finished progress =
        result {
            let device = Option.defaultValue "cpu" asked.Device
            let! folder = ModelFolder.orEmbedded session asked.Model
            let! precision = PrecisionName.parse device asked.Precision
            use! segmenter = Segmenter.loadIn precision folder device
            clock.Restart()

            return! Segmenting.run segmenter mode asked.Explain ImageLimits.standard targets finished progress
        }

    let private run session (arguments: ParseResults<SegmentArgument>) =
        result {
            let asked = asked arguments
            let! targets = Segmenting.plan asked.Images asked.Out
            let! mode = MarginalisationName.parse asked.Mode
            do! checkEngine asked
            let clock = Stopwatch.StartNew()
            let failed = ref 0

            do!
                ProgressBar.above session targets.Length (fun session progress ->
                    let finished target outcome =
                        if Result.isError outcome then
                            failed.Value <- failed.Value + 1

                        show session target outcome

                    match asked.Onnx with
                    | Some file -> Segmenting.runOnnx file ImageLimits.standard targets finished progress
                    | None -> byTorch session asked mode targets clock finished progress)

            let done' = targets.Length - failed.Value
            let seconds = clock.Elapsed.TotalSeconds

            Session.say
                session
                $"{done'} of {targets.Length} images in {seconds:F1} s ({float done' / seconds:F1} a second), results in {asked.Out}. {Segmenting.notice}"

            return if failed.Value = 0 then 0 else 1
        }

    let private parsed =
        Verb.create<SegmentArgument> "segment" "marks lesions in images: mask, overlay and report of each" run

    let private isOnnx (argument: string) = argument.Split('=')[0] = "--onnx"

    /// libtorch begins to load before the arguments are read, which a second processor does at the same time.
    let verb =
        { parsed with
            Run =
                fun session arguments ->
                    if not (Array.exists isOnnx arguments) then
                        Task.Run(fun () -> Native.load () |> ignore) |> ignore

                    parsed.Run session arguments
        }
