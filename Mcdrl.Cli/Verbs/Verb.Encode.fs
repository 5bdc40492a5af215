namespace Mcdrl.Cli

open Argu
open Mcdrl

type EncodeArgument =
    | [<Mandatory; Unique>] Weights of path: string
    | [<Unique>] Images of folder: string
    | [<Unique>] Tensors of file: string
    | [<Mandatory; Unique>] Out of file: string
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Weights _ ->
                "weights as safetensors, a file or its folder: CLIP ViT or ResNet (OpenAI, open_clip or Hugging Face names), or a torchvision ResNet-50."
            | Images _ ->
                "encode the images in this folder; shorter side to the tower's input size, centre square, as CLIP does."
            | Tensors _ ->
                "encode the tensors of this safetensors file as they are: image [n,3,h,w], tokens [n,77], or both."
            | Out _ ->
                "safetensors file to write: image_features, dense_plain, dense_maskclip, text_features, not normalised."
            | Device _ -> "cpu (default), cuda, cuda:N or auto."

/// `mcdrl encode`: embeddings of images and texts.
[<RequireQualifiedAccess>]
module EncodeVerb =
    let private source (arguments: ParseResults<EncodeArgument>) =
        match arguments.TryGetResult EncodeArgument.Images, arguments.TryGetResult EncodeArgument.Tensors with
        | Some folder, None -> Ok(EncodeSource.Images folder)
        | None, Some file -> Ok(EncodeSource.Tensors file)
        | None, None
        | Some _, Some _ ->
            Error(
                McdrlError.usage
                    "give either --images or --tensors"
                    "mcdrl encode"
                    "See `mcdrl encode --help`"
            )

    let private run session (arguments: ParseResults<EncodeArgument>) =
        source arguments
        |> Result.bind (fun source ->
            let request =
                {
                    Weights = arguments.GetResult EncodeArgument.Weights
                    Source = source
                    Out = arguments.GetResult EncodeArgument.Out
                    Device = arguments.GetResult(EncodeArgument.Device, "cpu")
                }

            ProgressBar.during session (Encoder.encode request)
            |> Result.map (fun report ->
                for name, shape in report.Written do
                    Session.say session $"{name, -16}{shapeText shape}"

                for _, error in report.Failed do
                    Session.warn session (Flags.describe error)

                Session.emit
                    session
                    (Json.object
                        [
                            "out", Json.text request.Out
                            "tower", Json.text report.Tower
                            "tensors",
                            Json.object
                                [
                                    for name, shape in report.Written ->
                                        name, Json.array (List.map Json.whole shape)
                                ]
                            "failed", Json.array [ for path, _ in report.Failed -> Json.text path ]
                        ])

                if report.Failed.IsEmpty then 0 else 1))

    let verb = Verb.create "encode" "write CLIP embeddings of images and texts" run
