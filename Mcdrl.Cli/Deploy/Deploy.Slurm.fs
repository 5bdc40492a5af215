namespace Mcdrl.Cli

/// A plan as an array of Slurm, a part a task, and a job for what follows.
[<RequireQualifiedAccess>]
module DeploySlurm =
    /// Seconds before its time is over that a task is asked to stop.
    let private notice (plan: DeployPlan) = min 120 (plan.Minutes * 30)

    /// How often a task goes back into the queue because its time was over: what never gets on must end.
    let private returns = 100

    /// As Slurm takes a time: days-hours:minutes:seconds.
    let private time minutes =
        $"{minutes / 1440}-{minutes / 60 % 24:D2}:{minutes % 60:D2}:00"

    let private script (plan: DeployPlan) what (options: string list) (lines: string list) =
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
            yield! lines
            ""
        ]
        |> String.concat "\n"

    let private array (plan: DeployPlan) =
        script
            plan
            $"a task {plan.Work.Does}, which SLURM_ARRAY_TASK_ID tells. It may be started again at any time."
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
                $"--signal=B:USR1@{notice plan}"
            ]
            [
                "# USR1: its time is nearly over. TERM: it is not wanted here. By either the command keeps what is done and exits with 130; after the"
                "# first the task goes back into the queue."
                "over= told="
                "trap 'over=yes told=yes; kill -TERM \"$!\" || true' USR1"
                "trap 'told=yes; kill -TERM \"$!\" || true' TERM"
                $"{DeployPlan.line plan (DeployPlan.part plan)} &"
                "code=0"
                "wait \"$!\" || code=$?"
                "# A signal ends the wait, not the command."
                "while [ \"$told\" ]; do"
                "    told= code=0"
                "    wait \"$!\" || code=$?"
                "done"
                $"if [ \"$over\" ] && [ \"$code\" = 130 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {returns} ]; then"
                "    scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\""
                "fi"
                "exit \"$code\""
            ]

    let private closing (plan: DeployPlan) =
        let closing = plan.Work.Closing

        let cpus, memory = if closing.IsLarge then plan.Cpus, plan.Memory else 1, 2

        script
            plan
            $"{closing.Does}."
            [
                $"--job-name={plan.Name}-{closing.Name}"
                $"--time={time (max 60 plan.Minutes)}"
                $"--cpus-per-task={cpus}"
                $"--mem={memory}G"
                "--requeue"
                "--open-mode=append"
            ]
            [
                "# In the shell's place, so that a signal reaches the command."
                $"exec {DeployPlan.line plan (DeployPlan.closing plan)}"
            ]

    let private submit (plan: DeployPlan) =
        let closing = plan.Work.Closing

        let condition =
            if closing.NeedsAll then
                "--dependency=\"afterok:$array\" --kill-on-invalid-dep=yes"
            else
                "--dependency=\"afterany:$array\""

        [
            "#!/bin/sh"
            "# Made by `mcdrl deploy slurm`. Again, it begins those parts alone that are not done: a task whose part is done ends at once."
            "set -eu"
            "cd \"$(dirname \"$0\")\""
            $"array=$(sbatch --parsable {plan.Work.Name}.sbatch)"
            "array=${array%%;*}"
            $"{closing.Name}=$(sbatch --parsable {condition} {closing.Name}.sbatch)"
            $"echo \"parts: job $array; {closing.Name}: job ${{{closing.Name}%%%%;*}}\""
            ""
        ]
        |> String.concat "\n"

    /// The scripts of the array and of what follows, and what submits both.
    let files (plan: DeployPlan) : DeployFile list =
        [
            {
                Name = $"{plan.Work.Name}.sbatch"
                Text = array plan
                IsProgram = false
            }
            {
                Name = $"{plan.Work.Closing.Name}.sbatch"
                Text = closing plan
                IsProgram = false
            }
            {
                Name = "submit.sh"
                Text = submit plan
                IsProgram = true
            }
        ]
