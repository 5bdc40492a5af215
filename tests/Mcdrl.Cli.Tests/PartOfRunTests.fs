module Mcdrl.Cli.Tests.PartOfRunTests

open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Tests

/// What is chosen where schedulers have set these variables.
let private chosen variables parts part =
    PartOfRun.chosen (fun name -> Map.tryFind name (Map variables)) parts part
    |> Result.map (Option.map (fun part -> part.Index, part.Count))

let private slurm number = "SLURM_ARRAY_TASK_ID", number
let private kubernetes number = "JOB_COMPLETION_INDEX", number

let tests =
    testList
        "PartOfRun"
        [
            testCase
                "--part counts before Slurm's number, Slurm's before Kubernetes', and none without --parts"
            <| fun () ->
                for variables, parts, part, expected in
                    [
                        [], None, None, None
                        [ slurm "3" ], None, None, None
                        [ slurm "3" ], Some 8, None, Some(3, 8)
                        [ kubernetes "4" ], Some 8, None, Some(4, 8)
                        [ kubernetes "4"; slurm "3" ], Some 8, None, Some(3, 8)
                        [ kubernetes "4"; slurm "3" ], Some 8, Some 0, Some(0, 8)
                        [], Some 1, None, Some(0, 1)
                    ] do
                    Expect.equal (chosen variables parts part) (Ok expected) $"%A{(variables, parts, part)}"

            testCase "what is missing or out of range is refused, and where it was said is named"
            <| fun () ->
                for variables, parts, part, named in
                    [
                        [], None, Some 0, [ "--part: it goes with --parts" ]
                        [], Some 8, None, [ "--parts"; "SLURM_ARRAY_TASK_ID"; "JOB_COMPLETION_INDEX" ]
                        [], Some 0, Some 0, [ "“parts”" ]
                        [], Some 8, Some 8, [ "“part”"; "0 to 7" ]
                        [ slurm "8" ], Some 8, None, [ "SLURM_ARRAY_TASK_ID"; "0 to 7" ]
                        [ slurm "first" ], Some 8, None, [ "SLURM_ARRAY_TASK_ID"; "first" ]
                        [ kubernetes "-1" ], Some 8, None, [ "JOB_COMPLETION_INDEX"; "0 to 7" ]
                        [ slurm "1" ], Some 1, None, [ "SLURM_ARRAY_TASK_ID" ]
                    ] do
                    chosen variables parts part |> Outcome.refusedWith 2 named
        ]
