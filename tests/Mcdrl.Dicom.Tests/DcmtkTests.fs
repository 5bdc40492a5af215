module Mcdrl.Tests.DcmtkTests

open System.IO
open Expecto
open Mcdrl

let private folder = Path.GetTempPath()

let tests =
    testList
        "Dcmtk"
        [
            test "a program that is missing is told with what to install" {
                Dcmtk.run folder "dcm-no-such-program" [] 10L "file.dcm"
                |> Outcome.refusedWith 5 [ "dcm-no-such-program"; "apt-get install dcmtk" ]
            }

            test "what is printed comes back with the exit code, up to a limit" {
                Expect.equal
                    (Outcome.ok (Dcmtk.run folder "printf" [ "abc" ] 3L "file.dcm"))
                    (0, "abc"B)
                    "to the limit"

                Dcmtk.run folder "printf" [ "abcd" ] 3L "file.dcm"
                |> Outcome.refusedWith 4 [ "file.dcm"; "more" ]

                Expect.equal (fst (Outcome.ok (Dcmtk.run folder "false" [] 3L "file.dcm"))) 1 "exit code"
            }

            test "a program without end is stopped at the limit" {
                Dcmtk.run folder "yes" [] 100_000L "file.dcm"
                |> Outcome.refusedWith 4 [ "file.dcm" ]
            }

            test "the version of what is installed" {
                Programs.need "dcmdump" "dcmtk"
                let version = Expect.wantSome (Dcmtk.version ()) "installed"
                Expect.isTrue (version.StartsWith "3.") version
            }
        ]
