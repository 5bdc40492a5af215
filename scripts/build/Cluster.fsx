// Parts of a list and of an experiment through Slurm's queue, by the scripts of `mcdrl deploy slurm`: with cards for which tasks wait, a controller
// and a node that are killed in the middle, and a task whose time is over. What comes of it must be what one process makes. Loaded by build.fsx.
#load "Processes.fsx" "Slurm.fsx"

open System
open System.IO
open System.Text.RegularExpressions
open System.Threading.Tasks
open Processes
open Slurm

/// Sends a signal to a process; false where it is gone.
let private signal (name: string) (number: int) =
    fst (capture "kill" [ $"-{name}"; string number ]) = 0

let private parentOf (number: int) : int =
    let text = File.ReadAllText $"/proc/{number}/stat"
    int ((text.Substring(text.LastIndexOf ')' + 2).Split ' ')[1])

let private parts = 8

/// The variables of a process that it began with; none where it is gone.
let private variablesOf (number: int) =
    try
        Map
            [
                for line in File.ReadAllText($"/proc/{number}/environ").Split '\000' do
                    match line.IndexOf '=' with
                    | at when at > 0 -> line[.. at - 1], line[at + 1 ..]
                    | _ -> ()
            ]
    with
    | :? IOException
    | :? UnauthorizedAccessException -> Map.empty

/// A part in the middle: its number, the process that works on it, which is stopped, and how many lines it has written.
type private Caught = { Part: int; Holder: int; Lines: int }

/// A part that a node has begun and not ended.
let private caught (out: string) (node: string) : Caught =
    let folder = Path.Combine(out, ".parts")

    let files pattern =
        if Directory.Exists folder then
            Directory.GetFiles(folder, pattern) |> Array.sort
        else
            [||]

    let linesOf (part: int) =
        files $"part-{part}.*.journal" |> Array.sumBy (File.ReadAllLines >> _.Length)

    /// The newest lease's process, where there is one.
    let holderOf (part: int) =
        files $"part-{part}.lease.*"
        |> Array.tryLast
        |> Option.bind (fun lease ->
            try
                match Regex.Match(File.ReadAllText lease, @"^process (\d+)", RegexOptions.Multiline) with
                | found when found.Success -> Some(int (found.Groups[1].Value))
                | _ -> None
            with :? IOException ->
                None)

    let stopped part =
        match holderOf part with
        | Some holder when
            Map.tryFind "SLURMD_NODENAME" (variablesOf holder) = Some node
            && linesOf part > 0
            && signal "STOP" holder
            ->
            if File.Exists(Path.Combine(out, $"part-{part}.done")) then
                signal "CONT" holder |> ignore
                None
            else
                Some
                    {
                        Part = part
                        Holder = holder
                        Lines = linesOf part
                    }
        | _ -> None

    let found = ref None

    until 180.0 $"{node} is in the middle of a part" (fun () ->
        found.Value <- Seq.tryPick stopped (seq { 0 .. parts - 1 })
        found.Value.IsSome)

    found.Value.Value

/// Kills a node at once: its daemon, what watches over its job, the job's shell and the command.
let private killNode (cluster: Cluster) (node: string) (command: int) =
    let shell = parentOf command
    let watcher = parentOf shell
    cluster.Daemons[node].Kill()

    for number in [ watcher; shell; command ] do
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

/// What every task has, and where the scripts go.
let private resources (inside: string -> string) scripts =
    [ "--cpus"; "1"; "--memory"; "1"; "--minutes"; "20" ]
    @ [ "--program"; Path.Combine(root, "bin", "mcdrl"); "--to"; inside scripts ]

/// Submits by the scripts that `mcdrl deploy` writes for a call: the array's job, and that of what follows.
let private submit cluster (inside: string -> string) scripts (call: string list) =
    mcdrl cluster ([ "deploy"; "slurm" ] @ call @ resources inside scripts)
    |> ignore

    let told = called cluster "sh" [ inside $"{scripts}/submit.sh" ]
    let jobs = Regex.Match(told, @"parts: job (\d+); \w+: job (\d+)")
    require jobs.Success $"it says what was submitted: {told}"
    jobs.Groups[1].Value, jobs.Groups[2].Value

let private runParts = 4

/// A small experiment, a card for each of its tasks; computed on the processor, for the cards are none.
let private submitExperiment cluster (inside: string -> string) =
    [
        "--parts"
        string runParts
        "--at-once"
        string runParts
        "--gpus"
        "1"
        "--device"
        "cpu"
    ]
    |> experiment inside (inside "experiment")
    |> submit cluster inside "run-scripts"

