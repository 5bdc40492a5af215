module Mcdrl.Cli.Tests.DeployPlanTests

open System.Diagnostics
open System.IO
open Expecto
open Mcdrl.Cli
open Mcdrl.Tests

let private list = "/archive/it's a \"list\" $HOME `x` {} #.txt"

/// The folder that the list's paths begin in, whose name holds what shells and YAML read otherwise, as the list's does.
let root = "/archive/r oo't: [1]"

let private out = "/archive/results & more"

/// A list's images below a folder, by a model and into a folder.
let imagesOf root model out =
    DeployWork.segment
        list
        root
        out
        (model |> Option.map (fun path -> "--model", path))
        [ "--threshold"; "0.4" ]

/// A plan whose paths hold everything that shells and YAML read otherwise.
let plan: DeployPlan =
    {
        Name = "polyps-1"
        Work = imagesOf root (Some "/archive/the model") out
        Parts = 20
        AtOnce = 3
        Minutes = 1501
        Cpus = 2
        Memory = 6
        Gpus = 0
        Program = "mcdrl"
        Modules = []
        Image = None
        Partition = None
        Claim = None
    }

/// What a part is to be called with, less its number.
let segmentWords =
    [
        "segment"
        "--list"
        list
        "--root"
        root
        "--out"
        out
        "--model"
        "/archive/the model"
        "--threshold"
        "0.4"
        "--parts"
        "20"
    ]

let mergeWords = [ "merge"; "--out"; out; "--list"; list ]

let private callWords =
    [ "table3"; "--data"; "/archive/da ta"; "--weights"; "/weights/w.safetensors" ]

/// The same plan for an experiment's runs.
let ofExperiment =
    { plan with
        Work =
            DeployWork.experiment
                callWords
                [
                    DeployPlace.folder "--data" "/archive/da ta"
                    DeployPlace.file "--weights" "/weights/w.safetensors"
                ]
                out
                (Some "cuda")
    }

let experimentWords =
    "experiment" :: callWords
    @ [ "--out"; out; "--device"; "cuda"; "--parts"; "20" ]

let reportWords = "experiment" :: callWords @ [ "--out"; out; "--report-only" ]

/// Writes a program into a folder `bin`, where `called` finds it.
let program (folder: string) name (text: string) =
    let path =
        Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName, name)

    File.WriteAllText(path, "#!/bin/bash\n" + text)
    File.SetUnixFileMode(path, enum<UnixFileMode> 0o755)

/// The exit code of a script in a folder, and every call of `mcdrl` (and what else logs as it does) that it makes, as words, in the order in
/// which they were made.
let ended (folder: string) variables (script: string) : int * string list list =
    let log = Path.Combine(folder, "calls")

    program
        folder
        "mcdrl"
        $"{{ printf '%%s\\0' \"$@\"; printf '\\n'; }} > \"{log}.$$\"; cat \"{log}.$$\" >> \"{log}\"\n"

    File.WriteAllText(Path.Combine(folder, "script.sh"), script)

    let info =
        ProcessStartInfo(
            "bash",
            [ Path.Combine(folder, "script.sh") ],
            WorkingDirectory = folder,
            RedirectStandardOutput = true
        )

    info.Environment["PATH"] <- $"""{Path.Combine(folder, "bin")}:{info.Environment["PATH"]}"""

    for name, value in variables do
        info.Environment[name] <- value

    use child = nonNull (Process.Start info)
    child.StandardOutput.ReadToEnd() |> ignore
    child.WaitForExit()

    child.ExitCode,
    [
        if File.Exists log then
            for line in File.ReadAllText(log).Split("\000\n") do
                if line <> "" then
                    List.ofArray (line.Split '\000')
    ]

/// The calls of a script that ends well.
let called folder variables script : string list list =
    let code, calls = ended folder variables script
    Expect.equal code 0 "the script ends well"
    calls

let tests =
    testList
        "DeployPlan"
        [
            testCase "a plan within its limits is taken, and all that isn't is told at once"
            <| fun () ->
                Outcome.ok (DeployPlan.check plan) |> ignore

                DeployPlan.check
                    { plan with
                        Parts = 0
                        AtOnce = 0
                        Minutes = 0
                        Cpus = 0
                        Memory = 0
                        Gpus = -1
                        Name = "Polyps"
                        Modules = [ "a b" ]
                        Partition = Some "a;b"
                        Work = imagesOf root None "/a\nb"
                    }
                |> Outcome.refusedWith
                    2
                    [
                        "“parts”"
                        "--at-once"
                        "--minutes"
                        "--cpus"
                        "--memory"
                        "--gpus"
                        "--name Polyps"
                        "--modules a b"
                        "--partition a;b"
                        "--out"
                    ]

            testCase "pods see their volume alone, and containers what can be bound"
            <| fun () ->
                let inPod =
                    { plan with
                        Image = Some "mcdrl:1"
                        Claim = Some("archive", "/archive")
                    }

                // A colon would end the path where a folder is bound.
                DeployPlan.check { inPod with Claim = None }
                |> Outcome.refusedWith 2 [ "--root"; "colon" ]

                Outcome.ok (DeployPlan.check inPod) |> ignore

                Outcome.ok (
                    DeployPlan.check
                        { inPod with
                            Work = imagesOf "/archive" None out
                        }
                )
                |> ignore

                DeployPlan.check
                    { inPod with
                        Work = imagesOf root (Some "/models/m") "/archive2/out"
                    }
                |> Outcome.refusedWith 2 [ "--model"; "--out: /archive2/out is not in /archive" ]

            testCase "the folders that must be seen, none of them within another"
            <| fun () ->
                Expect.equal (DeployPlan.folders plan) [ "/archive" ] "one holds all"

                Expect.equal
                    (DeployPlan.folders
                        { plan with
                            Work = imagesOf "/archive2" None "/results/"
                        })
                    [ "/archive"; "/archive2"; "/results" ]
                    "several"

                Expect.equal
                    (DeployPlan.folders
                        { plan with
                            Work = DeployWork.segment "/list.txt" root out None []
                        })
                    [ "/" ]
                    "all"

                Expect.equal
                    (DeployPlan.folders ofExperiment)
                    [ "/archive/da ta"; "/weights"; "/archive/results & more" ]
                    "of an experiment: a folder itself, of a file the folder around it"
        ]
