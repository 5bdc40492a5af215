namespace Mcdrl.Cli

open Argu
open Mcdrl

type EncodeArgument =
    | [<Unique>] Weights of path: string
    | [<Unique>] Text_Weights of folder: string
    | [<Unique>] Images of folder: string
    | [<Unique>] Tensors of file: string
    | [<Unique>] Prompts of file: string
    | [<Mandatory; Unique>] Out of file: string
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Weights _ ->
                "weights as safetensors, a file or its folder: CLIP ViT or ResNet (OpenAI, open_clip or Hugging Face names), or a torchvision ResNet-18, -34 or -50. For --images and --tensors."
            | Text_Weights _ ->
                "a sentence encoder, for --prompts: the folder of a BERT as Hugging Face publishes it (config.json, model.safetensors, vocab.txt), for instance all-MiniLM-L6-v2."
            | Images _ ->
                "encode the images in this folder and all below it; shorter side to the tower's input size, centre square, as CLIP does."
            | Tensors _ ->
                "encode the tensors of this safetensors file as they are: image [n,3,h,w], tokens [n,77], or both."
            | Prompts _ ->
                "encode the lines of this text file, a prompt each, as a table for --text of `mcdrl train` and `mcdrl experiment`."
            | Out _ ->
                "safetensors file to write: image_features, dense_plain, dense_maskclip, text_features, not normalised; of prompts, embeddings, rows of length 1."
            | Device _ -> "cpu (default), cuda, cuda:N or auto."

/// `mcdrl encode`: embeddings of images and texts.
[<RequireQualifiedAccess>]
module EncodeVerb =
    /// What to encode, and by which weights.
    let private source (arguments: ParseResults<EncodeArgument>) =
        let refuse what =
            Error(McdrlError.usage what "mcdrl encode" "See `mcdrl encode --help`")

        match
            arguments.TryGetResult EncodeArgument.Images,
            arguments.TryGetResult EncodeArgument.Tensors,
            arguments.TryGetResult EncodeArgument.Prompts,
            arguments.TryGetResult EncodeArgument.Weights,
            arguments.TryGetResult EncodeArgument.Text_Weights
        with
        | Some folder, None, None, Some weights, None -> Ok(EncodeSource.Images folder, weights)
        | None, Some file, None, Some weights, None -> Ok(EncodeSource.Tensors file, weights)
        | None, None, Some file, None, Some weights -> Ok(EncodeSource.Prompts file, weights)
        | None, None, Some _, _, _ -> refuse "--prompts needs --text-weights and takes no --weights"
        | Some _, None, None, _, _
        | None, Some _, None, _, _ ->
            refuse "--images and --tensors need --weights and take no --text-weights"
        | _ -> refuse "give one of --images, --tensors and --prompts"

    let private run session (arguments: ParseResults<EncodeArgument>) =
        source arguments
        |> Result.bind (fun (source, weights) ->
            let request =
                {
                    Weights = weights
                    Source = source
                    Out = arguments.GetResult EncodeArgument.Out
                    Device = arguments.GetResult(EncodeArgument.Device, "cpu")
                }

            ProgressBar.during session (Encoder.encode request)
            |> Result.map (fun report ->
                for name, shape in report.Written do
                    Session.say session $"{name, -16}{shapeText shape}"

                report.LeftOut |> Option.iter (Session.warn session)

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

    let verb = Verb.create "encode" "write embeddings of images and texts" run
