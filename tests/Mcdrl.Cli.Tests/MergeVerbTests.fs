module Mcdrl.Cli.Tests.MergeVerbTests

open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testSequenced (
        testList
            "merge"
            [
                test "it names the parts that are missing, then makes one file, also where the list has moved" {
                    Folder.temporary (fun folder ->
                        let inside name = Path.Combine(folder, name)
                        let list = inside "list.txt"
                        let images = Path.Combine(World.data (), "c", "images")
                        File.WriteAllLines(list, [ for number in 0..5 -> $"frame{number}.png" ])

                        let segment part =
                            let outcome =
                                mcdrl (
                                    [ "segment"; "--list"; list; "--root"; images ]
                                    @ [ "--model"; World.bundle (); "--out"; inside "out" ]
                                    @ [ "--parts"; "6"; "--part"; string part ]
                                )

                            Expect.equal outcome.Code 0 outcome.Err

                        let merge more =
                            mcdrl ([ "merge"; "--out"; inside "out" ] @ more)

                        for part in [ 0; 4 ] do
                            segment part

                        let missing = merge []
                        Expect.equal missing.Code 1 "missing"
                        Expect.stringContains missing.Err "parts missing, 4 of 6: 1-3,5" "named"
                        let told = merge [ "--json" ]

                        Expect.equal
                            [
                                for one in (objects told).[0].GetProperty("missing").EnumerateArray() ->
                                    one.GetInt32()
                            ]
                            [ 1; 2; 3; 5 ]
                            "named"

                        Expect.isFalse (File.Exists(inside "out/images.jsonl")) "nothing is merged"

                        for part in [ 1; 2; 3; 5 ] do
                            segment part

                        let whole = merge []
                        Expect.equal whole.Code 0 whole.Err
                        Expect.stringContains whole.Out "6 images of 6 parts" "said"
                        File.Move(list, inside "moved.txt")
                        let without = merge []
                        Expect.equal without.Code 4 without.Err
                        Expect.stringContains without.Err list "named"
                        let moved = merge [ "--list"; inside "moved.txt" ]
                        Expect.equal moved.Code 0 moved.Err
                        Expect.hasLength (File.ReadAllLines(inside "out/images.jsonl")) 6 "lines")
                }

                test "a folder without parts" {
                    Folder.temporary (fun folder ->
                        let outcome = mcdrl [ "merge"; "--out"; folder ]
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err folder "named")
                }
            ]
    )
