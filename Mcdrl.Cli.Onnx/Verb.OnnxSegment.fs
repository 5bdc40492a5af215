namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type OnnxSegmentArgument =
    | [<MainCommand>] Images of path: string list
    | [<Mandatory; Unique>] Onnx of file: string
    | [<Unique>] Device of name: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Recursive
    | [<Unique>] Probabilities
    | [<Unique>] Format of names: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64
    | [<Unique>] List of file: string
    | [<Unique>] Root of folder: string
    | [<Unique>] Parts of number: int
    | [<Unique>] Part of number: int

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ -> SegmentImages.imagesUsage
            | Onnx _ -> "a file of `mcdrl export onnx`; it answers in the mode that it was exported for."
            | Device _ -> SegmentImages.onnxDeviceUsage
            | Out _ -> SegmentImages.outUsage
            | Recursive -> SegmentImages.recursiveUsage
            | Probabilities -> SegmentImages.probabilitiesUsage
            | Format _ -> SegmentImages.formatUsage
            | Threshold _ -> SegmentImages.thresholdUsage
            | Min_Area _ -> SegmentImages.minAreaUsage
            | List _ -> SegmentList.listUsage
            | Root _ -> SegmentList.rootUsage
            | Parts _ -> PartOfRun.partsUsage
            | Part _ -> PartOfRun.partUsage

/// `mcdrl segment --onnx` of the command that has no libtorch.
[<RequireQualifiedAccess>]
module OnnxSegmentVerb =
    let private request (arguments: ParseResults<OnnxSegmentArgument>) =
        SegmentImages.request
            (arguments.TryGetResult OnnxSegmentArgument.Threshold)
            (arguments.GetResult(OnnxSegmentArgument.Min_Area, 0L))
            (arguments.Contains OnnxSegmentArgument.Probabilities)

    let private runImages session images (arguments: ParseResults<OnnxSegmentArgument>) =
        result {
            let out = arguments.GetResult(OnnxSegmentArgument.Out, "segmented")
            let isDeep = arguments.Contains OnnxSegmentArgument.Recursive
            let! targets = SegmentTargets.plan isDeep images out

            let engine =
                SegmentImages.byOnnx
                    (arguments.TryGetResult OnnxSegmentArgument.Device)
                    (arguments.GetResult OnnxSegmentArgument.Onnx)

            let! request = request arguments

            let! formats =
                arguments.TryGetResult OnnxSegmentArgument.Format
                |> Option.map FormatNames.split
                |> Option.defaultValue []
                |> FormatNames.parse

            let leftOut = SegmentTargets.leftOut isDeep images out

            return!
                SegmentImages.run
                    session
                    engine
                    Images.readFirst
                    (SegmentImages.also formats out)
                    request
                    leftOut
                    targets
                    out
        }

    let private runList session (asked: SegmentList.Asked) list images arguments =
        result {
            do!
                SegmentList.refuseBesideList
                    images
                    [
                        "--recursive", (arguments: ParseResults<OnnxSegmentArgument>).Contains Recursive
                        "--format", arguments.Contains Format
                    ]

            let! request = request arguments

            return!
                SegmentList.run
                    session
                    asked
                    list
                    (fun () ->
                        SegmentList.ofOnnx
                            (arguments.TryGetResult OnnxSegmentArgument.Device)
                            (arguments.GetResult OnnxSegmentArgument.Onnx))
                    request
                    (arguments.GetResult(OnnxSegmentArgument.Out, "segmented"))
        }

    let private run session (arguments: ParseResults<OnnxSegmentArgument>) =
        let images = arguments.GetResults OnnxSegmentArgument.Images |> List.concat

        let asked: SegmentList.Asked =
            {
                List = arguments.TryGetResult OnnxSegmentArgument.List
                Root = arguments.TryGetResult OnnxSegmentArgument.Root
                Parts = arguments.TryGetResult OnnxSegmentArgument.Parts
                Part = arguments.TryGetResult OnnxSegmentArgument.Part
            }

        match asked.List, images with
        | Some list, _ -> runList session asked list images arguments
        | None, [] -> Error SegmentList.noImages
        | None, _ ->
            SegmentList.refuseWithoutList asked
            |> Result.bind (fun () -> runImages session images arguments)

    let verb =
        Verb.create<OnnxSegmentArgument>
            "segment"
            "marks lesions in images by an exported model: mask, overlay and report of each"
            run
