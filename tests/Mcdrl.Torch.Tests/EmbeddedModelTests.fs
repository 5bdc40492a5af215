module Mcdrl.Tests.EmbeddedModelTests

open System.IO
open Expecto
open Mcdrl

let tests =
    testSequenced
    <| testList
        "EmbeddedModel"
        [
            testCase "it knows the phantom's classes, and its card says what it is"
            <| fun () ->
                let folder = Outcome.ok (EmbeddedModel.folder ())
                use segmenter = Outcome.ok (Segmenter.load folder "cpu")
                Expect.equal segmenter.Manifest.Classes Phantom.classes "classes"
                let card = File.ReadAllText(Path.Combine(folder, "README.md"))
                Expect.stringContains card "Not for clinical use" "card"
                Expect.stringContains EmbeddedModel.notice "not for clinical use" "notice"

            testCase "it finds lesions in scenes that it never saw"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let data = Path.Combine(folder, "data")

                    Outcome.ok (
                        PhantomDataset.write
                            {
                                Out = data
                                Sites = 5
                                Images = 8
                                Seed = 99UL
                                Side = 128
                                Confounded = false
                                Force = false
                            }
                            Progress.none
                    )
                    |> ignore

                    use segmenter =
                        Outcome.ok (Segmenter.load (Outcome.ok (EmbeddedModel.folder ())) "cpu")

                    let found =
                        Outcome.ok (
                            Evaluator.evaluate segmenter None Protocol.Imagewise data [] Progress.none
                        )

                    let dice (answer: AnswerScores) =
                        answer.Sites |> List.averageBy _.Dice.Mean

                    Expect.isGreaterThan (dice found.Answers.Head) 0.5 "mean Dice"

                    for trivial in found.Answers.Tail do
                        Expect.isGreaterThan (dice found.Answers.Head) (dice trivial + 0.2) trivial.Name)
        ]
