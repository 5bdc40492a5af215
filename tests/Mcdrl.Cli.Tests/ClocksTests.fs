/// Processes that share work while their clocks are hours apart, or jump.
module Mcdrl.Cli.Tests.ClocksTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

/// Runs a call twice at once, once with a clock so many hours ahead, then, in its midst, so many behind. Both must end well.
let private twins (clock: string) (hours: int) (isInItsMidst: unit -> bool) arguments =
    Programs.setClock clock hours
    let other = infoOf arguments

    for name, value in Programs.jumpingClock clock do
        other.Environment[name] <- value

    let children =
        [ for info in [ other; infoOf arguments ] -> begun info ]
        |> List.map (fun child ->
            child, child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync())

    let areOver () =
        children |> List.forall (fun (child, _, _) -> child.HasExited)

    while not (isInItsMidst () || areOver ()) do
        System.Threading.Thread.Yield() |> ignore

    Programs.setClock clock -hours

    for child, output, errors in children do
        child.WaitForExit()
        output.Wait()
        Expect.equal child.ExitCode 0 errors.Result
        child.Dispose()

let tests =
    testSequenced (
        testList
            "clocks"
            [
                test
                    "two that segment one part with clocks hours apart and jumping: no image lost, the same lines" {
                    Folder.temporary (fun folder ->
                        let inside name = Path.Combine(folder, name)
                        let list = inside "list.txt"
                        File.WriteAllLines(list, [ for number in 0..5 -> $"a/images/frame{number}.png" ])

                        let arguments out =
                            [ "segment"; "--list"; list; "--root"; World.data () ]
                            @ [ "--model"; World.bundle (); "--out"; inside out ]

                        let whole = mcdrl (arguments "whole")
                        Expect.equal whole.Code 0 whole.Err

                        for hours in [ 1; -1 ] do
                            let out = $"out{hours}"

                            let hasJournal () =
                                Directory.Exists(inside $"{out}/.parts")
                                && Directory.GetFiles(inside $"{out}/.parts", "*.journal").Length > 0

                            twins (inside "clock") hours hasJournal (arguments out)

                            Expect.equal
                                (File.ReadAllText(inside $"{out}/part-0.jsonl"))
                                (File.ReadAllText(inside "whole/part-0.jsonl"))
                                "lines"

                            Expect.isEmpty
                                (Directory.GetFiles(inside $"{out}/.parts", "*.journal"))
                                "nothing is left"

                            let told = Outcome.ok (RecordJson.ofFile<PartDone>(inside $"{out}/part-0.done"))

                            Expect.equal (told.Images, told.Reused) (6L, 0L) "done in one go")
                }

                test
                    "two that work on one experiment with clocks hours apart and jumping: each run is done, once" {
                    World.within (fun folder ->
                        let out = Path.Combine(folder, "out")
                        let runs = Path.Combine(out, "runs")

                        let arguments =
                            ExperimentVerbTests.argumentsIn
                                folder
                                "table1"
                                []
                                [ "--methods"; "mcdrl,baseline"; "--seeds"; "1"; "--parts"; "1" ]

                        let isBegun () = Directory.Exists runs
                        twins (Path.Combine(folder, "clock")) 1 isBegun arguments

                        let results = Directory.GetFiles(runs, "result-*.json", SearchOption.AllDirectories)

                        Expect.hasLength results 6 "each is done"

                        for run in Directory.GetDirectories runs do
                            // A lease that was taken over, or after its holder, has the next number.
                            Expect.isFalse (File.Exists(run + "/run.lease.2")) "trained once")
                }
            ]
    )
