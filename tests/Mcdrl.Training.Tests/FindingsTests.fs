module Mcdrl.Tests.FindingsTests

open System
open Expecto
open Mcdrl

let private unsure disagreement entropy : FrameUncertainty =
    {
        Disagreement = disagreement
        Entropy = entropy
        DisagreementNearLesion = disagreement
        EntropyNearLesion = nan
    }

/// A calibration of 10 pixels of P(lesion) 0.25, of which so many are lesion.
let private calibration lesions =
    Calibration.ofFrame (fun tell ->
        for pixel in 1..10 do
            tell 0.25f (pixel <= lesions))

/// A frame of 1,000 pixels.
let private frame dice nsd lesions falsePositives marked uncertainty group : FrameFindings =
    {
        Dice = dice
        Nsd = nsd
        TolerancePixels = 0.4
        Pixels = 1000L
        MarkedArea = marked
        Lesions = [ for area, found in lesions -> { Area = area; Found = found } ]
        FalsePositives = falsePositives
        Ece = 0.1
        Brier = 0.05 * float (List.length lesions)
        Uncertainty = uncertainty
        Group =
            group
            |> Option.map (fun name ->
                {
                    Kind = GroupKind.Patients
                    Name = name
                })
        Calibration = Some(calibration (List.length lesions))
    }

/// One frame with a small and a large lesion, one with a medium one, one with a large one that is missed, two without.
let private frames =
    [
        frame 0.8 0.9 [ 2L, false; 40L, true ] 0 40L (unsure 0.1 0.5) (Some "p")
        frame 0.9 1.0 [ 10L, true ] 1 12L (unsure 0.2 0.1) (Some "p")
        frame 0.0 0.0 [ 50L, false ] 2 30L (unsure 0.9 0.3) (Some "q")
        frame 0.0 0.0 [] 1 20L (unsure 0.8 0.2) None
        frame 1.0 1.0 [] 0 0L (unsure 0.05 0.9) None
    ]

let private figures =
    testList
        "figures"
        [
            for finding, expected in
                [
                    Finding.Dice, 2.7 / 5.0
                    Finding.LesionDice, 1.7 / 3.0
                    Finding.MedianDice, 0.8
                    Finding.LowestDecileDice, 0.0
                    Finding.SmallDice, nan
                    Finding.MediumDice, 0.9
                    Finding.LargeDice, 0.4
                    Finding.Nsd, 2.9 / 5.0
                    Finding.Sensitivity, 2.0 / 4.0
                    Finding.SmallSensitivity, 0.0
                    Finding.MediumSensitivity, 1.0
                    Finding.LargeSensitivity, 0.5
                    Finding.FalsePositives, 4.0 / 5.0
                    Finding.EmptyMarked, 0.5
                    Finding.EmptyArea, 0.01
                    // P 0.25 everywhere; of a frame's ten pixels 2, 1, 1, 0 and 0 are lesion: 0.08 on average.
                    Finding.Ece, 0.17
                    Finding.Brier, 0.05 * 4.0 / 5.0
                    // Risks 0.2, 0.1, 1, 1, 0. By disagreement 0, 0.2, 0.1, 1, 1.
                    Finding.AurcDisagreement, (0.0 + 0.1 + 0.1 + 0.325 + 0.46) / 5.0
                    // By entropy 0.1, 1, 1, 0.2, 0.
                    Finding.AurcEntropy, (0.1 + 0.55 + 0.7 + 0.575 + 0.46) / 5.0
                    Finding.AurcDisagreementNearLesion, (0.0 + 0.1 + 0.1 + 0.325 + 0.46) / 5.0
                    Finding.AurcEntropyNearLesion, nan
                    // 0, 0.1, 0.2, 1, 1.
                    Finding.AurcBest, (0.0 + 0.05 + 0.1 + 0.325 + 0.46) / 5.0
                ] do
                test (Finding.key finding) {
                    let value = Finding.value finding (Array.ofList frames)

                    if Double.IsNaN expected then
                        Expect.isTrue (Double.IsNaN value) "undefined"
                    else
                        Expect.floatClose Accuracy.medium value expected ""
                }

            test "of no frame nothing is known" {
                for finding in Finding.all do
                    Expect.isTrue (Double.IsNaN(Finding.value finding [||])) (Finding.key finding)
            }

            test "every figure has its place and a key of its own" {
                Expect.equal Finding.all (List.distinct Finding.all) "once"

                Expect.hasLength
                    Finding.all
                    (FSharp.Reflection.FSharpType.GetUnionCases typeof<Finding>).Length
                    "all"

                Expect.equal (Finding.key Finding.LowestDecileDice) "lowest_decile_dice" "key"
            }

            test "a frame is as large as its largest lesion" {
                Expect.equal
                    (frames |> List.map FrameFindings.size)
                    [
                        Some LesionSize.Large
                        Some LesionSize.Medium
                        Some LesionSize.Large
                        None
                        None
                    ]
                    ""
            }
        ]

