// All tests, those of one file, and all as other machines would run them. Loaded by build.fsx.
#load "Building.fsx" "Debian.fsx" "Cluster.fsx" "Supply.fsx" "Watching.fsx"

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open System.Threading.Tasks
open System.Xml.Linq
open Processes
open Building
open Debian
open Cluster
open Supply
open Watching

/// The test projects, those that take longest first, and what makes each write its results as JUnit XML into a folder, as
/// `results.xml`.
let testProjects =
    let expecto folder =
        [
            "--colours"
            "0"
            "--no-spinner"
            "--junit-summary"
            Path.Combine(folder, "results.xml")
        ]

    let xunit folder =
        [
            "--results-directory"
            folder
            "--report-xunit-junit"
            "--report-xunit-junit-filename"
            "results.xml"
        ]

    [
        "Mcdrl.Cli.Tests", expecto
        "Mcdrl.Training.Tests", expecto
        "Mcdrl.CSharpApi.Tests", xunit
        "Mcdrl.Lab.Tests", expecto
        "Mcdrl.Model.Tests", expecto
        "Mcdrl.Torch.Tests", expecto
        "Mcdrl.Serve.Tests", expecto
        "Mcdrl.Video.Tests", expecto
        "Mcdrl.Core.Tests", expecto
        "Mcdrl.Phantom.Tests", expecto
        "Mcdrl.Dicom.Tests", expecto
        "Mcdrl.House.Tests", expecto
    ]

type Tally =
    {
        Passed: int
        Failed: int
        Skipped: int
    }

let tallyOf (path: string) =
    let has names (case: XElement) =
        case.Elements()
        |> Seq.exists (fun child -> List.contains child.Name.LocalName names)

    let cases = XDocument.Load(path).Descendants "testcase" |> List.ofSeq
    let failed, rest = cases |> List.partition (has [ "failure"; "error" ])
    let skipped, passed = rest |> List.partition (has [ "skipped" ])

    {
        Passed = passed.Length
        Failed = failed.Length
        Skipped = skipped.Length
    }

let said tallies =
    let sum count = tallies |> List.sumBy count
    $"{sum _.Passed} passed, {sum _.Failed} failed, {sum _.Skipped} skipped"

/// Shown whole, whatever else is shown at the same time.
let say (text: string) = Console.Out.WriteLine text

