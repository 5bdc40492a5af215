module Mcdrl.Tests.SplitsTests

open Expecto
open FsCheck
open Mcdrl

let private holdOut share seed items =
    Splits.holdOut share (Seed.create seed) (fun (site: string, _: int) -> site) items

/// Items of a few sites, in any order.
let private itemsOf (sites: byte list) =
    sites |> List.mapi (fun index site -> $"site {site % 4uy}", index)

let private splits =
    testList
        "Splits"
        [
            Property.check "every item is on one side, in order" (fun (sites: byte list) (seed: uint64) ->
                let items = itemsOf sites
                let training, validation = holdOut 0.3 seed items

                List.sortBy snd (training @ validation) = items
                && training = List.sortBy snd training
                && validation = List.sortBy snd validation)

            testProperty
                "each site gives its share: at least one to each side where it has two"
                (fun (sites: byte list) (seed: uint64) (part: byte) ->
                    let share = (float part + 1.0) / 258.0
                    let training, validation = holdOut share seed (itemsOf sites)

                    let countOf site side =
                        side |> List.filter (fst >> (=) site) |> List.length

                    itemsOf sites
                    |> List.countBy fst
                    |> List.forall (fun (site, count) ->
                        let held = countOf site validation

                        let wanted =
                            System.Math.Clamp(int (round (share * float count)), 1, max 1 (count - 1))

                        if count = 1 then
                            held = 0 && countOf site training = 1
                        else
                            held = wanted))

            testCase "the seed decides which; a site's split does not depend on other sites"
            <| fun () ->
                let a = [ for index in 0..19 -> "a", index ]
                let b = [ for index in 20..39 -> "b", index ]
                let held seed items = snd (holdOut 0.3 seed items)
                Expect.equal (held 1UL a) (held 1UL a) "the same seed"
                Expect.notEqual (held 1UL a) (held 2UL a) "another seed"
                Expect.equal (held 1UL (b @ a)) (held 1UL b @ held 1UL a) "site by site"
        ]

let private settings =
    {
        Epochs = 10
        ActivationEpoch = 3
        WarmupEpochs = 2.0
        BatchSize = 4
        LearningRate = 0.01
        TowerFactor = 1.0
        TrainedBlocks = 0
        WeightDecay = 0.0
        GradientClip = 1.0
        TowerPrecision = None
        Averaging = 0.0
    }

let private schedule =
    testList
        "Schedule"
        [
            testCase "linear from 1e-5 over the warm-up, then a cosine to 0"
            <| fun () ->
                let rate = Schedule.rate settings 5

                let close step expected =
                    Expect.floatClose Accuracy.high (rate step) expected $"step {step}"

                close 0 1e-5
                close 5 ((1e-5 + 0.01) / 2.0)
                close 10 0.01
                close 30 0.005
                close 50 0.0
                close 60 0.0
                let rates = List.init 51 rate
                Expect.equal rates[..10] (List.sort rates[..10]) "rises"
                Expect.equal rates[10..] (List.sortDescending rates[10..]) "falls"

            testCase "a longer run warms up alike, and is then at a higher rate until its own end"
            <| fun () ->
                let longer = { settings with Epochs = 16 }

                for step in 0..10 do
                    Expect.equal (Schedule.rate longer 5 step) (Schedule.rate settings 5 step) "warm-up"

                for step in 11..79 do
                    Expect.isGreaterThan
                        (Schedule.rate longer 5 step)
                        (Schedule.rate settings 5 step)
                        "after it"

                Expect.floatClose
                    Accuracy.high
                    (Schedule.rate longer 5 50)
                    (0.005 * (1.0 + cos (System.Math.PI * 40.0 / 70.0)))
                    "at the end of the shorter one"

            testCase "without a warm-up it starts at the full rate; a tiny rate is never exceeded"
            <| fun () ->
                let sudden = { settings with WarmupEpochs = 0.0 }
                Expect.equal (Schedule.rate sudden 5 0) 0.01 "full"
                let tiny = { settings with LearningRate = 1e-6 }

                for step in 0..50 do
                    Expect.isLessThanOrEqual (Schedule.rate tiny 5 step) 1e-6 $"step {step}"

                let all = { settings with WarmupEpochs = 99.0 }

                for step in 0..50 do
                    let rate = Schedule.rate all 5 step
                    Expect.isTrue (rate > 0.0 && rate <= 0.01) "a warm-up longer than the run"

            testCase "the gate opens at its epoch, and never for the baseline"
            <| fun () ->
                let paper =
                    match Config.ofPreset "paper" [] with
                    | Ok settings -> settings
                    | Error problem -> failtest (McdrlError.describe problem)

                let inEpoch mode epoch =
                    Schedule.mode
                        { paper with
                            Optimiser = settings
                            Method =
                                { paper.Method with
                                    TrainingMode = mode
                                }
                        }
                        epoch

                Expect.equal
                    (List.map (inEpoch Marginalisation.Sampled) [ 0..4 ])
                    [
                        Marginalisation.Never
                        Marginalisation.Never
                        Marginalisation.Never
                        Marginalisation.Sampled
                        Marginalisation.Sampled
                    ]
                    "from the third"

                Expect.equal (inEpoch Marginalisation.Never 9) Marginalisation.Never "baseline"
        ]

let tests = testList "Splits and schedule" [ splits; schedule ]
