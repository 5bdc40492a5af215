module Mcdrl.Cli.Tests.CompletionTests

open System.Diagnostics
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private script shell =
    let outcome = mcdrl [ "completion"; shell ]
    Expect.equal outcome.Code 0 outcome.Err
    outcome.Out

/// What a program writes in a folder, given a text to read.
let private answer (program: string) (arguments: string list) (folder: string) (input: string) =
    let start =
        ProcessStartInfo(
            program,
            arguments,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder
        )

    use running = nonNull (Process.Start start)
    running.StandardInput.Write input
    running.StandardInput.Close()
    let errors = running.StandardError.ReadToEndAsync()
    let out = running.StandardOutput.ReadToEnd()
    running.WaitForExit()
    Expect.equal (running.ExitCode, errors.Result) (0, "") $"{program}: it runs"
    out.Split('\n', System.StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

/// What bash offers for the last of these words.
let private offered folder (words: string list) =
    let typed = words |> List.map (fun word -> $"'{word}'") |> String.concat " "

    script "bash"
    + $"\nCOMP_WORDS=({typed}); COMP_CWORD={words.Length - 1}; _mcdrl; printf '%%s\\n' \"${{COMPREPLY[@]}}\"\n"
    |> answer "bash" [ "--norc"; "-s" ] folder

let tests =
    testList
        "Completion"
        [
            test "bash: verbs, the words behind them, options, and files for all else" {
                Folder.temporary (fun folder ->
                    for name in [ "frame 1.png"; "frames.txt" ] do
                        File.WriteAllText(Path.Combine(folder, name), "")

                    for words, expected in
                        [
                            [ "mcdrl"; "seg" ], [ "segment" ]
                            [ "mcdrl"; "e" ], [ "evaluate"; "encode"; "export"; "experiment" ]
                            [ "mcdrl"; "data"; "" ], [ "import"; "export"; "init"; "check" ]
                            [ "mcdrl"; "completion"; "" ], Completion.shells
                            [ "mcdrl"; "help"; "doc" ], [ "doctor" ]
                            [ "mcdrl"; "segment"; "--min" ], [ "--min-area" ]
                            [ "mcdrl"; "segment"; "x.png"; "--out"; "o"; "--reC" ], []
                            [ "mcdrl"; "segment"; "x.png"; "--out"; "o"; "--rec" ], [ "--recursive" ]
                            [ "mcdrl"; "data"; "check"; "--he" ], [ "--help" ]
                            [ "mcdrl"; "segment"; "fra" ], [ "frame 1.png"; "frames.txt" ]
                        ] do
                        Expect.equal (List.sort (offered folder words)) (List.sort expected) $"{words}")
            }

            test "bash: every option of every verb, as its help has it" {
                Folder.temporary (fun folder ->
                    for verb in Verbs.all do
                        let expected =
                            "--json" :: "--help" :: List.map fst (verb.Options())
                            |> List.distinct
                            |> List.sort

                        Expect.isGreaterThan expected.Length 2 verb.Name

                        for option in expected do
                            if option <> "--json" then
                                Expect.stringContains (verb.Help()) option verb.Name

                        let words = [ "mcdrl"; yield! verb.Name.Split ' '; "x"; "--" ]
                        Expect.equal (List.sort (offered folder words)) expected verb.Name)
            }

            test "zsh and PowerShell: every verb and option, no quote left open" {
                for shell, escaped in [ "zsh", @"'\''"; "pwsh", "''" ] do
                    let text = script shell

                    for verb in Verbs.all do
                        for option, _ in verb.Options() do
                            Expect.stringContains text $"'{option}" $"{shell}: {verb.Name}"

                    for line in text.Split '\n' do
                        let plain = line.Replace(escaped, "")
                        Expect.equal ((plain |> Seq.filter ((=) '\'') |> Seq.length) % 2) 0 line
            }

            test "a shell without a script, and none" {
                let unknown = mcdrl [ "completion"; "zhs" ]
                Expect.equal unknown.Code 2 "usage"
                Expect.stringContains unknown.Err "Did you mean zsh?" "near"
                let none = mcdrl [ "completion" ]
                Expect.equal none.Code 2 "usage"
                Expect.stringContains none.Err "bash, zsh, pwsh" "which there are"
            }
        ]
