module Mcdrl.Tests.NameLimitTests

open System.IO
open Expecto
open Mcdrl

let tests =
    testList
        "NameLimit"
        [
            testCase "a name of as many bytes as are told can be made, one of more can't"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let limit = NameLimit.inFolder folder
                    File.WriteAllText(Path.Combine(folder, String.replicate limit "a"), "")

                    Expect.throws
                        (fun () ->
                            File.WriteAllText(Path.Combine(folder, String.replicate (limit + 1) "a"), ""))
                        "one more"

                    let below = Path.Combine(folder, "not", "there", "yet")
                    Expect.equal (NameLimit.inFolder below) limit "of the folder that it will be in")

            testCase "bytes are counted, not letters"
            <| fun () ->
                Expect.equal (NameLimit.length "a/息肉.png") 10 "UTF-8"
                Expect.equal (NameLimit.length "a/") 0 "no name"
        ]