let private sites =
    testList
        "sites"
        [
            test "counts, what is drawn, and the curve" {
                let site = SiteFindings.create "north" [ Seq.ofList frames ]
                Expect.equal (site.Frames, site.WithLesion, site.EmptyMarked) (5, 3, 1) "frames"
                Expect.equal (site.Lesions, site.Found, site.FalsePositives) (4, 2, 4) "lesions"

                Expect.equal
                    (site.Sizes |> List.map (fun size -> size.Frames, size.Lesions, size.Found))
                    [ 0, 1, 0; 1, 1, 1; 2, 2, 1 ]
                    "sizes"

                Expect.equal site.Drawn "2 patients and 2 images" "drawn"
                Expect.equal site.Calibration.Frames 5 "pooled"

                let disagreement =
                    site.RiskCoverage |> List.find (fun curve -> curve.Uncertainty = "disagreement")

                Expect.hasLength disagreement.Points 10 "tenths"
                Expect.equal disagreement.Points[0].Coverage 0.2 "at least a frame"

                Expect.floatClose
                    Accuracy.high
                    disagreement.Points[9].Risk
                    (1.0 - 0.54)
                    "all of them: 1 − mean Dice"

                let absent =
                    site.RiskCoverage
                    |> List.find (fun curve -> curve.Uncertainty = "entropy_near_lesion")

                Expect.isEmpty absent.Points "a model without it"
            }

            test "intervals surround their figures, and are the same again" {
                let site = SiteFindings.create "north" [ Seq.ofList frames ]

                Expect.equal
                    (SiteFindings.create "north" [ Seq.ofList frames ]).Figures.Length
                    Finding.all.Length
                    "all"

                for figure in site.Figures do
                    let interval = figure.Interval

                    if not (Double.IsNaN interval.Estimate) then
                        Expect.floatClose
                            Accuracy.high
                            interval.Estimate
                            (Finding.value figure.Finding (Array.ofList frames))
                            (Finding.key figure.Finding)

                        Expect.isTrue
                            (interval.Low <= interval.Estimate && interval.Estimate <= interval.High)
                            $"{Finding.key figure.Finding}: {interval}"
            }

            test "none and all of what was seen: Wilson's intervals, of patients where they are known" {
                let clean = frame 1.0 1.0 [] 0 0L (unsure 0.1 0.1)
                let marked = SiteFindings.figure Finding.EmptyMarked
                let images = SiteFindings.create "s" [ Seq.replicate 10 (clean None) ]
                // z² / (n + z²) with z = 1.96 and n = 10.
                Expect.floatClose Accuracy.medium (marked images).High 0.277532 "of ten images"
                Expect.equal (marked images).Low 0.0 "none"
                let patients = SiteFindings.create "s" [ Seq.replicate 10 (clean (Some "p")) ]
                Expect.floatClose Accuracy.medium (marked patients).High 0.793450 "of one patient"

                let found =
                    SiteFindings.create
                        "s"
                        [ Seq.replicate 10 (frame 1.0 1.0 [ 9L, true ] 0 9L (unsure 0.1 0.1) None) ]

                Expect.floatClose
                    Accuracy.medium
                    (SiteFindings.figure Finding.Sensitivity found).Low
                    0.722468
                    "all"
            }

            test "sites are drawn within themselves" {
                let north = List.replicate 6 (frame 0.2 0.5 [ 9L, true ] 0 9L (unsure 0.1 0.1) None)
                let south = List.replicate 3 (frame 0.8 0.5 [ 9L, true ] 0 9L (unsure 0.1 0.1) None)
                let all = SiteFindings.create "all" [ Seq.ofList north; Seq.ofList south ]
                let dice = SiteFindings.figure Finding.Dice all
                Expect.floatClose Accuracy.high dice.Low 0.4 "always six of one and three of the other"
                Expect.floatClose Accuracy.high dice.High 0.4 "so nothing varies"
            }

            test "a record that is read back from JSON" {
                let site = SiteFindings.create "north" [ Seq.ofList frames ]
                let text = RecordJson.render site
                let again = RecordJson.parse<SiteFindings> "findings" text |> Outcome.ok
                Expect.equal (RecordJson.render again) text "the same"

                for given in frames do
                    let text = RecordJson.render given

                    Expect.equal
                        (RecordJson.render (Outcome.ok (RecordJson.parse<FrameFindings> "f" text)))
                        text
                        "a frame"
            }
        ]

let private texts =
    testList
        "text"
        [
            test "what a site's lines say" {
                let lines =
                    SiteFindings.create "north" [ Seq.ofList frames ]
                    |> FindingsText.lines
                    |> String.concat "\n"

                for words in
                    [
                        "north: 5 frames; intervals of 2 patients and 2 images"
                        "54.0 ("
                        "at 1 % of the diagonal, 0.4 px"
                        "; 2 of 4"
                        "; 1 of 2 frames"
                        "small 0.0 (0.0 to "
                        "at best"
                    ] do
                    Expect.stringContains lines words words
            }

            test "what there is none of has no line" {
                let clean = frame 1.0 1.0 [] 0 0L (unsure nan 0.1) None

                let lines =
                    SiteFindings.create "s" [ [ clean ] ]
                    |> FindingsText.lines
                    |> String.concat "\n"

                Expect.isFalse (lines.Contains "lesions found") "no lesion"
                Expect.isFalse (lines.Contains "by disagreement") "a model that doesn't intervene"
                Expect.stringContains lines "marked without lesion %" "without a lesion"
            }

            test "Markdown for a card: a column a site, and the definitions" {
                let one = SiteFindings.create "north" [ Seq.ofList frames ]
                let clean = frame 1.0 1.0 [] 0 0L (unsure nan 0.1) None
                let text = FindingsText.markdown [ one; SiteFindings.create "south" [ [ clean ] ] ]
                let rows = text.Split '\n' |> Array.filter (fun line -> line.StartsWith '|')
                Expect.allEqual (rows |> Array.map (fun row -> row.Split('|').Length)) 5 "three cells a row"
                Expect.stringContains text "|  | north | south |" "head"

                Expect.isTrue
                    (rows
                     |> Array.exists (fun row -> row.StartsWith "| lesions found %" && row.EndsWith "| – |"))
                    "none"

                Expect.stringContains text "IoU above 0.5" "the matching rule"
            }
        ]

let tests = testList "Findings" [ figures; sites; texts ]
