module Mcdrl.Tests.ExperimentReportFilesTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

let private shown = page [ whole "ours" "Ours" 0.55; whole "rival" "Rival" 0.5 ]

let tests =
    testList
        "Experiment.Writing"
        [
            test "four files, whole, and nothing besides" {
                Folder.temporary (fun folder ->
                    let target = Path.Combine(folder, "new")
                    Outcome.ok (ExperimentReportFiles.write target shown)

                    Expect.equal
                        (Directory.GetFiles target
                         |> Array.map (Path.GetFileName >> string)
                         |> Array.sort)
                        [| "images.csv"; "report.html"; "report.json"; "summary.csv" |]
                        "files"

                    let read name =
                        File.ReadAllText(Path.Combine(target, name))

                    Expect.equal (read "report.html") (ExperimentPage.render shown) "page"
                    Expect.equal (read "summary.csv") (ExperimentCsv.summary shown.Report) "summary"

                    Expect.equal
                        (read "images.csv")
                        (ExperimentCsv.images facts.Classes shown.Methods)
                        "images"

                    Expect.equal
                        (RecordJson.parse<ExperimentReport> "report.json" (read "report.json"))
                        (Ok shown.Report)
                        "report")
            }

            test "a report by class-aware Dice has a file of its own" {
                Folder.temporary (fun folder ->
                    let aware =
                        { shown with
                            ClassAware =
                                Some(
                                    ExperimentReport.create
                                        facts
                                        (ExperimentReport.classAwareRuns shown.Methods)
                                )
                        }

                    Outcome.ok (ExperimentReportFiles.write folder aware)

                    let read =
                        File.ReadAllText(Path.Combine(folder, ExperimentReportFiles.classAwareName))
                        |> RecordJson.parse<ExperimentReport> "report-class-aware.json"

                    Expect.equal (Ok aware.ClassAware.Value) read "as it was")
            }

            test "a folder that can't be is an error that names it" {
                Folder.temporary (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "")
                    Outcome.refusedWith 5 [ file ] (ExperimentReportFiles.write file shown))
            }
        ]
