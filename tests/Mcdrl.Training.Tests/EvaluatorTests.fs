module Mcdrl.Tests.EvaluatorTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private evaluate protocol sites =
    use segmenter = World.segmenter ()

    Evaluator.evaluate segmenter None protocol (World.data ()) sites Progress.none

let private answer name (evaluation: Evaluation) =
    evaluation.Answers |> List.find (fun answer -> answer.Name = name)

/// What the model marks on each frame, computed one by one: site, stem, labels, lesion probability, truth.
let private own =
    lazy
        (use segmenter = World.segmenter ()
         let dataset = Outcome.ok (Dataset.load (World.data ()))

         [
             for site in dataset.Sites do
                 for item in site.Items do
                     let picture, truth = Outcome.ok (Dataset.read dataset item)
                     let marked = (Segmenter.segment segmenter None picture).Upright.Labels
                     use _scope = torch.NewDisposeScope()
                     let lesion = (Segmenter.probabilities segmenter None picture).select(0L, 1L)
                     let soft = Upsampling.values picture.Height picture.Width lesion
                     item.Site, item.Stem, marked, soft, truth.Labels
         ])

let private scores =
    testList
        "scores"
        [
            testCase "a threshold and a smallest area decide what is scored"
            <| fun () ->
                use segmenter = World.segmenter ()

                for threshold, least in [ Some 0.2, 0L; Some 0.8, 0L; None, 200L ] do
                    let marking = Outcome.ok (Marking.create threshold least)

                    let found =
                        Evaluator.evaluateWith
                            marking
                            segmenter
                            None
                            Protocol.Imagewise
                            (World.data ())
                            [ "c" ]
                            Progress.none
                        |> Outcome.ok

                    Expect.equal found.Marking marking "said"
                    let dataset = Outcome.ok (Dataset.load (World.data ()))

                    let items =
                        dataset.Sites
                        |> List.filter (fun site -> site.Name = "c")
                        |> List.head
                        |> _.Items

                    for image, item in Seq.zip found.Images items do
                        let picture, truth = Outcome.ok (Dataset.read dataset item)
                        let marked = (Segmenter.segmentWith marking segmenter None picture).Upright.Labels

                        World.sameScoreButForTies
                            image.Score.Dice
                            (Metrics.score EmptyTruth.Counted (Counts.ofForeground marked truth.Labels)).Dice
                            $"{image.Stem}: {threshold}, {least}"

            testCase "the model's are the metrics of its own masks, frame by frame"
            <| fun () ->
                let evaluation = Outcome.ok (evaluate Protocol.Imagewise [])
                Expect.equal evaluation.Images.Length 18 "every frame"

                for image, (site, stem, marked, _, truth) in List.zip evaluation.Images own.Value do
                    Expect.equal (image.Site, image.Stem) (site, stem) "order"
                    let counts = Counts.ofForeground marked truth
                    let expected = Metrics.score EmptyTruth.Counted counts
                    World.sameScoreButForTies image.Score.Dice expected.Dice $"{stem}: Dice"
                    World.sameScoreButForTies image.Score.Iou expected.Iou $"{stem}: IoU"
                    World.sameScoreButForTies image.Score.Accuracy expected.Accuracy $"{stem}: accuracy"

                    let dice =
                        Metrics.dice EmptyTruth.UndefinedIfRight (Counts.ofLabel 1uy marked truth)

                    World.sameScoreButForTies image.ClassDice.Head dice $"{stem}: class"

                let dices = evaluation.Images |> List.map _.Score.Dice

                Expect.floatClose
                    Accuracy.high
                    (answer "model" evaluation).All.Dice.Mean
                    (List.average dices)
                    "mean over images"

                Expect.isGreaterThan (List.distinct dices).Length 3 "the frames differ"

            testCase
                "uncertainty is that of the model's own answers, and warns site by site, whatever the protocol"
            <| fun () ->
                use segmenter = World.segmenter ()

                let evaluation =
                    Evaluator.evaluate
                        segmenter
                        (Some Marginalisation.Exact)
                        Protocol.Imagewise
                        (World.data ())
                        []
                        Progress.none
                    |> Outcome.ok

                let dataset = Outcome.ok (Dataset.load (World.data ()))

                let expected =
                    [
                        for site in dataset.Sites do
                            for item in site.Items do
                                let picture, _ = Outcome.ok (Dataset.read dataset item)

                                Option.get
                                    (Segmenter.segment segmenter (Some Marginalisation.Exact) picture)
                                        .Disagreement
                    ]

                let uncertainties =
                    evaluation.Images
                    |> List.map (fun image -> (Option.get image.Findings).Uncertainty)

                for found, expected in List.zip uncertainties expected do
                    Expect.floatClose
                        { absolute = 1e-6; relative = 1e-3 }
                        found.Disagreement
                        expected
                        "I(Y; Z | F)"

                    Expect.isTrue (found.Entropy >= found.Disagreement - 1e-6) "no more than the entropy"

                Expect.equal
                    (evaluation.Warning |> List.map (fun site -> site.Site, site.Images))
                    [ "a", 6; "b", 6; "c", 6; "all", 18 ]
                    "each site, and all"

                let all = List.last evaluation.Warning

                Expect.equal
                    all
                    (List.zip3
                        (evaluation.Images |> List.map _.Site)
                        (evaluation.Images |> List.map _.Score.Dice)
                        uncertainties
                     |> List.groupBy (fun (site, _, _) -> site)
                     |> List.map (fun (_, frames) ->
                         [| for _, dice, unsure in frames -> [| dice, unsure |] |])
                     |> Warning.ofSites "all")
                    "from the frames' own Dice"

                let micro =
                    Evaluator.evaluate
                        segmenter
                        (Some Marginalisation.Exact)
                        Protocol.BackgroundForeground
                        (World.data ())
                        []
                        Progress.none
                    |> Outcome.ok

                Expect.equal
                    (micro.Warning |> List.map _.Low)
                    (evaluation.Warning |> List.map _.Low)
                    "protocol"

                let alone = Outcome.ok (evaluate Protocol.Imagewise [ "c" ])
                Expect.equal (alone.Warning |> List.map _.Site) [ "c" ] "one site, one line"

            testCase "findings are those of its own masks, and of the sites that dataset.json groups"
            <| fun () ->
                let evaluation = Outcome.ok (evaluate Protocol.Imagewise [])

                for image, (_, stem, marked, soft, truth) in List.zip evaluation.Images own.Value do
                    let found = Option.get image.Findings
                    World.sameScoreButForTies found.Dice image.Score.Dice $"{stem}: Dice"

                    let brierOf (p: float32) label =
                        let error = float p - (if label > 0uy then 1.0 else 0.0)
                        error * error

                    let brier = Array.map2 brierOf soft truth |> Array.average
                    Expect.floatClose { absolute = 1e-6; relative = 1e-4 } found.Brier brier $"{stem}: Brier"

                    let components labels =
                        snd (LesionDetection.components World.width labels)

                    Expect.equal
                        (found.Lesions |> List.map _.Area)
                        (List.ofArray (components truth))
                        $"{stem}: lesions"

                    Expect.equal
                        (found.FalsePositives + (found.Lesions |> List.filter _.Found |> List.length))
                        (components marked).Length
                        $"{stem}: components"

                Expect.equal
                    (evaluation.Findings
                     |> List.map (fun site -> site.Site, site.Frames, site.WithLesion))
                    [ "a", 6, 6; "b", 6, 6; "c", 6, 5; "all", 18, 17 ]
                    "each site, and all"

                Expect.equal
                    (List.last evaluation.Findings).Drawn
                    "18 images"
                    "images, where nothing is known of patients"

                Expect.floatClose
                    Accuracy.high
                    (SiteFindings.figure Finding.Nsd (List.last evaluation.Findings)).Estimate
                    (answer "model" evaluation).All.Nsd.Mean
                    "the table's NSD"

                Expect.floatClose
                    Accuracy.high
                    (answer "nothing marked" evaluation).All.Nsd.Mean
                    (1.0 / 18.0)
                    "nothing marked is right once"

            testCase "patients that dataset.json names are what intervals resample"
            <| fun () ->
                World.within (fun folder ->
                    let data = Path.Combine(folder, "data")
                    let description = Path.Combine(data, "dataset.json")

                    File.WriteAllText(
                        description,
                        (File.ReadAllText description)
                            .Replace(
                                "\"masks\": \"c/masks\"",
                                "\"masks\": \"c/masks\", \"patients\": { \"one\": [\"frame0\", \"frame1\", \"frame2\"], \"two\": [\"frame3\", \"frame4\", \"frame5\"] }"
                            )
                    )

                    use segmenter = World.segmenter ()

                    let found =
                        Evaluator.evaluate segmenter None Protocol.Imagewise data [ "a"; "c" ] Progress.none
                        |> Outcome.ok

                    Expect.equal
                        (found.Findings |> List.map _.Drawn)
                        [ "6 images"; "2 patients"; "2 patients and 6 images" ]
                        "drawn"

                    Expect.equal
                        (found.Images
                         |> List.map (fun image -> (Option.get image.Findings).Group |> Option.map _.Name))
                        (List.replicate 6 None
                         @ List.replicate 3 (Some "one")
                         @ List.replicate 3 (Some "two"))
                        "each frame's")

            testCase "protocols: one image of all pixels; background and foreground; 256 thresholds"
            <| fun () ->
                let micro = answer "model" (Outcome.ok (evaluate Protocol.Micro []))

                let together =
                    own.Value
                    |> List.map (fun (_, _, marked, _, truth) -> Counts.ofForeground marked truth)
                    |> List.reduce (+)

                World.sameScoreButForTies
                    micro.All.Dice.Mean
                    (Metrics.dice EmptyTruth.Counted together)
                    "micro"

                Expect.equal micro.All.Images 18 "images"

                let mean score =
                    own.Value
                    |> List.averageBy (fun (_, _, marked, soft, truth) -> score marked soft truth)

                let both = answer "model" (Outcome.ok (evaluate Protocol.BackgroundForeground []))

                let bgfg marked _ truth =
                    (Metrics.backgroundForeground EmptyTruth.Counted (Counts.ofForeground marked truth)).Dice

                World.sameScoreButForTies both.All.Dice.Mean (mean bgfg) "bgfg"
                let cuts = answer "model" (Outcome.ok (evaluate Protocol.PraNet256 []))

                let pranet _ soft truth =
                    (PraNet256.score soft (Array.map (fun label -> label > 0uy) truth)).MeanDice

                World.sameScoreButForTies cuts.All.Dice.Mean (mean pranet) "pranet256"
                Expect.isGreaterThan (abs (both.All.Dice.Mean - cuts.All.Dice.Mean)) 0.02 "protocols differ"

            testCase "nothing marked scores 1 on the frame without a lesion and 0 on the others"
            <| fun () ->
                let evaluation = Outcome.ok (evaluate Protocol.Imagewise [])
                let nothing = answer "nothing marked" evaluation
                let dice = nothing.Sites |> List.map (fun site -> site.Site, site.Dice.Mean)
                Expect.equal dice [ "a", 0.0; "b", 0.0; "c", 1.0 / 6.0 ] "by site"

                Expect.equal
                    (nothing.Worst |> Option.map _.Dice.Mean)
                    (Some 0.0)
                    "the worst site is one of those"

                let worst = Option.get (answer "model" evaluation).Worst

                Expect.equal
                    worst.Dice.Mean
                    ((answer "model" evaluation).Sites |> List.map _.Dice.Mean |> List.min)
                    "worst site"

            testCase "the mean training mask is made of the sites that the model was trained on"
            <| fun () ->
                let mean =
                    answer "mean training mask" (Outcome.ok (evaluate Protocol.Imagewise [ "c" ]))
                // Sites a and b hold the same six discs, site c five of them and an empty frame.
                let dice = mean.All.Dice.Mean
                Expect.isTrue (dice > 0.2 && dice < 0.9) $"a fixed mask meets some of each disc: {dice}"

                let again =
                    answer "mean training mask" (Outcome.ok (evaluate Protocol.Imagewise [ "a" ]))

                Expect.isGreaterThan again.All.Dice.Mean dice "better where no frame is empty"
        ]

