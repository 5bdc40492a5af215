/// What a parent may hand over instead of stdin, stdout and stderr; only a process of its own shows it.
module Mcdrl.Cli.Tests.DescriptorsTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Mcdrl.Tests

let private command = Path.Combine(AppContext.BaseDirectory, "mcdrl.dll")

/// Runs the command in a shell that redirects as told; exit code and what else came on stderr.
let private redirected folder (arguments: string) (how: string) =
    let info =
        ProcessStartInfo(
            "/bin/bash",
            [ "-c"; $"dotnet '{command}' {arguments} {how}" ],
            RedirectStandardError = true,
            WorkingDirectory = folder
        )

    use child = Process.Start info |> Option.ofObj |> Option.get
    let err = child.StandardError.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, err

let private frames folder =
    for number in [ 1; 3 ] do
        File.Copy(
            Path.Combine(World.data (), "c", "images", $"frame{number}.png"),
            Path.Combine(folder, $"f{number}.png")
        )

    File.WriteAllText(Path.Combine(folder, "f2.png"), "")

let tests =
    testList
        "Descriptors"
        [
            test
                "whatever is full, closed or gone, the good frames are done, no file is written into, and the code is a documented one" {
                Folder.temporary (fun folder ->
                    frames folder

                    let cases =
                        [
                            ">/dev/full", 5
                            ">&-", 5
                            "2>/dev/full >/dev/null", 5
                            "2>&- >/dev/null", 5
                            "<&- >/dev/null", 1
                            "<&- >&- 2>&-", 5
                            "| true; exit ${PIPESTATUS[0]}", 5
                            ">/dev/null", 1
                        ]

                    for number, (how, expected) in List.indexed cases do
                        let arguments =
                            $"segment f1.png f2.png f3.png --json --model '{World.bundle ()}' --out out{number}"

                        let code, err = redirected folder arguments how
                        Expect.equal code expected $"{how}: {err}"
                        Expect.isFalse (err.Contains "Unhandled") how
                        let out = Path.Combine(folder, $"out{number}")
                        Expect.hasLength (Directory.GetFiles(out, "*.mask.png")) 2 how

                        for report in Directory.GetFiles(out, "*.json") do
                            Expect.stringStarts (File.ReadAllText report) "{" "a report and nothing else"

                        if how.StartsWith '>' && expected = 5 then
                            Expect.stringContains err "standard output: not everything could be written" how)
            }

            test "a home that is unset, isn't there or can't be written in is no obstacle" {
                Folder.temporary (fun folder ->
                    frames folder

                    for number, home in
                        List.indexed [ "-u HOME"; "HOME=/nonexistent"; "HOME=/proc"; "HOME=" ] do
                        let info =
                            ProcessStartInfo(
                                "/bin/bash",
                                [
                                    "-c"
                                    $"env -u XDG_CACHE_HOME {home} dotnet '{command}' segment f1.png --model '{World.bundle ()}' --out home{number} 2>&1"
                                ],
                                RedirectStandardOutput = true,
                                WorkingDirectory = folder
                            )

                        use child = Process.Start info |> Option.ofObj |> Option.get
                        let said = child.StandardOutput.ReadToEnd()
                        child.WaitForExit()
                        Expect.equal child.ExitCode 0 $"{home}: {said}")
            }
        ]
    |> testSequenced
