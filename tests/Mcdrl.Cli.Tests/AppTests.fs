module Mcdrl.Cli.Tests.AppTests

open Expecto
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine

let private refused outcome (reason: string) =
    Expect.equal outcome.Code 2 "usage error"
    Expect.equal outcome.Out "" "nothing on stdout"
    Expect.stringContains outcome.Err reason "says what is wrong"
    Expect.isMatch outcome.Err "(?i)usage" "shows the usage"

let tests =
    testList
        "App"
        [
            test "help lists every verb" {
                for flag in [ "--help"; "-h" ] do
                    let outcome = mcdrl [ flag ]
                    Expect.equal outcome.Code 0 flag
                    Expect.equal outcome.Err "" "nothing on stderr"

                    for verb in Verbs.all do
                        Expect.stringContains outcome.Out $"  {verb.Name} " "its words"
                        Expect.stringContains outcome.Out verb.Summary "its summary"
            }

            test "every verb has help of its own" {
                for verb in Verbs.all do
                    let outcome = mcdrl [ yield! verb.Name.Split ' '; "--help" ]
                    Expect.equal outcome.Code 0 verb.Name
                    Expect.stringContains outcome.Out $"mcdrl {verb.Name}" "names itself"
            }

            test "every verb refuses a flag it doesn't know" {
                for verb in Verbs.all do
                    refused (mcdrl [ yield! verb.Name.Split ' '; "--no-such-flag" ]) "--no-such-flag"
            }

            test "version" {
                let outcome = mcdrl [ "--version" ]
                Expect.equal outcome.Code 0 "code"
                Expect.isMatch outcome.Out @"^mcdrl \d+\.\d+\.\d+" "name and number"
            }

            test "unknown verb" { refused (mcdrl [ "frobnicate"; "--json" ]) "unknown verb `frobnicate`" }

            test "half a verb" { refused (mcdrl [ "doc" ]) "unknown verb `doc`" }

            test "no verb" { refused (mcdrl []) "no verb given" }
        ]