let private sites =
    testList
        "sites"
        [
            testCase "chosen sites alone are scored, and those trained on are named"
            <| fun () ->
                let some = Outcome.ok (evaluate Protocol.Imagewise [ "c"; "a" ])
                Expect.equal ((answer "model" some).Sites |> List.map _.Site) [ "a"; "c" ] "sites"
                Expect.equal some.Seen [ "a" ] "seen"
                Expect.equal (Outcome.ok (evaluate Protocol.Imagewise [])).Seen [ "a"; "b" ] "all"
                Expect.equal (Outcome.ok (evaluate Protocol.Imagewise [ "c" ])).Seen [] "unseen"

            testCase "an unknown site is named, together with those there are"
            <| fun () ->
                evaluate Protocol.Imagewise [ "a"; "z" ]
                |> Outcome.refusedWith 2 [ "“site” z"; "a, b, c" ]

            testCase "a dataset of other classes is refused"
            <| fun () ->
                World.within (fun folder ->
                    let data = Path.Combine(folder, "data")
                    let description = Path.Combine(data, "dataset.json")
                    File.WriteAllText(description, (File.ReadAllText description).Replace("polyp", "cyst"))
                    use segmenter = World.segmenter ()

                    Evaluator.evaluate segmenter None Protocol.Imagewise data [] Progress.none
                    |> Outcome.refused
                    |> fun (_, text) ->
                        Expect.stringContains text "cyst" "the dataset's"
                        Expect.stringContains text "polyp" "the model's")

            testCase "every broken frame is named; a cancelled evaluation is cancelled"
            <| fun () ->
                World.within (fun folder ->
                    let data = Path.Combine(folder, "data")

                    for number in [ 1; 4 ] do
                        File.WriteAllText(Path.Combine(data, "c", "images", $"frame{number}.png"), "broken")

                    use segmenter = World.segmenter ()

                    let run progress =
                        Evaluator.evaluate segmenter None Protocol.Imagewise data [ "c" ] progress

                    run Progress.none |> Outcome.refusedWith 4 [ "frame1.png"; "frame4.png" ]

                    Expect.equal
                        (run (Progress.until (CancellationToken true)) |> Result.map ignore)
                        (Error McdrlError.Cancelled)
                        "cancelled")
        ]

let tests = testSequenced (testList "Evaluator" [ scores; sites ])
