module Mcdrl.Tests.InterventionalTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl

let private labels (values: int list) = values |> List.map byte |> Array.ofList

let private close actual expected message =
    Expect.floatClose Accuracy.high actual expected message

let private reportOf scenes =
    Interventional.report (Seed.create 1UL) scenes

let private overlap classes a b =
    let struct (dice, lesionDice) = Interventional.overlap classes (labels a) (labels b)
    dice, lesionDice

/// A view without geometry.
let private view usual predicted truth =
    {
        Predicted = labels predicted
        Truth = labels truth
        InReference = labels predicted
        TruthProbability = 0.5
        Usual = usual
        Grounding = None
        DoMasks = None
    }

let private overlaps =
    testList
        "overlap"
        [
            test "a pixel counts only with the right class; lesion Dice doesn't ask which" {
                // Class 1: 2·1/(2+2); class 2: 2·1/(2+1); class 3: only one map shows it. Lesion: 2·4/(5+4).
                let dice, lesionDice = overlap 4 [ 1; 1; 2; 2; 3; 0 ] [ 1; 2; 1; 2; 0; 0 ]
                close dice ((0.5 + 0.5 + 0.0) / 3.0) "classes"
                close lesionDice (8.0 / 9.0) "lesion"
            }

            test "no lesion in either map is agreement, a lesion in one alone is none" {
                Expect.equal (overlap 2 [ 0; 0 ] [ 0; 0 ]) (1.0, 1.0) "empty"
                Expect.equal (overlap 2 [ 0; 0 ] [ 0; 2 ]) (0.0, 0.0) "one alone"
                Expect.equal (overlap 2 [ 1; 1 ] [ 2; 2 ]) (0.0, 1.0) "wrong class"
            }

            test "pixels that one map doesn't show are left out" {
                Expect.equal (overlap 1 [ 1; 255; 0 ] [ 1; 1; 0 ]) (1.0, 1.0) "hidden in the first"
                Expect.equal (overlap 1 [ 1; 1; 0 ] [ 1; 255; 0 ]) (1.0, 1.0) "in the second"
                Expect.equal (overlap 1 [ 255; 1 ] [ 1; 255 ]) (1.0, 1.0) "nothing to compare"
            }

            Property.check "in 0..1, symmetric, 1 with itself, and the validation's Dice"
            <| fun (pixels: (byte * byte) list) ->
                let a, b =
                    pixels
                    |> List.map (fun (p, q) -> p % 4uy, q % 4uy)
                    |> Array.ofList
                    |> Array.unzip

                let struct (dice, lesionDice) = Interventional.overlap 3 a b
                let one = struct (1.0, 1.0)
                use _scope = torch.NewDisposeScope()
                let image (values: byte[]) = torch.tensor(values).view(1L, 1L, -1L)

                0.0 <= dice
                && dice <= 1.0
                && 0.0 <= lesionDice
                && lesionDice <= 1.0
                && Interventional.overlap 3 b a = struct (dice, lesionDice)
                && Interventional.overlap 3 a a = one
                && (a.Length = 0 || abs (Objective.meanDice 3 (image a) (image b) - dice) < 1e-6)
        ]

/// Three conditions; the first is usual for the scene's class, the second for another one.
let private sceneOf reference first second third truth =
    Interventional.scene
        2
        (view None reference truth)
        [
            "blur", view (Some true) first truth
            "blood", view (Some false) second truth
            "mucus", view None third truth
        ]

/// Dice under blur 1, blood 1/2, mucus 0.
let private one =
    lazy (sceneOf [ 1; 1; 0; 0 ] [ 1; 1; 0; 0 ] [ 1; 2; 2; 0 ] [ 0; 0; 0; 0 ] [ 1; 1; 0; 0 ])

/// Dice under blur 2/3, blood 0, mucus 1.
let private two =
    lazy (sceneOf [ 2; 0; 0; 0 ] [ 2; 0; 0; 0 ] [ 0; 0; 0; 0 ] [ 2; 2; 0; 0 ] [ 2; 2; 0; 0 ])

