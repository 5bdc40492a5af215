module Mcdrl.Tests.OnnxLibraryTests

open System.IO
open Expecto
open Mcdrl

let tests =
    testList
        "OnnxLibrary"
        [
            test "what is loaded is the library that lies there" {
                let found = Outcome.ok (OnnxLibrary.examine ())
                Expect.isTrue (OnnxLibrary.isNewEnough found.Version) found.Version
                Expect.isTrue (File.Exists(Path.Combine(found.Folder, "libonnxruntime.so"))) found.Folder
            }

            test "an older library is one that lacks functions" {
                for version, expected in
                    [
                        "1.31.0", true
                        "1.31.1", true
                        "1.32.0-dev", true
                        "2.0.0", true
                        "1.30.9", false
                        "1.9.0", false
                        "0.1", false
                        "", false
                        "new", false
                    ] do
                    Expect.equal (OnnxLibrary.isNewEnough version) expected version
            }
        ]
