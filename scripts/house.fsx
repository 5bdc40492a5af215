// Counts the rooms of the house and the arrows between them, for docs/architecture.md: `dotnet fsi scripts/house.fsx`.
#load "../tests/Mcdrl.House.Tests/SourceNames.fs" "../tests/Mcdrl.House.Tests/House.fs"

open System.IO
open Mcdrl.Tests

let root = Path.GetDirectoryName __SOURCE_DIRECTORY__ |> nonNull
let house = House.read root
let arrows = House.arrows house

/// Pairs of different places that an arrow joins.
let between place =
    arrows
    |> List.map (fun arrow -> place arrow.From, place arrow.To)
    |> List.filter (fun (user, other) -> user <> other)
    |> Set

let onCycles place =
    House.cyclic (between place) |> Set.count

let filesOf room =
    [
        for source in house.Sources do
            if House.roomOf source.Path = room then
                source.Path, source.Lines
        for path in House.filesBelow root room "*.cs" do
            path, File.ReadAllLines(Path.Combine(root, path)).Length
    ]

printfn "| room | folders | files | lines |\n|---|---|---|---|"

for project in house.Projects do
    let files = filesOf project.Name
    let folders = files |> List.map (fst >> House.folderOf) |> List.distinct
    printfn $"| {project.Name} | {folders.Length} | {files.Length} | {List.sumBy snd files} |"

let lines = house.Sources |> List.map _.Lines |> List.sort

let files =
    house.Projects |> List.sumBy (fun project -> (filesOf project.Name).Length)

let stated = house.Projects |> List.sumBy _.References.Length

printfn
    $"\n{files} files. F#: {house.Sources.Length}, median {lines[lines.Length / 2]} lines, the longest {List.last lines}."

printfn $"Arrows between projects as stated: {stated}. By module references:"

for what, place in [ "projects", House.roomOf; "folders", House.folderOf; "files", id ] do
    printfn $"  between {what}: {(between place).Count}, of them on a cycle: {onCycles place}"

/// An application that segments files with an engine.
let application what engine project =
    let used =
        House.closure arrows [ engine; "Mcdrl.Core/Segment/SegmentFiles.fs" ]
        |> Set.count

    let below =
        house.Projects
        |> List.filter (fun other -> other.Name = project)
        |> List.map (House.standsOn house >> Set.add project)
        |> Set.unionMany

    let compiled =
        house.Projects
        |> List.filter (fun other -> below.Contains other.Name)
        |> List.sumBy _.Compiled.Length

    let names = String.concat ", " below
    printfn $"To segment by {what}: {used} files by module references, {compiled} in the projects {names}."

application "ONNX Runtime" "Mcdrl.Onnx/Onnx.Engine.fs" "Mcdrl.Onnx"
application "libtorch" "Mcdrl.Torch/Segment/Segmenter.fs" "Mcdrl.Torch"
