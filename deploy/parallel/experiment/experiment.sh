#!/bin/bash
# Made by `mcdrl deploy parallel`. Again, it begins those parts alone that are not done: one that is done ends at once.
export DOTNET_PROCESSOR_COUNT=1
# In a function, whose text GNU parallel neither splits nor replaces anything in.
part() {
    exec mcdrl experiment table3 --data /archive/sites --weights /models/resnet50 --text /models/prompts.safetensors --seeds 3 --out /results --parts 96 --part "$1"
}
export -f part
export SHELL="$BASH"
seq 0 95 | parallel --jobs 8 --timeout 3600 --termseq TERM,10000,KILL part
exec mcdrl experiment table3 --data /archive/sites --weights /models/resnet50 --text /models/prompts.safetensors --seeds 3 --out /results --report-only
