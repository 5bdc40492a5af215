namespace Mcdrl.Cli

open System.Text.Json.Nodes
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type EvaluateArgument =
    | [<Mandatory; Unique>] Model of folder: string
    | [<Mandatory; Unique>] Data of folder: string
    | Site of name: string
    | [<Unique>] Protocol of name: string
    | [<Unique>] Mode of name: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64
    | [<Unique>] Device of name: string
    | [<Unique>] Precision of name: string
    | [<Unique>] Flips of name: string
    | [<Unique>] Per_Image
    | [<Unique>] Interventional
    | [<Unique>] Against of folder: string
    | [<Unique>] Strength of float
    | [<Unique>] Images of count: int
    | [<Unique>] Seed of number: uint64

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ -> "the model's folder (RUN/model of a training run)."
            | Data _ -> "the dataset's folder, with a dataset.json."
            | Site _ -> "a site to evaluate on; may be repeated. Default: all."
            | Protocol _ -> "imagewise (default), micro, pranet256 or bgfg."
            | Mode _ ->
                "exact, feature-mean, nwgm, attention or rendered (conditions done to pixels; slow). Default: the model's own."
            | Threshold _ -> SegmentImages.thresholdUsage
            | Min_Area _ -> SegmentImages.minAreaUsage
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."
            | Precision _ -> "auto, fp32 or bf16. Default: what the model records."
            | Flips _ -> FlipsName.usage
            | Per_Image -> "also print the scores of every frame, with --json all that was measured of it."
            | Interventional ->
                "show the model each scene or recorded frame under every imaging condition: Dice per condition and robust Dice, masks foretold against masks under the condition, invariance, confounding gap."
            | Against _ -> "with --interventional: another model, on the very same frames."
            | Strength _ ->
                "with --interventional: strength of the conditions, above 0, at most 1. Default: 0.6 on recorded frames, 0.7 in phantom scenes."
            | Images _ -> "with --interventional: at most so many scenes of each site. Default: all."
            | Seed _ -> "with --interventional: places what a condition leaves open. Default 1."

