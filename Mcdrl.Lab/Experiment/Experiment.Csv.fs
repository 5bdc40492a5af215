namespace Mcdrl

open System
open System.Globalization

/// Results as CSV (RFC 4180): UTF-8, a header, lines ended by CR LF. Shares from 0 to 1, with all their digits; a field
/// is empty where a number is not defined.
[<RequireQualifiedAccess>]
module internal ExperimentCsv =
    /// In quotes where a comma, a quote or a line end asks for them.
    let private field (text: string) =
        if text.IndexOfAny [| ','; '"'; '\r'; '\n' |] >= 0 then
            "\"" + text.Replace("\"", "\"\"") + "\""
        else
            text

    let private number (value: float) =
        if Double.IsFinite value then
            value.ToString("R", CultureInfo.InvariantCulture)
        else
            ""

    let private optional (value: float option) =
        value |> Option.map number |> Option.defaultValue ""

    let private lines (rows: string list list) =
        rows
        |> List.map (List.map field >> String.concat ",")
        |> List.map (fun line -> line + "\r\n")
        |> String.concat ""

    /// One line an image of a run: method, site, seed, stem, scores, and the Dice of each class.
    let images (classes: string list) (methods: MethodRuns list) : string =
        lines
            [
                [ "method"; "site"; "seed"; "stem"; "dice"; "iou"; "accuracy" ]
                @ (classes |> List.map (fun name -> "dice " + name))

                for runs in methods do
                    for run in runs.Runs do
                        for image in run.Images do
                            [
                                runs.Key
                                run.Site
                                string run.Seed
                                image.Stem
                                number image.Score.Dice
                                number image.Score.Iou
                                number image.Score.Accuracy
                            ]
                            @ (classes
                               |> List.mapi (fun index _ -> image.ClassDice |> List.tryItem index |> optional))
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
                    number difference.Mean
                    number difference.Low
                    number difference.High
                    (if difference.ExcludesZero then "yes" else "no")
                ]

        lines
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
