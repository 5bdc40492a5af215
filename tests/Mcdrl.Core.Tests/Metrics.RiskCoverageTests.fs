module Mcdrl.Tests.MetricsRiskCoverageTests

open System
open Expecto
open Mcdrl

let private cases uncertainties risks =
    Array.map2 (fun uncertainty risk -> struct (uncertainty, risk)) uncertainties risks

let private close = Expect.floatClose Accuracy.high

let private near (expected: float list) (actual: float[]) =
    Expect.hasLength actual expected.Length "length"
    Array.iter2 (fun expected actual -> close actual expected "risk") (Array.ofList expected) actual

/// By a program of its own: the mean of the first k risks, and with ties the mean over all their orders.
let private goldens =
    testList
        "golden"
        [
            test "five cases" {
                let some = cases [| 0.1; 0.4; 0.2; 0.3; 0.9 |] [| 0.05; 0.5; 0.2; 0.1; 0.8 |]
                near [ 0.05; 0.125; 0.35 / 3.0; 0.2125; 0.33 ] (RiskCoverage.curve some)
                close (RiskCoverage.area some) 0.16683333333333333 "AURC"
                close (RiskCoverage.bestArea some) 0.15683333333333332 "the best"
            }

            test "three of four are equally uncertain" {
                let some = cases [| 0.1; 0.1; 0.1; 0.5 |] [| 0.0; 0.3; 0.9; 0.6 |]
                near [ 0.4; 0.4; 0.4; 0.45 ] (RiskCoverage.curve some)
                close (RiskCoverage.area some) 0.4125 "AURC"
            }

            test "nothing to order" {
                Expect.isEmpty (RiskCoverage.curve [||]) "no case"
                Expect.isTrue (Double.IsNaN(RiskCoverage.area [||])) "no area"
                let unknown = cases [| 0.1; nan |] [| 0.2; 0.3 |]
                Expect.isTrue (Double.IsNaN(RiskCoverage.area unknown)) "an uncertainty that isn't there"
            }
        ]

let private drawn (values: (byte * byte)[]) =
    cases (values |> Array.map (fst >> float)) (values |> Array.map (fun (_, risk) -> float risk / 255.0))

let private laws =
    testList
        "laws"
        [
            Property.check "at full coverage it is the mean risk"
            <| fun (FsCheck.NonEmptyArray(values: (byte * byte)[])) ->
                let some = drawn values
                let mean = some |> Array.averageBy (fun struct (_, risk) -> risk)
                abs (Array.last (RiskCoverage.curve some) - mean) < 1e-9

            Property.check "no order is better than that of the risks, none worse than its reverse"
            <| fun (FsCheck.NonEmptyArray(values: (byte * byte)[])) ->
                let some = drawn values

                let worst =
                    some
                    |> Array.map (fun struct (_, risk) -> struct (-risk, risk))
                    |> RiskCoverage.area

                RiskCoverage.bestArea some <= RiskCoverage.area some + 1e-9
                && RiskCoverage.area some <= worst + 1e-9

            Property.check "uncertainty that is the same everywhere has the mean risk at every coverage"
            <| fun (FsCheck.NonEmptyArray(values: (byte * byte)[])) ->
                let some = drawn values |> Array.map (fun struct (_, risk) -> struct (1.0, risk))
                let mean = some |> Array.averageBy (fun struct (_, risk) -> risk)
                RiskCoverage.curve some |> Array.forall (fun risk -> abs (risk - mean) < 1e-9)

            Property.check "only the order of uncertainties matters, and not that of the cases"
            <| fun (FsCheck.NonEmptyArray(values: (byte * byte)[])) ->
                let some = drawn values

                let stretched =
                    some
                    |> Array.rev
                    |> Array.map (fun struct (u, risk) -> struct (exp (u / 50.0), risk))

                abs (RiskCoverage.area some - RiskCoverage.area stretched) < 1e-9
        ]

let tests = testList "Metrics.RiskCoverage" [ goldens; laws ]
