module Mcdrl.Tests.InterventionalEvaluatorTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private request: InterventionalRequest =
    {
        Data = World.data ()
        Sites = [ "c" ]
        Strength = Some 0.7
        Images = None
        Seed = 1UL
    }

let private evaluate request =
    use segmenter = World.segmenter ()

    InterventionalEvaluator.evaluate [ "world", segmenter ] None request Progress.none

let private found = lazy (Outcome.ok (evaluate request))
let private report = lazy found.Value.Models.Head.Report
let private close a b = Expect.floatClose Accuracy.high a b

/// The numbers of a report that don't say how long it took.
let private figures (evaluation: InterventionalEvaluation) = $"%A{evaluation.Models}"

let private frames =
    testList
        "recorded frames"
        [
            testCase "the reference is the frame as it is: its figures are the plain evaluation's"
            <| fun () ->
                use segmenter = World.segmenter ()

                let plain =
                    Evaluator.evaluate segmenter None Protocol.Imagewise (World.data ()) [ "c" ] Progress.none
                    |> Outcome.ok

                let report = report.Value
                World.sameScoreButForTies report.Reference.Dice.Mean plain.Answers.Head.All.Dice.Mean "Dice"

                close report.Reference.LesionDice.Mean report.Reference.Dice.Mean "there is one class"
                Expect.equal report.Reference.Kept.Mean 1.0 "it is its own mask"
                Expect.equal found.Value.Images 6 "every frame of the site"
                Expect.equal found.Value.Drawn "6 images" "drawn by themselves"

            testCase "one condition's figures are those of the frames that it was done to"
            <| fun () ->
                use segmenter = World.segmenter ()
                let dataset = Outcome.ok (Dataset.load (World.data ()))
                let site = dataset.Sites |> List.find (fun site -> site.Name = "c")
                use _scope = torch.NewDisposeScope()

                let dices =
                    [
                        for item in site.Items do
                            let picture, truth = Outcome.ok (Dataset.read dataset item)
                            let frame = Preprocessing.frame 32 picture
                            let dim = Conditions.dimLighting 0.7 (Seed.create 0UL) frame

                            let answers =
                                Segmenter.underConditions segmenter None frame [ "dim lighting", dim ]

                            let marked = Upsampling.labels truth.Height truth.Width answers.Answers[1]
                            Metrics.dice EmptyTruth.Counted (Counts.ofForeground marked.Labels truth.Labels)
                    ]

                let dim =
                    report.Value.Conditions |> List.find (fun row -> row.Condition = "dim lighting")

                World.sameScoreButForTies dim.Dice.Mean (List.average dices) "Dice"
                Expect.isLessThan dim.Kept.Mean 1.0 "it changed masks"

            testCase "what can't be done to a recorded frame is left out and said; there is no bias to know"
            <| fun () ->
                let names = report.Value.Conditions |> List.map _.Condition
                Expect.equal names.Length 8 "conditions"

                Expect.equal
                    found.Value.LeftOut
                    [ "a close-up view"; "a distant view"; "mucus"; "blood" ]
                    "left out"

                Expect.isEmpty
                    (List.filter (fun name -> List.contains name found.Value.LeftOut) names)
                    "apart"

                Expect.equal report.Value.ConfoundingGap None "no gap"

            testCase "conditions of the model's dictionary are compared with what A foretells of them"
            <| fun () ->
                for row in report.Value.Conditions do
                    Expect.equal row.Grounding.IsSome (row.Condition = "blur") row.Condition

                let predicted, unchanged = report.Value.Conditions |> List.pick _.Grounding

                Expect.equal predicted.Count 6 "scenes"
                Expect.isTrue (abs predicted.Mean <= 1.0 && abs unchanged.Mean < 1.0) "cosines"
                Expect.notEqual predicted.Mean unchanged.Mean "A changes the features"

            testCase
                "masks under do(c) are A's, judged by the plain masks of frames that the condition was done to"
            <| fun () ->
                let model = Outcome.ok (Bundle.load (World.bundle ()))

                let plain =
                    { model with
                        Manifest = { model.Manifest with Active = false }
                    }

                use _scope = torch.NewDisposeScope()
                use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 model
                use unmoved = Segmenter.ofModel torch.CPU Precision.Fp32 plain
                let dataset = Outcome.ok (Dataset.load (World.data ()))
                let site = dataset.Sites |> List.find (fun site -> site.Name = "c")

                let dices =
                    [
                        for item in site.Items do
                            let picture, truth = Outcome.ok (Dataset.read dataset item)
                            let frame = Preprocessing.frame 32 picture

                            let mask (probabilities: Tensor) =
                                (Upsampling.labels truth.Height truth.Width probabilities).Labels

                            let plainMask (frame: Tensor) =
                                Segmenter.probabilitiesOfFrames unmoved None (frame.unsqueeze 0L)
                                |> _.squeeze(0L)
                                |> mask

                            let foretold =
                                (Segmenter.explain segmenter None picture).Conditions
                                |> List.find (fun answer -> answer.Condition = "blur")
                                |> _.Mask.Labels

                            let shown = plainMask (Conditions.blur Conditions.typical (Seed.create 0UL) frame)

                            let dice a b =
                                Metrics.dice EmptyTruth.Counted (Counts.ofForeground a b)

                            dice foretold shown, dice (plainMask frame) shown
                    ]

                let usual = Outcome.ok (evaluate { request with Strength = None })
                Expect.equal usual.Strength Conditions.typical "the strength that grounding trains on"

                let known =
                    usual.Models.Head.Report.Conditions
                    |> List.choose (fun row -> row.DoMasks |> Option.map (fun masks -> row.Condition, masks))

                Expect.equal (List.map fst known) [ "blur" ] "conditions of the model's dictionary"
                let masks = snd known.Head
                World.sameScoreButForTies masks.Foretold.Mean (List.averageBy fst dices) "foretold"
                World.sameScoreButForTies masks.Unchanged.Mean (List.averageBy snd dices) "unchanged"

                close
                    masks.Difference.Estimate
                    (masks.Foretold.Mean - masks.Unchanged.Mean)
                    "the interval is of the difference"

                Expect.isTrue (masks.Difference.Low < masks.Difference.High) "frames differ"

            testCase "robust Dice counts the frame as it is beside every condition"
            <| fun () ->
                let report = report.Value
                let all = report.Reference :: report.Conditions |> List.map _.Dice.Mean
                close report.Robust.Mean (List.average all) "nine figures"
                Expect.notEqual report.Robust.Mean report.Dice.Mean "the mean over conditions is another"

            testCase "equal requests give equal figures, other seeds and strengths others"
            <| fun () ->
                let again = Outcome.ok (evaluate request)
                Expect.equal (figures again) (figures found.Value) "again"

                for other in [ { request with Seed = 2UL }; { request with Strength = Some 0.3 } ] do
                    Expect.notEqual (figures (Outcome.ok (evaluate other))) (figures found.Value) $"{other}"

            testCase "fewer images are some of each site's"
            <| fun () ->
                let some =
                    Outcome.ok (
                        evaluate
                            { request with
                                Sites = []
                                Images = Some 2
                            }
                    )

                Expect.equal (some.Images, some.Sites) (6, [ "a"; "b"; "c" ]) "two of each"
                Expect.equal some.Models.Head.Seen [ "a"; "b" ] "seen"

                Expect.equal
                    (Outcome.ok (evaluate { request with Images = Some 99 })).Images
                    6
                    "no more than all"
        ]

