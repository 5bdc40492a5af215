module Mcdrl.Cli.Tests.StudyVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testSequenced (
        testList
            "study"
            [
                test "a quick one: the page tells what stdout tells; again, nothing is done twice" {
                    Folder.temporary (fun folder ->
                        let out = Path.Combine(folder, "study")
                        let arguments = [ "study"; "--quick"; "--out"; out; "--json" ]
                        let outcome = mcdrl arguments
                        Expect.equal outcome.Code 0 outcome.Err
                        let report = objects outcome |> Array.exactlyOne
                        let page = Path.Combine(out, "index.html")
                        Expect.equal (report.GetProperty("page").GetString()) page "where"
                        let text = File.ReadAllText page

                        for model in [ "mcdrl"; "baseline" ] do
                            let dice =
                                report.GetProperty(model).GetProperty("dice").GetProperty("mean").GetDouble()

                            Expect.isTrue (text.Contains(Page.number dice)) $"{model}'s mean Dice"

                        Expect.equal
                            (Directory.GetFiles(Path.Combine(out, "segmented"), "*.explained.png")).Length
                            3
                            "three sheets"

                        for stage in 1..5 do
                            Expect.stringContains outcome.Err $"{stage}/5 " "progress"

                        let again = mcdrl arguments
                        Expect.equal again.Code 0 again.Err

                        for stage in 1..4 do
                            Expect.isMatch again.Err $"{stage}/5 .*kept" "kept"

                        let second = objects again |> Array.exactlyOne

                        for model in [ "mcdrl"; "baseline" ] do
                            Expect.equal
                                (second.GetProperty(model).GetRawText())
                                (report.GetProperty(model).GetRawText())
                                "the same numbers")
                }

                test "wrong usage is refused before any work" {
                    Folder.temporary (fun folder ->
                        let out = Path.Combine(folder, "study")
                        let picture = Path.Combine(folder, "a.png")
                        File.WriteAllBytes(picture, Crafted.png 8 8)

                        for arguments, named in
                            [
                                [ "--left-out"; "p9" ], "p9"
                                [ "--weights"; "/nonexistent/w" ], "/nonexistent/w"
                                [ "--weights"; picture ], "a.png"
                                [ "--seed"; "one" ], "seed"
                            ] do
                            let outcome = mcdrl ("study" :: "--out" :: out :: arguments)
                            Expect.isTrue (outcome.Code = 2 || outcome.Code = 3) outcome.Err
                            Expect.equal outcome.Out "" "nothing on stdout"
                            Expect.stringContains outcome.Err named "named"
                            Expect.isFalse (Directory.Exists out) "nothing written")
                }
            ]
    )
