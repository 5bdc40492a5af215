/// The recipes in F# run as they are written.
module Mcdrl.Cli.Tests.FSharpRecipesTests

open System
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests

let tests =
    testList
        "F# recipes"
        [
            test "every block runs, in the order of the page" {
                ReadmeTests.requireRelease ()

                Folder.temporary (fun folder ->
                    let quoted (path: string) = $"\"{path}\""

                    let inRepository name =
                        quoted (Path.Combine(Repository.root, name))

                    // What a reader's machine fetches lies beside the tests.
                    let beside names =
                        names
                        |> List.map (fun name ->
                            "#r " + quoted (Path.Combine(AppContext.BaseDirectory, name)))
                        |> String.concat "\n"

                    let code =
                        Pages.blocks "fsharp" "docs/fsharp.md"
                        |> String.concat "\n"
                        |> fun text ->
                            [
                                quoted "scripts/load.fsx", inRepository "scripts/load.fsx"
                                quoted "models/mini", inRepository "models/mini"
                                "\"recipes/", "\"" + folder + "/"
                                "#r \"nuget: FsCheck, 3.6.0\"", beside [ "FsCheck.dll" ]
                                "#r \"nuget: Plotly.NET, 6.0.0\"",
                                beside
                                    [
                                        "DynamicObj.dll"
                                        "Newtonsoft.Json.dll"
                                        "Giraffe.ViewEngine.dll"
                                        "Plotly.NET.dll"
                                    ]
                            ]
                            |> List.fold
                                (fun (text: string) (written, real: string) ->
                                    Expect.stringContains text written "as the page has it"
                                    text.Replace(written, real))
                                text

                    let script = Path.Combine(folder, "recipes.fsx")
                    File.WriteAllText(script, code)
                    let exitCode, out, err = ReadmeTests.script [ script ]
                    Expect.equal exitCode 0 $"{out}\n{err}"
                    Expect.stringContains out "epoch " "trained"
                    Expect.stringContains out "foam on the lens" "a dictionary of other words"
                    Expect.isMatch out @"custom: \d+ pixels" "a mode of one's own"
                    Expect.stringContains out "Ok, passed 100 tests" "the law"

                    let fewer = Outcome.ok (Bundle.manifest (Path.Combine(folder, "fewer")))
                    Expect.equal fewer.Settings.Method.Conditions [ "blur"; "mucus"; "blood" ] "written"

                    let plot = File.ReadAllText(Path.Combine(folder, "influence.html"))
                    Expect.stringContains plot "KL divergence in nats" "the plot")
            }
        ]
