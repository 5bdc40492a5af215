// Slurm on this machine's loopback: a controller and two nodes, of Debian's packages, which are unpacked and not installed. Loaded by build.fsx.
#load "Processes.fsx" "Debian.fsx"

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Security.Cryptography
open System.Threading
open Processes
open Debian

/// What is not as it should be.
exception Wrong of string

let require holds what =
    if not holds then
        raise (Wrong what)

let private packages =
    [
        "slurm-wlm"
        "slurmctld"
        "slurmd"
        "slurm-client"
        "slurm-wlm-basic-plugins"
        "munge"
        "libmunge2"
        "liblua5.1-0"
    ]

/// Where the packages are unpacked, once.
let private unpacked = Path.Combine(root, "out", "debian", "slurm")

/// The packages' folder, or why there is none.
let slurm () : Result<string, string> =
    if File.Exists(Path.Combine(unpacked, "usr", "sbin", "slurmctld-wlm")) then
        Ok unpacked
    else
        unpack packages unpacked |> Result.map (fun () -> unpacked)

/// A cluster that runs: its programs and how they find each other.
type Cluster =
    {
        /// Its files; the path is short, for a socket's may have 107 letters.
        Folder: string
        Variables: (string * string) list
        /// By their names, in the order in which they began.
        Daemons: Dictionary<string, Process>
        Clock: Stopwatch
    }

/// Tells what has come about, and when.
let log (cluster: Cluster) (text: string) =
    Console.Out.WriteLine $"  {cluster.Clock.Elapsed.TotalSeconds, 6:F1} s  {text}"

let private info (variables: (string * string) list) folder (program: string) (arguments: string list) =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    for name, value in brief :: variables do
        info.Environment[name] <- value

    info

/// Exit code and output of a program of the cluster, or of one that it knows.
let outcome (cluster: Cluster) program arguments =
    // By its path: a name would be looked for by this process's own variables.
    let own = Path.Combine(unpacked, "usr", "bin", program)
    let program = if File.Exists own then own else program
    use child = Process.Start(info cluster.Variables cluster.Folder program arguments)

    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output, errors.Result

/// What a program prints, which must end well.
let called cluster program arguments =
    match outcome cluster program arguments with
    | 0, output, _ -> output.Trim()
    | code, output, errors ->
        let line = String.concat " " (program :: arguments)
        raise (Wrong $"`{line}` ended with exit code {code}: {output}{errors}")

/// The command, as it is built.
let mcdrl cluster arguments =
    called cluster (Path.Combine(root, "bin", "mcdrl")) arguments

let private freePort () =
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    (listener.LocalEndpoint :?> IPEndPoint).Port

let private nodes = [ "n0"; "n1" ]

/// A graphics card of each node, as Slurm counts them: a device that is there and that nothing computes on.
let private card = "/dev/null"

let private configuration (folder: string) (libraries: string) =
    let user = Environment.UserName

    [
        "ClusterName=loopback"
        "SlurmctldHost=localhost(127.0.0.1)"
        $"SlurmctldPort={freePort ()}"
        "AuthType=auth/munge"
        $"AuthInfo=socket={folder}/munge.socket"
        "CredType=cred/munge"
        $"SlurmUser={user}"
        $"SlurmdUser={user}"
        $"PluginDir={libraries}/slurm-wlm"
        $"StateSaveLocation={folder}/state"
        $"SlurmdSpoolDir={folder}/%%n"
        $"SlurmctldPidFile={folder}/slurmctld.pid"
        $"SlurmdPidFile={folder}/%%n.pid"
        $"SlurmctldLogFile={folder}/slurmctld.log"
        $"SlurmdLogFile={folder}/%%n.log"
        "ProctrackType=proctrack/linuxproc"
        "TaskPlugin=task/none"
        "JobAcctGatherType=jobacct_gather/none"
        "AccountingStorageType=accounting_storage/none"
        "JobCompType=jobcomp/none"
        "SelectType=select/cons_tres"
        "SelectTypeParameters=CR_Core"
        "GresTypes=gpu"
        "MpiDefault=none"
        // A node is taken for dead after so many seconds.
        "SlurmdTimeout=10"
        "SlurmctldTimeout=10"
        "MinJobAge=300"
        "SchedulerParameters=sched_interval=2,batch_sched_delay=0"
        "ReturnToService=2"
        for node in nodes do
            $"NodeName={node} NodeHostname={Environment.MachineName} NodeAddr=127.0.0.1 Port={freePort ()} CPUs=2 RealMemory=2100 Gres=gpu:1"
        "PartitionName=main Nodes=n0,n1 Default=YES MaxTime=INFINITE State=UP"
        ""
    ]
    |> String.concat "\n"

/// Waits until something holds, or says what didn't.
let until (seconds: float) what (condition: unit -> bool) =
    let clock = Stopwatch.StartNew()

    while not (condition ()) do
        require (clock.Elapsed.TotalSeconds < seconds) $"in {seconds} seconds not: {what}"
        Thread.Sleep 100

