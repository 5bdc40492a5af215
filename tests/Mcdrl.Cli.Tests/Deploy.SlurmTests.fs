module Mcdrl.Cli.Tests.DeploySlurmTests

open System.IO
open Expecto
open Mcdrl.Cli
open Mcdrl.Cli.Tests.DeployPlanTests
open Mcdrl.Tests

let private text name plan =
    DeploySlurm.files plan |> List.find (fun file -> file.Name = name) |> _.Text

let private options (script: string) =
    [
        for line in script.Split '\n' do
            if line.StartsWith "#SBATCH " then
                line.Substring 8
    ]

let tests =
    testList
        "DeploySlurm"
        [
            testCase "the array: a task a part, requeued, told to stop, its log kept"
            <| fun () ->
                Expect.equal
                    (options (text "segment.sbatch" plan))
                    [
                        "--job-name=polyps-1"
                        "--array=0-19%3"
                        "--time=1-01:01:00"
                        "--cpus-per-task=2"
                        "--mem=6G"
                        "--requeue"
                        "--open-mode=append"
                        "--signal=B:TERM@120"
                    ]
                    "options"

                let more =
                    options (
                        text
                            "segment.sbatch"
                            { plan with
                                Gpus = 2
                                Partition = Some "gpu"
                                Minutes = 1
                            }
                    )

                for option in [ "--gres=gpu:2"; "--partition=gpu"; "--time=0-00:01:00"; "--signal=B:TERM@30" ] do
                    Expect.contains more option "asked for"

            testCase
                "the words reach the command as they are, in the shell's place, with the task's processors"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let script = text "segment.sbatch" plan
                    let calls = called folder [ "SLURM_CPUS_PER_TASK", "3" ] script
                    Expect.equal calls [ segmentWords ] "the part is what the scheduler says"
                    Expect.stringContains script "\nexec mcdrl segment" "exec"

                    let processors = { plan with Program = "printenv" } |> text "segment.sbatch"

                    Expect.stringContains
                        processors
                        "DOTNET_PROCESSOR_COUNT=\"${SLURM_CPUS_PER_TASK:-1}\""
                        "processors")

                Folder.temporary (fun folder ->
                    Expect.equal (called folder [] (text "merge.sbatch" plan)) [ mergeWords ] "the merge")

            testCase "modules before it, and a container around it with the folders that it needs"
            <| fun () ->
                Folder.temporary (fun folder ->
                    program folder "apptainer" "exec mcdrl apptainer \"$@\"\n"

                    let contained =
                        { plan with
                            Root = "/images of c1"
                            Image = Some "/images/mcdrl.sif"
                            Gpus = 1
                            Modules = [ "apptainer/1.1"; "cuda" ]
                        }

                    let script = text "segment.sbatch" contained
                    let calls = called folder [] ("module() { mcdrl module \"$@\"; }\n" + script)

                    Expect.equal
                        calls
                        [
                            [ "module"; "load"; "apptainer/1.1" ]
                            [ "module"; "load"; "cuda" ]
                            [ "apptainer"; "exec"; "--nv" ]
                            @ [
                                "--bind"
                                "/archive"
                                "--bind"
                                "/images of c1"
                                "/images/mcdrl.sif"
                                "mcdrl"
                            ]
                            @ (segmentWords
                               |> List.map (fun word -> if word = plan.Root then "/images of c1" else word))
                        ]
                        "calls")

            testCase "both are submitted, the merge after the array"
            <| fun () ->
                Folder.temporary (fun folder ->
                    program folder "sbatch" "mcdrl sbatch \"$@\"; echo '17;cluster'\n"
                    let calls = called folder [] (text "submit.sh" plan)

                    Expect.equal
                        calls
                        [
                            [ "sbatch"; "--parsable"; "segment.sbatch" ]
                            [
                                "sbatch"
                                "--parsable"
                                "--dependency=afterok:17"
                                "--kill-on-invalid-dep=yes"
                            ]
                            @ [ "merge.sbatch" ]
                        ]
                        "calls")
        ]
