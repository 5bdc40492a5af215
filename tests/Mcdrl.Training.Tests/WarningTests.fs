module Mcdrl.Tests.WarningTests

open Expecto
open TorchSharp
open Mcdrl

let private unsure disagreement entropy : FrameUncertainty =
    {
        Disagreement = disagreement
        Entropy = entropy
        DisagreementNearLesion = nan
        EntropyNearLesion = 1.0
    }

let private area name (warning: SiteWarning) =
    warning.Areas |> List.find (fst >> (=) name) |> snd

/// Of frames that are drawn one by one.
let private ofSite frames =
    Warning.ofSites "north" [ [| for frame in frames -> [| frame |] |] ]

let private sites =
    testList
        "site"
        [
            testCase "each kind's AUROC for a Dice below 0.7, with its interval"
            <| fun () ->
                let found =
                    ofSite
                        [
                            0.9, unsure 0.1 0.3
                            0.7, unsure 0.2 0.1
                            0.69, unsure 0.5 0.2
                            0.0, unsure 0.6 0.4
                        ]

                Expect.equal (found.Site, found.Images, found.Low) ("north", 4, 2) "0.7 is not below"

                Expect.equal
                    (area "disagreement" found)
                    (Some
                        {
                            Estimate = 1.0
                            Low = 1.0
                            High = 1.0
                        })
                    "apart in every draw"

                let entropy = Option.get (area "entropy" found)
                Expect.equal entropy.Estimate 0.75 "three pairs of four"
                Expect.isTrue (entropy.Low < 0.75 && entropy.High = 1.0) "the interval"
                let tied = Option.get (area "entropy_near_lesion" found)
                Expect.equal (tied.Estimate, tied.Low) (0.5, 0.5) "all tied"
                Expect.isNone (area "disagreement_near_lesion" found) "a model without it"

            testCase "frames of one patient are drawn together: of one patient alone there is nothing to draw"
            <| fun () ->
                let frames =
                    [|
                        0.9, unsure 0.1 0.3
                        0.8, unsure 0.2 0.1
                        0.6, unsure 0.5 0.2
                        0.0, unsure 0.6 0.4
                    |]

                let found = Warning.ofSites "north" [ [| frames |] ]
                let entropy = Option.get (area "entropy" found)

                Expect.equal
                    (entropy.Low, entropy.Estimate, entropy.High)
                    (0.75, 0.75, 0.75)
                    "the frames themselves"

            testCase "where all frames are below it, or none is, there is none"
            <| fun () ->
                for dice in [ 0.2; 0.9 ] do
                    let found = ofSite [ dice, unsure 0.1 0.1; dice, unsure 0.2 0.2 ]
                    Expect.isTrue (found.Areas |> List.forall (snd >> Option.isNone)) $"{dice}"
        ]

/// P(lesion) as given, S × S, as an answer of two classes.
let private answer (lesion: Tensor) =
    torch.stack [| lesion.neg().add(scalar 1.0, unity); lesion |]

let private frames =
    testList
        "frame"
        [
            testCase "means over all pixels, and over the marked lesion with a margin of a sixteenth"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                // One certain pixel of a lesion in the middle of 32 × 32; its margin of 2 makes it 5 × 5.
                let lesion = torch.zeros (32L, 32L)
                lesion[16L, 16L] <- torch.tensor 1.0f
                // Undecided, but background: H = log 2, three pixels, two of them within the margin.
                for x, y in [ 18L, 18L; 14L, 15L; 19L, 16L ] do
                    lesion[y, x] <- torch.tensor 0.5f

                let disagreement = torch.zeros (32L, 32L)
                disagreement[16L, 17L] <- torch.tensor 0.2f
                disagreement[0L, 0L] <- torch.tensor 0.3f
                let found = FrameUncertainty.ofAnswer (answer lesion) (Some disagreement)

                let close actual expected =
                    Expect.floatClose Accuracy.medium actual expected

                close found.Entropy (3.0 * log 2.0 / 1024.0) "entropy"
                close found.EntropyNearLesion (2.0 * log 2.0 / 25.0) "near the lesion"
                close found.Disagreement (0.5 / 1024.0) "disagreement"
                close found.DisagreementNearLesion (0.2 / 25.0) "near the lesion"

            testCase "nothing marked: over all pixels; a model that doesn't intervene has no disagreement"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let found = FrameUncertainty.ofAnswer (answer (torch.full (32L, 32L, 0.3f))) None
                let entropy = -(0.3 * log 0.3 + 0.7 * log 0.7)
                Expect.floatClose Accuracy.medium found.Entropy entropy "everywhere"
                Expect.floatClose Accuracy.medium found.EntropyNearLesion entropy "the same"
                Expect.isTrue (System.Double.IsNaN found.Disagreement) "none"
                Expect.isTrue (System.Double.IsNaN found.DisagreementNearLesion) "none there"
        ]

let tests = testList "Warning" [ sites; frames ]
