module Mcdrl.Cli.Tests.PhantomVerbTests

open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testList
        "phantom"
        [
            testCase "renders a dataset that data check finds clean"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let out = Path.Combine(folder, "data")

                    let outcome =
                        mcdrl
                            [
                                "phantom"
                                "--out"
                                out
                                "--sites"
                                "2"
                                "--images"
                                "3"
                                "--side"
                                "40"
                                "--json"
                            ]

                    Expect.equal outcome.Code 0 outcome.Err
                    let result = Expect.wantSome (Array.tryExactlyOne (objects outcome)) "one object"
                    Expect.equal (result.GetProperty("frames").GetInt32()) 6 "frames"

                    Expect.isTrue
                        (result.GetProperty("confounded").GetBoolean())
                        "training data unless told otherwise"

                    Expect.equal (mcdrl [ "data"; "check"; out ]).Code 0 "clean"
                    Expect.equal (mcdrl [ "phantom"; "--out"; out ]).Code 2 "occupied")

            testCase "--force replaces a phantom and no other dataset; an empty folder name is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let phantom out more =
                        mcdrl (
                            [ "phantom"; "--sites"; "1"; "--images"; "1"; "--side"; "32"; "--out"; out ]
                            @ more
                        )

                    let mine = Path.Combine(folder, "dataset.json")
                    File.WriteAllText(mine, "mine")

                    for more in [ []; [ "--force" ] ] do
                        let outcome = phantom folder more
                        Expect.equal outcome.Code 2 outcome.Err

                    Expect.equal (File.ReadAllText mine) "mine" "kept"
                    let file = phantom mine [ "--force" ]
                    Expect.equal file.Code 2 file.Err
                    Expect.stringContains file.Err "a file, not a folder" "before anything is rendered"
                    let out = Path.Combine(folder, "data")
                    Expect.equal (phantom out []).Code 0 "new"
                    Expect.equal (phantom out [ "--force" ]).Code 0 "again"
                    File.Delete(Path.Combine(out, "dataset.json"))
                    File.Delete(Path.Combine(out, "scenes.json"))
                    Expect.equal (phantom out [ "--force" ]).Code 0 "what a killed run left"
                    Expect.equal (phantom "" []).Code 2 "no name")

            testCase "wrong numbers are wrong usage"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let out = Path.Combine(folder, "data")
                    Expect.equal (mcdrl [ "phantom"; "--out"; out; "--sites"; "9" ]).Code 2 "sites"
                    Expect.equal (mcdrl [ "phantom"; "--out"; out; "--images"; "-1" ]).Code 2 "images"
                    Expect.equal (mcdrl [ "phantom"; "--images"; "3" ]).Code 2 "no folder")
        ]
