module Mcdrl.Tests.EngineTests

open System
open System.Runtime.InteropServices
open Expecto
open Mcdrl

let private picture: Picture =
    match Images.decode ImageLimits.standard "picture" (Crafted.png 8 8) with
    | Ok picture -> picture
    | Error fault -> failtest (McdrlError.describe fault)

let private map: ValueMap =
    {
        Width = 8
        Height = 8
        Values = Array.create 64 0.5f
    }

let private mask: LabelMap =
    {
        Width = 8
        Height = 8
        Labels = Array.zeroCreate 64
    }

let private answer: SegmentationResult =
    { FakeEngine.answerOf [ "polyp" ] Marking.standard mask 8 (Array.create 128 0.5f) with
        Influence = [ "blur", 0.1 ]
        Disagreement = Some 0.1
    }

let private explanation: ExplanationResult =
    {
        Segmentation = answer
        Active = true
        Conditions =
            [
                {
                    Condition = "blur"
                    Weight = 1.0
                    Influence = 0.1
                    Mask = mask
                    Dice = 1.0
                    Changed = 0L
                }
            ]
        MutualInformation = map
        GeometricDisagreement = map
        Strongest = mask
        StrongestInfluence = map
        Unstable = 0L
        Gap =
            {
                MeanTotalVariation = 0.0
                MaxTotalVariation = 0.0
                Dice = 1.0
                Flips = 0L
                FlipMap = mask
                Mask = mask
            }
        Regions =
            {
                Selected = mask
                Similarity = [ map ]
            }
    }

let private engineOf answer explanation : Engine =
    { FakeEngine.saying [ "polyp" ] (fun _ _ _ -> Ok answer) with
        Explain = Some(fun _ _ _ -> Ok explanation)
    }

let private segment answer =
    Engine.segment (engineOf answer explanation) None Marking.standard picture

let private explain explanation =
    Engine.explain (engineOf answer explanation) None Marking.standard picture

let private refusedAsModel outcome =
    outcome |> Result.map ignore |> Outcome.refusedWith 3 [ "NaN"; "answer" ]

let private spoilt value =
    Array.append [| value |] (Array.create 127 0.5f)

/// An engine that throws.
let private broken (problem: exn) : Engine =
    { engineOf answer explanation with
        Segment = fun _ _ _ -> raise problem
        Explain = Some(fun _ _ _ -> raise problem)
    }

let tests =
    testList
        "Engine"
        [
            testCase "what an engine throws is an error about the picture"
            <| fun () ->
                for problem, says in
                    [
                        (OutOfMemoryException(): exn), "not enough memory"
                        ExternalException "can't allocate memory: 1 TB", "not enough memory"
                        InvalidOperationException "odd", "odd"
                    ] do
                    let engine = broken problem

                    Engine.segment engine None Marking.standard picture
                    |> Outcome.refusedWith 5 [ "8 x 8 pixels"; says ]

                    Engine.explain engine None Marking.standard picture
                    |> Outcome.refusedWith 5 [ "8 x 8 pixels"; says ]

            testCase "an answer of numbers is handed on"
            <| fun () ->
                Expect.isOk (segment answer) "an answer"
                Expect.isOk (explain explanation) "an explanation"

            testCase "a NaN or an infinity anywhere in an answer is an error, not `nothing marked`"
            <| fun () ->
                for value in [ nanf; infinityf; -infinityf ] do
                    refusedAsModel (
                        segment
                            { answer with
                                Probabilities = spoilt value
                            }
                    )

                refusedAsModel (
                    segment
                        { answer with
                            Influence = [ "blur", nan ]
                        }
                )

                refusedAsModel (
                    segment
                        { answer with
                            Disagreement = Some infinity
                        }
                )

            testCase "and in an explanation"
            <| fun () ->
                let bad =
                    { map with
                        Values = Array.create 64 nanf
                    }

                for spoilt in
                    [
                        { explanation with
                            Segmentation =
                                { answer with
                                    Probabilities = spoilt nanf
                                }
                        }
                        { explanation with
                            MutualInformation = bad
                        }
                        { explanation with
                            GeometricDisagreement = bad
                        }
                        { explanation with
                            StrongestInfluence = bad
                        }
                        { explanation with
                            Gap =
                                { explanation.Gap with
                                    MeanTotalVariation = nan
                                }
                        }
                        { explanation with
                            Regions =
                                { explanation.Regions with
                                    Similarity = [ bad ]
                                }
                        }
                        { explanation with
                            Conditions =
                                explanation.Conditions
                                |> List.map (fun answer -> { answer with Influence = nan })
                        }
                    ] do
                    refusedAsModel (explain spoilt)
        ]
