module Mcdrl.Tests.BootstrapTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl

/// Differences of some sites: bytes around 0, at least one a site.
let private sitesOf (sites: NonEmptyArray<NonEmptyArray<sbyte>>) =
    sites.Get
    |> Array.truncate 4
    |> Array.map (fun site -> site.Get |> Seq.map (fun value -> float value / 128.0))
    |> List.ofArray

let private near name (expected: float) (actual: float) =
    Expect.isLessThan (abs (actual - expected)) 1e-9 name

/// Roughly normal numbers with mean `centre` and deviation 1: sums of twelve uniform ones.
let private sample (centre: float) count seed =
    [
        for i in 0 .. count - 1 ->
            let own = Seed.split i seed

            centre - 6.0
            + List.sum [ for k in 0..11 -> own |> Seed.split k |> Seed.uniform ]
    ]

/// The interval of one statistic of cases that are each drawn by itself.
let private ofStatistic resamples seed statistic (cases: float[]) =
    Bootstrap.grouped resamples seed (statistic >> Array.singleton) [ cases |> Array.map Array.singleton ]
    |> Array.head

let tests =
    testList
        "Bootstrap"
        [
            Property.check "equal seeds give equal intervals, their ends in order"
            <| fun (seed: uint64) sites ->
                let sites = sitesOf sites

                let interval () =
                    Bootstrap.stratified 200 (Seed.create seed) sites

                let one = interval ()
                Expect.equal (interval ()) one "same seed"
                Expect.isLessThanOrEqual one.Low one.High "ordered"

            Property.check "another seed draws others"
            <| fun (seed: uint64) ->
                let interval seed =
                    Bootstrap.stratified 200 (Seed.create seed) [ sample 0.0 50 (Seed.create 9UL) ]

                Expect.notEqual (interval seed) (interval (seed + 1UL)) "other draws"

            Property.check "the estimate is the mean over sites of their means, whatever their sizes"
            <| fun sites ->
                let sites = sitesOf sites

                (Bootstrap.stratified 20 (Seed.create 1UL) sites).Estimate
                |> near "mean of means" (sites |> List.averageBy Seq.average)

            Property.check "a shift of all differences shifts the interval"
            <| fun (NormalFloat shift) sites ->
                let shift = shift % 10.0
                let sites = sitesOf sites
                let before = Bootstrap.stratified 100 (Seed.create 3UL) sites

                let after =
                    Bootstrap.stratified 100 (Seed.create 3UL) (sites |> List.map (Seq.map ((+) shift)))

                near "estimate" (before.Estimate + shift) after.Estimate
                near "low" (before.Low + shift) after.Low
                near "high" (before.High + shift) after.High

            Property.check "the order of the methods only changes the sign"
            <| fun sites ->
                let sites = sitesOf sites
                let one = Bootstrap.stratified 100 (Seed.create 3UL) sites

                let other =
                    Bootstrap.stratified 100 (Seed.create 3UL) (sites |> List.map (Seq.map (~-)))

                near "low" -one.High other.Low
                near "high" -one.Low other.High

            test "identical methods: the interval is 0 and excludes nothing" {
                let interval = Bootstrap.stratified 100 (Seed.create 1UL) [ [ 0.0; 0.0 ]; [ 0.0 ] ]

                Expect.equal
                    interval
                    {
                        Estimate = 0.0
                        Low = 0.0
                        High = 0.0
                    }
                    "0"

                Expect.isFalse (Interval.excludesZero interval) "contains 0"
            }

            test
                "a statistic of cases: the mean's interval is that of one site, what is undefined is left out" {
                let values = sample 0.3 40 (Seed.create 2UL)
                let seed = Seed.create 8UL

                let found = ofStatistic 2000 seed Array.average (Array.ofList values)

                let expected = Bootstrap.stratified 2000 seed [ values ]
                near "estimate" expected.Estimate found.Estimate
                Expect.isLessThan (abs (found.Low - expected.Low)) 0.05 "low"
                Expect.isLessThan (abs (found.High - expected.High)) 0.05 "high"
                Expect.isTrue (found.Low < found.Estimate && found.Estimate < found.High) "around it"

                let positive cases =
                    let mean = Array.average cases
                    if mean > 0.5 then mean else nan

                // Draws of two cases: (0, 0) is undefined, (0, 1) too, (1, 1) gives 1.
                let some = ofStatistic 400 seed positive [| 0.0; 1.0 |]
                Expect.equal (some.Low, some.High) (1.0, 1.0) "defined draws"
                let none = ofStatistic 400 seed (Seq.ofArray >> Metrics.mean) Array.empty
                Expect.isTrue (System.Double.IsNaN none.Estimate) "of nothing nothing is known"
                let never = ofStatistic 400 seed (fun _ -> nan) [| 1.0 |]
                Expect.isTrue (System.Double.IsNaN never.Low) "undefined"
            }

            test
                "frames of a patient are drawn together: two patients of equal frames give the ends of their means" {
                let sites: float[][] list = [ [| [| 0.2; 0.2; 0.2 |]; [| 0.8 |] |] ]
                let seed = Seed.create 4UL

                for interval in
                    [
                        Bootstrap.stratifiedGroups 500 seed sites
                        Bootstrap.grouped 500 seed (fun frames -> [| Array.average frames |]) sites
                        |> Array.head
                    ] do
                    near "the mean of all frames" 0.35 interval.Estimate
                    near "one patient twice" 0.2 interval.Low
                    near "the other twice" 0.8 interval.High

                let alone = Bootstrap.stratified 500 seed [ [ 0.2; 0.2; 0.2; 0.8 ] ]

                Expect.isLessThan
                    alone.High
                    0.8
                    "frames by themselves are hardly ever the same one four times"
            }

            test "groups of one are drawn as numbers are" {
                let values = sample 0.3 25 (Seed.create 2UL)
                let seed = Seed.create 8UL

                Expect.equal
                    (Bootstrap.stratifiedGroups 100 seed [ [| for value in values -> [| value |] |] ])
                    (Bootstrap.stratified 100 seed [ values ])
                    "the same draws"
            }

            test "several statistics of the same draws; sites are drawn within themselves, and fixed" {
                let sites = [ [| for value in 1.0 .. 4.0 -> [| value |] |]; [| [| 100.0 |] |] ]

                let found =
                    Bootstrap.grouped
                        200
                        (Seed.create 3UL)
                        (fun cases -> [| Array.max cases; Array.average cases; float cases.Length; nan |])
                        sites

                Expect.equal (found[0].Low, found[0].High) (100.0, 100.0) "the second site is always there"

                Expect.isTrue
                    (found[1].Low < found[1].Estimate && found[1].Estimate < found[1].High)
                    "around the mean"

                Expect.equal (found[2].Low, found[2].High) (5.0, 5.0) "as many cases"
                Expect.isTrue (System.Double.IsNaN found[3].Estimate) "undefined"
            }

            test "0 is excluded on either side, at an end it isn't" {
                let excludes low high =
                    Interval.excludesZero
                        {
                            Estimate = (low + high) / 2.0
                            Low = low
                            High = high
                        }

                Expect.equal
                    [
                        excludes 0.1 0.2
                        excludes -0.2 -0.1
                        excludes -0.1 0.1
                        excludes 0.0 0.1
                        excludes nan nan
                    ]
                    [ true; true; false; false; false ]
                    ""
            }

            test "undefined differences and empty sites are left out; of nothing nothing is known" {
                Expect.equal
                    (Bootstrap.stratified 100 (Seed.create 1UL) [ [ 0.2; nan; 0.4 ]; []; [ nan ] ])
                    (Bootstrap.stratified 100 (Seed.create 1UL) [ [ 0.2; 0.4 ] ])
                    "as if they weren't there"

                let nothing = Bootstrap.stratified 100 (Seed.create 1UL) [ [] ]
                Expect.isTrue (System.Double.IsNaN nothing.Low) "undefined"
            }

            test "two numbers, by hand: a quarter of the resamples is all low, a quarter all high" {
                let interval = Bootstrap.stratified 400 (Seed.create 5UL) [ [ 0.0; 1.0 ] ]

                Expect.equal
                    interval
                    {
                        Estimate = 0.5
                        Low = 0.0
                        High = 1.0
                    }
                    "the extremes"
            }

            test "more images narrow it, about with the root of their number" {
                let width count =
                    let interval =
                        Bootstrap.stratified 1000 (Seed.create 2UL) [ sample 0.0 count (Seed.create 7UL) ]

                    interval.High - interval.Low

                let ratio = width 40 / width 640
                Expect.isGreaterThan ratio 3.0 "a sixteenth of the images: four times as wide"
                Expect.isLessThan ratio 5.0 "a sixteenth of the images: four times as wide"
            }

            test "about 95 of 100 intervals hold the true mean" {
                let holds trial =
                    let seed = Seed.create 11UL |> Seed.split trial

                    let interval =
                        Bootstrap.stratified
                            300
                            (Seed.named "draws" seed)
                            [ sample 0.3 40 (Seed.split 0 seed); sample 0.1 60 (Seed.split 1 seed) ]

                    interval.Low <= 0.2 && 0.2 <= interval.High

                let share =
                    Seq.init 300 holds |> Seq.averageBy (fun held -> if held then 1.0 else 0.0)

                Expect.isGreaterThan share 0.91 "not too narrow"
                Expect.isLessThan share 0.985 "not too wide"
            }
        ]
