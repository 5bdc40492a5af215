module Mcdrl.Tests.PartsPlanTests

open System.IO
open Expecto
open Mcdrl

let private plan: PartsPlan =
    {
        Release = "1.2.3"
        List = "/data/list.txt"
        ListSha256 = "aa"
        Images = 10L
        Parts = 4
        ModelSha256 = "bb"
        Mode = None
        Threshold = Some 0.5
        MinArea = 0L
        Explain = false
        Probabilities = false
        Precision = Some "bf16"
        Flips = None
    }

let tests =
    testList
        "PartsPlan"
        [
            testCase "where the list lies is no difference, everything else is"
            <| fun () ->
                let elsewhere = { plan with List = "/mnt/list.txt" }
                Expect.equal (PartsPlan.differences plan elsewhere) [] "elsewhere"
                Expect.equal (PartsPlan.digest plan) (PartsPlan.digest elsewhere) "elsewhere"

                for other, key in
                    [
                        { plan with Release = "1.2.4" }, "release"
                        { plan with ListSha256 = "ab" }, "list_sha256"
                        { plan with Images = 11L }, "images"
                        { plan with Parts = 5 }, "parts (4 there, 5 here)"
                        { plan with ModelSha256 = "bc" }, "model_sha256"
                        { plan with Mode = Some "exact" }, "mode (not said there"
                        { plan with Threshold = None }, "threshold"
                        { plan with MinArea = 1L }, "min_area"
                        { plan with Explain = true }, "explain"
                        { plan with Probabilities = true }, "probabilities"
                        { plan with Precision = None }, "precision"
                        { plan with Flips = Some "both" }, "flips"
                    ] do
                    match PartsPlan.differences plan other with
                    | [ told ] -> Expect.stringStarts told key "told"
                    | told -> failtest $"%A{told}"

                    Expect.notEqual (PartsPlan.digest other) (PartsPlan.digest plan) key

            testCase "a folder holds parts of one plan; another is refused with what differs"
            <| fun () ->
                Folder.temporary (fun out ->
                    Expect.equal (PartsPlan.read out) (Ok None) "none yet"
                    Expect.equal (PartsPlan.check out plan) (Ok()) "none yet"
                    Outcome.ok (PartsPlan.settle out plan)
                    Outcome.ok (PartsPlan.settle out { plan with List = "/mnt/list.txt" })
                    Expect.equal (PartsPlan.read out) (Ok(Some plan)) "the first"

                    for refuse in [ PartsPlan.check; PartsPlan.settle ] do
                        refuse
                            out
                            { plan with
                                Parts = 5
                                ModelSha256 = "cc"
                            }
                        |> Outcome.refusedWith
                            2
                            [ out; "parts (4 there, 5 here)"; "model_sha256 (\"bb\" there" ])

            testCase "a part is done that says so, of this plan and with its lines as they were written"
            <| fun () ->
                Folder.temporary (fun out ->
                    let lines = PartFiles.lines out 3
                    File.WriteAllText(lines, "{}\n")

                    let told: PartDone =
                        {
                            Plan = PartsPlan.digest plan
                            Sha256 = Outcome.ok (Files.sha256 lines)
                            Images = 1L
                            Failed = 0L
                            Reused = 0L
                            Seconds = 0.5
                            Machine = "here"
                        }

                    let write told =
                        Outcome.ok (Files.writeText (PartFiles.isDone out 3) (RecordJson.render told))

                    Expect.equal (PartsPlan.doneOf out plan 3) None "nothing says so"
                    write told
                    Expect.equal (PartsPlan.doneOf out plan 3) (Some told) "done"
                    Expect.equal (PartsPlan.doneOf out plan 2) None "another part"
                    Expect.equal (PartsPlan.doneOf out { plan with Parts = 5 } 3) None "another plan"
                    File.AppendAllText(lines, "{}\n")
                    Expect.equal (PartsPlan.doneOf out plan 3) None "other lines"
                    write { told with Plan = "other" }
                    Expect.equal (PartsPlan.doneOf out plan 3) None "another plan's"
                    File.WriteAllText(PartFiles.isDone out 3, "{")
                    Expect.equal (PartsPlan.doneOf out plan 3) None "no JSON")

            testCase "no result of an image has the name of a part's file"
            <| fun () ->
                let results =
                    let target = SegmentTargets.target "out" ("part-3.png", "")

                    [
                        target.Mask
                        target.Overlay
                        target.Report
                        target.Probability
                        target.Sheet
                        target.Maps
                    ]

                for file in
                    [
                        PartFiles.lines "out" 3
                        PartFiles.isDone "out" 3
                        PartFiles.merged "out"
                        PartFiles.plan "out"
                    ] do
                    Expect.isFalse (List.contains file results) file

                let ofImages = SegmentTargets.target "out" ("images.png", "")
                Expect.notEqual ofImages.Report (PartFiles.merged "out") "images.jsonl"
        ]
