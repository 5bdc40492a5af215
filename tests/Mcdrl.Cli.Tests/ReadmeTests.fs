/// What the README shows exists and runs.
module Mcdrl.Cli.Tests.ReadmeTests

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Tests

let private readme =
    lazy File.ReadAllText(Path.Combine(Repository.root, "README.md"))

let private found pattern =
    Regex.Matches(readme.Value, pattern, RegexOptions.Multiline)
    |> Seq.map _.Groups[1].Value
    |> Seq.distinct
    |> List.ofSeq

/// Runs a script of F# Interactive in the repository; exit code, stdout and stderr.
let script arguments =
    let info =
        ProcessStartInfo(
            "dotnet",
            "fsi" :: arguments,
            WorkingDirectory = Repository.root,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use child =
        Process.Start info
        |> Option.ofObj
        |> Option.defaultWith (fun () -> failtest "dotnet does not start")

    let err = child.StandardError.ReadToEndAsync()
    let out = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, out, err.Result

/// Skips a test that loads the Release build where there is none.
let requireRelease () =
    let built =
        Path.Combine(Repository.root, "Mcdrl.Cli", "bin", "Release", "net10.0", "linux-x64", "Mcdrl.Lab.dll")

    if not (File.Exists built) then
        skiptest "skipped, no Release build"

let tests =
    testList
        "README"
        [
            test "its table of verbs is the command's" {
                let rows = found @"^\| `mcdrl ([a-z]+( [a-z]+)?)` \|"

                Expect.equal
                    (List.sort rows)
                    (Verbs.all |> List.map _.Name |> List.sort)
                    "one row for each verb"
            }

            test "build.fsx refuses a target it doesn't have" {
                let code, out, err = script [ "build.fsx"; "deploy" ]
                Expect.equal code 2 "usage"
                Expect.equal out "" "nothing on stdout"
                Expect.stringContains err "Unknown target: deploy" "says which"
            }

            test "its F# runs in F# Interactive" {
                requireRelease ()

                Folder.temporary (fun folder ->
                    let path name = Path.Combine(folder, name)

                    let code =
                        [
                            "scripts/load.fsx", Path.Combine(Repository.root, "scripts", "load.fsx")
                            "run/model", World.bundle ()
                            "frame.png", Path.Combine(World.data (), "c", "images", "frame1.png")
                            "frame.mask.png", path "frame.mask.png"
                        ]
                        |> List.fold
                            (fun (code: string) (name, real) -> code.Replace($"\"{name}\"", $"\"{real}\""))
                            (Pages.blocks "fsharp" "README.md" |> String.concat "\n")

                    File.WriteAllText(path "readme.fsx", code)
                    let exitCode, out, err = script [ path "readme.fsx" ]
                    Expect.equal exitCode 0 err
                    Expect.equal err "" "nothing went wrong"
                    Expect.stringContains out "[3, 1, 4, 16]" "A(F, z) for every condition"
                    Expect.stringContains out "imaging condition: " "the figure of a frame"
                    Expect.isTrue (File.Exists(path "frame.mask.png")) "its mask")
            }

            test "the files it names exist" {
                for file in found @"\]\(([A-Za-z_./]+)\)" do
                    Expect.isTrue (File.Exists(Path.Combine(Repository.root, file))) file
            }
        ]
