module Mcdrl.Cli.Tests.AppTests

open System.IO
open System.Threading
open Expecto
open Mcdrl.Tests
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine

let private refused outcome (reason: string) =
    Expect.equal outcome.Code 2 "usage error"
    Expect.equal outcome.Out "" "nothing on stdout"
    Expect.stringContains outcome.Err reason "says what is wrong"
    Expect.isMatch outcome.Err "(?i)usage" "shows the usage"
    Expect.stringContains (outcome.Err.Split '\n' |> Array.head) reason "first, the usage after it"

/// Exit code and words of a command whose standard output fails so, once it is seen that its work was done.
let private phantomInto (problem: exn) arguments =
    Folder.temporary (fun folder ->
        let target = Path.Combine(folder, "data")
        use out = new OutletTests.FullDisk(0, problem)
        use err = new StringWriter()

        let code =
            App.run
                Verbs.all
                {
                    Json = false
                    Out = out
                    Err = err
                    Terminal = false
                    Cancel = CancellationToken.None
                }
                [|
                    yield! [ "phantom"; "--sites"; "1"; "--images"; "1"; "--side"; "32" ]
                    yield! [ "--out"; target ]
                    yield! arguments
                |]

        Expect.isTrue (File.Exists(Path.Combine(target, "dataset.json"))) "done"
        code, string err)

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

            test "a verb that throws ends in a documented code and a word about it" {
                let throwing: Verb =
                    {
                        Name = "throw"
                        Summary = "throws"
                        Help = fun () -> ""
                        Options = fun () -> []
                        Run = fun _ _ -> invalidOp "a surprise"
                    }

                use out = new StringWriter()
                use err = new StringWriter()

                let code =
                    App.run
                        [ throwing ]
                        {
                            Json = false
                            Out = out
                            Err = err
                            Terminal = false
                            Cancel = CancellationToken.None
                        }
                        [| "throw" |]

                Expect.equal code 5 "resources"
                Expect.stringContains (string err) "a surprise" "what"
                Expect.stringContains (string err) "report it" "what to do"
            }

            test "output that can't be written ends in code 5, one line, and what was asked for" {
                for arguments in [ []; [ "--json" ] ] do
                    let code, err = phantomInto (IOException "No space left on device") arguments
                    Expect.equal code 5 err
                    Expect.stringContains err "No space left on device" "why"
            }

            test "whoever reads lines for people may stop; results that are lost are told" {
                let gone = IOException("Broken pipe", 32)
                let code, err = phantomInto gone []
                Expect.equal (code, err.Contains "Broken pipe") (0, false) err
                let code, err = phantomInto gone [ "--json" ]
                Expect.equal (code, err.Contains "Broken pipe") (5, true) err
            }

            test "a word that begins several verbs has their help; an option is no verb" {
                for word in [ "data"; "export" ] do
                    let outcome = mcdrl [ word; "--help" ]
                    Expect.equal outcome.Code 0 word

                    for verb in Verbs.all do
                        if verb.Name.StartsWith $"{word} " then
                            Expect.stringContains outcome.Out $"mcdrl {verb.Name}" "each"

                let outcome = mcdrl [ "-v" ]
                Expect.equal outcome.Code 2 "usage"
                Expect.stringContains outcome.Err "-v: a verb comes first" "said"
            }

            test "help VERB is VERB --help" {
                for words in [ [ "segment" ]; [ "data"; "check" ]; [ "data" ]; [] ] do
                    let helped, asked = mcdrl ("help" :: words), mcdrl (words @ [ "--help" ])
                    Expect.equal (helped.Code, helped.Err) (0, "") "done"
                    Expect.equal helped.Out asked.Out (String.concat " " words)

                refused (mcdrl [ "help"; "frobnicate" ]) "unknown verb `frobnicate`"
            }

            test "what was meant is guessed where it is near" {
                for words, meant in
                    [
                        [ "segmnt"; "x.png" ], Some "segment"
                        [ "data"; "chekc" ], Some "data check"
                        [ "Doctor" ], Some "doctor"
                        [ "--vresion" ], Some "--version"
                        [ "segment"; "x.png"; "--threshhold"; "0.5" ], Some "--threshold"
                        [ "train"; "--leaveout"; "x" ], Some "--leave-out"
                        [ "segment"; "x.png"; "--prec"; "fp32" ], Some "--precision"
                        [ "segment"; "x.png"; "--nothing-like-it" ], None
                        [ "frobnicate" ], None
                    ] do
                    let outcome = mcdrl words
                    Expect.equal outcome.Code 2 outcome.Err

                    match meant with
                    | Some meant -> Expect.stringContains outcome.Err $"Did you mean {meant}? See" "guessed"
                    | None -> Expect.isFalse (outcome.Err.Contains "Did you mean") outcome.Err
            }

            test "a wrong argument is answered by a line or two, not by all the help" {
                let outcome = mcdrl [ "segment"; "--no-such-flag" ]
                Expect.isLessThan (outcome.Err.Split '\n').Length 15 outcome.Err
                Expect.stringContains outcome.Err "USAGE: mcdrl segment" "how it is called"
            }

            test "half a verb" { refused (mcdrl [ "doc" ]) "unknown verb `doc`" }

            test "the first of two words" {
                refused (mcdrl [ "data" ]) "Say data import, data export, data init, data check"
            }

            test "no verb" { refused (mcdrl []) "no verb given" }
        ]
