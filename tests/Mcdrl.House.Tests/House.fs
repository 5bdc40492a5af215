namespace Mcdrl.Tests

open System
open System.IO
open System.Xml.Linq

/// A source file; paths are relative to the repository, with slashes.
type Source =
    {
        Path: string
        Lines: int
        /// Without comments and texts.
        Code: string
        Names: SourceNames
    }

/// A project of the product.
type Project =
    {
        Name: string
        /// The files that it compiles, in their order; none for C#, which has none.
        Compiled: string list
        /// The projects that it names itself.
        References: string list
        /// The packages that it names itself.
        Packages: string list
    }

/// The repository as its rules see it.
type House =
    {
        Projects: Project list
        /// Every F# file that lies in a project's folder or is compiled by one.
        Sources: Source list
    }

/// A file that uses a name which another file declares.
type Arrow =
    {
        From: string
        To: string
        Name: string
    }

[<RequireQualifiedAccess>]
module House =
    /// A source file's path and text.
    let source (path: string) (text: string) : Source =
        let code = SourceNames.codeOf text

        {
            Path = path
            Lines = text.TrimEnd('\n').Split('\n').Length
            Code = code
            Names = SourceNames.ofCode code
        }

    /// Files that the build writes are no sources.
    let private isBuilt (path: string) =
        path.Split '/' |> Array.exists (fun part -> part = "obj" || part = "bin")

    /// Files below a folder of the repository whose name fits the pattern, as paths.
    let filesBelow (root: string) (folder: string) (pattern: string) : string list =
        Directory.EnumerateFiles(Path.Combine(root, folder), pattern, SearchOption.AllDirectories)
        |> Seq.map (fun path -> Path.GetRelativePath(root, path))
        |> Seq.filter (isBuilt >> not)
        |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b))
        |> List.ofSeq

    let private project (root: string) (file: string) : Project =
        let folder = nonNull (Path.GetDirectoryName file)

        let included (kind: string) =
            [
                for item in XDocument.Load(Path.Combine(root, file)).Descendants(XName.Get kind) do
                    match item.Attribute(XName.Get "Include") with
                    | null -> ()
                    | path -> Path.GetRelativePath(root, Path.Combine(root, folder, path.Value))
            ]

        {
            Name = nonNull (Path.GetFileNameWithoutExtension file)
            Compiled = included "Compile"
            References =
                included "ProjectReference"
                |> List.map (Path.GetFileNameWithoutExtension >> nonNull)
            Packages =
                [
                    for line in File.ReadLines(Path.Combine(root, folder, "paket.references")) do
                        match line.Split(' ', StringSplitOptions.RemoveEmptyEntries) with
                        | [||] -> ()
                        | words -> words[0]
                ]
        }

    /// The house that lies in a folder.
    let read (root: string) : House =
        let folders =
            Directory.GetDirectories(root, "Mcdrl.*")
            |> Array.map (fun path -> Path.GetRelativePath(root, path))
            |> Array.sort
            |> List.ofArray

        let projects =
            folders
            |> List.collect (fun folder -> filesBelow root folder "*.??proj")
            |> List.map (project root)

        let lying = folders |> List.collect (fun folder -> filesBelow root folder "*.fs*")

        {
            Projects = projects
            Sources =
                lying @ List.collect _.Compiled projects
                |> List.filter (fun path -> path.EndsWith ".fs" || path.EndsWith ".fsi")
                |> List.distinct
                |> List.map (fun path -> source path (File.ReadAllText(Path.Combine(root, path))))
        }

    /// The folder of a file; the method file, which lies on top, belongs to the method's folder.
    let folderOf (path: string) : string =
        match Path.GetDirectoryName path with
        | null
        | "" -> "Mcdrl.Model/Method"
        | folder -> folder

    /// The project folder of a file.
    let roomOf (path: string) : string = (folderOf path).Split('/')[0]

    /// The projects that one stands on, directly or through others.
    let standsOn (house: House) (project: Project) : Set<string> =
        let named = house.Projects |> List.map (fun other -> other.Name, other) |> Map

        let rec go seen names =
            match names with
            | [] -> seen
            | name :: rest when Set.contains name seen -> go seen rest
            | name :: rest ->
                let further =
                    Map.tryFind name named |> Option.map _.References |> Option.defaultValue []

                go (Set.add name seen) (further @ rest)

        go Set.empty project.References

    /// The sources whose names a project may use: its own and those of the projects that it stands on.
    let within (house: House) (project: Project) : Source list =
        let below = standsOn house project

        let compiled =
            house.Projects
            |> List.filter (fun other -> other.Name = project.Name || below.Contains other.Name)
            |> List.collect _.Compiled
            |> Set

        house.Sources |> List.filter (fun source -> compiled.Contains source.Path)

    /// The names that a source declares; those of a signature are its implementation's.
    let declaredBy (source: Source) : Set<string> =
        if source.Path.EndsWith ".fs" then
            source.Names.Modules + source.Names.Types
        else
            Set.empty

    /// Every use of a name that another file declares which the compiler shows to the user: one earlier in the same project, or
    /// one of a project that it stands on.
    let arrows (house: House) : Arrow list =
        [
            for project in house.Projects do
                let sources = within house project
                let named = sources |> List.map (fun source -> source.Path, source) |> Map

                let declaring =
                    sources
                    |> List.collect (fun source -> [ for name in declaredBy source -> name, source.Path ])
                    |> Map

                let types = sources |> List.map _.Names.Types |> Set.unionMany

                for place, path in List.indexed project.Compiled do
                    let later = Set(List.skip place project.Compiled)

                    match named.TryFind path with
                    | None -> ()
                    | Some source ->
                        for name in source.Names.Qualified + Set.intersect types source.Names.Bare do
                            match declaring.TryFind name with
                            | Some other when not (later.Contains other) ->
                                { From = path; To = other; Name = name }
                            | _ -> ()
        ]
        |> List.distinct

    /// The files that some files use, directly or through others, and these themselves.
    let closure (arrows: Arrow list) (files: string list) : Set<string> =
        let uses =
            arrows
            |> List.groupBy _.From
            |> List.map (fun (path, arrows) -> path, List.map _.To arrows)
            |> Map

        let rec go seen files =
            match files with
            | [] -> seen
            | file :: rest when Set.contains file seen -> go seen rest
            | file :: rest ->
                go (Set.add file seen) ((Map.tryFind file uses |> Option.defaultValue []) @ rest)

        go Set.empty files

    /// The arrows of a graph that lie on a cycle or between two.
    let rec cyclic (edges: Set<'node * 'node>) : Set<'node * 'node> =
        let starts, ends = Set.map fst edges, Set.map snd edges
        let kept = edges |> Set.filter (fun (a, b) -> ends.Contains a && starts.Contains b)
        if kept = edges then edges else cyclic kept
