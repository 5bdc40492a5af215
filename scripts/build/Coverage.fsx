// Which lines and branches the tests reach. Loaded by build.fsx.
#load "Processes.fsx" "Building.fsx" "Supply.fsx" "Watching.fsx" "Testing.fsx"

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

let private builtOf (project: string) =
    Path.Combine(root, project, "bin", "Debug", "net10.0", "linux-x64")

let private compile (project: string) =
    quietly $"Build of {project}" "env" (unfolded :: "dotnet" :: compiling project "Debug")

/// Coverlet's tasks for MSBuild; no project refers to them.
let private coverlet () =
    let package =
        closure ()
        |> List.find (fun package -> package.Group = "Coverage" && package.Name = "coverlet.msbuild")

    Path.Combine(folderOf package, "tasks", "net10.0")

/// Coverlet writes into the assemblies; the build links one file into many folders.
let private separate (folder: string) =
    for pattern in [ "Mcdrl*.dll"; "mcdrl.dll"; "Mcdrl*.pdb"; "mcdrl.pdb" ] do
        for path in Directory.GetFiles(folder, pattern) do
            let own = path + ".own"
            File.Copy(path, own, true)
            File.Move(own, path, true)

/// Runs a test project; the file that says what its tests reached. Of the programs that tests start it says nothing: the command leaves
/// at once (`Command`), before a count could be written.
let private measure (project, arguments: string -> string list) : string =
    let results = Path.Combine(root, "out", "coverage", project)
    Directory.CreateDirectory results |> ignore
    let clock = Diagnostics.Stopwatch.StartNew()
    let folder = builtOf (Path.Combine("tests", project))
    let program = Path.Combine(folder, $"{project}.dll")
    separate folder

    let command =
        "dotnet" :: program :: arguments results
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
                $"Command={command}"
                $"Root={root}"
                $"Results={results}"
                "dotnet"
                "msbuild"
                Path.Combine(root, "scripts", "build", "coverage.proj")
                "-nologo"
                "-v:minimal"
                "-tl:off"
                "-nodeReuse:false"
            ]

    let found = Path.Combine(results, "coverage.json")
    let outcome = Path.Combine(results, "results.xml")

    if code <> 0 || not (File.Exists found && File.Exists outcome) then
        fail $"{project} gave no coverage:\n{output}"

    say $"{project}: {said [ tallyOf outcome ]} ({clock.Elapsed.TotalSeconds:F0} s)"
    found

/// Whether a test of any project reaches each line and each branch of a file.
type private Reached =
    {
        Lines: Dictionary<int, bool>
        Branches: Dictionary<string, bool>
    }

let private note (places: Dictionary<'place, bool>) place reached =
    places[place] <- reached || (places.ContainsKey place && places[place])

/// What gives a file's values their values. Where none needs it, the values are constants that the compiler has put where they are used.
let private isStart (name: string) =
    name.Contains "<StartupCode$"
    && name.EndsWith("::.cctor()", StringComparison.Ordinal)

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
                            let lines = code.Value.GetProperty("Lines").EnumerateObject() |> List.ofSeq
                            let isReached (line: JsonProperty) = line.Value.GetInt64() > 0L

                            if not (isStart code.Name) || List.exists isReached lines then
                                for line in lines do
                                    note files[path].Lines (int line.Name) (isReached line)

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

let private report (files: SortedDictionary<string, Reached>) =
    let roomOf (path: string) =
        if path = "Mcdrl.Model.fs" then
            "Mcdrl.Model"
        else
            path.Split('/')[0]

    let missed (file: KeyValuePair<string, Reached>) =
        file.Value.Lines.Values |> Seq.filter not |> Seq.length

    let counted name (part: Reached seq) =
        let lines, ofLines = tally (part |> Seq.map _.Lines)
        let branches, ofBranches = tally (part |> Seq.map _.Branches)
        row [ name; lines; ofLines; branches; ofBranches ]

    row [ "room"; "lines"; ""; "branches"; "" ]
    row [ "---"; "--:"; "--:"; "--:"; "--:" ]

    for room, part in files |> Seq.groupBy (fun file -> roomOf file.Key) do
        counted $"`{room}`" (part |> Seq.map _.Value)

    counted "all" files.Values
    printfn ""
    row [ "file"; "lines that no test reaches"; "which" ]
    row [ "---"; "--:"; "---" ]

    for file in files |> Seq.sortByDescending missed |> Seq.truncate 10 do
        row [ $"`{file.Key}`"; string (missed file); gaps file.Value.Lines ]

/// Not part of the tests: it builds everything a second time. A test that fails here counts all the same: what it allocates is promised of
/// optimised code only, and `test` judges that.
let coverage () =
    restore ()
    remove "out/coverage"

    for project, _ in testProjects do
        compile $"tests/{project}"

    let results = testProjects |> List.map measure
    printfn ""
    read results |> report
