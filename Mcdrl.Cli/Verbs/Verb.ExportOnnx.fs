namespace Mcdrl.Cli

open Argu
open Mcdrl

type ExportOnnxArgument =
    | [<Unique>] Model of folder: string
    | [<Unique>] Mode of name: string
    | [<Unique>] Out of file: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | Mode _ ->
                "exact, feature-mean, nwgm or attention: what the file's probabilities are; not rendered, which takes several passes. Default: the model's own."
            | Out _ -> "ONNX file to write, weights inside, smaller than 2 GiB. Default: mcdrl.onnx."

/// `mcdrl export onnx`
[<RequireQualifiedAccess>]
module ExportOnnxVerb =
    let private tell session (found: OnnxReport) =
        let say = Session.say session
        let compared = found.Comparison
        let megabytes = float found.Bytes / 1e6

        say
            $"{found.File}: {megabytes:F1} MB, opset {found.Opset}, {found.Tower}, {Marginalisation.name found.Mode}"

        say $"  in   image [batch, 3, {found.InputSize}, {found.InputSize}], RGB in [0, 1]"

        say $"  out  probabilities [batch, {found.Classes.Length + 1}, {found.InputSize}, {found.InputSize}]"

        if not found.Conditions.IsEmpty then
            say $"       disagreement [batch, {found.InputSize}, {found.InputSize}]"
            say $"       influence [batch, {found.Conditions.Length}]"

        say
            $"ONNX Runtime against Mcdrl on {compared.Frames} frames: probabilities differ by at most {compared.Probabilities:E1}, masks in {compared.DifferingPixels} of {compared.Pixels} pixels. {Product.notice}"

    let private run session (arguments: ParseResults<ExportOnnxArgument>) =
        match
            arguments.TryGetResult ExportOnnxArgument.Mode
            |> Verb.valueOf "--mode" Marginalisation.parse
        with
        | Error fault -> Error fault
        | Ok mode ->
            ModelFolder.orEmbedded session (arguments.TryGetResult ExportOnnxArgument.Model)
            |> Result.bind (fun folder ->
                ProgressBar.during session (fun progress ->
                    VerifiedExport.run
                        {
                            Model = folder
                            Mode = mode
                            Out = arguments.GetResult(ExportOnnxArgument.Out, "mcdrl.onnx")
                        }
                        progress))
            |> Result.map (fun found ->
                tell session found
                Session.emit session (RecordJson.toObject found)
                0)

    let verb =
        Verb.create<ExportOnnxArgument>
            "export onnx"
            "write the whole segmenter as one ONNX file, checked in ONNX Runtime"
            run
