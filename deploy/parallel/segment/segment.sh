#!/bin/bash
# Made by `mcdrl deploy parallel`. Again, it begins those parts alone that are not done: one that is done ends at once.
export DOTNET_PROCESSOR_COUNT=1
# In a function, whose text GNU parallel neither splits nor replaces anything in.
part() {
    exec mcdrl segment --list /archive/frames.txt --root /archive --out /results --model /models/polyp --parts 64 --part "$1"
}
export -f part
export SHELL="$BASH"
seq 0 63 | parallel --jobs 8 --timeout 3600 --termseq TERM,10000,KILL part
exec mcdrl merge --out /results --list /archive/frames.txt
