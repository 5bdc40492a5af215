// Feeds the readers of strangers' files what afl++ makes up. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.Diagnostics
open System.IO
open Processes

let private home = Path.Combine(root, "out", "fuzz")
let private app = Path.Combine(home, "app")
let private program = Path.Combine(app, "Mcdrl.Fuzz.dll")

let private isThere name =
    (nonNull (Environment.GetEnvironmentVariable "PATH")).Split Path.PathSeparator
    |> Array.exists (fun folder -> File.Exists(Path.Combine(folder, name)))

/// The fuzzer is a package of Debian.
let private install () =
    if not (isThere "afl-fuzz") then
        let asRoot = if Environment.UserName = "root" then [] else [ "sudo" ]

        match asRoot @ [ "apt-get"; "install"; "-y"; "--no-install-recommends"; "afl++" ] with
        | name :: arguments -> quietly "afl++" name arguments
        | [] -> ()

/// out/fuzz/app: the readers with the fuzzer's counters in them; out/fuzz/seeds: what to start from, with all that ever failed.
let private prepare () =
    install ()
    restore ()
    remove "out/fuzz/app"
    remove "out/fuzz/seeds"

    quietly "Build" "dotnet" (compiling "tests/Mcdrl.Fuzz" "Release")

    let built =
        Path.Combine(root, "tests", "Mcdrl.Fuzz", "bin", "Release", "net10.0", "linux-x64")

    Directory.CreateDirectory home |> ignore
    run "cp" [ "-r"; built; app ]
    quietly "Instrumentation" "dotnet" [ program; "instrument"; app ]
    quietly "Seeds" "dotnet" [ program; "seeds"; Path.Combine(home, "seeds") ]

let private targets () =
    let _, output = capture "dotnet" [ program; "list" ]
    output.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

let private environment =
    [
        "AFL_SKIP_BIN_CHECK", "1"
        "AFL_SKIP_CPUFREQ", "1"
        "AFL_NO_UI", "1"
        "AFL_NO_AFFINITY", "1"
        "AFL_FORKSRV_INIT_TMOUT", "60000"
        "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1"
        "DOTNET_TieredPGO", "0"
    ]

let private stat (lines: string array) key =
    lines
    |> Array.tryFind _.StartsWith($"{key} ", StringComparison.Ordinal)
    |> Option.map (fun line -> line.Substring(line.IndexOf ':' + 1).Trim())
    |> Option.defaultValue "0"

/// Runs one target for so many seconds; the number of inputs that made it throw or hang.
let private fuzzOne (seconds: int) name =
    let found = Path.Combine(home, "found", name)

    if Directory.Exists found then
        Directory.Delete(found, true)

    Directory.CreateDirectory found |> ignore

    let info =
        ProcessStartInfo(
            "afl-fuzz",
            [
                "-i"
                Path.Combine(home, "seeds", name)
                "-o"
                found
                "-t"
                "10000"
                "-m"
                "none"
                "-V"
                string seconds
                "--"
                "dotnet"
                program
                "run"
                name
            ],
            WorkingDirectory = root,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    for key, value in environment do
        info.Environment[key] <- value

    use child = nonNull (Process.Start info)
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    let stats = Path.Combine(found, "default", "fuzzer_stats")

    if not (File.Exists stats) then
        fail $"afl++ did not start on {name}:\n{output}{errors.Result}"

    let lines = File.ReadAllLines stats

    let executions, corpus, discovered, edges, crashes, hangs =
        stat lines "execs_done",
        stat lines "corpus_count",
        stat lines "corpus_found",
        stat lines "edges_found",
        stat lines "saved_crashes",
        stat lines "saved_hangs"

    printfn $"{name, -14}{executions, 12}{corpus, 10}{discovered, 10}{edges, 10}{crashes, 10}{hangs, 8}"

    int crashes + int hangs

/// `minutes` for each target, or for the one that is named. Fails if an input makes a reader throw or hang.
let fuzz (minutes: float) (target: string option) =
    prepare ()
    let known = targets ()

    let chosen =
        match target with
        | None -> known
        | Some name when List.contains name known -> [ name ]
        | Some name ->
            let listed = String.concat ", " known
            fail $"There is no target {name}; there are {listed}."

    printfn
        $"""{"target", -14}{"executions", 12}{"corpus", 10}{"new", 10}{"edges", 10}{"crashes", 10}{"hangs", 8}"""

    let faults = chosen |> List.sumBy (fuzzOne (int (minutes * 60.0)))

    if faults > 0 then
        fail
            $"{faults} inputs make a reader throw or hang. They are in out/fuzz/found/TARGET/default/crashes and hangs; `dotnet out/fuzz/app/Mcdrl.Fuzz.dll try TARGET FILE` shows what one comes to. Make each a test by name, see CONTRIBUTING.md."