/// `mcdrl evaluate`
[<RequireQualifiedAccess>]
module EvaluateVerb =
    let private percent (value: float) =
        if System.Double.IsNaN value then
            "-"
        else
            $"{100.0 * value:F1}"

    let private spread (s: Spread) =
        if s.Count > 1 then
            $"{percent s.Mean} ± {percent s.StandardDeviation}"
        else
            percent s.Mean

    let private line name (site: SiteSummary) =
        $"{name, -20}{site.Site, -12}{site.Images, 6}  {spread site.Dice, 14}{spread site.Iou, 15}{spread site.Nsd, 15}"

    let private areaText (area: Interval option) =
        match area with
        | Some area -> $"{area.Estimate:F3} ({area.Low:F3} to {area.High:F3})"
        | None -> "-"

    let private show session perImage (found: Evaluation) =
        let say = Session.say session

        say
            $"Protocol: {Protocol.describe found.Protocol}. Marginalisation: {Marginalisation.name found.Mode}."

        found.Flips
        |> Option.iter (fun _ -> say $"Averaged over mirror images: {FlipsName.ofFlips found.Flips}.")

        if found.Marking <> Marking.standard then
            let least =
                match found.Marking.Threshold with
                | Some threshold -> $"with a probability of at least {threshold}"
                | None -> "with the most probable class"

            say $"Marked: pixels {least}, regions of at least {found.Marking.MinArea} pixels."

        match found.MinAreaShare with
        | Some share when found.Marking.MinArea = 0L ->
            say $"Marked, as the model says: regions of at least {100.0 * share} %% of a frame."
        | _ -> ()

        if not found.Seen.IsEmpty then
            let seen = String.concat ", " found.Seen
            say $"The model was trained on {seen}: these are not figures for an unseen site."

        say ""

        let answer, site, images, dice, iou, nsd =
            "answer", "site", "frames", "Dice %", "IoU %", "NSD %"

        say $"{answer, -20}{site, -12}{images, 6}  {dice, 14}{iou, 15}{nsd, 15}"

        for answer in found.Answers do
            for site in answer.Sites do
                say (line answer.Name site)

            if answer.Sites.Length > 1 then
                say (line answer.Name answer.All)

                answer.Worst
                |> Option.iter (fun worst -> say $"{answer.Name, -20}worst site: {worst.Site}")

        if found.Classes.Length > 1 then
            say ""

            for lesion, dice in found.Classes do
                say $"{lesion, -20}Dice {spread dice} on {dice.Count} frames"

        for findings in List.tryLast found.Findings |> Option.toList do
            let more =
                if found.Findings.Length > 1 then
                    "; site by site in --json"
                else
                    ""

            say ""
            say $"The model's answers in more detail (foreground, 95 %% intervals{more})"
            FindingsText.lines findings |> List.iter (fun line -> say $"  {line}")

        if found.Warning |> List.exists (fun site -> site.Low > 0) then
            say ""
            say $"Does uncertainty warn? AUROC for “Dice below {Warning.threshold}”, 95 %% interval"

            for site in found.Warning do
                say $"  {site.Site}: {site.Low} of {site.Images} frames"

                for name, area in site.Areas do
                    say $"    {name.Replace('_', ' '), -26}{areaText area}"

        if perImage then
            say ""

            for image in found.Images do
                let nsd = image.Findings |> Option.map _.Nsd |> Option.defaultValue nan |> percent

                say
                    $"{image.Site}/{image.Stem}  Dice {percent image.Score.Dice}  IoU {percent image.Score.Iou}  NSD {nsd}"

    let private spreadJson (s: Spread) =
        Json.object
            [
                "mean", Json.number s.Mean
                "std", Json.number s.StandardDeviation
                "count", Json.whole (int64 s.Count)
            ]

    let private siteJson (site: SiteSummary) : JsonNode | null =
        Json.object
            [
                "site", Json.text site.Site
                "images", Json.whole (int64 site.Images)
                "dice", spreadJson site.Dice
                "iou", spreadJson site.Iou
                "nsd", spreadJson site.Nsd
                "accuracy", spreadJson site.Accuracy
            ]

    let private warningJson (warning: SiteWarning) : JsonNode | null =
        Json.object
            [
                "site", Json.text warning.Site
                "images", Json.whole (int64 warning.Images)
                "below", Json.number Warning.threshold
                "low_images", Json.whole (int64 warning.Low)
                for name, area in warning.Areas do
                    name,
                    (match area with
                     | None -> null
                     | Some area ->
                         Json.object
                             [
                                 "auroc", Json.number area.Estimate
                                 "low", Json.number area.Low
                                 "high", Json.number area.High
                             ])
            ]

    let private json perImage (found: Evaluation) =
        Json.object
            [
                "protocol", Json.text (Protocol.name found.Protocol)
                "protocol_description", Json.text (Protocol.describe found.Protocol)
                "mode", Json.text (Marginalisation.name found.Mode)
                "flips", Json.text (FlipsName.ofFlips found.Flips)
                "threshold", found.Marking.Threshold |> Option.map Json.number |> Option.defaultValue null
                "min_area", Json.whole found.Marking.MinArea
                "min_area_share", found.MinAreaShare |> Option.map Json.number |> Option.defaultValue null
                "seen_sites", found.Seen |> Seq.map Json.text |> Json.array
                "seconds", Json.number found.Seconds

                "answers",
                Json.array
                    [
                        for answer in found.Answers ->
                            Json.object
                                [
                                    "answer", Json.text answer.Name
                                    "all", siteJson answer.All
                                    "sites", answer.Sites |> Seq.map siteJson |> Json.array
                                    "worst_site",
                                    (match answer.Worst with
                                     | Some worst -> Json.text worst.Site
                                     | None -> null)
                                ]
                            :> _
                    ]

                "classes",
                Json.array
                    [
                        for lesion, dice in found.Classes ->
                            Json.object [ "class", Json.text lesion; "dice", spreadJson dice ] :> _
                    ]

                "warning", found.Warning |> Seq.map warningJson |> Json.array
                "definitions", FindingsJson.definitions ()
                "findings", found.Findings |> Seq.map FindingsJson.ofSite |> Json.array

                if perImage then
                    "images",
                    Json.array
                        [
                            for image in found.Images ->
                                Json.object
                                    [
                                        "site", Json.text image.Site
                                        "image", Json.text image.Stem
                                        "dice", Json.number image.Score.Dice
                                        "iou", Json.number image.Score.Iou
                                        "accuracy", Json.number image.Score.Accuracy
                                        "class_dice", image.ClassDice |> Seq.map Json.number |> Json.array
                                        for findings in Option.toList image.Findings do
                                            yield! FindingsJson.ofFrame findings
                                    ]
                                :> _
                        ]
            ]

    let private warn session (arguments: ParseResults<EvaluateArgument>) =
        let sites = arguments.GetResults Site

        OrientationWarning.say session (arguments.GetResult Data) (fun name ->
            sites.IsEmpty || List.contains name sites)

    let private figures session (arguments: ParseResults<EvaluateArgument>) load mode =
        result {
            let! protocol =
                Protocol.parse (arguments.GetResult(Protocol, defaultValue = "imagewise"))

            let! marking =
                Marking.create
                    (arguments.TryGetResult Threshold)
                    (arguments.GetResult(Min_Area, defaultValue = 0L))

            use! segmenter = load (arguments.GetResult Model)

            warn session arguments

            let! found =
                ProgressBar.during session (fun progress ->
                    Evaluator.evaluateWith
                        marking
                        segmenter
                        mode
                        protocol
                        (arguments.GetResult Data)
                        (arguments.GetResults Site)
                        progress)

            let perImage = arguments.Contains Per_Image
            show session perImage found
            Session.emit session (json perImage found)
            return 0
        }

    let private interventional session (arguments: ParseResults<EvaluateArgument>) load mode =
        let folder = arguments.GetResult Model

        let request: InterventionalRequest =
            {
                Data = arguments.GetResult Data
                Sites = arguments.GetResults Site
                Strength = arguments.TryGetResult Strength
                Images = arguments.TryGetResult Images
                Seed = arguments.GetResult(Seed, defaultValue = 1UL)
            }

        let evaluate models =
            ProgressBar.during session (InterventionalEvaluator.evaluate models mode request)

        result {
            use! model = load folder
            warn session arguments

            let! found =
                match arguments.TryGetResult Against with
                | None -> evaluate [ folder, model ]
                | Some other ->
                    load other
                    |> Result.bind (fun against ->
                        use against = against
                        evaluate [ folder, model; other, against ])

            InterventionalOutput.show session found
            Session.emit session (InterventionalOutput.json found)
            return 0
        }

    /// An argument of one kind of evaluation given to the other would be ignored silently.
    let private misplaced (arguments: ParseResults<EvaluateArgument>) =
        let given =
            if arguments.Contains Interventional then
                [
                    "--protocol", arguments.Contains Protocol
                    "--per-image", arguments.Contains Per_Image
                    "--threshold", arguments.Contains Threshold
                    "--min-area", arguments.Contains Min_Area
                ]
            else
                [
                    "--against", arguments.Contains Against
                    "--strength", arguments.Contains Strength
                    "--images", arguments.Contains Images
                    "--seed", arguments.Contains Seed
                ]

        match given |> List.tryFind snd with
        | None -> Ok()
        | Some(name, _) ->
            let needed =
                if arguments.Contains Interventional then
                    "it has no meaning with --interventional"
                else
                    "it needs --interventional"

            Error(McdrlError.usage needed name "See `mcdrl evaluate --help`")

    let private run session (arguments: ParseResults<EvaluateArgument>) =
        result {
            do! misplaced arguments

            let! mode =
                arguments.TryGetResult Mode |> Verb.valueOf "--mode" Marginalisation.parse

            let device = arguments.GetResult(Device, defaultValue = "cpu")

            let! precision =
                PrecisionName.parse device (arguments.TryGetResult EvaluateArgument.Precision)

            let! flips = FlipsName.parse (arguments.TryGetResult Flips)

            let load folder =
                Segmenter.loadIn precision folder device |> Result.map flips

            return!
                if arguments.Contains Interventional then
                    interventional session arguments load mode
                else
                    figures session arguments load mode
        }

    let verb =
        Verb.create<EvaluateArgument> "evaluate" "scores a model on a dataset with masks, site by site" run
