namespace Mcdrl.Cli

/// A plan as an array of Slurm, a part a task, and a job that merges after it.
[<RequireQualifiedAccess>]
module DeploySlurm =
    /// Seconds before its time is over that a task is asked to stop.
    let private notice (plan: DeployPlan) = min 120 (plan.Minutes * 30)

    /// As Slurm takes a time: days-hours:minutes:seconds.
    let private time minutes =
        $"{minutes / 1440}-{minutes / 60 % 24:D2}:{minutes % 60:D2}:00"

    let private script (plan: DeployPlan) what (options: string list) (words: string list) =
        [
            "#!/bin/bash"
            $"# Made by `mcdrl deploy slurm`: {what}"
            for option in options do
                $"#SBATCH {option}"
            for partition in Option.toList plan.Partition do
                $"#SBATCH --partition={partition}"
            // Not -u: what loads modules reads variables that aren't set.
            "set -e"
            for name in plan.Modules do
                $"module load {name}"
            $"export {DeployPlan.processors}=\"${{SLURM_CPUS_PER_TASK:-1}}\""
            "# In the shell's place, so that the signal reaches the command, which keeps what is done and exits with 130."
            $"exec {DeployPlan.line plan words}"
            ""
        ]
        |> String.concat "\n"

    let private array (plan: DeployPlan) =
        script
            plan
            "a task segments one part, which SLURM_ARRAY_TASK_ID tells. It may be started again at any time."
            [
                $"--job-name={plan.Name}"
                $"--array=0-{plan.Parts - 1}%%{plan.AtOnce}"
                $"--time={time plan.Minutes}"
                $"--cpus-per-task={plan.Cpus}"
                $"--mem={plan.Memory}G"
                if plan.Gpus > 0 then
                    $"--gres=gpu:{plan.Gpus}"
                "--requeue"
                "--open-mode=append"
                $"--signal=B:TERM@{notice plan}"
            ]
            (DeployPlan.segment plan)

    let private merge (plan: DeployPlan) =
        script
            plan
            "makes one file of all parts, or names those that are missing."
            [
                $"--job-name={plan.Name}-merge"
                $"--time={time (max 60 plan.Minutes)}"
                "--cpus-per-task=1"
                "--mem=2G"
                "--requeue"
                "--open-mode=append"
            ]
            (DeployPlan.merge plan)

    let private submit =
        [
            "#!/bin/sh"
            "# Made by `mcdrl deploy slurm`. Again, it begins those parts alone that are not done: a task whose part is done ends at once."
            "set -eu"
            "cd \"$(dirname \"$0\")\""
            "array=$(sbatch --parsable segment.sbatch)"
            "array=${array%%;*}"
            "merge=$(sbatch --parsable --dependency=\"afterok:$array\" --kill-on-invalid-dep=yes merge.sbatch)"
            "echo \"parts: job $array; merge: job ${merge%%;*}\""
            ""
        ]
        |> String.concat "\n"

    /// The scripts of the array and of the merge, and what submits both.
    let files (plan: DeployPlan) : DeployFile list =
        [
            {
                Name = "segment.sbatch"
                Text = array plan
                IsProgram = false
            }
            {
                Name = "merge.sbatch"
                Text = merge plan
                IsProgram = false
            }
            {
                Name = "submit.sh"
                Text = submit
                IsProgram = true
            }
        ]
