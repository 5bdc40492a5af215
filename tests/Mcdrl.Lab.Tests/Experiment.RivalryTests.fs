module Mcdrl.Tests.ExperimentRivalryTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl
open Mcdrl.Tests.Experiments

let private rivalry reference rival = Rivalry.create facts reference rival

let tests =
    testList
        "Experiment.Rivalry"
        [
            test "the difference is on the same images, over the seeds both have" {
                let found = rivalry ours rival
                near "0.05 in the east, 0 in the west" 0.025 (found.Overall |> Option.map _.Mean)
                let overall = Option.get found.Overall
                Expect.equal overall.Seeds [ 1UL; 2UL ] "seeds"
                Expect.equal overall.Images 3 "images"

                for expected, found in List.zip [ 0.05; 0.0 ] overall.BySeed do
                    Expect.floatClose Accuracy.high found expected "each seed alone"

                near "east" 0.05 (found.Sites[0].Difference |> Option.map _.Mean)
                Expect.isFalse overall.ExcludesZero "−0.025 to 0.075"
            }

            test "pairs are by site and stem; an image that one run lacks is in none" {
                let lacking =
                    { rival with
                        Runs =
                            rival.Runs
                            |> List.map (fun run ->
                                if run.Site = "east" && run.Seed = 2UL then
                                    { run with Images = run.Images.Tail }
                                else
                                    run)
                    }

                let pairs = Rivalry.pairs facts ours lacking
                Expect.equal (pairs |> List.map (fun p -> p.Site, p.Stem)) [ "east", "b"; "west", "a" ] ""
                Expect.floatClose Accuracy.high pairs[0].Reference 0.65 "mean over seeds"
            }

            test "where frames are of one patient, the interval resamples patients" {
                // All frames of a site are of one patient.
                let grouped key shift =
                    runs
                        key
                        key
                        [
                            for site in facts.Sites do
                                for seed in facts.Seeds do
                                    let dice = [ 0.5 + shift; 0.7; 0.6 - shift; 0.4 + shift ]
                                    run key site seed dice |> withFindings dice
                        ]

                let alone key shift =
                    grouped key shift
                    |> MethodRuns.mapRuns (fun run ->
                        { run with
                            Images = run.Images |> List.map (fun image -> { image with Findings = None })
                        })

                let width (difference: Difference) = difference.High - difference.Low

                let patients =
                    Option.get (rivalry (grouped "ours" 0.2) (grouped "rival" 0.0)).Overall

                let images = Option.get (rivalry (alone "ours" 0.2) (alone "rival" 0.0)).Overall
                Expect.floatClose Accuracy.high patients.Mean images.Mean "the same estimate"
                Expect.isLessThan (width patients) 1e-12 "one patient a site can't be drawn otherwise"
                Expect.isGreaterThan (width images) 0.01 "images can"
            }

            Property.check "a better rival turns the sign and nothing else"
            <| fun (offset: byte) ->
                let shift = float offset / 2000.0

                let overall a b =
                    rivalry (whole "ours" "Ours" a) (whole "rival" "Rival" b)
                    |> _.Overall
                    |> Option.get
                    |> _.Mean

                abs (overall (0.5 + shift) 0.5 + overall 0.5 (0.5 + shift)) < 1e-12
                && abs (overall (0.5 + shift) 0.5 - shift) < 1e-12
        ]
