namespace Mcdrl.Cli

open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DeployArgument =
    | [<MainCommand; ExactlyOnce>] Engine of name: string
    | [<Mandatory; Unique>] List of file: string
    | [<Unique>] Root of folder: string
    | [<Mandatory; Unique>] Out of folder: string
    | [<Mandatory; Unique>] Parts of number: int
    | [<Unique>] Model of folder: string
    | [<Unique>] Onnx of file: string
    | [<Unique>] Mode of name: string
    | [<Unique>] Device of name: string
    | [<Unique>] Precision of name: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64
    | [<Unique>] Probabilities
    | [<Unique>] Explain
    | [<Unique>] At_Once of parts: int
    | [<Unique>] Minutes of number: int
    | [<Unique>] Cpus of number: int
    | [<Unique>] Memory of gigabytes: int
    | [<Unique>] Gpus of number: int
    | [<Unique>] Program of path: string
    | [<Unique>] Modules of names: string
    | [<Unique>] Image of name: string
    | [<Unique>] Partition of name: string
    | [<Unique>] Claim of name: string
    | [<Unique>] Mount of folder: string
    | [<Unique>] Name of name: string
    | [<Unique>] To of folder: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Engine _ -> "slurm (an array), k8s (an Indexed Job) or parallel (GNU parallel, one machine)."
            | List _ ->
                "the list of `mcdrl segment --list`, where the processes see it. If it is here too, it is checked."
            | Root _ -> SegmentList.rootUsage
            | Out _ -> "where results go; all processes must see it."
            | Parts _ ->
                "into how many parts the list is divided. Slurm takes 1001 unless its MaxArraySize says otherwise."
            | Model _ ->
                "the model's folder, where the processes see it. Default: the one that comes with Mcdrl."
            | Onnx _ -> "an exported model in its place."
            | Mode _
            | Precision _
            | Threshold _
            | Min_Area _
            | Probabilities
            | Explain -> "as of `mcdrl segment`."
            | Device _ -> "as of `mcdrl segment`. Default: cuda with --gpus, else cpu."
            | At_Once _ -> "how many parts are worked on at once. Default 4."
            | Minutes _ -> "how long a part may take; what it did by then is kept. Default 60."
            | Cpus _ -> "processors of a part. Default 2."
            | Memory _ -> "memory of a part in GiB. Default 4."
            | Gpus _ -> "graphics cards of a part. Default 0."
            | Program _ -> "the command, by its name or path there. Default mcdrl."
            | Modules _ -> "environment modules that are loaded first, with commas (slurm, parallel)."
            | Image _ ->
                "the image of a container that the command is in; needed for k8s. Slurm and parallel run it by Apptainer."
            | Partition _ -> "Slurm's partition."
            | Claim _ -> "the PersistentVolumeClaim that holds list, images, model and results (k8s)."
            | Mount _ -> "the folder at which the pods see the claim. Default /data."
            | Name _ -> "what the engine calls it. Default mcdrl."
            | To _ -> "the folder that the files are written to. Default: deploy/ENGINE."

