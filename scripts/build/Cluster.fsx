// Parts of a list and of an experiment through Slurm's queue, with a node that is killed in the middle. What comes of it must be what one
// process makes. Loaded by build.fsx.
#load "Processes.fsx" "Slurm.fsx"

open System
open System.IO
open System.Text.RegularExpressions
open Processes
open Slurm

/// Sends a signal to a process; false where it is gone.
let private signal (name: string) (number: int) =
    fst (capture "kill" [ $"-{name}"; string number ]) = 0

let private parentOf (number: int) =
    let text = File.ReadAllText $"/proc/{number}/stat"
    int ((text.Substring(text.LastIndexOf ')' + 2).Split ' ')[1])

/// A part that a node has begun and not ended, with the process that works on it stopped, and its lines so far.
let private caught (cluster: Cluster) (array: string) (out: string) (node: string) =
    let parts = Path.Combine(out, ".parts")

    let running () =
        match outcome cluster "squeue" [ "-h"; "-r"; "-t"; "R"; "-j"; array; "-o"; "%K %N" ] with
        | 0, output, _ ->
            [
                for line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries) do
                    match line.Trim().Split ' ' with
                    | [| part; where |] when where = node -> int part
                    | _ -> ()
            ]
        | _ -> []

    let linesOf part =
        if Directory.Exists parts then
            Directory.GetFiles(parts, $"part-{part}.*.journal")
            |> Array.sumBy (File.ReadAllLines >> _.Length)
        else
            0

    let holderOf part =
        let lease = Directory.GetFiles(parts, $"part-{part}.lease.*") |> Array.max
        int (Regex.Match(File.ReadAllText lease, @"^process (\d+)", RegexOptions.Multiline).Groups[1].Value)

    let found = ref None

    until 180.0 $"{node} is in the middle of a part" (fun () ->
        for part in running () do
            if found.Value.IsNone && linesOf part > 0 then
                let holder = holderOf part

                if signal "STOP" holder then
                    if File.Exists(Path.Combine(out, $"part-{part}.done")) then
                        signal "CONT" holder |> ignore
                    else
                        found.Value <- Some(part, holder, linesOf part)

        found.Value.IsSome)

    found.Value.Value

/// Kills a node at once: its daemon, what watches over its job, and the job.
let private killNode (cluster: Cluster) node (job: int) =
    let watcher = parentOf job
    let _, daemon = cluster.Daemons |> List.find (fun (name, _) -> name = node)
    daemon.Kill()

    for number in [ watcher; job ] do
        require (signal "KILL" number) $"process {number} was there to be killed"

/// The job is in the queue no more.
let private hasLeft cluster job =
    match outcome cluster "squeue" [ "-h"; "-j"; job ] with
    | 0, "", _ -> true
    | 0, _, _ -> false
    | _ -> true

let private sameFiles what (one: string) (other: string) (isCompared: string -> bool) =
    let names folder =
        Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
        |> Array.map (fun path -> Path.GetRelativePath(folder, path))
        |> Array.filter isCompared
        |> Array.sort

    require ((names one).Length > 0) $"{what}: there are files"
    require (names one = names other) $"{what}: both have the same files"

    for name in names one do
        require
            (File.ReadAllBytes(Path.Combine(one, name)) = File.ReadAllBytes(Path.Combine(other, name)))
            $"{what}: {name} is the same"

    (names one).Length

let private parts = 8

let private pathOf (line: string) =
    Regex.Match(line, "^\\{\"path\":\"([^\"]*)\"").Groups[1].Value

/// 64 frames in 8 parts, and their list.
let private makeFrames (cluster: Cluster) (inside: string -> string) =
    mcdrl
        cluster
        [
            "phantom"
            "--out"
            inside "frames"
            "--sites"
            "2"
            "--images"
            "32"
            "--side"
            "96"
        ]
    |> ignore

    let list =
        [
            for site in [ "p1"; "p2" ] do
                for path in Directory.GetFiles(inside $"frames/{site}/images", "*.png") |> Array.sort do
                    Path.GetRelativePath(inside "frames", path)
        ]

    require (list.Length = 64) "64 frames"
    File.WriteAllLines(inside "list.txt", list)
    list

