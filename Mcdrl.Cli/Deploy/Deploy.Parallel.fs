namespace Mcdrl.Cli

/// A plan as a script for GNU parallel: one machine, a process a part.
[<RequireQualifiedAccess>]
module DeployParallel =
    /// The script.
    let files (plan: DeployPlan) : DeployFile list =
        let text =
            [
                "#!/bin/bash"
                "# Made by `mcdrl deploy parallel`. Again, it begins those parts alone that are not done: one that is done ends at once."
                for name in plan.Modules do
                    $"module load {name}"
                $"export {DeployPlan.processors}={plan.Cpus}"
                "# In a function, whose text GNU parallel neither splits nor replaces anything in."
                "part() {"
                $"    exec {DeployPlan.line plan (DeployPlan.part plan)} --part \"$1\""
                "}"
                "export -f part"
                "export SHELL=\"$BASH\""
                $"seq 0 {plan.Parts - 1} | parallel --jobs {plan.AtOnce} --timeout {plan.Minutes * 60} --termseq TERM,10000,KILL part"
                $"exec {DeployPlan.line plan (DeployPlan.closing plan)}"
                ""
            ]
            |> String.concat "\n"

        [
            {
                Name = $"{plan.Work.Name}.sh"
                Text = text
                IsProgram = true
            }
        ]
