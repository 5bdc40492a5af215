/// The code that the pages show.
module Mcdrl.Cli.Tests.Pages

open System.IO
open System.Text.RegularExpressions
open Mcdrl.Tests

/// The pages that a reader meets in the repository, by their paths there.
let all =
    [
        for folder in [ "."; "docs" ] do
            for path in Directory.GetFiles(Path.Combine(Repository.root, folder), "*.md") do
                Path.GetRelativePath(Repository.root, path)
    ]

let text (page: string) : string =
    File.ReadAllText(Path.Combine(Repository.root, page))

/// A page's code blocks of a language, in their order.
let blocks (language: string) (page: string) : string list =
    Regex.Matches(text page, $"```{language}\n(.*?)```", RegexOptions.Singleline)
    |> Seq.map _.Groups[1].Value
    |> List.ofSeq

/// A word of the shell: quoted, or up to a blank.
let private word = Regex """(?:'[^']*'|"[^"]*"|[^\s'"])+"""

/// The commands of a shell's block as words, without comments; a line that ends in a backslash goes on.
let commands (block: string) : string list list =
    [
        for line in block.Replace("\\\n", " ").Split '\n' do
            for command in Regex.Replace(line, @"(^|\s)#.*", "").Split "&&" do
                match [ for found in word.Matches command -> found.Value.Trim('\'', '"') ] with
                | [] -> ()
                | words -> words
    ]
