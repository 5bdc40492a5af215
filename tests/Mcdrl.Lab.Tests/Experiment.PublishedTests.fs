module Mcdrl.Tests.ExperimentPublishedTests

open Expecto
open Mcdrl

/// Half a unit of the last decimal printed, and what floating point adds.
let private rounding (value: float) =
    if abs (value * 10.0 - round (value * 10.0)) < 1e-6 then
        0.05 + 1e-9
    else
        0.005 + 1e-9

let private table name =
    ExperimentPublished.tryFind name |> Option.get

let tests =
    testList
        "Experiment.Published"
        [
            test "every row average agrees with its entries to rounding" {
                let mutable averages = 0

                for table in ExperimentPublished.all do
                    for row in table.Rows do
                        let agrees name (read: PublishedScore -> float option) =
                            match read row.Average with
                            | None -> ()
                            | Some average ->
                                averages <- averages + 1

                                Expect.isLessThanOrEqual
                                    (abs (average - (row.Entries |> List.averageBy (read >> Option.get))))
                                    (max (rounding average) (if table.Name = "table3" then 0.0 else 0.05))
                                    $"{table.Number} {row.Backbone} {row.Label} {name}"

                        agrees "Dice" (fun score -> Some score.Dice)
                        agrees "IoU" _.Iou
                        agrees "accuracy" _.Accuracy

                Expect.equal averages (12 * 3 + 4 + 4 + 5 + 5) "all of them"
            }

            test "every row has an entry for each column, all in percent and the IoU below the Dice" {
                for table in ExperimentPublished.all do
                    for row in table.Rows do
                        Expect.equal row.Entries.Length table.Columns.Length $"{table.Number} {row.Label}"

                        for score in row.Average :: row.Entries do
                            Expect.isTrue (score.Dice > 50.0 && score.Dice < 100.0) "percent"

                            for iou in Option.toList score.Iou do
                                Expect.isLessThan iou score.Dice "IoU"
                                let dice = score.Dice / 100.0
                                Expect.isGreaterThan (iou / 100.0) (dice / (2.0 - dice) - 0.001) "Jensen"
            }

            test "the rows of a tower, and of ViT-L/14 for one that the paper doesn't have" {
                let average tower =
                    ExperimentPublished.tryRow tower (table "table1") "MCDRL"
                    |> Option.map _.Average.Dice

                Expect.equal
                    (List.map average [ "resnet50 (ImageNet)"; "RN50"; "ViT-B-16"; "ViT-L-14"; "mini" ])
                    [ Some 78.6; Some 78.6; Some 80.0; Some 81.6; Some 81.6 ]
                    ""
            }

            test "a row by its label or its bare number" {
                let average label =
                    ExperimentPublished.tryRow "mini" (table "table4") label
                    |> Option.map _.Average.Dice

                Expect.equal
                    (List.map average [ "M = 12"; "12"; "3"; "4"; "M12" ])
                    [ Some 81.6; Some 81.6; Some 76.7; None; None ]
                    ""

                Expect.isNone (ExperimentPublished.tryFind "table6") "there are five"
            }
        ]