let private submitParts cluster (inside: string -> string) =
    [
        "segment"
        "--list"
        inside "list.txt"
        "--root"
        inside "frames"
        "--out"
        inside "parts"
    ]
    @ [ "--parts"; string parts; "--at-once"; "2"; "--mode"; "attention" ]
    |> submit cluster inside "scripts"

/// A job's tasks in the queue, by what a format says of each.
let private queued cluster job (more: string list) format =
    match outcome cluster "squeue" ([ "-h"; "-r"; "-j"; job; "-o"; format ] @ more) with
    | 0, output, _ ->
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        |> Array.map _.Trim()
        |> List.ofArray
    | _ -> []

let private running cluster job =
    queued cluster job [ "-t"; "R" ] "%K" |> List.sort

/// As many tasks run as there are cards, each of which is told its own; the others wait for one, with processors to spare.
let private seeCards cluster runs =
    until 120.0 "tasks wait for a card" (fun () ->
        (running cluster runs).Length = 2
        && queued cluster runs [ "-t"; "PD" ] "%r %b" = List.replicate (runParts - 2) "Resources gres:gpu:1")

    let allocated = called cluster "sinfo" [ "-h"; "-o"; "%C" ]
    require (allocated = "2/2/0/4") $"two of four processors are free: {allocated}"

    let told =
        [
            for folder in Directory.GetDirectories "/proc" do
                match Int32.TryParse(Path.GetFileName folder) with
                | true, number ->
                    let variables = variablesOf number

                    if
                        Map.tryFind "SLURM_ARRAY_JOB_ID" variables = Some runs
                        && Map.tryFind "SLURM_CONF" variables =
                            Map.tryFind "SLURM_CONF" (Map cluster.Variables)
                    then
                        Map.tryFind "CUDA_VISIBLE_DEVICES" variables
                | false, _ -> ()
        ]
        |> List.distinct

    require (told = [ Some "0" ]) $"each task is told its node's card: {told}"

    log
        cluster
        $"2 of the experiment's {runParts} tasks run, one for each card; the others wait, with two processors free"

/// Kills the controller when all that runs is in its saved state: what began since it would begin a second time.
let private loseController cluster jobs =
    let runs () = jobs |> List.map (running cluster)
    let state = FileInfo(Path.Combine(cluster.Folder, "state", "job_state"))

    let rec saved () =
        let before, since = runs (), DateTime.UtcNow

        for job in jobs do
            // A change, for without one nothing is saved.
            outcome cluster "scontrol" [ "update"; $"jobid={job}"; "comment=saved" ]
            |> ignore

        until 60.0 "the controller saves its state" (fun () ->
            state.Refresh()
            state.LastWriteTimeUtc > since)

        if runs () = before then before else saved ()

    let before = saved ()
    restartController cluster
    let went = before |> List.sumBy _.Length
    log cluster $"the controller killed and begun again: {went} tasks went on"

/// A task that is to begin again, as soon as the controller has put it back into the queue, where it would wait for two minutes. On a busy
/// machine it may have been done again before anyone looks.
let private hurry cluster array (part: int) (out: string) =
    let task = $"{array}_{part}"

    let isDone () =
        File.Exists(Path.Combine(out, $"part-{part}.done"))

    let isQueued () =
        queued cluster array [ "-t"; "PD" ] "%K" |> List.contains (string part)

    until 300.0 $"task {task} is back in the queue" (fun () -> isQueued () || isDone ())

    // It may begin by itself just now; then there is nothing to hurry.
    outcome cluster "scontrol" [ "update"; $"jobid={task}"; "StartTime=now" ]
    |> ignore

