// Which lines and branches the tests reach. Loaded by build.fsx.
#load "Processes.fsx" "Building.fsx" "Supply.fsx" "Testing.fsx"

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open Processes
open Building
open Supply
open Testing

/// A build of its own in which every line is code of its own: F# puts small functions into their callers otherwise. The machine code is
/// optimised all the same, so that tests take no longer than they must.
let private unfolded = "OtherFlags=--jit-optimize --nowarn:75"

/// The command without libtorch; tests start it as a program.
let private beside = "Mcdrl.Cli.Onnx"

let private builtOf (project: string) =
    Path.Combine(root, project, "bin", "Debug", "net10.0", "linux-x64")

let private compile (project: string) =
    quietly
        $"Build of {project}"
        "env"
        ([
            unfolded
            "dotnet"
            "build"
            project
            "-c"
            "Debug"
            "-v"
            "quiet"
            "-nologo"
            "-tl:off"
            "-clp:NoSummary"
         ]
         @ alone)

/// Coverlet's tasks for MSBuild; no project refers to them.
let private coverlet () =
    let package =
        closure ()
        |> List.find (fun package -> package.Group = "Coverage" && package.Name = "coverlet.msbuild")

    Path.Combine(folderOf package, "tasks", "net10.0")

/// Runs a test project; the path of what its tests reached, and whether all passed.
let private measure (project, arguments: string -> string list) =
    let folder = Path.Combine(root, "out", "coverage", project)
    Directory.CreateDirectory folder |> ignore
    let clock = Diagnostics.Stopwatch.StartNew()
    let result = Path.Combine(folder, "coverage.json")

    let program =
        Path.Combine(builtOf (Path.Combine("tests", project)), $"{project}.dll")

    let command =
        "dotnet" :: program :: arguments folder
        |> List.map (fun part -> $"\"{part}\"")
        |> String.concat " "

    let name, count = threads 1

    let code, output =
        capture
            "env"
            [
                $"{name}={count}"
                $"Coverlet={coverlet ()}"
                $"Tests={program}"
                $"Beside={builtOf beside}"
                $"Command={command}"
                $"Root={root}"
                $"Result={result}"
                "dotnet"
                "msbuild"
                Path.Combine(root, "scripts", "build", "coverage.proj")
                "-nologo"
                "-v:minimal"
                "-tl:off"
                "-nodeReuse:false"
            ]

    if code <> 0 then
        say output

    if not (File.Exists result) then
        fail $"{project} gave no coverage:\n{output}"

    printfn $"{project}: {clock.Elapsed.TotalSeconds:F0} s"
    result, code = 0

/// Whether a test of any project reaches each line and each branch of a file.
type private Reached =
    {
        Lines: Dictionary<int, bool>
        Branches: Dictionary<string, bool>
    }

let private note (places: Dictionary<'place, bool>) place reached =
    places[place] <- reached || (places.ContainsKey place && places[place])

/// The files of the rooms, by their path in the repository. What two projects compile counts once.
let private read (results: string list) =
    let files = SortedDictionary<string, Reached>(StringComparer.Ordinal)

    for result in results do
        use json = JsonDocument.Parse(File.ReadAllText result)

        for library in json.RootElement.EnumerateObject() do
            for source in library.Value.EnumerateObject() do
                let path = Path.GetRelativePath(root, source.Name)

                if
                    path.StartsWith("Mcdrl.", StringComparison.Ordinal)
                    && not (path.Contains "/obj/")
                then
                    if not (files.ContainsKey path) then
                        files[path] <-
                            {
                                Lines = Dictionary()
                                Branches = Dictionary()
                            }

                    for kind in source.Value.EnumerateObject() do
                        for code in kind.Value.EnumerateObject() do
                            for line in code.Value.GetProperty("Lines").EnumerateObject() do
                                note files[path].Lines (int line.Name) (line.Value.GetInt64() > 0L)

                            for branch in code.Value.GetProperty("Branches").EnumerateArray() do
                                let at (name: string) = branch.GetProperty(name).GetInt64()

                                note
                                    files[path].Branches
                                    $"""{code.Name} {at "Line"} {at "Offset"} {at "Path"}"""
                                    (at "Hits" > 0L)

    files

let private tally (places: Dictionary<'place, bool> seq) =
    let reached =
        places |> Seq.sumBy (fun place -> place.Values |> Seq.filter id |> Seq.length)

    let all = places |> Seq.sumBy _.Count

    let share =
        if all = 0 then
            "none"
        else
            $"{100.0 * float reached / float all:F1} %%"

    $"{reached} / {all}", share

let private row (cells: string list) =
    let line = String.concat " | " cells
    printfn $"| {line} |"

/// `4-6, 9`: the lines that no test reaches.
let private gaps (lines: Dictionary<int, bool>) =
    let missed =
        [
            for line in lines do
                if not line.Value then
                    line.Key
        ]
        |> List.sort

    let runs =
        (missed, [])
        ||> List.foldBack (fun line runs ->
            match runs with
            | (first, last) :: rest when first = line + 1 -> (line, last) :: rest
            | _ -> (line, line) :: runs)

    runs
    |> List.map (fun (first, last) -> if first = last then string first else $"{first}-{last}")
    |> String.concat ", "

/// Not part of the tests: it builds everything a second time. Its table is that of docs/coverage.md.
let coverage () =
    restore ()
    remove "out/coverage"
    compile beside

    for project, _ in testProjects do
        compile $"tests/{project}"

    let measured = testProjects |> List.map measure
    let files = read (List.map fst measured)

    let roomOf (path: string) =
        if path = "Mcdrl.Model.fs" then
            "Mcdrl.Model"
        else
            path.Split('/')[0]

    printfn ""
    row [ "room"; "lines"; ""; "branches"; "" ]
    row [ "---"; "--:"; "--:"; "--:"; "--:" ]

    let counted name (part: Reached seq) =
        let lines, ofLines = tally (part |> Seq.map _.Lines)
        let branches, ofBranches = tally (part |> Seq.map _.Branches)
        row [ name; lines; ofLines; branches; ofBranches ]

    for room, part in files |> Seq.groupBy (fun file -> roomOf file.Key) do
        counted $"`{room}`" (part |> Seq.map _.Value)

    counted "all" files.Values
    printfn ""
    row [ "file"; "lines that no test reaches"; "which" ]
    row [ "---"; "--:"; "---" ]

    for file in
        files
        |> Seq.sortByDescending (fun file -> file.Value.Lines.Values |> Seq.filter not |> Seq.length)
        |> Seq.truncate 10 do
        let missed = file.Value.Lines.Values |> Seq.filter not |> Seq.length
        row [ $"`{file.Key}`"; string missed; gaps file.Value.Lines ]

    if measured |> List.exists (snd >> not) then
        fail "Some tests failed, see above; the table counts what ran."
