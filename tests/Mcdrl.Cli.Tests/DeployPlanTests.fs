module Mcdrl.Cli.Tests.DeployPlanTests

open System.Diagnostics
open System.IO
open Expecto
open Mcdrl.Cli
open Mcdrl.Tests

/// A plan whose paths hold everything that shells and YAML read otherwise.
let plan: DeployPlan =
    {
        Name = "polyps-1"
        List = "/archive/it's a \"list\" $HOME `x` {} #.txt"
        Root = "/archive/r oo't: [1]"
        Out = "/archive/results & more"
        Parts = 20
        AtOnce = 3
        Minutes = 1501
        Cpus = 2
        Memory = 6
        Gpus = 0
        Model = Some "/archive/the model"
        Asked = [ "--model"; "/archive/the model"; "--threshold"; "0.4" ]
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
        plan.List
        "--root"
        plan.Root
        "--out"
        plan.Out
        "--parts"
        "20"
        "--model"
        "/archive/the model"
        "--threshold"
        "0.4"
    ]

let mergeWords = [ "merge"; "--out"; plan.Out; "--list"; plan.List ]

/// Writes a program into a folder `bin`, where `called` finds it.
let program (folder: string) name (text: string) =
    let path =
        Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName, name)

    File.WriteAllText(path, "#!/bin/bash\n" + text)
    File.SetUnixFileMode(path, enum<UnixFileMode> 0o755)

/// Every call of `mcdrl` (and what else logs as it does) that a script makes in a folder, as words, in the order in which they were made.
let called (folder: string) variables (script: string) : string list list =
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
    Expect.equal child.ExitCode 0 "the script ends well"

    [
        for line in File.ReadAllText(log).Split("\000\n") do
            if line <> "" then
                List.ofArray (line.Split '\000')
    ]

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
                        Out = "/a\nb"
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
                Outcome.ok (DeployPlan.check { inPod with Root = "/archive" }) |> ignore

                DeployPlan.check
                    { inPod with
                        Model = Some "/models/m"
                        Out = "/archive2/out"
                    }
                |> Outcome.refusedWith 2 [ "--model"; "--out: /archive2/out is not in /archive" ]

            testCase "the folders that must be seen, none of them within another"
            <| fun () ->
                Expect.equal (DeployPlan.folders plan) [ "/archive" ] "one holds all"

                Expect.equal
                    (DeployPlan.folders
                        { plan with
                            Out = "/results/"
                            Root = "/archive2"
                            Model = None
                        })
                    [ "/archive"; "/archive2"; "/results" ]
                    "several"

                Expect.equal (DeployPlan.folders { plan with List = "/list.txt" }) [ "/" ] "all"
        ]