let private reports =
    testList
        "report"
        [
            test "two scenes worked out by hand" {
                let first, second = one.Value, two.Value

                let dice (scene: SceneScore) =
                    scene.Conditions |> List.map (fun (_, score) -> score.Dice)
                // Blood in the first scene: class 1 2·1/(1+2), class 2 0.
                Expect.equal (dice first) [ 1.0; 1.0 / 3.0; 0.0 ] "first"
                Expect.equal (dice second) [ 2.0 / 3.0; 0.0; 1.0 ] "second"
                // First: blur-blood 1/3, blur-mucus 0, blood-mucus 0. Second: 0, 2/3, 0.
                close first.Invariance (1.0 / 9.0) "invariance of the first"
                close second.Invariance (2.0 / 9.0) "of the second"
                // Lesion against background: blur-blood 2·2/5.
                close first.LesionInvariance (0.8 / 3.0) "lesion invariance"
                let kept = first.Conditions |> List.map (fun (_, score) -> score.Kept)
                Expect.equal kept [ 1.0; 1.0 / 3.0; 0.0 ] "against the reference"

                let found = reportOf [ first; second ]
                close found.Dice.Mean 0.5 "mean over everything"
                Expect.equal found.Dice.Count 2 "scenes"

                let row =
                    found.Conditions |> List.map (fun c -> c.Condition, c.Dice.Mean, c.Dice.Count)

                Expect.equal (row |> List.map (fun (name, _, _) -> name)) [ "blur"; "blood"; "mucus" ] "order"
                close found.Conditions[0].Dice.Mean (5.0 / 6.0) "blur"
                close found.Conditions[0].Dice.StandardDeviation (sqrt (2.0 / 36.0)) "its deviation"
                close found.Conditions[1].Dice.Mean (1.0 / 6.0) "blood"
                close found.Reference.Dice.Mean (5.0 / 6.0) "reference"
                let worst = found.Worst |> Option.map _.Condition
                Expect.equal worst (Some "blood") "worst"
                close found.Invariance.Mean (1.5 / 9.0) "invariance"
                // Usual minus unusual: 1 − 1/3 and 2/3 − 0.
                close (Option.get found.ConfoundingGap).Mean (2.0 / 3.0) "gap"
                // All of it is there because blood is harder for both scenes.
                close (Option.get found.AdjustedGap).Mean 0.0 "adjusted gap"
                close (Option.get found.ProbabilityGap).Mean 0.0 "probabilities are the same"
            }

            test "masks that don't depend on the condition are invariant, whatever they are" {
                let scene = sceneOf [ 1; 2 ] [ 1; 2 ] [ 1; 2 ] [ 1; 2 ] [ 2; 0 ]
                let found = reportOf [ scene ]
                Expect.equal (found.Invariance.Mean, found.LesionInvariance.Mean) (1.0, 1.0) "invariant"
                Expect.equal ((Option.get found.ConfoundingGap).Mean) 0.0 "no gap"
            }

            test "grounding is the mean of the scenes that know it" {
                let grounded score =
                    { view None [ 1 ] [ 1 ] with
                        Grounding = score
                    }

                let scene score =
                    Interventional.scene 1 (grounded None) [ "blur", grounded score; "blood", grounded None ]

                let known = { Predicted = 0.9; Unchanged = 0.5 }
                let better = { Predicted = 0.7; Unchanged = 0.4 }

                let found = reportOf [ scene (Some known); scene None; scene (Some better) ]

                let predicted, unchanged = Option.get found.Conditions[0].Grounding
                close predicted.Mean 0.8 "predicted"
                close unchanged.Mean 0.45 "unchanged"
                Expect.equal predicted.Count 2 "scenes that know it"
                Expect.isNone found.Conditions[1].Grounding "unknown"
            }

            test "masks under do(c), by hand: lesion Dice with the mask shown, and their difference" {
                let plain = view None [ 1; 0; 0; 0 ] [ 1; 0; 0; 0 ]

                let masked masks =
                    { plain with
                        DoMasks =
                            masks
                            |> Option.map (fun (foretold, unchanged, shown) ->
                                {
                                    Foretold = labels foretold
                                    Unchanged = labels unchanged
                                    Shown = labels shown
                                })
                    }

                let scene masks =
                    Interventional.scene 2 plain [ "blur", masked masks; "blood", plain ]

                let found =
                    reportOf
                        [
                            // 2·2/(2+2), the class doesn't matter; 2·1/(1+2).
                            scene (Some([ 2; 1; 0; 0 ], [ 1; 0; 0; 0 ], [ 1; 1; 0; 0 ]))
                            scene None
                            // Nothing shown and nothing foretold; something unchanged.
                            scene (Some([ 0; 0; 0; 0 ], [ 0; 0; 0; 1 ], [ 0; 0; 0; 0 ]))
                        ]

                let masks = Option.get found.Conditions[0].DoMasks
                Expect.equal (masks.Foretold.Mean, masks.Foretold.Count) (1.0, 2) "foretold"
                close masks.Unchanged.Mean (1.0 / 3.0) "unchanged"
                // Of two scenes a draw in four is all the first, one in four all the second.
                close masks.Difference.Estimate (2.0 / 3.0) "difference"
                close masks.Difference.Low (1.0 / 3.0) "the first alone"
                close masks.Difference.High 1.0 "the second alone"
                Expect.isNone found.Conditions[1].DoMasks "unknown"
            }

            test "robust Dice and differences, by hand" {
                let first, second = one.Value, two.Value
                // (1 + 1 + 1/3 + 0)/4 and (2/3 + 2/3 + 0 + 1)/4.
                close (reportOf [ first ]).Robust.Mean (7.0 / 12.0) "the first"
                close (reportOf [ first; second ]).Robust.Mean (7.0 / 12.0) "both"

                let found =
                    Interventional.difference (Seed.create 1UL) [ first; first ] [ second; first ]

                close found.Reference.Estimate (1.0 / 6.0) "reference: 1/3 and 0"
                close found.Reference.High (1.0 / 3.0) "the first pair alone"
                close found.Robust.Estimate 0.0 "robust"
                // Worst: mucus 0 of the first's; blood (0 + 1/3)/2 of the others.
                close found.Worst.Estimate (-1.0 / 6.0) "worst condition"
                close found.Worst.Low (-1.0 / 6.0) "both pairs"
                // Either pair alone: its own worst is 0 on both sides.
                close found.Worst.High 0.0 "one of the pairs twice"
            }

            test "scenes of one patient are drawn together" {
                let ofPatient (scene: SceneScore) =
                    let patient: FrameGroup =
                        {
                            Kind = GroupKind.Patients
                            Name = "p"
                        }

                    { scene with
                        Group = Some("north", patient)
                    }

                let first, second = ofPatient one.Value, ofPatient two.Value

                let found =
                    Interventional.difference (Seed.create 1UL) [ first; first ] [ second; first ]

                close found.Reference.Low (1.0 / 6.0) "one patient can't be drawn otherwise"
                close found.Reference.High (1.0 / 6.0) "one patient can't be drawn otherwise"
                close found.Worst.High (-1.0 / 6.0) "worst condition"
            }

            test "without a bias, or without scenes, there is no gap" {
                let plain = view None [ 1; 0 ] [ 1; 0 ]
                let scene = Interventional.scene 1 plain [ "blur", plain; "blood", plain ]
                let found = reportOf [ scene ]
                Expect.equal (found.ConfoundingGap, found.AdjustedGap) (None, None) "no bias known"
                Expect.equal found.Invariance.Mean 1.0 "invariance"
                let nothing = reportOf []
                Expect.isTrue (System.Double.IsNaN nothing.Dice.Mean) "no scene, no mean"
                Expect.equal (nothing.Worst, nothing.ConfoundingGap) (None, None) "nor worst nor gap"
            }

            test "the class's probability is where the bias shows before the mask changes" {
                let sure usual probability =
                    { view usual [ 1; 0 ] [ 1; 0 ] with
                        TruthProbability = probability
                    }

                let found =
                    reportOf
                        [
                            Interventional.scene
                                1
                                (sure None 0.8)
                                [ "blur", sure (Some true) 0.9; "blood", sure (Some false) 0.6 ]
                        ]

                close (Option.get found.ProbabilityGap).Mean 0.3 "probability"
                close (Option.get found.ConfoundingGap).Mean 0.0 "mask"
            }
        ]

