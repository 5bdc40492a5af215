module Mcdrl.Cli.Tests.WeightsGetVerbTests

open System.IO
open System.Text
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private files =
    [
        {
            Name = "model.safetensors"
            Bytes = File.ReadAllBytes(Shared.path "fixtures/clip/vit-tiny.openai.safetensors")
            IsLarge = true
        }
        {
            Name = "open_clip_config.json"
            Bytes = Encoding.UTF8.GetBytes """{"model_cfg": {"quick_gelu": true}}"""
            IsLarge = false
        }
    ]

let tests =
    testSequenced (
        testList
            "weights get"
            [
                test "weights are fetched, verified, and fit to be used" {
                    Folder.temporary (fun folder ->
                        use hub = new FakeHub("someone/clip", files)
                        let out = Path.Combine(folder, "clip")

                        let get more =
                            mcdrl (
                                [
                                    "weights"
                                    "get"
                                    "someone/clip"
                                    "--hub"
                                    hub.Address
                                    "--out"
                                    out
                                    "--json"
                                ]
                                @ more
                            )

                        let fetched = get []
                        Expect.equal fetched.Code 0 fetched.Err
                        let report = objects fetched |> Array.exactlyOne
                        Expect.equal (report.GetProperty("folder").GetString()) out "where"
                        Expect.equal (report.GetProperty("commit").GetString()) hub.Commit "of what"
                        let digest = report.GetProperty("sha256").GetString() |> string
                        let asked = hub.Requests.Length
                        let again = get [ "--offline"; "--sha256"; digest ]
                        Expect.equal again.Code 0 again.Err
                        Expect.equal hub.Requests.Length asked "offline asks nobody"

                        let encoded =
                            mcdrl
                                [
                                    yield!
                                        [ "encode"; "--weights"; out; "--out"; Path.Combine(folder, "made") ]
                                    yield! [ "--images"; Path.Combine(World.data (), "c", "images") ]
                                ]

                        Expect.equal encoded.Code 0 encoded.Err)
                }

                test "what can't be is refused, and names the flag" {
                    Folder.temporary (fun folder ->
                        let refused code (parts: string list) arguments =
                            let outcome = mcdrl ("weights" :: "get" :: arguments)
                            Expect.equal outcome.Code code outcome.Err

                            for part in parts do
                                Expect.stringContains outcome.Err part "said"

                        let out = [ "--out"; Path.Combine(folder, "none") ]
                        refused 2 [ "OWNER/NAME"; "RN50" ] ([ "clip" ] @ out)
                        refused 2 [ "https://" ] ([ "RN50"; "--hub"; "ftp://hub" ] @ out)
                        refused 4 [ "--offline" ] ([ "RN50"; "--offline" ] @ out)
                        Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing was made")
                }
            ]
    )