let private experiment (inside: string -> string) (out: string) (more: string list) : string list =
    [
        "experiment"
        "table1"
        "--tower"
        "mini"
        "--data"
        inside "tiny"
        "--methods"
        "baseline,mcdrl"
        "--seeds"
        "1"
        "--set"
        "optimiser.epochs=1"
        "--set"
        "optimiser.activation_epoch=0"
        "--set"
        "augmentation.views=1"
        "--out"
        out
        yield! more
    ]

/// A small experiment as an array of two.
let private submitExperiment cluster (inside: string -> string) =
    let words =
        experiment inside (inside "experiment") [ "--parts"; "2" ]
        |> List.map (fun word -> $"'{word}'")
        |> String.concat " "

    let script, log = inside "experiment.sbatch", inside "experiment-%a.log"
    let program = Path.Combine(root, "bin", "mcdrl")

    File.WriteAllText(
        script,
        String.concat
            "\n"
            [
                "#!/bin/bash"
                "#SBATCH --array=0-1"
                "#SBATCH --requeue"
                "#SBATCH --open-mode=append"
                $"#SBATCH --output={log}"
                $"exec '{program}' {words}"
                ""
            ]
    )

    called cluster "sbatch" [ "--parsable"; script ]

let private submitParts cluster (inside: string -> string) =
    mcdrl
        cluster
        [
            "deploy"
            "slurm"
            "--list"
            inside "list.txt"
            "--root"
            inside "frames"
            "--out"
            inside "parts"
            "--parts"
            string parts
            "--at-once"
            "2"
            "--cpus"
            "1"
            "--memory"
            "1"
            "--minutes"
            "20"
            "--mode"
            "attention"
            "--program"
            Path.Combine(root, "bin", "mcdrl")
            "--to"
            inside "scripts"
        ]
    |> ignore

    let told = called cluster "sh" [ inside "scripts/submit.sh" ]
    let jobs = Regex.Match(told, @"parts: job (\d+); merge: job (\d+)")
    require jobs.Success $"it says what was submitted: {told}"
    jobs.Groups[1].Value, jobs.Groups[2].Value

/// The killed node's task, as soon as the controller has put it back into the queue, where it would wait for two minutes.
let private hurry cluster array (part: int) =
    let task = $"{array}_{part}"

    until 120.0 "the killed node's task is back in the queue" (fun () ->
        match outcome cluster "squeue" [ "-h"; "-r"; "-t"; "PD"; "-j"; array; "-o"; "%K" ] with
        | 0, output, _ -> output.Split '\n' |> Array.exists (fun line -> line.Trim() = string part)
        | _ -> false)

    called cluster "scontrol" [ "update"; $"jobid={task}"; "StartTime=now" ]
    |> ignore

    log cluster $"the controller has noticed; task {task} may begin again at once"

let private numberOf key (path: string) =
    int (Regex.Match(File.ReadAllText path, $"\"{key}\": (\\d+)").Groups[1].Value)

/// The frames whose reports are there, without their endings.
let private reportsOf (out: string) =
    Directory.GetFiles(out, "*.json", SearchOption.AllDirectories)
    |> Array.map (fun path -> Path.ChangeExtension(Path.GetRelativePath(out, path), null))
    |> Set.ofArray

