namespace Mcdrl

/// Tables of what a mean Dice hides, on an experiment's page.
[<RequireQualifiedAccess>]
module internal ExperimentFindings =
    /// A figure's value over seeds, in the unit of reports.
    let spread (finding: Finding) (score: SeedSpread) =
        match score.Mean, score.StandardDeviation with
        | None, _ -> "–"
        | Some mean, None -> FindingsText.value finding mean
        | Some mean, Some deviation ->
            $"{FindingsText.value finding mean} ± {FindingsText.value finding deviation}"

    let private scoreOf finding (figures: MethodFigures) =
        figures.Findings
        |> List.tryFind (fun figure -> figure.Finding = finding)
        |> Option.map _.Score

    /// Columns of figures with their headings; `best` picks the best of a column's numbers.
    let private table
        (report: ExperimentReport)
        (columns: (string * string * Finding * (float list -> float)) list)
        =
        let best =
            [
                for _, _, finding, best in columns ->
                    report.Methods
                    |> List.choose (scoreOf finding >> Option.bind _.Mean)
                    |> function
                        | [] -> None
                        | values -> Some(best values)
            ]

        PageTable.sortable
            [
                "method", ""
                for name, note, _, _ in columns do
                    name, note
            ]
            [
                for figures in report.Methods ->
                    figures.Label,
                    [
                        for (_, _, finding, _), best in List.zip columns best do
                            match scoreOf finding figures with
                            | None -> PageCell.text "–"
                            | Some score ->
                                { PageCell.number score.Mean (spread finding score) with
                                    Strong = score.Mean.IsSome && score.Mean = best
                                }
                    ]
            ]

    /// Dice beyond its mean, and NSD.
    let dice (report: ExperimentReport) =
        table
            report
            [
                "mean", "of all frames", Finding.Dice, List.max
                "median", "", Finding.MedianDice, List.max
                "lowest decile", "", Finding.LowestDecileDice, List.max
                "with a lesion", "", Finding.LesionDice, List.max
                "small", "below 1/300", Finding.SmallDice, List.max
                "medium", "", Finding.MediumDice, List.max
                "large", "from 3/100", Finding.LargeDice, List.max
                "NSD", "at 1 % of the diagonal", Finding.Nsd, List.max
            ]

    /// Lesions found, and what is marked where there is none.
    let lesions (report: ExperimentReport) =
        table
            report
            [
                "found", "all", Finding.Sensitivity, List.max
                "found", "small", Finding.SmallSensitivity, List.max
                "found", "medium", Finding.MediumSensitivity, List.max
                "found", "large", Finding.LargeSensitivity, List.max
                "false positives", "a frame", Finding.FalsePositives, List.min
                "marked", "without a lesion", Finding.EmptyMarked, List.min
                "area", "without a lesion", Finding.EmptyArea, List.min
            ]

    /// Calibration, and whether uncertainty tells good answers from bad ones.
    let certainty (report: ExperimentReport) =
        table
            report
            [
                "ECE", "", Finding.Ece, List.min
                "Brier", "", Finding.Brier, List.min
                "AURC", "by disagreement", Finding.AurcDisagreement, List.min
                "AURC", "by entropy", Finding.AurcEntropy, List.min
                "AURC", "best order", Finding.AurcBest, List.min
            ]
