namespace Mcdrl.Cli

open System
open System.IO
open System.Net
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type ServeArgument =
    | [<Unique>] Model of folder: string
    | [<Unique>] Onnx of file: string
    | [<Unique>] Device of name: string
    | [<Unique>] Host of address: string
    | [<Unique>] Port of number: int
    | [<Unique>] Token_File of file: string
    | Name of name: string
    | [<Unique>] Max_Pixels of millions: float
    | [<Unique>] Max_Body of megabytes: float
    | [<Unique>] Concurrency of requests: int
    | [<Unique>] Queue of requests: int

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | Onnx _ ->
                "serve a file of `mcdrl export onnx` in ONNX Runtime, without libtorch, in the mode it was exported for."
            | Device _ ->
                "what computes: cpu, cuda, cuda:N or auto (CUDA where there is all that it needs). Default cpu."
            | Host _ ->
                "the address to listen at. Default 127.0.0.1, which this machine alone reaches; any other needs a token."
            | Port _ -> "the port to listen at, 0 for one that is free. Default 8080."
            | Token_File _ ->
                "a file with the token that callers show as `Authorization: Bearer`. Default: the variable MCDRL_TOKEN, and none without it."
            | Name _ ->
                "a name that callers know this machine by, such as a proxy's; may be given several times."
            | Max_Pixels _ -> "millions of pixels of the largest image. Default 25."
            | Max_Body _ -> "megabytes of the largest request. Default 32."
            | Concurrency _ ->
                "requests that are computed at the same time, each on its share of the processors. Default: one a processor."
            | Queue _ ->
                "requests that wait for them; beyond, callers are told to come back (429). Default 64."

/// `mcdrl serve`
[<RequireQualifiedAccess>]
module ServeVerb =
    /// Where a token is looked for that no file holds.
    let private variable = "MCDRL_TOKEN"

    /// Bytes of a file that holds a token.
    let private longestToken = 4096L

    let private tokenOf (file: string option) =
        match file with
        | Some file -> Files.readText longestToken file |> Result.map (fun text -> Some(text.Trim()))
        | None -> Environment.GetEnvironmentVariable variable |> Option.ofObj |> Ok

    let private addressOf (text: string) =
        match IPAddress.TryParse(if text = "localhost" then "127.0.0.1" else text) with
        | true, address -> Ok(nonNull address)
        | false, _ ->
            Error(
                McdrlError.usage
                    "this is no address"
                    $"--host {text}"
                    "Give one of this machine's, such as 127.0.0.1, or 0.0.0.0 for all of them"
            )

    let private millions value = int64 (value * 1e6)

    let private settings (arguments: ParseResults<ServeArgument>) : Result<ServeSettings, McdrlError> =
        let standard = ServeSettings.standard

        result {
            let! address =
                arguments.TryGetResult ServeArgument.Host
                |> Option.map addressOf
                |> Option.defaultValue (Ok standard.Address)

            let! token = tokenOf (arguments.TryGetResult Token_File)

            return!
                ServeSettings.check
                    { standard with
                        Address = address
                        Port = arguments.GetResult(Port, standard.Port)
                        Token = token
                        Names = arguments.GetResults Name
                        AtOnce = arguments.GetResult(Concurrency, standard.AtOnce)
                        Waiting = arguments.GetResult(Queue, standard.Waiting)
                        Limits =
                            { standard.Limits with
                                MaxPixels =
                                    arguments.TryGetResult Max_Pixels
                                    |> Option.map millions
                                    |> Option.defaultValue standard.Limits.MaxPixels
                                MaxBytes =
                                    arguments.TryGetResult Max_Body
                                    |> Option.map millions
                                    |> Option.defaultValue standard.Limits.MaxBytes
                            }
                    }
        }

    let private byOnnx (settings: ServeSettings) device (file: string) : Result<ServedModel, McdrlError> =
        OnnxDevice.parse device
        |> Result.bind (fun device ->
            OnnxEngine.loadOn device file (max 1 (Environment.ProcessorCount / settings.AtOnce)))
        |> Result.map (fun exported ->
            {
                Name = ServedModel.nameOf (nonNull (Path.GetFileNameWithoutExtension file))
                Platform = "onnxruntime"
                Mode = exported.Facts.Mode
                Modes = [ exported.Facts.Mode ]
                Conditions = exported.Facts.Conditions
                InputSize = exported.Facts.InputSize
                Engine = OnnxEngine.engine exported
            })

    let private byTorch session device (folder: string option) : Result<ServedModel, McdrlError> =
        result {
            let! folder = ModelFolder.orEmbedded session folder
            let! segmenter = Segmenter.load folder device
            let method = segmenter.Manifest.Settings.Method

            let answers mode =
                Result.isOk (Segmenter.requireMode segmenter (Some mode))

            return
                {
                    Name = ServedModel.nameOf (DirectoryInfo(folder).Name)
                    Platform = "libtorch"
                    Mode = method.Marginalisation
                    Modes = Marginalisation.answering |> List.filter answers
                    Conditions = method.Conditions
                    InputSize = method.InputSize
                    Engine = Segmenter.engine segmenter
                }
        }

    let private run session (arguments: ParseResults<ServeArgument>) =
        result {
            let! settings = settings arguments

            let device = arguments.GetResult(ServeArgument.Device, "cpu")

            let! model =
                match arguments.TryGetResult Onnx, arguments.TryGetResult ServeArgument.Model with
                | Some _, Some _ ->
                    Error(
                        McdrlError.usage
                            "--onnx doesn't go with --model"
                            "mcdrl serve"
                            "Serve one of them; a second model is a second service"
                    )
                | Some file, None -> byOnnx settings device file
                | None, folder -> byTorch session device folder

            use _engine = model.Engine

            let started (address: string) =
                Session.say session $"Serving {model.Name} at {address}. Ctrl-C stops. {Product.notice}"

                Session.emit
                    session
                    (Json.object [ "address", Json.text address; "model", Json.text model.Name ])

            do! Interruption.finishes (fun () -> Service.run settings model started session.Cancel)
            Session.say session "Stopped; every request that was under way is answered."
            return 0
        }

    let verb =
        Verb.create<ServeArgument>
            "serve"
            "answers in a browser and over HTTP: a page, REST, KServe's protocol"
            run
