module Mcdrl.Tests.SummaryTests

open Expecto
open Mcdrl

let private score dice : Score =
    {
        Dice = dice
        Iou = dice / 2.0
        Accuracy = 1.0
    }

let tests =
    testList
        "Summary"
        [
            test "mean and standard deviation with n - 1; NaN is left out" {
                let spread = Summary.spread [ 2.0; nan; 4.0; 4.0; 4.0; 5.0; 5.0; 7.0; 9.0 ]
                Expect.equal (spread.Mean, spread.Count) (5.0, 8) "mean"
                Expect.floatClose Accuracy.high spread.StandardDeviation (sqrt (32.0 / 7.0)) "deviation"
            }

            test "one number has no spread, none no mean" {
                Expect.equal
                    (Summary.spread [ 3.0 ])
                    {
                        Mean = 3.0
                        StandardDeviation = 0.0
                        Count = 1
                    }
                    "one"

                Expect.isTrue (System.Double.IsNaN (Summary.spread []).Mean) "none"
            }

            test "quantiles are linear between neighbours; the ends are the least and the most" {
                let of' share =
                    Summary.quantile share [| 1.0; 2.0; 4.0; 8.0; 16.0 |]

                Expect.equal
                    (List.map of' [ 0.0; 0.25; 0.375; 0.9; 1.0 ])
                    [ 1.0; 2.0; 3.0; 12.8; 16.0 ]
                    "five"

                Expect.equal (Summary.quantile 0.7 [| 3.0 |]) 3.0 "one"
            }

            test "a site's images, and the worst site" {
                let sites =
                    [
                        Summary.ofSite "c2" [ score 0.8; score 0.6 ] [ 0.9; 0.5 ]
                        Summary.ofSite "c1" [ score 0.5 ] [ 0.4 ]
                        Summary.ofSite "c3" [ score nan ] [ 0.3 ]
                    ]

                Expect.equal (sites |> List.map _.Images) [ 2; 1; 1 ] "images"
                Expect.floatClose Accuracy.high sites.Head.Dice.Mean 0.7 "mean of c2"
                Expect.floatClose Accuracy.high sites.Head.Iou.Mean 0.35 "IoU of c2"
                Expect.floatClose Accuracy.high sites.Head.Nsd.Mean 0.7 "NSD of c2"

                Expect.equal
                    (Summary.worst sites |> Option.map _.Site)
                    (Some "c1")
                    "lowest Dice, NaN left out"

                Expect.isNone (Summary.worst []) "no site"
            }

            Property.check "the worst site's mean is not above any other"
            <| fun (values: (bool * byte) list) ->
                let sites =
                    values
                    |> List.groupBy fst
                    |> List.map (fun (first, values) ->
                        values
                        |> List.map (fun (_, value) -> score (float value / 255.0))
                        |> fun scores ->
                            Summary.ofSite (if first then "a" else "b") scores (scores |> List.map _.Dice))

                match Summary.worst sites with
                | None -> sites.IsEmpty
                | Some worst -> sites |> List.forall (fun site -> worst.Dice.Mean <= site.Dice.Mean)

            test "every protocol has a name that leads back to it, and says its conventions" {
                for protocol, name in Protocol.all do
                    Expect.equal (Protocol.parse name) (Ok protocol) name
                    Expect.equal (Protocol.name protocol) name "name"
                    Expect.stringContains (Protocol.describe protocol) "original size" "resolution"

                match Protocol.parse "dice" with
                | Ok _ -> failtest "accepted"
                | Error problem ->
                    Expect.equal (McdrlError.exitCode problem) 2 "usage"
                    Expect.stringContains (McdrlError.describe problem) "pranet256" "lists the known ones"
            }
        ]
