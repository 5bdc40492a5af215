#!/bin/sh
# Made by `mcdrl deploy slurm`. Again, it begins those parts alone that are not done: a task whose part is done ends at once.
set -eu
cd "$(dirname "$0")"
array=$(sbatch --parsable experiment.sbatch)
array=${array%%;*}
report=$(sbatch --parsable --dependency="afterany:$array" report.sbatch)
echo "parts: job $array; report: job ${report%%;*}"
