/// What is left when `mcdrl` is stopped, and how soon it stops.
module Mcdrl.Cli.Tests.StoppingTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

let private SIGKILL = 9

/// The moments come from a seed, so that a failure can be had again.
let private moments = Random 15

/// A picture of 64 megapixels in a few kilobytes.
let private writeLarge (path: string) =
    let side = 8000
    let rows = Array.zeroCreate<byte>(side * (side / 8 + 1))
    File.WriteAllBytes(path, Crafted.pngFile side side 1 0 0 [||] rows)

/// Every file that is there is whole.
let private requireWhole (out: string) =
    for path in Directory.GetFiles out do
        if path.EndsWith ".mask.png" then
            Outcome.ok (Masks.read ImageLimits.standard path) |> ignore
        elif path.EndsWith ".png" then
            Outcome.ok (Images.read ImageLimits.standard path) |> ignore
        elif path.EndsWith ".json" then
            use _text = Text.Json.JsonDocument.Parse(File.ReadAllText path)
            ()

let private temporaries (folder: string) =
    if Directory.Exists folder then
        Directory.GetFiles(folder, ".mcdrl-*.tmp", SearchOption.AllDirectories)
    else
        [||]

let tests =
    testSequenced (
        testList
            "stopping"
            [
                test "Ctrl-C in the middle of a large picture ends segment, and no half-written file is left" {
                    Folder.temporary (fun folder ->
                        let image, out = Path.Combine(folder, "large.png"), Path.Combine(folder, "out")
                        writeLarge image

                        for _ in 1..2 do
                            use child =
                                begun (infoOf [ "segment"; image; "--model"; World.bundle (); "--out"; out ])

                            let errors = child.StandardError.ReadToEndAsync()
                            let output = child.StandardOutput.ReadToEndAsync()

                            // It makes the folder before it decodes.
                            while not (Directory.Exists out || child.HasExited) do
                                Thread.Sleep 10

                            Thread.Sleep(moments.Next 1500)
                            let clock = Stopwatch.StartNew()
                            let isOver = signal (child.Id, SIGTERM) <> 0 || child.HasExited
                            child.WaitForExit()
                            // A second is promised; a machine that does ten other things may take longer to let it happen.
                            Expect.isLessThan clock.Elapsed.TotalSeconds 10.0 "at once"

                            if not isOver then
                                Expect.contains [ 0; 130 ] child.ExitCode errors.Result
                                output.Wait()

                            Expect.isEmpty (temporaries folder) "nothing half-written"
                            requireWhole out)
                }

                test
                    "killed while it writes, segment leaves whole files alone, and the next run sweeps the rest" {
                    Folder.temporary (fun folder ->
                        let out = Path.Combine(folder, "out")
                        let images = Path.Combine(World.data (), "c", "images")
                        let arguments = [ "segment"; images; "--model"; World.bundle (); "--out"; out ]

                        for _ in 1..3 do
                            use child = begun (infoOf arguments)
                            let errors = child.StandardError.ReadToEndAsync()
                            let output = child.StandardOutput.ReadToEndAsync()

                            while temporaries out |> Array.isEmpty && not child.HasExited do
                                Thread.Yield() |> ignore

                            Thread.Sleep(moments.Next 4)
                            signal (child.Id, SIGKILL) |> ignore
                            child.WaitForExit()
                            errors.Wait()
                            output.Wait()
                            requireWhole out

                        let forsaken = Path.Combine(out, $".mcdrl-{Guid.NewGuid():N}.tmp")
                        File.WriteAllText(forsaken, "half")

                        for left in temporaries out do
                            File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours -2.0)

                        let again = ended (infoOf arguments)
                        Expect.equal again.Code 0 again.Err
                        Expect.isEmpty (temporaries out) "swept"
                        requireWhole out

                        Expect.hasLength
                            (Directory.GetFiles(out, "*.json"))
                            (Directory.GetFiles(images).Length)
                            "all are done")
                }

                test "SIGTERM in the middle of a list ends in 130, and what is done by then is not done again" {
                    Folder.temporary (fun folder ->
                        let list, out = Path.Combine(folder, "list.txt"), Path.Combine(folder, "out")

                        let images =
                            [
                                for site in [ "a"; "b"; "c" ] do
                                    for number in 0..5 -> $"{site}/images/frame{number}.png"
                            ]

                        File.WriteAllLines(list, images)

                        let arguments =
                            [ "segment"; "--list"; list; "--root"; World.data () ]
                            @ [ "--model"; World.bundle (); "--out"; out; "--json" ]

                        // Where journals are until the part is done.
                        let isBegun () =
                            Directory.Exists(Path.Combine(out, ".parts"))
                            && Directory.GetFiles(Path.Combine(out, ".parts"), "*.journal")
                               |> Array.exists (fun file -> FileInfo(file).Length > 0L)

                        use child = begun (infoOf arguments)
                        let errors = child.StandardError.ReadToEndAsync()
                        let output = child.StandardOutput.ReadToEndAsync()

                        while not (isBegun () || child.HasExited) do
                            Thread.Yield() |> ignore

                        let isOver = signal (child.Id, SIGTERM) <> 0 || child.HasExited
                        child.WaitForExit()
                        output.Wait()

                        if not isOver then
                            Expect.contains [ 0; 130 ] child.ExitCode errors.Result

                        Expect.equal
                            (File.Exists(Path.Combine(out, "part-0.done")))
                            (child.ExitCode = 0)
                            "done only if it says so"

                        Expect.isEmpty (temporaries out) "nothing half-written"
                        let again = ended (infoOf arguments)
                        Expect.equal again.Code 0 again.Err
                        let told = (objects again).[0]
                        Expect.equal (told.GetProperty("images").GetInt32()) images.Length "all are done"

                        if child.ExitCode = 130 then
                            Expect.isGreaterThan
                                (told.GetProperty("reused").GetInt32())
                                0
                                "and some were before"

                        Expect.hasLength
                            (File.ReadAllLines(Path.Combine(out, "part-0.jsonl")))
                            images.Length
                            "lines")
                }

                test "eight that start at once at a home that isn't there all load, and make none" {
                    Folder.temporary (fun folder ->
                        let home = Path.Combine(folder, "home")

                        let children =
                            [
                                for _ in 1..8 ->
                                    let info = infoOf [ "doctor"; "--json" ]
                                    info.Environment["HOME"] <- home
                                    info.Environment.Remove "XDG_CACHE_HOME" |> ignore
                                    let child = begun info

                                    child,
                                    child.StandardOutput.ReadToEndAsync(),
                                    child.StandardError.ReadToEndAsync()
                            ]

                        for child, _, errors in children do
                            child.WaitForExit()
                            Expect.equal child.ExitCode 0 errors.Result
                            child.Dispose()

                        Expect.isFalse (Directory.Exists home) "nothing is kept there")
                }

                test "without a home, or with places that can't be written, libtorch loads all the same" {
                    Folder.temporary (fun folder ->
                        let cache = Directory.CreateDirectory(Path.Combine(folder, "mcdrl")).FullName
                        File.SetUnixFileMode(cache, enum<UnixFileMode> 0o777)

                        for variables in
                            [
                                [ "HOME", None; "XDG_CACHE_HOME", None ]
                                [ "HOME", Some "/proc"; "XDG_CACHE_HOME", Some "/proc" ]
                                // Where others can write: nothing is put there, and nothing taken from there.
                                [ "XDG_CACHE_HOME", Some folder ]
                            ] do
                            let info = infoOf [ "doctor"; "--json" ]

                            for name, value in variables do
                                match value with
                                | Some value -> info.Environment[name] <- value
                                | None -> info.Environment.Remove name |> ignore

                            let outcome = ended info
                            Expect.equal outcome.Code 0 $"{variables}: {outcome.Err}"

                        Expect.isEmpty (Directory.GetFileSystemEntries cache) "nothing of ours")
                }
            ]
    )
