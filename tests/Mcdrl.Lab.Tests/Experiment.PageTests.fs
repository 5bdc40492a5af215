module Mcdrl.Tests.ExperimentPageTests

open System
open System.Text.RegularExpressions
open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

let private picture alt : PageImage =
    {
        Bytes = [| 1uy; 2uy; 3uy |]
        MediaType = "image/png"
        Width = 8
        Height = 8
        Alt = alt
    }

let private published label (runs: MethodRuns) = { runs with Published = Some label }

let private both =
    [
        whole "ours" "Ours" 0.55 |> published "MCDRL"
        whole "rival" "Rival <&> \"co\"" 0.5
    ]

let private point strength mean : RobustnessPoint =
    {
        Strength = strength
        Dice =
            {
                Mean = mean
                StandardDeviation = 0.02
                Count = 2
            }
    }

/// Everything on it.
let private full =
    { page both with
        Curves =
            [
                for key in [ "ours"; "rival" ] ->
                    {
                        Method = key
                        Condition = "blur"
                        Points = [ point 0.0 0.8; point 1.0 0.4 ]
                    }
            ]
        Maps =
            [
                {
                    Method = "ours"
                    Points =
                        [
                            {
                                X = 1.0
                                Y = 2.0
                                Class = "polyp"
                                Site = "east"
                            }
                            {
                                X = 3.0
                                Y = 1.0
                                Class = ""
                                Site = "west"
                            }
                        ]
                    Silhouette = 0.375
                }
            ]
        Sheet =
            [
                {
                    Site = "east"
                    Stem = "frame7"
                    Rank = "worst"
                    Truth = picture "truth"
                    Answers = [ "Ours", 0.123, picture "ours"; "Rival", 0.045, picture "rival's" ]
                }
            ]
    }

let private text (html: string) =
    let bare = Regex.Replace(html, "(?s)<(style|script).*?</\\1>", " ")
    Regex.Replace(Net.WebUtility.HtmlDecode(Regex.Replace(bare, "<[^>]*>", " ")) |> string, @"\s+", " ")

let private says (html: string) words =
    Expect.isTrue ((text html).Contains(words: string)) words

let private count pattern (text: string) =
    Regex.Matches(text, pattern, RegexOptions.Singleline).Count