/// Does one thing more at a time than there are processors, for tests also wait; begun in this order. What each gave, in the same order.
let atATime (work: 'item -> 'result) (items: 'item list) : 'result list =
    let results = Array.zeroCreate items.Length
    let one = EnumerablePartitionerOptions.NoBuffering

    Parallel.ForEach(
        Partitioner.Create(List.indexed items, one),
        ParallelOptions(MaxDegreeOfParallelism = Environment.ProcessorCount + 1),
        fun (index, item) -> results[index] <- work item
    )
    |> ignore

    List.ofArray results

/// Runs tests of a project under a name. A run that ends badly, or without having run anything, counts as one failure more.
let runSome project name arguments =
    let folder = Path.Combine(root, "out", "tests", name)

    remove folder
    Directory.CreateDirectory folder |> ignore
    let clock = Stopwatch.StartNew()

    let program =
        Path.Combine(root, "tests", project, "bin", "Release", "net10.0", "linux-x64", $"{project}.dll")

    let runner, given, complaints =
        watched project folder "dotnet" (program :: arguments folder)

    let code, output = capture runner given

    let results = Path.Combine(folder, "results.xml")

    let counted =
        if File.Exists results then
            tallyOf results
        else
            { Passed = 0; Failed = 0; Skipped = 0 }

    let ran = counted.Passed + counted.Failed > 0

    let tally =
        if counted.Failed = 0 && (code <> 0 || not ran) then
            { counted with Failed = 1 }
        else
            counted

    let loud = complaints ()

    let tally =
        { tally with
            Failed = tally.Failed + loud.Length
        }

    [
        yield! loud

        if tally.Failed > loud.Length then
            output

        if tally.Failed - loud.Length > counted.Failed then
            if ran then
                $"{name} ended with exit code {code}."
            else
                $"{name} ran no test."

        $"{name}: {said [ tally ]} ({clock.Elapsed.TotalSeconds:F0} s)"
    ]
    |> String.concat "\n"
    |> say

    tally

let suites =
    [
        for project, arguments in testProjects -> fun () -> runSome project project arguments
    ]

/// Badly formatted sources count as one failure.
let checkFormat () =
    let checks =
        [ "fantomas" :: "--check" :: fsharp; csharpFormat @ [ "--verify-no-changes" ] ]

    let complaints =
        [
            for check in checks do
                match capture "dotnet" check with
                | 0, _ -> ()
                | _, output -> output
        ]

    for output in complaints do
        say $"{output}\nFormat: run `dotnet fsi build.fsx format`"

    {
        Passed = 0
        Failed = min 1 complaints.Length
        Skipped = 0
    }

/// Every script is type-checked against what was built, all in one go, and run by nobody; where that fails, each by itself, and one that
/// does not compile counts as one failure.
let checkScripts () =
    let scripts =
        Path.Combine(root, "build.fsx")
        :: List.ofArray (Directory.GetFiles(Path.Combine(root, "scripts"), "*.fsx"))

    let checks loaded =
        capture
            "dotnet"
            ([ "fsi"; "--quiet"; "--warnaserror+"; "--typecheck-only"; "--exec" ]
             @ [ for script in loaded -> $"--load:{script}" ])

    let compiles script =
        match checks [ script ] with
        | 0, _ -> true
        | _, output ->
            say $"{output}\n{Path.GetRelativePath(root, script)} does not compile."
            false

    {
        Passed = 0
        Failed =
            if fst (checks scripts) = 0 then
                0
            else
                scripts |> List.filter (compiles >> not) |> List.length |> max 1
        Skipped = 0
    }

/// What the packages are is part of what is tested; each complaint counts as a failure, and so does each known vulnerability. Where
/// the feed can't be asked for those, it is said.
let checkSupply () =
    let complaints =
        [
            yield! supplyComplaints ()

            match vulnerabilities () with
            | Ok found ->
                if found.IsEmpty then
                    say "Packages: no vulnerability is known to the feed."

                yield! found
            | Error why ->
                let reason = why.Trim().Split('\n')[0]
                say $"Packages: skipped what vulnerabilities are known, the feed does not answer: {reason}"
        ]

    for complaint in complaints do
        say complaint

    {
        Passed = 0
        Failed = complaints.Length
        Skipped = 0
    }

/// Parts through Slurm's queue count as one test; where Debian's packages can't be had, it is said that it was skipped.
let checkCluster () =
    let none = { Passed = 0; Failed = 0; Skipped = 0 }

    match clusterTest () with
    | Ok None -> { none with Passed = 1 }
    | Ok(Some what) ->
        say $"Cluster: {what}"
        { none with Failed = 1 }
    | Error why ->
        say $"Cluster: skipped: {why}"
        { none with Skipped = 1 }

/// What the tests run in.
type Surroundings =
    {
        Name: string
        Variables: (string * string) list
        /// Beside a process that keeps a processor busy.
        Busy: bool
    }

let threads count = "OMP_NUM_THREADS", string count

/// On one torch thread each: sums of several threads differ in their last bits from those of one.
let usual =
    {
        Name = "One thread"
        Variables = [ threads 1 ]
        Busy = false
    }

/// Much of what another machine does otherwise: its kernels, the number of its threads, and when they get their turn.
let others =
    [
        {
            Name = "Kernels of an older processor, one thread"
            Variables =
                [
                    "ATEN_CPU_CAPABILITY", "default"
                    "ONEDNN_MAX_CPU_ISA", "AVX2"
                    "MKL_ENABLE_INSTRUCTIONS", "AVX2"
                    threads 1
                ]
            Busy = false
        }
        {
            Name = "Two threads, beside a busy loop"
            Variables = [ threads 2 ]
            Busy = true
        }
    ]

/// Works beside a busy loop, which also ends by itself soon after this process does.
let besideBusyLoop work =
    let loop =
        $"while kill -0 {Environment.ProcessId}; do i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done; done"

    use busy = start "sh" [ "-c"; loop ] true

    try
        work ()
    finally
        busy.Kill()

/// Does the checks and suites, as many at a time as is quick.
let runAll surroundings (parts: (unit -> Tally) list) =
    let before =
        surroundings.Variables
        |> List.map (fun (name, _) -> name, Environment.GetEnvironmentVariable name)

    let run () = parts |> atATime (fun part -> part ())

    for name, value in surroundings.Variables do
        Environment.SetEnvironmentVariable(name, value)

    try
        if surroundings.Busy then besideBusyLoop run else run ()
    finally
        for name, value in before do
            Environment.SetEnvironmentVariable(name, value)

/// The last line, which counts for CI.
let closing tallies =
    printfn $"{said tallies}"

    if tallies |> List.exists (fun tally -> tally.Failed > 0) then
        exit 1

/// The format, which needs no build, is checked beside it: projects that wait for each other leave processors free.
let test () =
    restore ()
    let format = Task.Run checkFormat
    withPackages compile

    checkCluster :: suites
    @ [ checkScripts; checkSupply; (fun () -> format.Result) ]
    |> runAll usual
    |> closing

/// The part of `test` that needs a cluster, by itself.
let testCluster () =
    restore ()
    compile ()
    closing [ checkCluster () ]

/// Tests that run by themselves: their project, what they are called, and what chooses them.
type Choice =
    {
        Project: string
        Name: string
        Filter: string list
    }

let whole project =
    {
        Project = project
        Name = project
        Filter = []
    }

let isSuite project =
    testProjects |> List.exists (fun (name, _) -> name = project)

/// The project that tests a room; rooms without one of their own are tested where they are used.
let suiteOf room =
    match room with
    | "Mcdrl.Onnx" -> "Mcdrl.Training.Tests"
    | "Mcdrl.Cli.Onnx" -> "Mcdrl.Cli.Tests"
    | "Mcdrl.CSharpApi.Onnx"
    | "Mcdrl.Hosting" -> "Mcdrl.CSharpApi.Tests"
    | room -> $"{room}.Tests"

/// The tests of one file: the class of its name in C#, the list that holds all others in F#. Other files of a test project
/// may serve any test.
let inFile (path: string) =
    let project = Path.GetFileName(Path.GetDirectoryName path)
    let name = Path.GetFileNameWithoutExtension path

    let chosen filter =
        {
            Project = project
            Name = $"{project}, {name}"
            Filter = filter
        }

    if not (name.EndsWith "Tests") then
        whole project
    elif Path.GetExtension path = ".cs" then
        chosen [ "--filter-class"; $"{project}.{name}" ]
    else
        let list =
            Regex.Match(
                File.ReadAllText path,
                "^let tests.*?testList\\s+\"([^\"]+)\"",
                RegexOptions.Multiline ||| RegexOptions.Singleline
            )

        let room = project.Split('.')[1]
        chosen [ "--filter"; $"{room}.{list.Groups[1].Value}." ]

/// The tests that belong to a source file: those of its test file; where there is none, of the files of its room's tests that
/// name what it declares; where nothing does, the whole suite.
let ofSource (path: string) suite =
    let name = Path.GetFileNameWithoutExtension path
    let folder = Path.Combine(root, "tests", suite)
    let files = Directory.GetFiles(folder, "*.?s") |> List.ofArray

    let named =
        Directory.GetFiles(Path.Combine(root, "tests"), $"{name}Tests.?s", SearchOption.AllDirectories)
        |> List.ofArray

    let declared =
        Regex.Matches(
            File.ReadAllText path,
            @"^[^/\n]*\b(?:module|type|class|record|struct|enum|interface)\s+(?:(?:private|internal|rec)\s+)*([A-Z]\w+)",
            RegexOptions.Multiline
        )
        |> Seq.map _.Groups[1].Value
        |> Seq.distinct
        |> String.concat "|"

    let mentions (file: string) =
        declared <> "" && Regex.IsMatch(File.ReadAllText file, $@"\b({declared})\b")

    match named |> List.filter (fun file -> Path.GetDirectoryName file = folder), named with
    | [], [] ->
        match files |> List.filter mentions |> List.map inFile with
        | choices when choices |> List.exists _.Filter.IsEmpty -> [ whole suite ]
        | [] -> [ whole suite ]
        | choices -> choices
    | [], elsewhere -> List.map inFile elsewhere
    | own, _ -> List.map inFile own

/// What a path or name of the command line chooses: a test file, a source file, a test project, a room.
let chosenBy (asked: string) =
    let path = Path.GetFullPath asked |> Path.TrimEndingDirectorySeparator
    let inside = Path.GetRelativePath(root, path).Split '/' |> List.ofArray

    match inside with
    | "tests" :: project :: file when isSuite project ->
        Some [ if file.IsEmpty then whole project else inFile path ]
    | [ "Mcdrl.Model.fs" ] -> Some [ whole "Mcdrl.Model.Tests" ]
    | room :: _ when File.Exists path && isSuite (suiteOf room) -> Some(ofSource path (suiteOf room))
    | _ ->
        [
            asked
            suiteOf asked
            suiteOf $"Mcdrl.{asked}"
            if Directory.Exists path then
                suiteOf inside.Head
        ]
        |> List.tryFind isSuite
        |> Option.map (whole >> List.singleton)

let buildSuite project =
    let assets = Path.Combine(root, "tests", project, "obj", "project.assets.json")
    let locked = Path.Combine(root, "paket.lock")

    let restored =
        File.Exists assets
        && File.GetLastWriteTimeUtc assets > File.GetLastWriteTimeUtc locked

    if not restored then
        restore ()

    let restoring = if restored then [ "--no-restore" ] else []
    quietly $"Build of {project}" "dotnet" (compiling $"tests/{project}" "Release" @ restoring)

/// Builds and runs what belongs to the files, rooms or test projects that are named, and nothing else.
let testOnly (asked: string list) =
    let choices =
        [
            for one in asked do
                match chosenBy one with
                | Some choices -> yield! choices
                | None ->
                    eprintfn $"{one} is no source file, test file, room or test project."
                    exit 2
        ]
        |> List.distinct

    choices |> List.map _.Project |> List.distinct |> List.iter buildSuite

    let run choice () =
        let _, arguments =
            testProjects |> List.find (fun (project, _) -> project = choice.Project)

        runSome choice.Project choice.Name (fun folder -> arguments folder @ choice.Filter)

    choices |> List.map run |> runAll usual |> closing

/// What passes here and fails there asserts more than is promised.
let testPortable () =
    restore ()
    withPackages compile

    others
    |> List.collect (fun surroundings ->
        printfn $"{surroundings.Name}:"
        let tallies = runAll surroundings suites
        printfn $"{surroundings.Name}: {said tallies}"
        tallies)
    |> closing
