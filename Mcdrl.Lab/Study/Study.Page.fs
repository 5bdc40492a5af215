namespace Mcdrl

open System
open System.Globalization
open Giraffe.ViewEngine

/// The page of `mcdrl study`.
[<RequireQualifiedAccess>]
module internal StudyPage =
    let private listed (names: string list) =
        match List.rev names with
        | [] -> ""
        | [ one ] -> one
        | last :: others -> String.Join(", ", List.rev others) + " and " + last

    /// Who is ahead, in words that claim no more than the errors allow. `better` is positive where MCDRL is better.
    let private comparison (better: Measured) =
        if not (Double.IsFinite better.Mean) then
            "Can't be compared."
        elif not (Measured.isClear better) then
            "Too close to call on so few scenes."
        elif better.Mean > 0.0 then
            $"MCDRL is better by {Page.number better.Mean}."
        else
            $"The baseline is better by {Page.number (abs better.Mean)}."

    /// A measure: its name, what it means, both values, and how much better MCDRL's is.
    type private Measure =
        {
            Name: string
            Meaning: string
            Mcdrl: Measured
            Baseline: Measured
            Better: Measured
        }

    let private undefined: Measured = { Mean = nan; Error = 0.0 }

    let private measures (results: StudyResults) =
        let a, b = results.Mcdrl, results.Baseline

        let worst scores =
            StudyScores.worst scores |> Option.map _.Dice |> Option.defaultValue undefined

        let worstName scores =
            StudyScores.worst scores |> Option.map _.Condition |> Option.defaultValue "none"

        let gap (scores: StudyScores) =
            scores.ConfoundingGap |> Option.defaultValue undefined

        let size (value: Measured) = { value with Mean = abs value.Mean }

        [
            {
                Name = "Mean Dice"
                Meaning =
                    "Overlap with the true outline, right class only; 1 is perfect. Mean over all conditions."
                Mcdrl = a.Dice
                Baseline = b.Dice
                Better = Measured.minus b.Dice a.Dice
            }
            {
                Name = "Worst condition"
                Meaning =
                    $"Mean Dice where it is lowest: {worstName a} for MCDRL, {worstName b} for the baseline."
                Mcdrl = worst a
                Baseline = worst b
                Better = Measured.minus (worst b) (worst a)
            }
            {
                Name = "Invariance"
                Meaning =
                    "Overlap of a model's own masks of one scene under different conditions; 1 if the condition changes nothing, as for a model that never marks anything."
                Mcdrl = a.Invariance
                Baseline = b.Invariance
                Better = Measured.minus b.Invariance a.Invariance
            }
            {
                Name = "Confounding gap"
                Meaning =
                    "Dice under conditions that the training sites use for the lesion's class, minus Dice under those they use for other classes; 0 if the habit was not learned."
                Mcdrl = gap a
                Baseline = gap b
                Better = Measured.minus (size (gap a)) (size (gap b))
            }
        ]

    let private cards (results: StudyResults) =
        div
            [ _class "cards" ]
            [
                for measure in measures results do
                    div
                        [ _class "card" ]
                        [
                            h3 [] [ str measure.Name ]
                            dl
                                []
                                [
                                    dt [ _class "first" ] [ str results.Mcdrl.Name ]
                                    dd [] [ str (Page.number measure.Mcdrl.Mean) ]
                                    dt [ _class "second" ] [ str results.Baseline.Name ]
                                    dd [] [ str (Page.number measure.Baseline.Mean) ]
                                ]
                            p [ _class "verdict" ] [ str (comparison measure.Better) ]
                            p [] [ str measure.Meaning ]
                        ]
            ]

    let private question (results: StudyResults) =
        let trained = results.Sites |> List.filter ((<>) results.LeftOut) |> listed

        Page.section
            "The question"
            [
                Page.paragraph
                    "Hospitals have habits. If one kind of lesion is nearly always recorded in narrow-band light and another out of focus, a model can learn the light and the blur instead of the lesion. It looks excellent on frames of its own hospitals, and fails where the habit is another. Would the answer have been the same if only the imaging condition had been different?"
                Page.paragraph
                    $"On real frames nobody knows, because no frame was ever taken twice under two conditions. These phantom frames are drawn by a program, so every scene can be drawn again under every condition. Two models were trained on {trained}, which share a habit, and judged on {results.LeftOut}, which neither has seen, with every scene under every condition."
                Page.figure
                    "Left: how frames come about at the training sites. Each site has its own camera, tissue and taste; the red, dashed arrow is the habit. Right: how the models are judged. We set the condition ourselves, so it no longer says anything about the lesion."
                    [
                        div
                            [ _class "grid two" ]
                            [
                                div [] [ PageGraph.observed (); p [] [ str "Training sites, as recorded" ] ]
                                div [] [ PageGraph.intervened (); p [] [ str "Judging, do(condition = c)" ] ]
                            ]
                    ]
                Page.figure
                    $"The habit in numbers: of the training frames that show a class, the share that was taken under each condition. In judging, every lesion is seen under every condition equally often."
                    [ PageCharts.shares "condition" results.Classes results.Habits ]
            ]

    let private contact (results: StudyResults) =
        let columns =
            match results.Contact with
            | (_, frames) :: _ -> frames.Length
            | [] -> 0

        Page.section
            "Five sites"
            [
                Page.figure
                    $"Frames of each site, one row a site, one column a class of lesion, under a condition drawn as the site's habit has it. All pictures are drawn; none shows a patient."
                    [
                        div
                            [ _class "contact"; _style $"--columns: {columns}" ]
                            [
                                match results.Contact with
                                | (_, frames) :: _ ->
                                    span [] []
                                    yield! frames |> List.map (fun (word, _) -> span [] [ str word ])
                                | [] -> ()

                                for site, frames in results.Contact do
                                    span [] [ str site ]
                                    yield! frames |> List.map (fun (_, image) -> Page.image image)
                            ]
                    ]
            ]

    let private withError (measured: Measured) =
        if Double.IsFinite measured.Mean then
            $"{Page.number measured.Mean} ± {Page.number measured.Error}"
        else
            "–"

    let private validation (dice: float option) =
        dice |> Option.map Page.number |> Option.defaultValue "not measured"

    let private numbers (results: StudyResults) =
        let value (better: bool) (measured: Measured) =
            td
                [
                    if better then
                        _class "better"
                ]
                [ str (withError measured) ]

        let row (measure: Measure) =
            let clear = Measured.isClear measure.Better

            tr
                []
                [
                    th [ attr "scope" "row" ] [ str measure.Name ]
                    value (clear && measure.Better.Mean > 0.0) measure.Mcdrl
                    value (clear && measure.Better.Mean < 0.0) measure.Baseline
                    td [] [ str (Page.signed (measure.Mcdrl.Mean - measure.Baseline.Mean)) ]
                ]

        let bars =
            results.Mcdrl.Conditions
            |> List.map (fun own ->
                {
                    Name = own.Condition
                    Values =
                        own.Dice
                        :: (results.Baseline.Conditions
                            |> List.filter (fun other -> other.Condition = own.Condition)
                            |> List.map _.Dice)
                })

        let spoken =
            bars
            |> List.map (fun row ->
                let values = row.Values |> List.map (fun value -> Page.number value.Mean)
                row.Name + " " + String.Join(" and ", values))
            |> String.concat ", "

        Page.section
            "The two models"
            [
                Page.paragraph
                    "Both have the same tower, and were trained on the same frames for the same number of epochs with the same augmentation. MCDRL also looks for candidate regions with text, averages its answer over twelve imaging conditions written as text, and lets text say which lesion it is. The baseline does none of this: its head draws the mask and names the class."
                Page.figure
                    $"{results.Scenes} scenes of {results.LeftOut}, each under all {bars.Length} conditions at strength {results.Strength.ToString CultureInfo.InvariantCulture}. After ±: one standard error over scenes. Bold: better by more than two standard errors of the difference. One seed and one unseen site: this shows how the method is judged, and is no proof. The study with three seeds and every site left out in turn is in docs/results.md."
                    [
                        div
                            [ _class "wide" ]
                            [
                                table
                                    []
                                    [
                                        thead
                                            []
                                            [
                                                tr
                                                    []
                                                    [
                                                        for name in
                                                            [
                                                                "measure"
                                                                results.Mcdrl.Name
                                                                results.Baseline.Name
                                                                "difference"
                                                            ] do
                                                            th [ attr "scope" "col" ] [ str name ]
                                                    ]
                                            ]
                                        tbody [] (measures results |> List.map row)
                                    ]
                            ]
                    ]
                Page.figure
                    "Mean Dice under each condition. The thin line is one standard error to either side."
                    [
                        PageCharts.key [ results.Mcdrl.Name; results.Baseline.Name ] None
                        PageCharts.bars
                            $"Bars of mean Dice under each condition, {results.Mcdrl.Name} and {results.Baseline.Name}: {spoken}."
                            bars
                    ]
                Page.paragraph
                    $"On frames held back from the training sites, under their own habit, mean Dice was {validation results.Mcdrl.ValidationDice} for MCDRL and {validation results.Baseline.ValidationDice} for the baseline; with no condition at all, the frames of {results.LeftOut} give {Page.number results.Mcdrl.Reference.Mean} and {Page.number results.Baseline.Reference.Mean}."
            ]

    let private strip (results: StudyResults) =
        let said kind (name: string) (answer: StudyAnswer) =
            let what = answer.Class |> Option.defaultValue "nothing"

            p [] [ span [ _class kind ] [ str name ]; str $" {what} {Page.short answer.Dice}" ]

        Page.section
            "One scene, every condition"
            [
                Page.paragraph
                    $"This is one scene of {results.LeftOut}, {results.Scene}, drawn once as it is and once under each condition. Only the condition differs from picture to picture. A model that sees the lesion gives the same class and the same outline every time."
                Page.figure
                    "Under each picture: what each model calls the lesion, and its Dice (0 for a wrong class, however good the outline). A close-up and a distant view move the lesion in the picture."
                    [
                        PageCharts.key [ results.Mcdrl.Name; results.Baseline.Name ] (Some "true outline")
                        div
                            [ _class "grid" ]
                            [
                                for view in results.Views do
                                    div
                                        []
                                        [
                                            Page.outlined
                                                view.Image
                                                [
                                                    "second", view.Baseline.Mask
                                                    "first", view.Mcdrl.Mask
                                                    "truth", view.Truth
                                                ]
                                            p [] [ strong [] [ str view.Condition ] ]
                                            said "first" results.Mcdrl.Name view.Mcdrl
                                            said "second" results.Baseline.Name view.Baseline
                                        ]
                            ]
                    ]
            ]

    let private sheets (results: StudyResults) =
        Page.section
            "Why the model answers as it does"
            [
                Page.paragraph
                    "On a real frame nobody can draw the scene again. But MCDRL can say what it would have answered under each condition of its dictionary, from the one frame there is. These sheets show it for frames of the unseen site."
                for image, caption in results.Sheets do
                    Page.figure caption [ Page.broad image ]
            ]

    let private onwards (results: StudyResults) =
        let item (words: string) lines =
            [ h3 [] [ str words ]; Page.commands lines ]

        Page.section
            "How to go on"
            (List.concat
                [
                    item
                        "Segment your own frames with the model trained here"
                        [
                            $"bin/mcdrl segment my-frames --model {results.Folder}/mcdrl/model --out segmented --explain"
                        ]
                    item
                        "Leave out another site, or draw other scenes"
                        [
                            let other =
                                results.Sites
                                |> List.tryFind ((<>) results.LeftOut)
                                |> Option.defaultValue results.LeftOut

                            $"bin/mcdrl study --left-out {other} --out {results.Folder}-{other}"
                            $"bin/mcdrl study --seed {results.Seed + 1UL} --out {results.Folder}-seed-{results.Seed + 1UL}"
                        ]
                    item
                        "Train on your own hospitals"
                        [
                            "bin/mcdrl data check my-data"
                            "bin/mcdrl train --data my-data --leave-out west --weights clip-vit-b-16 --out run"
                            "bin/mcdrl evaluate --model run/model --data my-data --site west"
                        ]
                ])

    let private making (results: StudyResults) =
        let seconds (value: float) =
            value.ToString("0", CultureInfo.InvariantCulture) + " s"

        Page.section
            "How this page was made"
            [
                Page.paragraph
                    $"Mcdrl {results.Version}, seed {results.Seed}, {results.Mcdrl.TrainingFrames} training frames, {results.Mcdrl.Epochs} epochs; the kept weights are those of epoch {results.Mcdrl.BestEpoch} for MCDRL and {results.Baseline.BestEpoch} for the baseline, chosen on held-back frames of the training sites. The same arguments give the same numbers on the same machine."
                div
                    [ _class "wide" ]
                    [
                        table
                            []
                            [
                                thead
                                    []
                                    [
                                        tr
                                            []
                                            [
                                                th [ attr "scope" "col" ] [ str "stage" ]
                                                th [ attr "scope" "col" ] [ str "time" ]
                                            ]
                                    ]
                                tbody
                                    []
                                    [
                                        for stage in results.Stages do
                                            tr
                                                []
                                                [
                                                    th [ attr "scope" "row" ] [ str stage.Stage ]
                                                    td [] [ str (seconds stage.Seconds) ]
                                                ]
                                        tr
                                            []
                                            [
                                                th [ attr "scope" "row" ] [ str "all" ]
                                                td
                                                    []
                                                    [ str (seconds (results.Stages |> List.sumBy _.Seconds)) ]
                                            ]
                                    ]
                            ]
                    ]
            ]

    /// The page as HTML.
    let render (results: StudyResults) : string =
        Page.render
            "Mcdrl study: the same scene under another condition"
            [
                p [ _class "notice" ] [ str "Mcdrl study. Research software, not for clinical use." ]
                h1 [] [ str "Would the answer have been the same under another imaging condition?" ]
                p
                    [ _class "lead" ]
                    [
                        str
                            $"Two models, trained on four hospitals with the same bad habit, judged on a fifth that neither has seen ({results.LeftOut}), on scenes whose truth is known."
                    ]
                cards results
                question results
                contact results
                numbers results
                strip results
                sheets results
                onwards results
                making results
            ]