/// Scenes of four pixels and two classes under four conditions, two of which are usual for the class of the scene.
let private scenes =
    let mask = Gen.elements [ 0uy; 1uy; 2uy ] |> Gen.arrayOfLength 4

    let viewUnder usual truth =
        mask
        |> Gen.map2
            (fun probability predicted ->
                {
                    Predicted = predicted
                    Truth = truth
                    InReference = predicted
                    TruthProbability = float probability / 100.0
                    Usual = usual
                    Grounding = None
                    DoMasks = None
                })
            (Gen.choose (0, 100))

    gen {
        let! truth = mask
        let! reference = viewUnder None truth
        let! isFirst = Gen.elements [ true; false ]

        let! under =
            [ "a", Some isFirst; "b", Some isFirst; "c", Some(not isFirst); "d", None ]
            |> List.map (fun (name, usual) -> viewUnder usual truth |> Gen.map (fun view -> name, view))
            |> Gen.sequenceToList

        return Interventional.scene 2 reference under
    }
    |> Gen.listOf
    |> Arb.fromGen

let private laws =
    testList
        "laws"
        [
            testCase "scores lie in 0..1 and gaps in -1..1"
            <| fun () ->
                Check.One(
                    Config.QuickThrowOnFailure.WithMaxTest 200,
                    Prop.forAll scenes (fun scenes ->
                        let found = reportOf scenes

                        let isShare x =
                            System.Double.IsNaN x || 0.0 <= x && x <= 1.0 + 1e-12

                        let isGap (gap: Spread option) =
                            gap |> Option.forall (fun gap -> abs gap.Mean <= 1.0 + 1e-12)

                        let shares =
                            [
                                found.Dice
                                found.LesionDice
                                found.Invariance
                                found.LesionInvariance
                                for row in found.Reference :: found.Conditions do
                                    row.Dice
                                    row.LesionDice
                                    row.Kept
                                    row.TruthProbability
                            ]

                        shares |> List.forall (fun share -> isShare share.Mean)
                        && isGap found.ConfoundingGap
                        && isGap found.ProbabilityGap
                        && found.Worst
                           |> Option.forall (fun worst -> worst.Dice.Mean <= found.Dice.Mean + 1e-12))
                )

            testCase "the order of the scenes doesn't matter"
            <| fun () ->
                Check.One(
                    Config.QuickThrowOnFailure.WithMaxTest 100,
                    Prop.forAll scenes (fun scenes ->
                        let a, b = reportOf scenes, reportOf (List.rev scenes)

                        let same (x: Spread) (y: Spread) =
                            x.Count = y.Count && (x.Count = 0 || abs (x.Mean - y.Mean) < 1e-12)

                        same a.Dice b.Dice
                        && same a.Invariance b.Invariance
                        && List.forall2
                            (fun (x: ConditionScore) (y: ConditionScore) ->
                                same x.Dice y.Dice && same x.Kept y.Kept)
                            a.Conditions
                            b.Conditions
                        && Option.map2 same a.ConfoundingGap b.ConfoundingGap <> Some false)
                )

            testCase "a condition that is hard for every class alike leaves no adjusted gap"
            <| fun () ->
                // Dice of a scene under a condition is a share of the scene's and loses the condition's.
                let additive =
                    Gen.zip
                        (Gen.listOfLength 6 (Gen.choose (50, 100)))
                        (Gen.listOfLength 3 (Gen.choose (0, 50)))

                Check.One(
                    Config.QuickThrowOnFailure.WithMaxTest 100,
                    Prop.forAll (Arb.fromGen additive) (fun (ease, loss) ->
                        let scored usual dice : ViewScore =
                            {
                                Dice = dice
                                LesionDice = dice
                                TruthProbability = dice
                                Kept = 1.0
                                Usual = usual
                                Grounding = None
                                DoDice = None
                            }

                        let scene index ease : SceneScore =
                            {
                                Reference = scored None (float ease / 100.0)
                                Conditions =
                                    loss
                                    |> List.mapi (fun m loss ->
                                        $"condition {m}",
                                        scored (Some(m = index % 3)) (float (ease - loss) / 100.0))
                                Invariance = 1.0
                                LesionInvariance = 1.0
                                Group = None
                            }

                        let found = reportOf (List.mapi scene ease)
                        abs (Option.get found.AdjustedGap).Mean < 1e-9)
                )
        ]

let tests = testList "Interventional" [ overlaps; reports; laws ]