let private comparing =
    testList
        "models"
        [
            testCase "models are shown the very same frames"
            <| fun () ->
                use one = World.segmenter ()
                use two = World.segmenter ()

                let both =
                    InterventionalEvaluator.evaluate
                        [ "one", one; "two", two ]
                        (Some Marginalisation.Attention)
                        request
                        Progress.none
                    |> Outcome.ok

                let first, second = both.Models[0], both.Models[1]
                Expect.equal (first.Model, second.Model) ("one", "two") "names"
                Expect.equal first.Mode Marginalisation.Attention "the mode asked for"
                Expect.equal $"%A{second.Report}" $"%A{first.Report}" "equal models, equal figures"
                Expect.isNone first.Difference "from itself"

                let none: Interval =
                    {
                        Estimate = 0.0
                        Low = 0.0
                        High = 0.0
                    }

                Expect.equal
                    second.Difference
                    (Some
                        {
                            Reference = none
                            Robust = none
                            Worst = none
                        })
                    "no difference in any draw"

            testCase
                "a model that doesn't intervene foretells nothing, and the difference is its figures minus the first's"
            <| fun () ->
                let model = Outcome.ok (Bundle.load (World.bundle ()))
                use one = Segmenter.ofModel torch.CPU Precision.Fp32 model

                use other =
                    Segmenter.ofModel
                        torch.CPU
                        Precision.Fp32
                        { model with
                            Manifest = { model.Manifest with Active = false }
                        }

                let both =
                    InterventionalEvaluator.evaluate [ "one", one; "other", other ] None request Progress.none
                    |> Outcome.ok

                let first, second = both.Models[0].Report, both.Models[1].Report
                Expect.isEmpty (List.choose _.DoMasks second.Conditions) "nothing foretold"
                let difference = Option.get both.Models[1].Difference
                close difference.Robust.Estimate (second.Robust.Mean - first.Robust.Mean) "robust"

                close
                    difference.Reference.Estimate
                    (second.Reference.Dice.Mean - first.Reference.Dice.Mean)
                    "reference"

                let worst (report: InterventionalReport) = (Option.get report.Worst).Dice.Mean
                close difference.Worst.Estimate (worst second - worst first) "worst condition"

            testCase "asked by rendered, every frame shown is rendered in its turn"
            <| fun () ->
                use segmenter = World.segmenter ()

                let mode = Some Marginalisation.Rendered

                let found =
                    InterventionalEvaluator.evaluate [ "world", segmenter ] mode request Progress.none
                    |> Outcome.ok

                let plain =
                    Evaluator.evaluate segmenter mode Protocol.Imagewise (World.data ()) [ "c" ] Progress.none
                    |> Outcome.ok

                World.sameScoreButForTies
                    found.Models.Head.Report.Reference.Dice.Mean
                    plain.Answers.Head.All.Dice.Mean
                    "the frame as it is"

            testCase "frames together are frames one by one"
            <| fun () ->
                use segmenter = World.segmenter ()
                use _scope = torch.NewDisposeScope()

                let pictures =
                    [
                        for number in 0..5 ->
                            Outcome.ok (
                                Images.read
                                    ImageLimits.standard
                                    (Path.Combine(World.data (), "c", "images", $"frame{number}.png"))
                            )
                    ]

                let frames = pictures |> List.map (Preprocessing.frame 32)

                for mode in Marginalisation.answering do
                    let together =
                        (Segmenter.underConditions
                            segmenter
                            (Some mode)
                            frames.Head
                            (frames.Tail |> List.map (fun frame -> "other", frame)))
                            .Answers

                    Expect.equal together.Length 6 "one answer a frame"

                    for answer, picture in List.zip together pictures do
                        let alone = Segmenter.probabilities segmenter (Some mode) picture
                        let difference = answer.sub(alone).abs().max().item<float32>()
                        Expect.isLessThan difference 1e-5f $"{mode}"
        ]

