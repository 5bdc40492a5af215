#!/bin/sh
# Made by `mcdrl deploy slurm`. Again, it begins those parts alone that are not done: a task whose part is done ends at once.
set -eu
cd "$(dirname "$0")"
array=$(sbatch --parsable segment.sbatch)
array=${array%%;*}
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes merge.sbatch)
echo "parts: job $array; merge: job ${merge%%;*}"
