namespace Mcdrl.Cli

open System
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type BenchArgument =
    | [<Unique>] Model of folder: string
    | [<Unique>] Random of architecture: string
    | [<Unique>] Part of name: string list
    | [<Unique>] Mode of name: string list
    | [<Unique>] Precision of name: string list
    | [<Unique>] Batch of images: int list
    | [<Unique>] Rounds of number: int
    | [<Unique>] Threads of number: int
    | [<Unique>] Device of name: string
    | [<Unique>] Onnx_Device of name: string
    | [<Unique>] Provider_Option of setting: string list
    | [<Unique>] Cuda_Graph

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | Random _ ->
                let known = String.concat ", " NamedTower.names
                $"random weights on an architecture instead of a model: {known}."
            | Part _ -> "tower, segmenter or both. Default: both."
            | Mode _ -> "modes of the segmenter: exact, feature-mean, nwgm, attention. Default: all."
            | Precision _ ->
                let known =
                    BenchRequest.precisions
                    |> List.map PrecisionName.ofPrecision
                    |> String.concat ", "

                $"what our engine computes in: {known}. Default: all. ONNX Runtime computes in fp32."
            | Batch _ -> "images at once, one number or several. Default: 1 8."
            | Rounds _ -> "measurements of each, engines in turn. Default: 7."
            | Threads _ -> "threads of either engine. Default: one for each processor."
            | Device _ -> "what our engine computes on: cpu, cuda, cuda:N or auto. Default cpu."
            | Onnx_Device _ -> SegmentImages.onnxDeviceUsage
            | Provider_Option _ ->
                "options of ONNX Runtime's CUDA provider to try, as name=value, such as cudnn_conv_algo_search=HEURISTIC. Default: those that segment computes with."
            | Cuda_Graph ->
                "have ONNX Runtime replay each batch as one CUDA graph, with frames and answer at fixed places of the device's memory."

/// `mcdrl bench`
[<RequireQualifiedAccess>]
module BenchVerb =
    let private model session (arguments: ParseResults<BenchArgument>) =
        match arguments.TryGetResult BenchArgument.Model, arguments.TryGetResult Random with
        | Some _, Some _ ->
            Error(McdrlError.usage "--model doesn't go with --random" "mcdrl bench" "Leave one of them out")
        | None, Some architecture -> Ok(BenchModel.Random architecture)
        | folder, None -> ModelFolder.orEmbedded session folder |> Result.map BenchModel.Folder

    let private run session (arguments: ParseResults<BenchArgument>) =
        result {
            let! model = model session arguments

            let! request =
                BenchRequest.ofNames
                    model
                    (arguments.GetResult(Part, defaultValue = []))
                    (arguments.GetResult(BenchArgument.Mode, defaultValue = []))
                    (arguments.GetResult(Precision, defaultValue = []))
                    (arguments.GetResult(Batch, defaultValue = []))
                    (arguments.GetResult(Rounds, defaultValue = 7))
                    (arguments.GetResult(Threads, defaultValue = Environment.ProcessorCount))
                    (arguments.GetResult(BenchArgument.Device, defaultValue = "cpu"))
                |> Result.bind (
                    BenchRequest.against
                        (arguments.GetResult(Onnx_Device, defaultValue = "cpu"))
                        (arguments.GetResult(Provider_Option, defaultValue = []))
                        (arguments.Contains Cuda_Graph)
                )

            Session.say
                session
                $"Every part goes through a temporary ONNX file as large as the weights in {IO.Path.GetTempPath()}, deleted as soon as it is read."

            let! found = ProgressBar.during session (Bench.run request)

            for result in found.Results do
                Session.emit session (RecordJson.toObject result)

            BenchTable.show session found
            return 0
        }

    let verb =
        Verb.create<BenchArgument>
            "bench"
            "times a model's parts against ONNX Runtime and the machine's own limit"
            run
