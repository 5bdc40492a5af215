namespace Mcdrl.Cli

open System.IO
open System.Threading.Tasks
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type SegmentArgument =
    | [<MainCommand>] Images of path: string list
    | [<Unique>] Model of folder: string
    | [<Unique>] Onnx of file: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Recursive
    | [<Unique>] Explain
    | [<Unique>] Probabilities
    | [<Unique>] Format of names: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64
    | [<Unique>] Mode of name: string
    | [<Unique>] Device of name: string
    | [<Unique>] Precision of name: string
    | [<Unique>] Flips of name: string
    | [<Unique>] Every of frames: int
    | [<Unique>] Fps of number: float
    | [<Unique>] From of time: string
    | [<Unique>] To of time: string
    | [<Unique>] Smooth of seconds: float
    | [<Unique>] List of file: string
    | [<Unique>] Root of folder: string
    | [<Unique>] Parts of number: int
    | [<Unique>] Part of number: int

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ ->
                SegmentImages.imagesUsage
                + " Or videos (MP4, MOV, MKV, WebM, AVI and others, through FFmpeg)."
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | Onnx _ ->
                "segment by a file of `mcdrl export onnx` in ONNX Runtime, without libtorch, in the mode it was exported for."
            | Out _ -> SegmentImages.outUsage
            | Recursive -> SegmentImages.recursiveUsage
            | Explain ->
                "also write what each answer depends on: a picture sheet, maps, and the mask under every condition."
            | Probabilities -> SegmentImages.probabilitiesUsage
            | Format _ ->
                $"{SegmentImages.formatUsage} Also dicom-seg: a DICOM segmentation of each DICOM file, through DCMTK."
            | Threshold _ -> SegmentImages.thresholdUsage
            | Min_Area _ -> SegmentImages.minAreaUsage
            | Mode _ ->
                "exact, feature-mean, nwgm, attention or rendered (conditions done to pixels, one pass through the tower each; slow). Default: the model's own."
            | Device _ ->
                "what computes: cpu, cuda, cuda:N or auto (CUDA where there is all that it needs). Default cpu."
            | Precision _ ->
                "auto, fp32 or bf16 (half the memory, faster where the processor has instructions for it; auto: there only). Default: what the model records."
            | Flips _ -> FlipsName.usage
            | Every _ -> SegmentVideos.everyUsage
            | Fps _ -> SegmentVideos.fpsUsage
            | From _ -> SegmentVideos.fromUsage
            | To _ -> SegmentVideos.toUsage
            | Smooth _ -> SegmentVideos.smoothUsage
            | List _ -> SegmentList.listUsage
            | Root _ -> SegmentList.rootUsage
            | Parts _ -> PartOfRun.partsUsage
            | Part _ -> PartOfRun.partUsage