let private refusals =
    testList
        "refusals"
        [
            testCase "strengths, numbers and sites that can't be"
            <| fun () ->
                for strength in [ 0.0; -1.0; 1.01; nan ] do
                    evaluate
                        { request with
                            Strength = Some strength
                        }
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "“strength”" ]

                evaluate { request with Images = Some 0 }
                |> Outcome.refusedWith 2 [ "“images”" ]

                evaluate { request with Sites = [ "z" ] }
                |> Outcome.refusedWith 2 [ "“site” z" ]

            testCase "every broken frame is named; a cancelled evaluation is cancelled"
            <| fun () ->
                World.within (fun folder ->
                    let data = Path.Combine(folder, "data")

                    for number in [ 1; 4 ] do
                        File.WriteAllText(Path.Combine(data, "c", "images", $"frame{number}.png"), "broken")

                    evaluate { request with Data = data }
                    |> Outcome.refusedWith 4 [ "frame1.png"; "frame4.png" ])

                use segmenter = World.segmenter ()

                InterventionalEvaluator.evaluate
                    [ "world", segmenter ]
                    None
                    request
                    (Progress.until (CancellationToken true))
                |> Result.map ignore
                |> fun outcome -> Expect.equal outcome (Error McdrlError.Cancelled) "cancelled"
        ]

let tests =
    testSequenced (testList "InterventionalEvaluator" [ frames; comparing; refusals ])
