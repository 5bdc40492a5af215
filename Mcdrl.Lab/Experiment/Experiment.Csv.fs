namespace Mcdrl

/// Results as CSV with a header. Shares from 0 to 1, with all their digits; a field is empty where a number is not defined.
[<RequireQualifiedAccess>]
module internal ExperimentCsv =
    let private optional (value: float option) =
        value |> Option.map Csv.number |> Option.defaultValue ""

    /// What a frame's findings come to, by column; empty fields in results from before there were any.
    let private findings: (string * (FrameFindings -> string)) list =
        let count (value: int) = string value

        let share (area: int64) (frame: FrameFindings) =
            Csv.number (float area / float frame.Pixels)

        [
            "foreground dice", _.Dice >> Csv.number
            "nsd", _.Nsd >> Csv.number
            "nsd tolerance in pixels", _.TolerancePixels >> Csv.number
            "lesions", _.Lesions.Length >> count
            "lesions found", _.Lesions >> List.filter _.Found >> List.length >> count
            "false positives", _.FalsePositives >> count
            "lesion area", (fun frame -> share (frame.Lesions |> List.sumBy _.Area) frame)
            "marked area", (fun frame -> share frame.MarkedArea frame)
            "size", FrameFindings.size >> Option.map LesionSize.name >> Option.defaultValue "none"
            "ece", _.Ece >> Csv.number
            "brier", _.Brier >> Csv.number
            for name, kind in FrameUncertainty.kinds do
                name.Replace('_', ' '), _.Uncertainty >> kind >> Csv.number
            "group", _.Group >> Option.map _.Name >> Option.defaultValue ""
        ]

    /// One line an image of a run: method, site, seed, stem, scores, the Dice of each class, and the frame's findings.
    let images (classes: string list) (methods: MethodRuns list) : string =
        Csv.lines
            [
                [ "method"; "site"; "seed"; "stem"; "dice"; "iou"; "accuracy" ]
                @ (classes |> List.map (fun name -> "dice " + name))
                @ List.map fst findings

                for runs in methods do
                    for run in runs.Runs do
                        for image in run.Images do
                            [
                                runs.Key
                                run.Site
                                string run.Seed
                                image.Stem
                                Csv.number image.Score.Dice
                                Csv.number image.Score.Iou
                                Csv.number image.Score.Accuracy
                            ]
                            @ (classes
                               |> List.mapi (fun index _ -> image.ClassDice |> List.tryItem index |> optional))
                            @ (findings
                               |> List.map (fun (_, read) ->
                                   image.Findings |> Option.map read |> Option.defaultValue ""))
            ]

    /// One line a method and site, and one a method for all sites together (`all`), which is of complete seeds alone.
    /// The difference is the reference's Dice minus the method's, with its 95 % interval.
    let summary (report: ExperimentReport) : string =
        let scores (spread: ScoreSpread) =
            [
                for score in [ spread.Dice; spread.Iou; spread.Accuracy ] do
                    optional score.Mean
                    optional score.StandardDeviation
            ]

        let difference (difference: Difference option) =
            match difference with
            | None -> [ ""; ""; ""; "" ]
            | Some difference ->
                [
                    Csv.number difference.Mean
                    Csv.number difference.Low
                    Csv.number difference.High
                    (if difference.ExcludesZero then "yes" else "no")
                ]

        Csv.lines
            [
                [
                    "method"
                    "site"
                    "seeds"
                    "planned seeds"
                    "dice"
                    "dice std"
                    "iou"
                    "iou std"
                    "accuracy"
                    "accuracy std"
                    "difference"
                    "difference low"
                    "difference high"
                    "excludes 0"
                ]

                for figures in report.Methods do
                    let rival = report.Rivals |> List.tryFind (fun rival -> rival.Key = figures.Key)
                    let planned = string report.Facts.Seeds.Length

                    for site in figures.Sites do
                        [ figures.Key; site.Site; string site.Scores.Dice.Seeds; planned ]
                        @ scores site.Scores
                        @ (rival
                           |> Option.bind (fun rival ->
                               rival.Sites |> List.tryFind (fun other -> other.Site = site.Site))
                           |> Option.bind _.Difference
                           |> difference)

                    [ figures.Key; "all"; string figures.CompleteSeeds.Length; planned ]
                    @ scores figures.Average
                    @ (rival |> Option.bind _.Overall |> difference)
            ]