/// `mcdrl segment`
[<RequireQualifiedAccess>]
module SegmentVerb =
    /// What was asked for. Argu looks a case up by unpickling a quotation, which alone takes longer than to segment a
    /// small image; so each is picked from the list of all.
    type private Asked =
        {
            Images: string list
            Model: string option
            Onnx: string option
            Out: string
            Recursive: bool
            Explain: bool
            Probabilities: bool
            Formats: string list
            Threshold: float option
            MinArea: int64
            Mode: string option
            Device: string option
            Precision: string option
            Flips: string option
            Video: SegmentVideos.Asked
            Listed: SegmentList.Asked
        }

    let private asked (arguments: ParseResults<SegmentArgument>) =
        let none =
            {
                Images = []
                Model = None
                Onnx = None
                Out = "segmented"
                Recursive = false
                Explain = false
                Probabilities = false
                Formats = []
                Threshold = None
                MinArea = 0L
                Mode = None
                Device = None
                Precision = None
                Flips = None
                Video = SegmentVideos.none
                Listed = SegmentList.none
            }

        let video change asked =
            { asked with
                Video = change asked.Video
            }

        let listed change asked =
            { asked with
                Listed = change asked.Listed
            }

        (none, arguments.GetAllResults())
        ||> List.fold (fun asked argument ->
            match argument with
            | Images paths ->
                { asked with
                    Images = asked.Images @ paths
                }
            | Model folder -> { asked with Model = Some folder }
            | Onnx file -> { asked with Onnx = Some file }
            | Out folder -> { asked with Out = folder }
            | Recursive -> { asked with Recursive = true }
            | Explain -> { asked with Explain = true }
            | Probabilities -> { asked with Probabilities = true }
            | Format names ->
                { asked with
                    Formats = FormatNames.split names
                }
            | Threshold probability ->
                { asked with
                    Threshold = Some probability
                }
            | Min_Area pixels -> { asked with MinArea = pixels }
            | Mode name -> { asked with Mode = Some name }
            | Device name -> { asked with Device = Some name }
            | Precision name -> { asked with Precision = Some name }
            | Flips name -> { asked with Flips = Some name }
            | Every frames -> asked |> video (fun video -> { video with Every = Some frames })
            | Fps number -> asked |> video (fun video -> { video with Fps = Some number })
            | From time -> asked |> video (fun video -> { video with From = Some time })
            | To time -> asked |> video (fun video -> { video with To = Some time })
            | Smooth seconds -> asked |> video (fun video -> { video with Smooth = Some seconds })
            | List file -> asked |> listed (fun listed -> { listed with List = Some file })
            | Root folder -> asked |> listed (fun listed -> { listed with Root = Some folder })
            | Parts number -> asked |> listed (fun listed -> { listed with Parts = Some number })
            | Part number -> asked |> listed (fun listed -> { listed with Part = Some number }))

    /// --onnx says it all: what the file is made from and how it answers was decided when it was exported.
    let private checkEngine (asked: Asked) =
        let others =
            [
                "--model", asked.Model.IsSome
                "--mode", asked.Mode.IsSome
                "--explain", asked.Explain
                "--precision", asked.Precision.IsSome
                "--flips", asked.Flips.IsSome
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

    let private byTorch session mode (asked: Asked) =
        result {
            let device = Option.defaultValue "cpu" asked.Device
            let! folder = ModelFolder.orEmbedded session asked.Model
            let! precision = PrecisionName.parse device asked.Precision
            let! flips = FlipsName.parse asked.Flips
            let! segmenter = Segmenter.loadIn precision folder device
            let segmenter = flips segmenter

            match Segmenter.requireMode segmenter mode with
            | Ok() -> return Segmenter.engine segmenter
            | Error fault ->
                (segmenter :> System.IDisposable).Dispose()
                return! Error fault
        }

    /// What is written of the masks besides: formats of other tools, and segmentations of DICOM files.
    let private also (frames: DicomFrames) (asked: Asked) =
        let segmentations, others = asked.Formats |> List.partition ((=) "dicom-seg")

        let model =
            asked.Onnx
            |> Option.orElse asked.Model
            |> Option.map (Path.TrimEndingDirectorySeparator >> Path.GetFileName >> string)
            |> Option.defaultValue "polyp"

        result {
            let! formats = FormatNames.parse others

            do!
                if segmentations.IsEmpty || not frames.IsEmpty then
                    Ok()
                else
                    Error(
                        McdrlError.usage
                            "a DICOM segmentation refers to a DICOM file, and no image is one"
                            "--format dicom-seg"
                            "Give DICOM files, or another format"
                    )

            return
                fun classes written ->
                    result {
                        do! SegmentImages.also formats asked.Out classes written

                        if not segmentations.IsEmpty then
                            do!
                                DicomFrames.writeSegmentations
                                    frames
                                    $"Mcdrl, {model}"
                                    classes
                                    (List.map fst written)
                    }
        }

    let private engine session mode (asked: Asked) images =
        match asked.Onnx with
        | Some file -> SegmentImages.byOnnx asked.Device file images
        | None -> byTorch session mode asked

    let private runImages session (asked: Asked) =
        result {
            let! targets =
                SegmentTargets.planWith DicomHeader.isDicom asked.Recursive asked.Images asked.Out

            let! mode = asked.Mode |> Verb.valueOf "--mode" Marginalisation.parse

            let! request =
                SegmentImages.request asked.Threshold asked.MinArea asked.Probabilities

            do! SegmentVideos.refuseForImages asked.Video
            let! targets, frames = DicomFrames.find ImageLimits.standard targets
            let! also = also frames asked
            do! checkEngine asked

            let request =
                { request with
                    Mode = mode
                    Explain = asked.Explain
                }

            let leftOut =
                SegmentTargets.leftOutBut DicomHeader.isDicom asked.Recursive asked.Images asked.Out

            return!
                SegmentImages.run
                    session
                    (engine session mode asked)
                    (DicomFrames.read frames)
                    also
                    request
                    leftOut
                    targets
                    asked.Out
        }

    let private runVideos session (asked: Asked) videos images =
        result {
            do!
                SegmentVideos.refuseForVideos
                    [
                        "--explain", asked.Explain
                        "--probabilities", asked.Probabilities
                        "--recursive", asked.Recursive
                        "--format", not asked.Formats.IsEmpty
                    ]
                    images

            let! mode = asked.Mode |> Verb.valueOf "--mode" Marginalisation.parse
            let! marking = Marking.create asked.Threshold asked.MinArea
            do! checkEngine asked

            return!
                SegmentVideos.run
                    session
                    (engine session mode asked)
                    asked.Video
                    mode
                    marking
                    videos
                    asked.Out
        }

    /// The model as a plan of parts tells of it.
    let private modelOf session mode (asked: Asked) : Result<SegmentList.Model, McdrlError> =
        match asked.Onnx with
        | Some file -> SegmentList.ofOnnx asked.Device file
        | None ->
            ModelFolder.orEmbedded session asked.Model
            |> Result.bind (fun folder ->
                Bundle.sha256 folder
                |> Result.map (fun digest ->
                    {
                        Load = fun _ -> byTorch session mode { asked with Model = Some folder }
                        Sha256 = digest
                        Precision = asked.Precision
                        Flips = asked.Flips
                    }))

    let private runList session (asked: Asked) list =
        result {
            do!
                SegmentList.refuseBesideList
                    asked.Images
                    [ "--recursive", asked.Recursive; "--format", not asked.Formats.IsEmpty ]

            do! SegmentVideos.refuseForImages asked.Video
            let! mode = asked.Mode |> Verb.valueOf "--mode" Marginalisation.parse

            let! request =
                SegmentImages.request asked.Threshold asked.MinArea asked.Probabilities

            do! checkEngine asked

            return!
                SegmentList.run
                    session
                    asked.Listed
                    list
                    (fun () -> modelOf session mode asked)
                    { request with
                        Mode = mode
                        Explain = asked.Explain
                    }
                    asked.Out
        }

    let private run session (arguments: ParseResults<SegmentArgument>) =
        let asked = asked arguments

        match asked.Listed.List, List.partition SegmentVideos.isVideo asked.Images with
        | Some list, _ -> runList session asked list
        | None, ([], []) -> Error SegmentList.noImages
        | None, (videos, images) ->
            SegmentList.refuseWithoutList asked.Listed
            |> Result.bind (fun () ->
                if videos.IsEmpty then
                    runImages session asked
                else
                    runVideos session asked videos images)

    let private parsed =
        Verb.create<SegmentArgument>
            "segment"
            "marks lesions in images and videos: mask, overlay and report of each"
            run

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
