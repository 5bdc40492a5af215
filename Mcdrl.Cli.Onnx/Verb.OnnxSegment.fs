namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type OnnxSegmentArgument =
    | [<MainCommand; Mandatory>] Images of path: string list
    | [<Mandatory; Unique>] Onnx of file: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Recursive
    | [<Unique>] Probabilities
    | [<Unique>] Format of names: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ -> SegmentImages.imagesUsage
            | Onnx _ -> "a file of `mcdrl export onnx`; it answers in the mode that it was exported for."
            | Out _ -> SegmentImages.outUsage
            | Recursive -> SegmentImages.recursiveUsage
            | Probabilities -> SegmentImages.probabilitiesUsage
            | Format _ -> SegmentImages.formatUsage
            | Threshold _ -> SegmentImages.thresholdUsage
            | Min_Area _ -> SegmentImages.minAreaUsage

/// `mcdrl segment --onnx` of the command that has no libtorch.
[<RequireQualifiedAccess>]
module OnnxSegmentVerb =
    let private run session (arguments: ParseResults<OnnxSegmentArgument>) =
        result {
            let out = arguments.GetResult(OnnxSegmentArgument.Out, "segmented")
            let images = arguments.GetResults OnnxSegmentArgument.Images |> List.concat
            let isDeep = arguments.Contains OnnxSegmentArgument.Recursive
            let! targets = SegmentTargets.plan isDeep images out
            let engine = SegmentImages.byOnnx (arguments.GetResult OnnxSegmentArgument.Onnx)

            let! request =
                SegmentImages.request
                    (arguments.TryGetResult OnnxSegmentArgument.Threshold)
                    (arguments.GetResult(OnnxSegmentArgument.Min_Area, 0L))
                    (arguments.Contains OnnxSegmentArgument.Probabilities)

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

    let verb =
        Verb.create<OnnxSegmentArgument>
            "segment"
            "marks lesions in images by an exported model: mask, overlay and report of each"
            run
