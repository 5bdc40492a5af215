module Mcdrl.Cli.Tests.SessionTests

open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli

/// Moves the cursor, recolours, turns the direction, hides, ends lines.
let hostile = "a\u001b[2J\u001b]0;title\a\u202egnp.exe\u2066\r\u200b\u0085\u2028b"

/// What none of it may leave on a terminal.
let private obeyed = "\u001b\a\u202e\u2066\r\u200b\u0085\u2028"

let private session json work =
    use out = new StringWriter()
    use err = new StringWriter()

    work
        {
            Json = json
            Out = out
            Err = err
            Terminal = false
            Cancel = CancellationToken.None
        }

    string out, string err

let private isHarmless (text: string) =
    for letter in obeyed do
        Expect.isFalse (text.Contains letter) $"{int letter:x4} in {Printable.line text}"

let tests =
    testList
        "Session"
        [
            test "names that hold commands are spelt out, on both outputs and in progress" {
                for json in [ false; true ] do
                    let out, err =
                        session json (fun session ->
                            Session.say session $"said {hostile}"
                            Session.warn session $"warned {hostile}"

                            ProgressBar.during session (fun progress ->
                                progress.Tell
                                    {
                                        Stage = $"stage {hostile}"
                                        Done = 1
                                        Total = 1
                                        Note = $"note {hostile}"
                                    }))

                    isHarmless out
                    isHarmless err

                    for word in [ "said a"; "warned a"; "stage a"; "note a"; "u001b[2J" ] do
                        Expect.stringContains (out + err) word "all is told"
            }

            test "as JSON they are harmless too, and read back as they were" {
                let out, _ =
                    session true (fun session ->
                        Session.emit session (Json.object [ hostile, Json.text hostile ]))

                isHarmless out
                Expect.hasLength (out.TrimEnd('\n').Split '\n') 1 "one line"
                let read = JsonDocument.Parse(out).RootElement
                Expect.equal (read.GetProperty(hostile).GetString()) hostile "the same"
            }
        ]
