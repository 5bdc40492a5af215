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
                        "--signal=B:USR1@120"
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

                for option in [ "--gres=gpu:2"; "--partition=gpu"; "--time=0-00:01:00"; "--signal=B:USR1@30" ] do
                    Expect.contains more option "asked for"

            testCase "the words reach the command as they are, with the task's processors"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let script = text "segment.sbatch" plan
                    let calls = called folder [ "SLURM_CPUS_PER_TASK", "3" ] script
                    Expect.equal calls [ segmentWords ] "the part is what the scheduler says"

                    let processors = { plan with Program = "printenv" } |> text "segment.sbatch"

                    Expect.stringContains
                        processors
                        "DOTNET_PROCESSOR_COUNT=\"${SLURM_CPUS_PER_TASK:-1}\""
                        "processors")

                Folder.temporary (fun folder ->
                    let merge = text "merge.sbatch" plan
                    Expect.equal (called folder [] merge) [ mergeWords ] "the merge"
                    Expect.stringContains merge "\nexec mcdrl merge" "in the shell's place")

            testCase "modules before it, and a container around it with the folders that it needs"
            <| fun () ->
                Folder.temporary (fun folder ->
                    program folder "apptainer" "exec mcdrl apptainer \"$@\"\n"

                    let contained =
                        { plan with
                            Work =
                                imagesOf
                                    "/images of c1"
                                    (Some "/archive/the model")
                                    "/archive/results & more"
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
                               |> List.map (fun word -> if word = root then "/images of c1" else word))
                        ]
                        "calls")

            testCase
                "its time over, the task goes back into the queue; unwanted, failed or too often, it doesn't"
            <| fun () ->
                // What a command does at SIGTERM: it keeps what is done and says so. It tells its parent, the script's shell, when it is ready.
                let stops code =
                    $"trap 'kill $! 2> /dev/null; exit {code}' TERM; kill -$SENT $PPID; sleep 60 > /dev/null & wait $!\n"

                for signal, does, restarts, expected, isBack in
                    [
                        "USR1", stops 130, None, 130, true
                        "USR1", stops 130, Some 99, 130, true
                        "USR1", stops 130, Some 100, 130, false
                        // Done just before it would have been stopped.
                        "USR1", "trap '' TERM; kill -USR1 $PPID; exit 0\n", None, 0, false
                        "USR1", stops 5, None, 5, false
                        "TERM", stops 130, None, 130, false
                        "none", "exit 3\n", None, 3, false
                    ] do
                    Folder.temporary (fun folder ->
                        program folder "scontrol" "mcdrl scontrol \"$@\"\n"
                        program folder "working" does

                        let variables =
                            [
                                "SENT", signal
                                "SLURM_ARRAY_JOB_ID", "17"
                                "SLURM_ARRAY_TASK_ID", "4"
                                for count in Option.toList restarts do
                                    "SLURM_RESTART_COUNT", string count
                            ]

                        let script = text "segment.sbatch" { plan with Program = "working" }
                        let code, calls = ended folder variables script
                        let what = $"{signal}, {does}, {restarts}"
                        Expect.equal code expected what

                        let back = [ [ "scontrol"; "requeue"; "17_4" ] ]
                        Expect.equal calls (if isBack then back else []) what)

            testCase "both are submitted, the merge after the array; a report whatever came of it"
            <| fun () ->
                for plan, parts, last in
                    [
                        plan,
                        "segment",
                        [ "--dependency=afterok:17"; "--kill-on-invalid-dep=yes"; "merge.sbatch" ]
                        ofExperiment, "experiment", [ "--dependency=afterany:17"; "report.sbatch" ]
                    ] do
                    Folder.temporary (fun folder ->
                        program folder "sbatch" "mcdrl sbatch \"$@\"; echo '17;cluster'\n"
                        let calls = called folder [] (text "submit.sh" plan)

                        Expect.equal
                            calls
                            [
                                [ "sbatch"; "--parsable"; $"{parts}.sbatch" ]
                                [ "sbatch"; "--parsable" ] @ last
                            ]
                            parts)

            testCase "an experiment: its runs in parts on what computes there, its report on the processor"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let call name =
                        called folder [] (text name ofExperiment) |> List.last

                    Expect.equal (call "experiment.sbatch") experimentWords "a part"
                    Expect.equal (call "report.sbatch") reportWords "the report"

                    let resources = options (text "report.sbatch" { ofExperiment with Gpus = 1 })
                    Expect.contains resources "--cpus-per-task=2" "as many as a part, to draw its pictures"
                    Expect.contains resources "--mem=6G" "as much"
                    Expect.isFalse (resources |> List.exists (fun option -> option.Contains "gpu")) "no card")
        ]
