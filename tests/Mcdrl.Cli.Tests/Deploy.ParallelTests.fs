module Mcdrl.Cli.Tests.DeployParallelTests

open Expecto
open Mcdrl.Cli
open Mcdrl.Cli.Tests.DeployPlanTests
open Mcdrl.Tests

let private text plan = (DeployParallel.files plan).Head.Text

let private expected =
    [ for part in 0..19 -> segmentWords @ [ "--part"; string part ] ]
    @ [ mergeWords ]

let tests =
    testList
        "DeployParallel"
        [
            testCase "GNU parallel calls each part once, its words as they are, and merges after all"
            <| fun () ->
                Programs.need "parallel" "GNU parallel"

                Folder.temporary (fun folder ->
                    let calls = called folder [ "HOME", folder ] (text plan)
                    Expect.equal (List.sort calls) (List.sort expected) "each once"
                    Expect.equal (List.last calls) mergeWords "the merge last")

            testCase "what it is given, where it is absent"
            <| fun () ->
                Folder.temporary (fun folder ->
                    // Runs the function that it is given with each line, as GNU parallel does.
                    program
                        folder
                        "parallel"
                        "mcdrl parallel \"${@:1:$#-1}\"; while read -r part; do (\"${@: -1}\" \"$part\"); done\n"

                    let calls = called folder [] (text plan)

                    Expect.equal
                        calls
                        ([
                            "parallel"
                            "--jobs"
                            "3"
                            "--timeout"
                            "90060"
                            "--termseq"
                            "TERM,10000,KILL"
                         ]
                         :: expected)
                        "calls"

                    Expect.equal
                        (called folder [] (text ofExperiment)
                         |> List.skip (expected.Length + 1)
                         |> List.tail)
                        ([ for part in 0..19 -> experimentWords @ [ "--part"; string part ] ]
                         @ [ reportWords ])
                        "an experiment's")
        ]