/// A daemon of the cluster, by the name that it has where Slurm itself is installed. Debian's have other names, and by those they don't know
/// that they are daemons, and forget a node's cards.
let private daemon (folder: string) name = Path.Combine(folder, "sbin", name)

let private nameDaemons (packed: string) (folder: string) =
    Directory.CreateDirectory(Path.Combine(folder, "sbin")) |> ignore

    for name, own in
        [
            "munged", "munged"
            "slurmctld", "slurmctld-wlm"
            "slurmd", "slurmd-wlm"
            "slurmstepd", "slurmstepd-wlm"
        ] do
        File.CreateSymbolicLink(daemon folder name, Path.Combine(packed, "usr", "sbin", own))
        |> ignore

let private begun variables folder name arguments =
    let child = Process.Start(info variables folder (daemon folder name) arguments)
    // Read, or it would stop when the pipe is full.
    child.OutputDataReceived.Add ignore
    child.ErrorDataReceived.Add ignore
    child.BeginOutputReadLine()
    child.BeginErrorReadLine()
    child

let private controller = "slurmctld"

let private statesOf cluster =
    match outcome cluster "sinfo" [ "-h"; "-N"; "-o"; "%T" ] with
    | 0, states, _ -> states.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray
    | _ -> []

let private started (daemons: Dictionary<string, Process>) (packed: string) (folder: string) : Cluster =
    let libraries = Path.Combine(packed, "usr", "lib", "x86_64-linux-gnu")

    Directory.CreateDirectory(Path.Combine(folder, "state")) |> ignore
    File.SetUnixFileMode(folder, enum<UnixFileMode> 0o700)
    let key = Path.Combine(folder, "munge.key")
    File.WriteAllBytes(key, RandomNumberGenerator.GetBytes 128)
    File.SetUnixFileMode(key, enum<UnixFileMode> 0o400)
    let conf = Path.Combine(folder, "slurm.conf")
    File.WriteAllText(conf, configuration folder libraries)

    File.WriteAllText(Path.Combine(folder, "gres.conf"), $"Name=gpu File={card}\n")

    let variables =
        [
            "LD_LIBRARY_PATH", $"{libraries}:{libraries}/slurm-wlm"
            "SLURM_CONF", conf
            "PATH", $"""{packed}/usr/bin:{Environment.GetEnvironmentVariable "PATH"}"""
            // Sums of several threads differ in their last digits from those of one.
            "OMP_NUM_THREADS", "1"
        ]

    let inside name = Path.Combine(folder, name)

    let start name program arguments =
        daemons.Add(name, begun variables folder program arguments)

    let cluster =
        {
            Folder = folder
            Variables = variables
            Daemons = daemons
            Clock = Stopwatch.StartNew()
        }

    nameDaemons packed folder

    start
        "munged"
        "munged"
        [
            "--foreground"
            "--force"
            $"""--key-file={key}"""
            $"""--socket={inside "munge.socket"}"""
            $"""--pid-file={inside "munged.pid"}"""
            $"""--log-file={inside "munged.log"}"""
            $"""--seed-file={inside "munged.seed"}"""
        ]

    until 30.0 "munged listens" (fun () -> File.Exists(inside "munge.socket"))
    start controller controller [ "-D"; "-c" ]

    for node in nodes do
        start node "slurmd" [ "-D"; "-N"; node; "-d"; daemon folder "slurmstepd" ]

    until 60.0 "both nodes are idle" (fun () -> statesOf cluster = [ "idle"; "idle" ])
    log cluster "a controller and two nodes are up"
    cluster

/// Starts what authenticates, the controller and the nodes, and waits until they are ready.
let startCluster (packed: string) (folder: string) : Cluster =
    let daemons = Dictionary()

    try
        started daemons packed folder
    with _ ->
        for daemon in daemons.Values do
            daemon.Kill()

        reraise ()

/// Kills the controller at once, and begins it again from what it had saved. Nodes and their tasks go on meanwhile.
let restartController (cluster: Cluster) =
    let killed = cluster.Daemons[controller]
    killed.Kill()
    killed.WaitForExit()

    cluster.Daemons[controller] <- begun cluster.Variables cluster.Folder controller [ "-D" ]

    let hears state =
        List.contains state [ "idle"; "mixed"; "allocated" ]

    until 60.0 "the controller is back and hears its nodes" (fun () ->
        match statesOf cluster with
        | [] -> false
        | states -> List.forall hears states)

/// Ends all of a cluster's processes, and those of its jobs.
let stopCluster (cluster: Cluster) =
    outcome cluster "scancel" [ "--quiet"; "--user"; Environment.UserName ]
    |> ignore

    let isEmpty () =
        match outcome cluster "squeue" [ "-h" ] with
        | 0, "", _ -> true
        | 0, _, _ -> false
        | _ -> true

    SpinWait.SpinUntil(isEmpty, TimeSpan.FromSeconds 15.0) |> ignore

    for daemon in Seq.rev cluster.Daemons.Values do
        if not daemon.HasExited then
            daemon.Kill()

        daemon.WaitForExit()
