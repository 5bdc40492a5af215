module Mcdrl.Cli.Tests.DemoVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testSequenced (
        testList
            "demo"
            [
                test
                    "the frames that come with Mcdrl: page and stdout tell the same, with the sheets beside them" {
                    Folder.temporary (fun folder ->
                        let out = Path.Combine(folder, "demo")
                        let outcome = mcdrl [ "demo"; "--model"; World.bundle (); "--out"; out; "--json" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let report = objects outcome |> Array.exactlyOne
                        let page = Path.Combine(out, "index.html")
                        Expect.equal (report.GetProperty("page").GetString()) page "where"
                        let text = File.ReadAllText page
                        let frames = report.GetProperty("frames").EnumerateArray() |> List.ofSeq
                        Expect.hasLength frames 12 "a dozen"

                        for frame in frames do
                            let name = nonNull (frame.GetProperty("name").GetString())
                            Expect.isTrue (text.Contains name) name

                            for ending in [ ".mask.png"; ".explained.png"; ".json" ] do
                                let file = Path.Combine(out, "segmented", "c6", name + ending)
                                Expect.isTrue (File.Exists file) file

                        let empty =
                            frames
                            |> List.filter (fun frame -> frame.GetProperty("true_share").GetDouble() = 0.0)

                        Expect.isGreaterThanOrEqual empty.Length 2 "some show no polyp"
                        Expect.isTrue (text.Contains "CC BY 4.0") "attributed")
                }

                test "a dataset of one's own, whose sites share names; what can't be shown is refused" {
                    World.within (fun folder ->
                        let out = Path.Combine(folder, "page")
                        let data = Path.Combine(folder, "data")

                        let demo frames more =
                            mcdrl ([ "demo"; "--data"; data; "--frames"; frames; "--out"; out ] @ more)

                        let outcome = demo "2" [ "--model"; World.bundle (); "--json" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let again = demo "1" []
                        Expect.equal again.Code 0 "its own page is replaced"
                        Expect.stringContains again.Out "using the embedded one" "where no model is named"
                        let report = objects outcome |> Array.exactlyOne

                        Expect.equal
                            (report.GetProperty("frames").GetArrayLength())
                            6
                            "two of each of three sites"

                        let page = File.ReadAllText(Path.Combine(out, "index.html"))
                        Expect.isFalse (page.Contains "published") "nobody else's figures"

                        File.WriteAllText(Path.Combine(folder, "index.html"), "<title>My own</title>")

                        for arguments, code, named in
                            [
                                [ "--data"; Path.Combine(folder, "nowhere") ], 4, "nowhere"
                                [ "--data"; data; "--frames"; "0" ], 2, "--frames 0"
                                [ "--data"; data; "--out"; folder ], 2, "index.html: this would be replaced"
                            ] do
                            let out =
                                if List.contains "--out" arguments then
                                    []
                                else
                                    [ "--out"; out ]

                            let refused = mcdrl ("demo" :: out @ arguments)
                            Expect.equal refused.Code code refused.Err
                            Expect.stringContains refused.Err named "named")
                }
            ]
    )
