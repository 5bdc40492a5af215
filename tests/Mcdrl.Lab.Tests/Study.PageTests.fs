module Mcdrl.Tests.StudyPageTests

open System
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl

let private image alt : PageImage =
    {
        Bytes = [| 1uy; 2uy; 3uy |]
        MediaType = "image/png"
        Width = 8
        Height = 8
        Alt = alt
    }

let private measured mean : Measured = { Mean = mean; Error = 0.004 }

let private square label : LabelMap =
    {
        Width = 8
        Height = 8
        Labels =
            Array.init 64 (fun i ->
                if abs (2 * (i % 8) - 7) < 4 && abs (2 * (i / 8) - 7) < 4 then
                    label
                else
                    0uy)
    }

let private conditions = [ "blur"; "mucus <&> \"blood\"" ]

let private scores name (offset: float) : StudyScores =
    {
        Name = name
        Dice = measured (0.7 + offset)
        Reference = measured (0.8 + offset)
        Invariance = measured (0.6 + offset)
        ConfoundingGap = Some(measured (0.1 - offset))
        Conditions =
            conditions
            |> List.mapi (fun i name ->
                {
                    Condition = name
                    Dice = measured (0.5 + 0.25 * float i + offset)
                })
        TrainingFrames = 111
        Epochs = 12
        BestEpoch = 11
        ValidationDice = Some(0.9 + offset)
        Seconds = 70.0
    }

let private answer label found dice : StudyAnswer =
    {
        Mask = square label
        Class = found
        Dice = dice
    }

let private results: StudyResults =
    {
        Version = "0.1"
        Folder = "elsewhere/study"
        Seed = 1UL
        Classes = [ "polyp"; "<script>alert(1)</script>" ]
        LeftOut = "p5"
        Sites = [ "p1"; "p5" ]
        Habits = conditions |> List.map (fun name -> name, [ 0.25; 0.5 ])
        Contact =
            [
                for site in [ "p1"; "p5" ] ->
                    site, [ "polyp", image $"polyp at {site}"; "normal", image "none" ]
            ]
        Scenes = 40
        Strength = 0.7
        Mcdrl = scores "MCDRL" 0.0431
        Baseline = scores "baseline" 0.0
        Scene = "a polyp"
        Views =
            [
                for name in conditions ->
                    {
                        Condition = name
                        Image = image $"under {name}"
                        Truth = square 1uy
                        Mcdrl = answer 1uy (Some "polyp") 0.9137
                        Baseline = answer 0uy None 0.0
                    }
            ]
        Sheets = [ image "a sheet", "what it says" ]
        Stages = [ { Stage = "render"; Seconds = 20.0 }; { Stage = "train"; Seconds = 71.4 } ]
    }

/// What a reader reads; failures don't print the whole page.
let private says page (words: string) =
    let text = Net.WebUtility.HtmlDecode(Regex.Replace(page, "<[^>]*>", " ")) |> string
    Expect.isTrue (Regex.Replace(text, @"\s+", " ").Contains words) words

let private count pattern (text: string) =
    Regex.Matches(text, pattern, RegexOptions.Singleline).Count

