namespace Mcdrl

open System

/// What came out of an experiment, in sentences that claim no more than the numbers allow.
[<RequireQualifiedAccess>]
module ExperimentWording =
    let private listed (names: string list) =
        match List.rev names with
        | [] -> ""
        | [ one ] -> one
        | last :: others -> String.Join(", ", List.rev others) + " and " + last

    let private plural count (word: string) =
        if count = 1 then $"1 {word}" else $"{count} {word}s"

    /// A mean with its spread over seeds in percent, e.g. `81.6 ± 0.3`, or `81.6` where one seed has no spread.
    let spread (spread: SeedSpread) =
        match spread.Mean, spread.StandardDeviation with
        | None, _ -> "–"
        | Some mean, None -> Page.points mean
        | Some mean, Some deviation -> $"{Page.points mean} ± {Page.points deviation}"

    /// A share in percentage points with a true minus sign; for the ends of intervals.
    let private ends (value: float) =
        let text = Page.signedPoints value
        if text.StartsWith '+' then text.Substring 1 else text

    /// E.g. `0.8 to 1.6`.
    let interval (difference: Difference) =
        $"{ends difference.Low} to {ends difference.High}"

    /// The differences over all sites of the rivals that have one, in three groups: the reference is clearly better,
    /// neither is, the rival is clearly better; the smallest difference first.
    let private grouped (report: ExperimentReport) =
        let known =
            report.Rivals
            |> List.choose (fun rival ->
                rival.Overall |> Option.map (fun difference -> rival.Label, difference))
            |> List.sortBy (fun (_, difference) -> abs difference.Mean)

        let clear = known |> List.filter (fun (_, difference) -> difference.ExcludesZero)

        clear |> List.filter (fun (_, difference) -> difference.Mean > 0.0),
        known |> List.filter (fun (_, difference) -> not difference.ExcludesZero),
        clear |> List.filter (fun (_, difference) -> difference.Mean < 0.0)

    /// The size of a difference, its interval, and in how many seeds it has the same sign.
    let private margin (difference: Difference) =
        let agreeing =
            difference.BySeed
            |> List.filter (fun one -> sign one = sign difference.Mean)
            |> List.length

        let seeds = plural difference.Seeds.Length "seed"

        $"by {Page.points (abs difference.Mean)} points (95 %% interval of the difference {interval difference}; so in {agreeing} of {seeds})"

    /// "clearly better than A and B, …" with the closest's margin.
    let private compared (word: string) (rivals: (string * Difference) list) =
        match rivals with
        | [] -> None
        | [ label, difference ] -> Some $"clearly {word} than {label}, {margin difference}"
        | (closest, difference) :: _ ->
            Some
                $"clearly {word} than {listed (List.map fst rivals)}; the closest is {closest}, {margin difference}"

    let private labelOf (report: ExperimentReport) =
        report.Methods
        |> List.tryFind (fun figures -> figures.Key = report.Facts.Reference)
        |> Option.map _.Label
        |> Option.defaultValue report.Facts.Reference

    let private sitesOf (report: ExperimentReport) =
        match report.Facts.Sites with
        | [ site ] -> $"the unseen site {site}"
        | sites -> $"{sites.Length} unseen sites"

    let private highest (report: ExperimentReport) =
        let ranked =
            report.Methods
            |> List.choose (fun figures ->
                figures.Average.Dice.Mean |> Option.map (fun mean -> mean, figures))
            |> List.sortByDescending fst

        let soFar = if report.Finished then "" else "So far, "

        match ranked with
        | [] ->
            [
                "No method has been run on all sites yet, so nothing can be said about all of them together."
            ]
        | [ _, one ] ->
            [
                $"{soFar}{one.Label} has a mean Dice of {spread one.Average.Dice} %% over {sitesOf report}."
            ]
        | (_, first) :: _ ->
            [
                $"{soFar}{first.Label} has the highest mean Dice over {sitesOf report}, {spread first.Average.Dice} %%."
            ]

    let private verdict (report: ExperimentReport) =
        let name = labelOf report
        let better, unclear, worse = grouped report

        let said =
            [
                yield! compared "worse" worse |> Option.toList
                yield! compared "better" better |> Option.toList
            ]

        [
            for phrase in said do
                $"{name} is {phrase}."

            match unclear with
            | [] -> ()
            | [ label, difference ] ->
                $"{name} and {label} are not clearly different: {Page.signedPoints difference.Mean} points, and the 95 %% interval {interval difference} contains 0."
            | several ->
                let each =
                    several
                    |> List.map (fun (label, difference) ->
                        $"{label} ({Page.signedPoints difference.Mean} points, {interval difference})")

                $"{name} is not clearly different from {listed each}: these 95 %% intervals contain 0."

            match report.Rivals |> List.filter (fun rival -> rival.Overall.IsNone) with
            | [] -> ()
            | open' ->
                $"{name} can't be compared with {open' |> List.map _.Label |> listed} over all sites yet."
        ]

    /// Whether a control shares MCDRL's gain over the baseline, where all three have been compared.
    let private causal (report: ExperimentReport) =
        let known =
            [
                if report.Facts.Reference = ExperimentMethods.mcdrl.Key then
                    for rival in report.Rivals do
                        match rival.Overall with
                        | Some difference -> rival.Key, (rival.Label, difference)
                        | None -> ()
            ]

        let baseline =
            known |> List.tryFind (fun (key, _) -> key = ExperimentMethods.baseline.Key)

        let controls =
            known
            |> List.filter (fun (key, _) ->
                ExperimentMethods.controls |> List.exists (fun control -> control.Key = key))
            |> List.map snd

        let isBehind (difference: Difference) =
            difference.ExcludesZero && difference.Mean > 0.0

        match baseline, controls with
        | None, _
        | _, [] -> []
        | Some(_, (label, gain)), _ when not (isBehind gain) ->
            [
                $"{labelOf report} has no clear gain over {label} that a control could share."
            ]
        | Some(_, (label, gain)), _ ->
            let name = labelOf report

            let gained =
                $"The gain of {name} over {label}, {Page.signedPoints gain.Mean} points,"

            let margins (controls: (string * Difference) list) =
                controls
                |> List.map (fun (label, difference) ->
                    $"{label} ({Page.signedPoints difference.Mean} points, {interval difference})")
                |> listed

            match controls |> List.filter (fun (_, difference) -> not (isBehind difference)) with
            | [] ->
                [
                    $"{gained} is shared by no control: {name} is clearly better than {margins controls} too."
                ]
            | shared ->
                [
                    $"{gained} is shared by {margins shared}: a gain that a control shares is not causal."
                ]

    let private worst (report: ExperimentReport) =
        let known =
            report.Methods
            |> List.choose (fun figures -> figures.Worst |> Option.map (fun worst -> figures, worst))

        let said (figures: MethodFigures, worst: WorstSite) =
            $"{spread worst.Dice} %% for {figures.Label} ({worst.Site})"

        let reference, others =
            known
            |> List.partition (fun (figures, _) -> figures.Key = report.Facts.Reference)

        match reference, others with
        | [ reference ], _ :: _ ->
            let best = others |> List.maxBy (fun (_, worst) -> worst.Dice.Mean)

            [
                $"On its worst site, mean Dice is {said reference}, and {said best}, the best of the others."
            ]
        | _ -> []

    /// What came out, one sentence after the other.
    let lead (report: ExperimentReport) : string list =
        highest report @ verdict report @ causal report @ worst report

    /// What is missing; `None` once all is there.
    let unfinished (report: ExperimentReport) : string option =
        if report.Finished then
            None
        else
            let named =
                report.Methods
                |> List.filter (fun figures -> figures.Missing > 0)
                |> List.map (fun figures ->
                    let complete = plural figures.CompleteSeeds.Length "complete seed"

                    match figures.PartialSeeds with
                    | [] -> $"{figures.Label} ({complete})"
                    | partial ->
                        let seeds = partial |> List.map string |> listed
                        $"{figures.Label} ({complete}; seed {seeds} on some sites only)")

            let missing =
                match named with
                | [] -> ""
                | named -> $" Runs are missing of {listed named}."

            Some
                $"Unfinished: {report.Done} of {report.Facts.Planned} planned runs are there.{missing} Averages over sites are of complete seeds alone, and a difference is of the seeds that both methods have."