/// `mcdrl deploy`
[<RequireQualifiedAccess>]
module DeployVerb =
    /// What makes files of a plan.
    let private engines =
        [
            "slurm", DeploySlurm.files
            "parallel", DeployParallel.files
            "k8s", DeployKubernetes.files
        ]

    /// Flags that say nothing to an engine.
    let private refuseOthers engine (arguments: ParseResults<DeployArgument>) =
        let given =
            [
                "--modules", arguments.Contains Modules, [ "slurm"; "parallel" ]
                "--partition", arguments.Contains Partition, [ "slurm" ]
                "--claim", arguments.Contains Claim, [ "k8s" ]
                "--mount", arguments.Contains Mount, [ "k8s" ]
            ]
            |> List.tryFind (fun (_, isGiven, takers) -> isGiven && not (List.contains engine takers))

        match given with
        | Some(flag, _, takers) ->
            let listed = String.concat " and " takers
            Error(McdrlError.usage $"it goes with {listed}" flag "Leave it out")
        | None when engine = "k8s" && not (arguments.Contains Image && arguments.Contains Claim) ->
            Error(
                McdrlError.usage
                    "pods need the image that the command is in, and the volume that all of them see"
                    "mcdrl deploy k8s"
                    "Give --image and --claim"
            )
        | None -> Ok()

    /// What is asked of each image, as words of `mcdrl segment`.
    let private asked (arguments: ParseResults<DeployArgument>) model gpus =
        let text flag (value: string option) =
            value |> Option.map (fun value -> [ flag; value ]) |> Option.defaultValue []

        let number (value: float) =
            value.ToString("R", System.Globalization.CultureInfo.InvariantCulture)

        let device =
            match arguments.TryGetResult Device with
            | None when gpus > 0 -> Some "cuda"
            | device -> device

        [
            yield! text (if arguments.Contains Onnx then "--onnx" else "--model") model
            yield! text "--mode" (arguments.TryGetResult Mode)
            yield! text "--device" device
            yield! text "--precision" (arguments.TryGetResult Precision)
            yield! text "--threshold" (arguments.TryGetResult Threshold |> Option.map number)
            yield! text "--min-area" (arguments.TryGetResult Min_Area |> Option.map string)
            if arguments.Contains Probabilities then
                "--probabilities"
            if arguments.Contains Explain then
                "--explain"
        ]

    /// A path as it is from everywhere, a name as it is.
    let private program (named: string) =
        if named.Contains '/' then Path.GetFullPath named else named

    let private planOf engine (arguments: ParseResults<DeployArgument>) : Result<DeployPlan, McdrlError> =
        result {
            do! refuseOthers engine arguments
            let! _ = arguments.TryGetResult Mode |> Verb.valueOf "--mode" Marginalisation.parse

            let! _ =
                SegmentImages.request
                    (arguments.TryGetResult Threshold)
                    (arguments.GetResult(Min_Area, 0L))
                    false

            let list = Path.GetFullPath(arguments.GetResult List)

            let model =
                arguments.TryGetResult Model
                |> Option.orElse (arguments.TryGetResult Onnx)
                |> Option.map Path.GetFullPath

            let gpus = arguments.GetResult(Gpus, 0)

            do!
                if arguments.Contains Model && arguments.Contains Onnx then
                    Error(McdrlError.usage "--onnx doesn't go with --model" "mcdrl deploy" "Give one of them")
                else
                    Ok()

            let mount = arguments.GetResult(Mount, "/data")

            return!
                DeployPlan.check
                    {
                        Name = arguments.GetResult(Name, "mcdrl")
                        List = list
                        Root =
                            arguments.TryGetResult Root
                            |> Option.map Path.GetFullPath
                            |> Option.defaultWith (fun () -> nonNull (Path.GetDirectoryName list))
                        Out = Path.GetFullPath(arguments.GetResult Out)
                        Parts = arguments.GetResult Parts
                        AtOnce = arguments.GetResult(At_Once, 4)
                        Minutes = arguments.GetResult(Minutes, 60)
                        Cpus = arguments.GetResult(Cpus, 2)
                        Memory = arguments.GetResult(Memory, 4)
                        Gpus = gpus
                        Model = model
                        Asked = asked arguments model gpus
                        Program = program (arguments.GetResult(Program, "mcdrl"))
                        Modules =
                            arguments.TryGetResult Modules
                            |> Option.map (fun names -> List.ofArray (names.Split ','))
                            |> Option.defaultValue []
                        Image = arguments.TryGetResult Image
                        Partition = arguments.TryGetResult Partition
                        Claim = arguments.TryGetResult Claim |> Option.map (fun claim -> claim, mount)
                    }
        }

    let private executable =
        UnixFileMode.UserRead
        ||| UnixFileMode.UserWrite
        ||| UnixFileMode.UserExecute
        ||| UnixFileMode.GroupRead
        ||| UnixFileMode.GroupExecute
        ||| UnixFileMode.OtherRead
        ||| UnixFileMode.OtherExecute

    let private write (folder: string) (file: DeployFile) =
        let path = Path.Combine(folder, file.Name)

        Files.writeText path file.Text
        |> Result.bind (fun () ->
            Files.attempt path (fun () ->
                if file.IsProgram && not (System.OperatingSystem.IsWindows()) then
                    File.SetUnixFileMode(path, executable)))

    /// What a list that is here holds; one that isn't is checked by whoever reads it.
    let private survey (session: Session) (plan: DeployPlan) =
        if File.Exists plan.List then
            ImageList.survey Part.whole plan.List (Progress.until session.Cancel)
            |> Result.map (fun found -> Some found.Images)
        else
            Ok None

    let private run (session: Session) (arguments: ParseResults<DeployArgument>) =
        result {
            let engine = arguments.GetResult Engine

            let! filesOf =
                engines
                |> List.tryFind (fun (name, _) -> name = engine)
                |> Option.map snd
                |> Result.requireSome (
                    McdrlError.usage
                        "there is no such engine"
                        $"mcdrl deploy {engine}"
                        $"{Spelling.hint (List.map fst engines) engine}Choose slurm, k8s or parallel"
                )

            let! plan = planOf engine arguments
            let! images = survey session plan
            let folder = arguments.GetResult(To, Path.Combine("deploy", engine))
            let files = filesOf plan

            let! _ = files |> Seq.map (write folder) |> Array.ofSeq |> McdrlError.complete

            for file in files do
                Session.say session (Path.Combine(folder, file.Name))

            match images with
            | Some images ->
                Session.say
                    session
                    $"{images} images in {plan.Parts} parts: about {(images + int64 plan.Parts - 1L) / int64 plan.Parts} a part, {plan.Minutes} minutes for them."
            | None -> Session.say session $"{plan.List} is not here: it was not checked."

            Session.emit
                session
                (Json.object
                    [
                        "engine", Json.text engine
                        "files",
                        Json.array [ for file in files -> Json.text (Path.Combine(folder, file.Name)) ]
                        "parts", Json.whole (int64 plan.Parts)
                        "images", images |> Option.map Json.whole |> Option.defaultValue null
                    ])

            return 0
        }

    let verb =
        Verb.create<DeployArgument>
            "deploy"
            "writes what starts the parts of `segment --list` on a cluster: Slurm, Kubernetes, GNU parallel"
            run