let tests =
    testList
        "study page"
        [
            test "the numbers on it are those put in" {
                let page = StudyPage.render results

                for number in
                    [
                        "0.743 ± 0.004"
                        "0.700 ± 0.004"
                        "+0.043"
                        "−0.043"
                        "MCDRL polyp 0.91"
                        "baseline nothing 0.00"
                        " 0.793 "
                        "111 training frames"
                        "all 91 s"
                    ] do
                    says page number
            }

            test "words are escaped, whatever they hold" {
                let page = StudyPage.render results
                Expect.isFalse (page.Contains "<script") "no markup out of a name"
                Expect.isTrue (page.Contains "&lt;script&gt;alert(1)&lt;/script&gt;") "shown as text"
                Expect.isTrue (page.Contains "mucus &lt;&amp;&gt; &quot;blood&quot;") "in text and attributes"
            }

            test "it loads nothing and links nowhere" {
                let page = StudyPage.render results

                for address in Regex.Matches(page, "(?:src|href)=\"([^\"]*)\"") do
                    Expect.stringStarts address.Groups[1].Value "data:image/png;base64," "within the page"

                Expect.equal (count @"https?:|@import|url\(" page) 0 "no address"
            }

            test "whoever can't see it is told what it shows" {
                let page = StudyPage.render results
                let images = Regex.Matches(page, "<img[^>]*>")
                Expect.isGreaterThan images.Count 0 "images"

                for image in images do
                    Expect.isMatch image.Value "alt=\"[^\"]+\"" "an alternative text"

                for drawing in Regex.Matches(page, "<svg[^>]*>") do
                    Expect.isMatch drawing.Value "aria-label=\"[^\"]+\"|aria-hidden=\"true\"" "labelled"

                Expect.equal (count "<figure" page) (count "<figcaption" page) "a caption for each figure"
            }

            test "every tag is closed" {
                let page = StudyPage.render results

                for tag in [ "svg"; "path"; "figure"; "div"; "section"; "table"; "tr"; "td"; "p"; "span" ] do
                    Expect.equal (count $"<{tag}[ >]" page) (count $"</{tag}>" page) tag
            }

            test "whoever is ahead is said to be, and nobody where the errors allow no answer" {
                let dice a b =
                    StudyPage.render
                        { results with
                            Mcdrl = { results.Mcdrl with Dice = measured a }
                            Baseline =
                                { results.Baseline with
                                    Dice = measured b
                                }
                        }

                says (dice 0.75 0.7) "Mean Dice MCDRL 0.750 baseline 0.700 MCDRL is better by 0.050."
                says (dice 0.7 0.75) "Mean Dice MCDRL 0.700 baseline 0.750 The baseline is better by 0.050."
                says (dice 0.705 0.7) "Mean Dice MCDRL 0.705 baseline 0.700 Too close to call"
            }

            test "a gap counts by its size: far below 0 is no better than far above" {
                let gaps a b =
                    StudyPage.render
                        { results with
                            Mcdrl =
                                { results.Mcdrl with
                                    ConfoundingGap = Some(measured a)
                                }
                            Baseline =
                                { results.Baseline with
                                    ConfoundingGap = b |> Option.map measured
                                }
                        }

                says (gaps -0.3 (Some 0.1)) "baseline 0.100 The baseline is better by 0.200."

                says (gaps 0.1 None) "baseline – Can't be compared."
            }

            Property.check "numbers have three decimals in every culture, and differences their sign"
            <| fun (NormalFloat value) ->
                let culture = Globalization.CultureInfo.CurrentCulture

                try
                    let commas = Globalization.CultureInfo("", false)
                    commas.NumberFormat.NumberDecimalSeparator <- ","
                    Globalization.CultureInfo.CurrentCulture <- commas
                    let value = value % 10.0
                    // What is nearly 10 is rounded to 10.000.
                    Expect.isMatch (Page.number value) @"^-?\d{1,2}\.\d{3}$" "number"
                    Expect.isMatch (Page.signed value) @"^([+−]\d{1,2}\.\d{3}|0\.000)$" "signed"
                finally
                    Globalization.CultureInfo.CurrentCulture <- culture

            test "what isn't a number is a dash" {
                for value in [ nan; infinity; -infinity ] do
                    Expect.equal
                        (Page.number value, Page.signed value, Page.percent value)
                        ("–", "–", "–")
                        "dash"
            }

            test "an outline runs around what is marked, in the map's pixels" {
                let svg =
                    Giraffe.ViewEngine.RenderView.AsString.htmlNode (
                        Page.outlined
                            { image "a" with Width = 4; Height = 4 }
                            [ "truth", square 1uy; "first", square 0uy ]
                    )

                let path = Regex.Match(svg, "class=\"mark truth\" d=\"M([^Z]*)Z\"").Groups[1].Value

                let points =
                    [
                        for number in Regex.Split(path, "[L ]") ->
                            Double.Parse(number, Globalization.CultureInfo.InvariantCulture)
                    ]

                Expect.equal (List.min points, List.max points) (2.0, 6.0) "the square from 2 to 6"
                Expect.stringContains svg "viewBox=\"0 0 8 8\"" "the picture is stretched to the map"

                Expect.stringContains
                    svg
                    "width=\"8\" height=\"8\"></image>"
                    "the picture is stretched to the map"

                Expect.isFalse (svg.Contains "mark first") "no outline around nothing"
            }
        ]