/// Shortens a stopped task's time, so that the controller sends the script's signal at once, as it would two minutes before the end; and lets the
/// command go on when that has reached it.
let private callTime cluster array (task: Caught) =
    called cluster "scontrol" [ "update"; $"jobid={array}_{task.Part}"; "TimeLimit=2" ]
    |> ignore

    // The bit of SIGTERM, 15.
    let hasTerm () =
        let pending =
            Regex.Match(
                File.ReadAllText $"/proc/{task.Holder}/status",
                @"^ShdPnd:\s*(\w+)",
                RegexOptions.Multiline
            )

        Convert.ToUInt64(pending.Groups[1].Value, 16) &&& (1UL <<< 14) <> 0UL

    until 90.0 "the signal before the time limit reaches the command" hasTerm
    require (signal "CONT" task.Holder) "the command is there to go on"

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

    log cluster $"{list.Length} frames for {parts} parts, and a dataset for an experiment in {runParts}"
    let runs, report = submitExperiment cluster inside
    seeCards cluster runs
    let array, merge = submitParts cluster inside
    log cluster $"experiment: jobs {runs} and {report}; parts: jobs {array} and {merge}"
    let killed = caught (inside "parts") "n1"
    let timed = caught (inside "parts") "n0"
    loseController cluster [ runs; array ]
    killNode cluster "n1" killed.Holder
    let before = reportsOf (inside "parts")
    log cluster $"n1 killed in the middle of part {killed.Part}, after {killed.Lines} lines"

    let whole =
        Task.Run(fun () ->
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
            log cluster "one process has done the same frames and the same experiment")

    callTime cluster array timed
    hurry cluster array timed.Part (inside "parts")

    log
        cluster
        $"part {timed.Part}, its time over after {timed.Lines} lines, ended with 130 and is back in the queue"

    hurry cluster array killed.Part (inside "parts")
    log cluster $"the controller has noticed that n1 is gone: part {killed.Part} is back in the queue"
    whole.Wait()

    until 300.0 "the merge has ended" (fun () -> hasLeft cluster merge)
    require (File.Exists(inside "parts/images.jsonl")) "the parts are merged"
    let lines = File.ReadAllLines(inside "parts/images.jsonl")
    require (List.ofArray (Array.map pathOf lines) = list) "each frame exactly once, in the order of the list"

    let isCompared (name: string) =
        name = "images.jsonl" || name.StartsWith "p1/" || name.StartsWith "p2/"

    let compared = sameFiles "parts" (inside "parts") (inside "whole") isCompared
    log cluster $"{lines.Length} frames, each once; {compared} files are byte for byte those of one process"

    for what, task in [ "the kill", killed; "its time was over", timed ] do
        let reused = numberOf "reused" (inside $"parts/part-{task.Part}.done")
        let images = numberOf "images" (inside $"parts/part-{task.Part}.done")
        require (reused >= task.Lines && reused <= images) "what was whole is not done again"

        let twice =
            File.ReadAllLines(inside $"parts/part-{task.Part}.jsonl")
            |> Array.filter (fun line -> before.Contains(Path.ChangeExtension(pathOf line, null)))
            |> Array.length
            |> fun segmented -> max 0 (segmented - reused)

        log
            cluster
            $"of part {task.Part}'s {images} frames {reused} were kept and {images - reused} done after {what}: 0 lost, {twice} done twice"

    for part in 0 .. parts - 1 do
        if part <> killed.Part && part <> timed.Part then
            require
                (numberOf "reused" (inside $"parts/part-{part}.done") = 0)
                $"part {part} was begun once, whatever became of the controller"

    until 300.0 "the experiment's report has ended" (fun () -> hasLeft cluster report)

    let weights =
        sameFiles "experiment" (inside "experiment/runs") (inside "experiment-whole/runs") (fun name ->
            name.EndsWith "weights.safetensors")

    require (weights = 4) "two sites by two methods"

    sameFiles "experiment" (inside "experiment/table1") (inside "experiment-whole/table1") (fun name ->
        name.EndsWith ".csv")
    |> ignore

    let runsOf task =
        let said = File.ReadAllText(inside $"run-scripts/slurm-{runs}_{task}.out")
        int (Regex.Match(said, @"(\d+) of its \d+ runs are done").Groups[1].Value)

    let shares = List.init runParts runsOf
    require (List.sum shares = 4) "each run is one part's"
    let told = shares |> List.map string |> String.concat ", "

    log
        cluster
        $"experiment: {told} runs by its {runParts} parts, reported by the job after them; weights and scores are byte for byte those of one process"

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
                        for scripts in [ "scripts"; "run-scripts" ] do
                            if Directory.Exists(Path.Combine(folder, scripts)) then
                                for path in Directory.GetFiles(Path.Combine(folder, scripts), "*.out") do
                                    $"{Path.GetFileName path}:"
                                    File.ReadAllText path
                    ]
                    |> String.concat "\n"

                Some $"{what}\n{logs}"
        finally
            Option.iter stopCluster cluster
            Directory.Delete(folder, true))
