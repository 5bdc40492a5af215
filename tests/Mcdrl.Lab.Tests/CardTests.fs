module Mcdrl.Tests.CardTests

open System.IO
open Expecto
open Mcdrl

/// A copy of the small model and its world, and what its card says once it was written.
let private written (about: string) check =
    World.within (fun folder ->
        let model = Path.Combine(folder, "copy")
        World.copyTree (World.bundle ()) model

        let words = Path.Combine(folder, "about.md")
        File.WriteAllText(words, about)

        let evaluation =
            Card.write
                {
                    Model = model
                    Data = Path.Combine(folder, "data")
                    Sites = []
                    About = Some words
                    Device = "cpu"
                }
                Progress.none
            |> Outcome.ok

        check model evaluation (File.ReadAllText(Path.Combine(model, "README.md"))))

let tests =
    testSequenced (
        testList
            "Card"
            [
                testCase
                    "the figures are those of the evaluation, in the card and in the manifest, and the model still loads"
                <| fun () ->
                    written "## Intended use\n\nTests." (fun model evaluation card ->
                        use _segmenter = Outcome.ok (Segmenter.load model "cpu")
                        let manifest = Outcome.ok (Bundle.manifest model)
                        let seen = evaluation.Seen

                        let isOneOf sites (site: SiteFindings) = List.contains site.Site sites
                        let pooled, single = evaluation.Findings |> List.partition (isOneOf [ "all" ])
                        let unseen = single |> List.filter (isOneOf seen >> not)
                        Expect.isNonEmpty pooled "all sites together are measured"

                        for site in pooled do
                            Expect.all
                                manifest.Metrics
                                (fun metric -> not (metric.Name.EndsWith $", {site.Site}"))
                                "what pools seen and unseen sites is not among what was never seen"

                            Expect.isFalse
                                (card.Contains(FindingsText.figure Finding.Ece site))
                                "nor in a table"

                        Expect.isNonEmpty seen "some sites were trained on"
                        Expect.isNonEmpty unseen "one was not"

                        for site in unseen do
                            let dice = (SiteFindings.figure Finding.Dice site).Estimate

                            let kept =
                                manifest.Metrics
                                |> List.find (fun metric -> metric.Name = $"Dice, {site.Site}")

                            Expect.equal kept.Value dice site.Site
                            Expect.stringContains card (FindingsText.figure Finding.Dice site) "in the table"

                        for site in seen do
                            Expect.all
                                manifest.Metrics
                                (fun metric -> not (metric.Name.EndsWith $", {site}"))
                                "no figure of a site that it was trained on stands among its metrics"

                        Expect.stringContains card "## Intended use" "the maker's words"
                        Expect.stringContains card "Sites that it has never seen" "unseen"
                        Expect.stringContains card "Sites that it was trained on" "seen")

                testCase "names of sites, data sets and classes are text in a card, whatever they hold"
                <| fun () ->
                    World.within (fun folder ->
                        let hostile = "<script>alert(1)</script>|[x](http://e)\u202e`#"
                        let file = Path.Combine(folder, "data", "dataset.json")
                        let asJson = System.Text.Json.JsonSerializer.Serialize hostile

                        File.WriteAllText(file, File.ReadAllText(file).Replace("\"c\": {", $"{asJson}: {{"))

                        use _scope = TorchSharp.torch.NewDisposeScope()
                        let model = Outcome.ok (Bundle.load (World.bundle ()))
                        let target = Path.Combine(folder, "copy")

                        Bundle.write
                            target
                            { model with
                                Manifest =
                                    { model.Manifest with
                                        Provenance =
                                            { model.Manifest.Provenance with
                                                Data = hostile
                                                LeftOut = Some hostile
                                                TrainedOn = [ "a"; hostile + "2" ]
                                            }
                                    }
                            }
                        |> Outcome.ok

                        let card () =
                            File.ReadAllText(Path.Combine(target, "README.md"))

                        let check () =
                            Expect.isFalse ((card ()).Contains "<script") "no element"

                            Expect.isFalse
                                (System.Text.RegularExpressions.Regex.IsMatch(card (), @"(?<!\\)\]\(http"))
                                "no link"

                            Expect.isFalse ((card ()).Contains '\u202e') "no turned direction"
                            Expect.stringContains (card ()) "&lt;script&gt;alert(1)" "told"

                        check ()

                        Card.write
                            {
                                Model = target
                                Data = Path.Combine(folder, "data")
                                Sites = []
                                About = None
                                Device = "cpu"
                            }
                            Progress.none
                        |> Outcome.ok
                        |> ignore

                        check ()

                        Card.write
                            {
                                Model = target
                                Data = Path.Combine(folder, "data")
                                Sites = []
                                About = Some(Path.Combine(target, "README.md"))
                                Device = "cpu"
                            }
                            Progress.none
                        |> Outcome.refusedWith 2 [ "README.md"; "the card itself" ])

                testCase
                    "frames where it fails are shown, worst first, lesions before false alarms; other models show none"
                <| fun () ->
                    written "" (fun model evaluation card ->
                        let worst = Card.worst evaluation

                        for number, image in List.indexed worst do
                            let file = $"card/worst-{number + 1}.jpg"
                            Expect.isTrue (File.Exists(Path.Combine(model, file))) file
                            Expect.stringContains card file "shown"
                            Expect.isFalse (List.contains image.Site evaluation.Seen) "never seen"

                        Expect.equal
                            (Directory.GetFiles(Path.Combine(model, "card")).Length)
                            worst.Length
                            "no other picture"

                        let bad dice =
                            { evaluation with
                                Images =
                                    evaluation.Images
                                    |> List.map (fun image ->
                                        { image with
                                            Findings =
                                                image.Findings
                                                |> Option.map (fun findings ->
                                                    { findings with Dice = dice })
                                        })
                            }

                        Expect.isEmpty (Card.worst (bad 0.9)) "nothing failed"
                        Expect.isNonEmpty (Card.worst (bad 0.1)) "all failed")
            ]
    )
