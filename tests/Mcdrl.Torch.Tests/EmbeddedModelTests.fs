module Mcdrl.Tests.EmbeddedModelTests

open System.IO
open Expecto
open Mcdrl

let private load () =
    Outcome.ok (Segmenter.load (Outcome.ok (EmbeddedModel.folder ())) "cpu")

let tests =
    testSequenced
    <| testList
        "EmbeddedModel"
        [
            testCase
                "it finds polyps, has never seen c6, and its card says what it is for and whose data it learned from"
            <| fun () ->
                let folder = Outcome.ok (EmbeddedModel.folder ())
                use segmenter = load ()
                Expect.equal segmenter.Manifest.Classes [ "polyp" ] "classes"
                Expect.equal segmenter.Manifest.Provenance.TrainedOn [ "c1"; "c2"; "c3"; "c4"; "c5" ] "sites"
                Expect.isTrue segmenter.Manifest.Active "it intervenes"
                let card = File.ReadAllText(Path.Combine(folder, "README.md"))

                for words in
                    [
                        "Not for clinical use"
                        "Intended use"
                        "Not to be used for"
                        "CC BY 4.0"
                        "MIT"
                    ] do
                    Expect.stringContains card words words

                Expect.stringContains EmbeddedModel.notice "not for clinical use" "notice"

            testCase "it is at most 32 MiB"
            <| fun () ->
                let files =
                    Directory.GetFiles(Outcome.ok (EmbeddedModel.folder ()), "*", SearchOption.AllDirectories)

                Expect.isLessThanOrEqual
                    (files |> Array.sumBy (fun path -> FileInfo(path).Length))
                    (32L * 1024L * 1024L)
                    "bytes"

            testCase "it finds polyps on frames of a hospital that it never saw"
            <| fun () ->
                use segmenter = load ()

                let found =
                    Outcome.ok (
                        Evaluator.evaluate
                            segmenter
                            None
                            Protocol.Imagewise
                            (Option.get (Product.folder "examples/polypgen-c6"))
                            []
                            Progress.none
                    )

                let dice (answer: AnswerScores) = answer.All.Dice.Mean
                Expect.isGreaterThan (dice found.Answers.Head) 0.5 "mean Dice"

                for trivial in found.Answers.Tail do
                    Expect.isGreaterThan (dice found.Answers.Head) (dice trivial + 0.2) trivial.Name
        ]
