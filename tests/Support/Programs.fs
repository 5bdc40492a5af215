/// Programs of Debian that tests speak to; where one is absent the test says that it is skipped.
module Mcdrl.Tests.Programs

open System.Diagnostics
open System.IO
open Expecto

let private start (program: string) (arguments: string list) =
    let info =
        ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    let child = nonNull (Process.Start info)
    let error = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output, error.Result

/// What a program prints; it must succeed.
let printed (program: string) (arguments: string list) : string =
    let code, output, error = start program arguments
    Expect.equal code 0 $"{program}: {error}"
    output

/// Skips the running test where a program is absent.
let need (program: string) (package: string) =
    if not (File.Exists $"/usr/bin/{program}") then
        skiptest $"skipped, no {package}"

/// Runs a script in Debian's Python, which has these modules; skips the running test where it doesn't.
let python (modules: string list) (script: string) (arguments: string list) : string =
    need "python3" "python3"
    let imports = String.concat ", " modules

    match start "/usr/bin/python3" [ "-c"; $"import {imports}" ] with
    | 0, _, _ -> printed "/usr/bin/python3" ("-c" :: script :: arguments)
    | _ -> skiptest $"skipped, no Python with {imports}"

/// Sets the clock of who runs by `jumpingClock` so many hours ahead of the true time.
let setClock (file: string) (hours: int) =
    let seconds = hours * 3600
    File.WriteAllText(file, (if seconds < 0 then $"{seconds}" else $"+{seconds}"))

/// What gives a process a clock whose difference from the true one, in seconds, a file says at every moment; skips the running test where
/// libfaketime is absent. A clock that counts from the machine's start runs on, as it does when somebody sets the time.
let jumpingClock (file: string) : (string * string) list =
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

    if not (File.Exists library) then
        skiptest "skipped, no libfaketime"

    [
        "LD_PRELOAD", library
        "FAKETIME_TIMESTAMP_FILE", file
        "FAKETIME_NO_CACHE", "1"
        "FAKETIME_DONT_FAKE_MONOTONIC", "1"
    ]
