/// The commands that the pages show can be given, and pages that are walked through run.
module Mcdrl.Cli.Tests.PagesTests

open System.Diagnostics
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

/// What a command of `mcdrl` names that isn't there.
let private unknown (words: string list) =
    let verb =
        Verbs.all
        |> List.tryFind (fun verb ->
            let name = verb.Name.Split ' ' |> List.ofArray
            List.truncate name.Length words = name)

    match verb with
    | None -> words |> List.truncate 2
    | Some verb ->
        let options = "--json" :: (verb.Options() |> List.map fst)

        [
            for word in words do
                if word.StartsWith "--" && not (List.contains word options) then
                    word

            for option, value in List.pairwise words do
                if option = "--set" && not (List.contains (value.Split('=')[0]) SettingKeys.names) then
                    value
        ]

let private complaints page (targets: string) =
    [
        for block in Pages.blocks "sh" page do
            for command in Pages.commands block do
                match command with
                | ("mcdrl" | "bin/mcdrl") :: words ->
                    for word in unknown words do
                        $"{page}: mcdrl has no {word}"
                | "dotnet" :: "fsi" :: script :: _ when
                    not (File.Exists(Path.Combine(Repository.root, script)))
                    ->
                    $"{page}: there is no {script}"
                | _ -> ()

        for named in Regex.Matches(Pages.text page, @"dotnet fsi build\.fsx ([a-z]+)") do
            let target = named.Groups[1].Value

            if not (targets.Contains $"\n  {target} ") then
                $"{page}: build.fsx has no {target}"
    ]

/// Runs a script of bash in a folder, in which `mcdrl` is the command beside these tests.
let private bash folder (script: string) =
    let tools = Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName
    let command = Path.Combine(tools, "mcdrl")
    let program = Path.Combine(System.AppContext.BaseDirectory, "mcdrl.dll")
    File.WriteAllText(command, $"#!/bin/sh\nexec dotnet '{program}' \"$@\"\n")
    File.SetUnixFileMode(command, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)
    File.WriteAllText(Path.Combine(folder, "page.sh"), "set -euo pipefail\n" + script)

    ended (
        ProcessStartInfo(
            "bash",
            [ "page.sh" ],
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )
    )

let tests =
    testList
        "pages"
        [
            test "their commands name verbs, options, settings, targets and scripts that are there" {
                let _, targets, _ = ReadmeTests.script [ "build.fsx" ]

                let found = Pages.all |> List.collect (fun page -> complaints page targets)
                Expect.equal found [] "nothing to complain about"
            }

            test "a command that isn't there is noticed" {
                Expect.equal (unknown [ "segmnt"; "a.png" ]) [ "segmnt"; "a.png" ] "a verb"
                Expect.equal (unknown [ "segment"; "a.png"; "--outt"; "b" ]) [ "--outt" ] "an option"
                Expect.equal (unknown [ "train"; "--set"; "epochs=3" ]) [ "epochs=3" ] "a setting"

                Expect.equal
                    (Pages.commands "a 'b c' \\\n  d # e\nf && g\n")
                    [ [ "a"; "b c"; "d" ]; [ "f" ]; [ "g" ] ]
                    "words"
            }

            test "what they show of dataset.json is understood" {
                let shown = Pages.blocks "json" "docs/data.md"

                let whole, parts = shown |> List.partition (fun block -> block.StartsWith '{')

                let found =
                    Expect.wantOk (DatasetDescription.parse "docs/data.md" (List.exactlyOne whole)) "parses"

                Expect.equal (List.length found.Sites) 3 "sites"

                for part in parts do
                    use json = JsonDocument.Parse("{" + part + "}")

                    let unknown =
                        [ for key in json.RootElement.EnumerateObject() -> key.Name ]
                        |> List.except [ "sites"; "mask_orientation" ]

                    Expect.equal unknown [] "keys of dataset.json"
            }

            for page, out, files in
                [
                    "docs/tutorial.md",
                    "tutorial",
                    [
                        "hospitals/dataset.json"
                        "run/model/README.md"
                        "segmented/00001.explained.png"
                        "exported/00001.mask.png"
                    ]
                    "docs/annotation.md",
                    "annotation",
                    [
                        "first.html"
                        "task/annotations.xml"
                        "labelled/dataset.json"
                        "next/model/weights.safetensors"
                    ]
                ] do
                test $"{page} runs, block after block" {
                    Folder.temporary (fun folder ->
                        let built = "dotnet fsi build.fsx build\n"
                        let script = Pages.blocks "sh" page |> String.concat "\n"
                        Expect.stringContains script built "begins with a build, which these tests had"

                        Directory.CreateSymbolicLink(
                            Path.Combine(folder, "models"),
                            Path.Combine(Repository.root, "models")
                        )
                        |> ignore

                        let outcome = bash folder (script.Replace(built, ""))
                        Expect.equal outcome.Code 0 $"{outcome.Out}\n{outcome.Err}"

                        for file in files do
                            Expect.isTrue
                                (File.Exists(Path.Combine(folder, "out", out, file)))
                                $"{file} as the page says")
                }
        ]
