module Mcdrl.Cli.Tests.ProgressBarTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli

let private step stage number total note : ProgressStep =
    {
        Stage = stage
        Done = number
        Total = total
        Note = note
    }

/// What a session's stderr says once work has been done with it.
let private shown isTerminal (work: Session -> 'a) : 'a * string =
    use out = new StringWriter()
    use err = new StringWriter()

    let result =
        work
            {
                Json = false
                Out = out
                Err = TextWriter.Synchronized err
                Terminal = isTerminal
                Cancel = CancellationToken.None
            }

    result, string err

let tests =
    testSequenced (
        testList
            "ProgressBar"
            [
                test "in a log: the first and the last of a stage, and each stage" {
                    let result, text =
                        shown false (fun session ->
                            ProgressBar.during session (fun progress ->
                                for number in 1..5 do
                                    progress.Tell(step "training" number 5 $"loss {number}")

                                progress.Tell(step "closing" 1 0 "")
                                7))

                    Expect.equal result 7 "what the work gives"

                    Expect.equal
                        (text.Split('\n', System.StringSplitOptions.RemoveEmptyEntries))
                        [| "training 1/5 loss 1"; "training 5/5 loss 5"; "closing 1" |]
                        "three lines"
                }

                test
                    "on a terminal: the stage and how far it has come, whatever letters it has; what is said has its line" {
                    let result, text =
                        shown true (fun session ->
                            ProgressBar.above session 2 (fun session progress ->
                                progress.Tell(step "segmenting" 1 2 "")
                                Session.warn session "a.png: damaged"
                                progress.Tell(step "closing [all]" 1 2 "half")
                                9))

                    Expect.equal result 9 "what the work gives"
                    Expect.stringContains text "a.png: damaged\n" "a line"
                    Expect.stringContains text "closing [all] half" "the stage"
                    Expect.stringContains text "50%" "how far"
                }

                test "a single item has no bar" {
                    let session, text =
                        shown true (fun session ->
                            ProgressBar.above session 1 (fun inner progress ->
                                progress.Tell(step "segmenting" 1 1 "")
                                obj.ReferenceEquals(inner.Err, session.Err)))

                    Expect.equal (session, text) (true, "") "the session itself, and nothing said"
                }
            ]
    )
