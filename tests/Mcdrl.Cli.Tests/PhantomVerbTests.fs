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

            testCase "wrong numbers are wrong usage"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let out = Path.Combine(folder, "data")
                    Expect.equal (mcdrl [ "phantom"; "--out"; out; "--sites"; "9" ]).Code 2 "sites"
                    Expect.equal (mcdrl [ "phantom"; "--out"; out; "--images"; "-1" ]).Code 2 "images"
                    Expect.equal (mcdrl [ "phantom"; "--images"; "3" ]).Code 2 "no folder")
        ]
