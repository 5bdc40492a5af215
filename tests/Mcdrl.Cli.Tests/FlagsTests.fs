module Mcdrl.Cli.Tests.FlagsTests

open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine

let tests =
    testList
        "flags"
        [
            test "settings in messages are flags, and all else is as it was" {
                Expect.equal
                    (Flags.spelt "“leave_out” x: no such site. Add “resume”, or set `out` in “a b”.")
                    "--leave-out x: no such site. Add --resume, or set `out` in “a b”."
                    "spelt"
            }

            test "in where, what and fix, on stderr and in JSON" {
                let problem =
                    McdrlError.data "“config” is given twice" "“text” a.json" "Leave “tower” out"

                Expect.equal
                    (Flags.describe problem)
                    "--text a.json: --config is given twice. Leave --tower out."
                    "text"

                Expect.equal
                    ((ProblemJson.create problem).ToJsonString())
                    """{"where":"--text a.json","what":"--config is given twice","fix":"Leave --tower out"}"""
                    "JSON"
            }

            test "whoever types a wrong value reads its flag" {
                let outcome =
                    mcdrl [ "encode"; "--weights"; "w"; "--images"; "i"; "--out"; "o"; "--device"; "gpu" ]

                Expect.equal outcome.Code 2 "usage"

                Expect.equal
                    outcome.Err
                    "--device gpu: unknown device. Use cpu, cuda, cuda:N (N from 0) or auto.\n"
                    "flag"
            }
        ]
