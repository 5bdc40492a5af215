// The reference of everything public, as pages, from the documentation in the sources. Loaded by build.fsx.
#load "Processes.fsx" "Building.fsx"

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Processes
open Building

let private home = Path.Combine(root, "out", "reference")

/// Installed when first asked for: docfx alone takes half a gigabyte. Both are free of charge and open: MIT, Apache-2.0.
let private tool (package: string) (version: string) (command: string) =
    let folder = Path.Combine(root, "out", "tools")
    let path = Path.Combine(folder, command)

    if not (File.Exists path) then
        quietly package "dotnet" [ "tool"; "install"; package; "--version"; version; "--tool-path"; folder ]

    path

/// The rooms of F#, in F#'s words.
let private fsharpPages () =
    let projects =
        libraries |> List.map (fun room -> Path.Combine(root, room, $"{room}.fsproj"))

    let input = Path.Combine(root, "scripts", "build", "reference")

    quietly
        "F#"
        (tool "fsdocs-tool" "22.2.0" "fsdocs")
        [
            "build"
            "--input"
            input
            "--output"
            Path.Combine(home, "fsharp")
            "--projects"
            yield! projects
            "--properties"
            "Configuration=Release"
            "--mdcomments"
            "--clean"
            "--parameters"
            // Every page lies in one folder: links go up from there, so that the pages work wherever they are put.
            "root"
            "../"
            for unused in [ "logo"; "license"; "release-notes"; "repository" ] do
                $"fsdocs-{unused}-link"
                "index.html"
        ]

    remove ".fsdocs"
    File.Delete(Path.Combine(home, "fsharp", "NuGet.config"))

/// The C# halves, in C#'s.
let private csharpPages () =
    let folder = Path.Combine(home, "docfx")
    Directory.CreateDirectory folder |> ignore

    let built project =
        Path.Combine(root, project, "bin", "Release", "net10.0", "linux-x64", $"{project}.dll")

    let halves =
        [ "Mcdrl.CSharpApi.Onnx"; "Mcdrl.CSharpApi"; "Mcdrl.Hosting" ]
        |> List.map built
        |> List.filter File.Exists

    let settings =
        {|
            metadata =
                [
                    {|
                        src =
                            [
                                for half in halves ->
                                    {|
                                        src = Path.GetDirectoryName half
                                        files = [ Path.GetFileName half ]
                                    |}
                            ]
                        dest = "api"
                    |}
                ]
            build =
                {|
                    content =
                        [
                            {|
                                files = [ "api/**.yml"; "index.md"; "toc.yml" ]
                            |}
                        ]
                    resource = [ {| files = [ "icon.svg" ] |} ]
                    output = Path.Combine(home, "csharp")
                    template = [ "default"; "modern" ]
                    globalMetadata =
                        {|
                            _appTitle = "Mcdrl, C#"
                            _appName = "Mcdrl, C#"
                            _appLogoPath = "icon.svg"
                            _appFaviconPath = "icon.svg"
                            _disableContribution = true
                        |}
                |}
        |}

    let icon = File.ReadAllText(Path.Combine(root, "scripts", "build", "icon.svg"))

    File.WriteAllText(
        Path.Combine(folder, "icon.svg"),
        icon.Replace("<svg ", "<svg width=\"38\" height=\"38\" ")
    )

    File.WriteAllText(Path.Combine(folder, "docfx.json"), JsonSerializer.Serialize settings)

    File.WriteAllText(
        Path.Combine(folder, "index.md"),
        "# Mcdrl\n\nThe reference of the C# API: [all of it](api/Mcdrl.html).\n"
    )

    File.WriteAllText(Path.Combine(folder, "toc.yml"), "- name: C#\n  href: api/\n")
    quietly "C#" (tool "docfx" "2.81.0" "docfx") [ Path.Combine(folder, "docfx.json") ]
    Directory.Delete(folder, true)

let private link =
    Regex """<(?:a|link|script|img)\b[^>]*?\b(?:href|src)="([^"]*)(?=")"""

let private anchor = Regex """\b(?:id|name)="([^"]+)(?=")"""

/// Links between pages that lead nowhere, and whatever a page would fetch from elsewhere when it is opened.
let private complaints () =
    let pages = Directory.GetFiles(home, "*.html", SearchOption.AllDirectories)

    let anchors =
        pages
        |> Array.map (fun page ->
            page, set [ for found in anchor.Matches(File.ReadAllText page) -> found.Groups[1].Value ])
        |> Map

    [
        for page in pages do
            let folder = Path.GetDirectoryName page

            for found in link.Matches(File.ReadAllText page) do
                let whole = found.Groups[1].Value

                let isOutside =
                    whole.Contains "://" || whole.StartsWith "//" || whole.StartsWith "mailto:"

                if isOutside && not (found.Value.StartsWith "<a") then
                    $"{page} fetches {whole}"
                elif not isOutside && whole <> "" && not (whole.StartsWith "data:") then
                    let parts = whole.Split('#')
                    let target = Uri.UnescapeDataString(parts[0].Split('?')[0])

                    let file =
                        if target = "" then
                            page
                        else
                            Path.GetFullPath(target, folder)

                    let file =
                        if Directory.Exists file then
                            Path.Combine(file, "index.html")
                        else
                            file

                    if not (File.Exists file) then
                        $"{page}: the link to {whole} leads nowhere"
                    elif
                        parts.Length > 1
                        && parts[1] <> ""
                        && anchors.ContainsKey file
                        && not (anchors[file].Contains(Uri.UnescapeDataString parts[1]))
                    then
                        $"{page}: there is no {parts[1]} in {file}"
    ]
    |> List.distinct

let reference () =
    build ()
    remove "out/reference"
    fsharpPages ()
    csharpPages ()

    match complaints () with
    | [] ->
        let pages = Directory.GetFiles(home, "*.html", SearchOption.AllDirectories).Length

        printfn
            $"out/reference: fsharp/reference/index.html and csharp/index.html, {pages} pages, no link that leads nowhere."
    | dead ->
        let listed = dead |> List.truncate 20 |> String.concat "\n"
        fail $"{dead.Length} complaints:\n{listed}"
