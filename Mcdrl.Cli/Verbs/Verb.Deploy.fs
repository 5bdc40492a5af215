namespace Mcdrl.Cli

open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

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

    /// A path as it is from everywhere, a name as it is.
    let private program (named: string) =
        if named.Contains '/' then Path.GetFullPath named else named

    let private planOf
        engine
        work
        (arguments: ParseResults<DeployArgument>)
        : Result<DeployPlan, McdrlError> =
        refuseOthers engine arguments
        |> Result.bind (fun () ->
            DeployPlan.check
                {
                    Name = arguments.GetResult(Name, "mcdrl")
                    Work = work
                    Parts = arguments.GetResult Parts
                    AtOnce = arguments.GetResult(At_Once, 4)
                    Minutes = arguments.GetResult(Minutes, 60)
                    Cpus = arguments.GetResult(Cpus, 2)
                    Memory = arguments.GetResult(Memory, 4)
                    Gpus = arguments.GetResult(Gpus, 0)
                    Program = program (arguments.GetResult(Program, "mcdrl"))
                    Modules =
                        arguments.TryGetResult Modules
                        |> Option.map (fun names -> List.ofArray (names.Split ','))
                        |> Option.defaultValue []
                    Image = arguments.TryGetResult Image
                    Partition = arguments.TryGetResult Partition
                    Claim =
                        arguments.TryGetResult Claim
                        |> Option.map (fun claim -> claim, arguments.GetResult(Mount, "/data"))
                })

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

    let private run (session: Session) (arguments: ParseResults<DeployArgument>) =
        result {
            let engine, words =
                match arguments.GetResult(Engine_And_Work, []) with
                | engine :: words -> engine, words
                | [] -> "", []

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

            let! work, survey = DeployedWork.ofWords words arguments
            let! plan = planOf engine work arguments
            let! found, number = survey session
            let folder = arguments.GetResult(To, Path.Combine("deploy", engine, work.Name))
            let files = filesOf plan

            let! _ = files |> Seq.map (write folder) |> Array.ofSeq |> McdrlError.complete

            for file in files do
                Session.say session (Path.Combine(folder, file.Name))

            Session.say session $"{found}; {plan.Minutes} minutes for each part."

            Session.emit
                session
                (Json.object
                    [
                        "engine", Json.text engine
                        "work", Json.text work.Name
                        "files",
                        Json.array [ for file in files -> Json.text (Path.Combine(folder, file.Name)) ]
                        "parts", Json.whole (int64 plan.Parts)
                        (if work.Name = "segment" then "images" else "runs"),
                        number |> Option.map Json.whole |> Option.defaultValue null
                    ])

            return 0
        }

    let verb =
        Verb.create<DeployArgument>
            "deploy"
            "writes what starts the parts of `segment --list` or of an experiment on a cluster: Slurm, Kubernetes, GNU parallel"
            run