let tests =
    testList
        "Experiment.Page"
        [
            test "the numbers on it are those put in" {
                let html = ExperimentPage.render full

                for words in
                    [
                        "Unseen hospitals"
                        "Does it help?"
                        "Ours has the highest mean Dice over 2 unseen sites, 65.5 ± 0.7 %."
                        "Ours 65.5 ± 0.7 reference 65.5 ± 0.7 east 80.0 Table 1 65.5 ± 0.7 65.5 ± 0.7"
                        "Rival <&> \"co\" 60.5 ± 0.7 +5.0 5.0 to 5.0 60.5 ± 0.7 east – 60.5 ± 0.7 60.5 ± 0.7"
                        "20 images above the diagonal (Ours better), 0 below, 0 on it."
                        "Silhouette of the classes 0.38"
                        "worst: frame7"
                        "Ours 12.3"
                        "Rival 4.5"
                        "2.50 0.50 15.0 1.5"
                        "made up"
                        "mcdrl experiment table1"
                        "9.8.7"
                        "what Ours is"
                        "five epochs"
                    ] do
                    says html words
            }

            test "class-aware Dice has a part of its own, with its own verdict" {
                let wrong =
                    both
                    |> List.map (fun (method: MethodRuns) ->
                        { method with
                            Runs =
                                method.Runs
                                |> List.map (fun run ->
                                    { run with
                                        Images =
                                            run.Images
                                            |> List.map (fun image ->
                                                { image with
                                                    ClassDice =
                                                        if method.Key = "ours" then
                                                            [ 0.0; 0.1 ]
                                                        else
                                                            [ 0.3; nan ]
                                                })
                                    })
                        })

                let aware =
                    { page wrong with
                        ClassAware =
                            Some(ExperimentReport.create facts (ExperimentReport.classAwareRuns wrong))
                    }
                    |> ExperimentPage.render

                Expect.stringContains aware "With its name" "its part"
                Expect.stringContains aware "Ours is clearly worse" "by name"
                Expect.stringContains aware "Ours is clearly better" "by outline"

                Expect.isFalse
                    ((ExperimentPage.render (page both)).Contains "With its name")
                    "only where there is one"
            }

            test "one mark an image in each scatter" {
                let html = ExperimentPage.render (page both)

                let drawing =
                    Regex.Match(html, "(?s)aria-label=\"Dice of each image.*?</svg>").Value

                Expect.equal (count "M[0-9.]+ [0-9.]+m" drawing) 20 "two sites of ten images"
            }

            test "the same input gives the same bytes" {
                Expect.equal (ExperimentPage.render full) (ExperimentPage.render full) ""
            }

            test "it loads nothing and links nowhere" {
                let html = ExperimentPage.render full

                for address in Regex.Matches(html, "(?:src|href)=\"([^\"]*)\"") do
                    Expect.stringStarts address.Groups[1].Value "data:image/png;base64," "within the page"

                Expect.equal (count @"https?:|@import|url\(" html) 0 "no address"
            }

            test "words are escaped, and the only script is the one that sorts" {
                let html = ExperimentPage.render full
                Expect.stringContains html "Rival &lt;&amp;&gt; &quot;co&quot;" "escaped"
                Expect.equal (count "<script" html) 1 "one"
                Expect.stringContains html "aria-sort" "sorts"
            }

            test "every tag is closed, every picture and drawing described, every figure captioned" {
                let html = ExperimentPage.render full

                for tag in
                    [
                        "svg"
                        "path"
                        "line"
                        "figure"
                        "div"
                        "section"
                        "table"
                        "tr"
                        "td"
                        "th"
                        "p"
                        "dl"
                        "dd"
                        "small"
                    ] do
                    Expect.equal (count $"<{tag}[ >]" html) (count $"</{tag}>" html) tag

                for image in Regex.Matches(html, "<img[^>]*>") do
                    Expect.isMatch image.Value "alt=\"[^\"]+\"" "an alternative text"

                for drawing in Regex.Matches(html, "<svg[^>]*>") do
                    Expect.isMatch drawing.Value "aria-label=\"[^\"]+\"|aria-hidden=\"true\"" "labelled"

                Expect.equal (count "<figure" html) (count "<figcaption" html) "captions"
            }

            test "what the mean hides has a part of its own, where it was measured; accuracy is no headline" {
                let title = "What the mean hides"
                let html = ExperimentPage.render full
                Expect.isFalse (html.Contains title) "results from before"
                Expect.isFalse (html.Contains "accuracy in %") "no accuracy"

                let found =
                    both
                    |> List.map (
                        MethodRuns.mapRuns (fun run -> withFindings (run.Images |> List.map _.Score.Dice) run)
                    )

                let html = ExperimentPage.render (page found)

                for words in
                    [
                        title
                        "lowest decile"
                        "at 1 % of the diagonal"
                        "without a lesion"
                        "by disagreement"
                        "IoU above 0.5"
                        // ECE of 0.125 in both seeds.
                        "0.125 "
                    ] do
                    Expect.stringContains html words words

                Expect.equal (count "<td[ >]" html) (count "</td>" html) "closed"
            }

            test "what there is nothing of doesn't appear" {
                let part = ExperimentPage.render (page both)

                for heading in [ "Under worse conditions"; "What the features hold together"; "Frames" ] do
                    Expect.isTrue ((ExperimentPage.render full).Contains $"<h2>{heading}</h2>") heading
                    Expect.isFalse (part.Contains $"<h2>{heading}</h2>") heading
            }

            test "unfinished cells are said to be" {
                let late =
                    { whole "rival" "Rival" 0.5 with
                        Runs = (whole "rival" "Rival" 0.5).Runs |> List.truncate 3
                    }

                let html = ExperimentPage.render (page [ whole "ours" "Ours" 0.55; late ])
                says html "Unfinished: 7 of 8 planned runs are there."
                says html "60.0 1 of 2 seeds"
                Expect.isFalse ((text (ExperimentPage.render full)).Contains "Unfinished") "finished"
            }

            test "published figures are called that, with their source and their flaws" {
                let html = ExperimentPage.render full
                says html "It is of other data and other towers"
                says html "arXiv 2508.05008"
                says html "its table says 2.2 points"
                says html "MCDRL, ViT-B/16"
                Expect.isFalse ((text html).Contains "MCDRL, RN50") "only the tower's rows"
            }

            test "a sweep has a curve, the published one beside it, and the paper's sizes" {
                let facts =
                    { facts with
                        Name = "table5"
                        Reference = "l3"
                    }

                let methods =
                    [
                        for depth in [ 1; 3 ] ->
                            whole $"l{depth}" $"L = {depth}" (0.5 + 0.01 * float depth)
                            |> published (string depth)
                    ]

                let html =
                    ExperimentPage.render
                        { page methods with
                            Report = ExperimentReport.create facts methods
                        }

                says html "Dice by depth L of the causal network"
                Expect.stringContains html "1: 61.5, 3: 63.5; the published curve dashed" "read out"
                says html "24.9 215"
            }

            test "one method alone, and none at all, still make a page" {
                says
                    (ExperimentPage.render (page [ whole "ours" "Ours" 0.55 ]))
                    "Ours has a mean Dice of 65.5"

                says (ExperimentPage.render (page [])) "nothing can be said"
            }
        ]