let private scenario (cluster: Cluster) =
    let inside name = Path.Combine(cluster.Folder, name)
    let list = makeFrames cluster inside

    mcdrl
        cluster
        [
            "phantom"
            "--out"
            inside "tiny"
            "--sites"
            "2"
            "--images"
            "6"
            "--side"
            "64"
        ]
    |> ignore

    log cluster $"{list.Length} frames for {parts} parts, and a dataset for an experiment in 2"
    let runs = submitExperiment cluster inside
    let array, merge = submitParts cluster inside
    log cluster $"experiment: job {runs}; parts: job {array}; merge: job {merge}"
    let part, holder, kept = caught cluster array (inside "parts") "n1"
    killNode cluster "n1" holder
    let before = reportsOf (inside "parts")
    log cluster $"n1 killed in the middle of part {part}, after {kept} lines"

    // What one process makes, while the controller hasn't noticed.
    for name, more in
        [
            "whole",
            [ "segment"; "--list"; inside "list.txt"; "--root"; inside "frames" ]
            @ [ "--mode"; "attention" ]
            "whole", [ "merge" ]
        ] do
        mcdrl cluster (more @ [ "--out"; inside name ]) |> ignore

    mcdrl cluster (experiment inside (inside "experiment-whole") []) |> ignore
    log cluster "one process has done the same frames and the same experiment"
    hurry cluster array part

    until 300.0 "the merge has ended" (fun () -> hasLeft cluster merge)
    require (File.Exists(inside "parts/images.jsonl")) "the parts are merged"
    let lines = File.ReadAllLines(inside "parts/images.jsonl")
    require (List.ofArray (Array.map pathOf lines) = list) "each frame exactly once, in the order of the list"

    let isCompared (name: string) =
        name = "images.jsonl" || name.StartsWith "p1/" || name.StartsWith "p2/"

    let compared = sameFiles "parts" (inside "parts") (inside "whole") isCompared

    let reused = numberOf "reused" (inside $"parts/part-{part}.done")
    let images = numberOf "images" (inside $"parts/part-{part}.done")
    require (reused >= 1 && reused <= images) "what was whole is not done again"

    let twice =
        File.ReadAllLines(inside $"parts/part-{part}.jsonl")
        |> Array.filter (fun line -> before.Contains(Path.ChangeExtension(pathOf line, null)))
        |> Array.length
        |> fun segmented -> segmented - reused

    log cluster $"{lines.Length} frames, each once; {compared} files are byte for byte those of one process"

    log
        cluster
        $"of part {part}'s {images} frames {reused} were kept and {images - reused} done after the kill: 0 lost, {twice} done twice"

    until 300.0 "the experiment's tasks have ended" (fun () -> hasLeft cluster runs)

    mcdrl cluster (experiment inside (inside "experiment") [ "--report-only" ])
    |> ignore

    let weights =
        sameFiles "experiment" (inside "experiment/runs") (inside "experiment-whole/runs") (fun name ->
            name.EndsWith "weights.safetensors")

    require (weights = 4) "two sites by two methods"

    sameFiles "experiment" (inside "experiment/table1") (inside "experiment-whole/table1") (fun name ->
        name.EndsWith ".csv")
    |> ignore

    let runsOf task =
        let said = File.ReadAllText(inside $"experiment-{task}.log")
        Regex.Match(said, @"(\d+) of its \d+ runs are done").Groups[1].Value

    let shares = [ runsOf 0; runsOf 1 ] |> String.concat " and "

    log
        cluster
        $"experiment: {shares} runs by its two parts; weights and scores are byte for byte those of one process"

/// What went wrong, `None` where nothing did; or why it could not be tried.
let clusterTest () : Result<string option, string> =
    slurm ()
    |> Result.map (fun packed ->
        let folder =
            Path.Combine(Path.GetTempPath(), "mcdrl-" + Guid.NewGuid().ToString("N")[..7])

        Directory.CreateDirectory folder |> ignore
        let mutable cluster = None

        try
            try
                let begun = startCluster packed folder
                cluster <- Some begun
                scenario begun
                None
            with problem ->
                let what =
                    match problem with
                    | Wrong what -> what
                    | other -> string other

                let logs =
                    [
                        for name in [ "slurmctld.log"; "n0.log"; "n1.log" ] do
                            let path = Path.Combine(folder, name)

                            if File.Exists path then
                                let lines = File.ReadAllLines path
                                $"{name}:"
                                yield! lines |> Array.skip (max 0 (lines.Length - 15))
                        for path in Directory.GetFiles(folder, "experiment-*.log") do
                            $"{Path.GetFileName path}:"
                            File.ReadAllText path
                        if Directory.Exists(Path.Combine(folder, "scripts")) then
                            for path in Directory.GetFiles(Path.Combine(folder, "scripts"), "*.out") do
                                $"{Path.GetFileName path}:"
                                File.ReadAllText path
                    ]
                    |> String.concat "\n"

                Some $"{what}\n{logs}"
        finally
            Option.iter stopCluster cluster
            Directory.Delete(folder, true))
