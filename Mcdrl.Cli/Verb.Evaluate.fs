namespace Mcdrl.Cli

open System.Text.Json.Nodes
open Argu
open Mcdrl

type EvaluateArgument =
    | [<Mandatory>] Model of folder: string
    | [<Mandatory>] Data of folder: string
    | Site of name: string
    | Protocol of name: string
    | Mode of name: string
    | Device of name: string
    | Per_Image

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ -> "the model's folder (RUN/model of a training run)."
            | Data _ -> "the dataset's folder, with a dataset.json."
            | Site _ -> "a site to evaluate on; may be repeated. Default: all."
            | Protocol _ -> "imagewise (default), micro, pranet256 or bgfg."
            | Mode _ -> "exact, feature-mean, nwgm or attention. Default: the model's own."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."
            | Per_Image -> "also print the scores of every frame."

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
        $"{name, -20}{site.Site, -12}{site.Images, 6}  {spread site.Dice, 14}{spread site.Iou, 15}{spread site.Accuracy, 15}"

    let private show session perImage (found: Evaluation) =
        let say = Session.say session

        say
            $"Protocol: {Protocol.describe found.Protocol}. Marginalisation: {MarginalisationName.ofMode found.Mode}."

        if not found.Seen.IsEmpty then
            let seen = String.concat ", " found.Seen
            say $"The model was trained on {seen}: these are not figures for an unseen site."

        say ""

        let answer, site, images, dice, iou, accuracy =
            "answer", "site", "frames", "Dice %", "IoU %", "Acc %"

        say $"{answer, -20}{site, -12}{images, 6}  {dice, 14}{iou, 15}{accuracy, 15}"

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

        if perImage then
            say ""

            for image in found.Images do
                say
                    $"{image.Site}/{image.Stem}  Dice {percent image.Score.Dice}  IoU {percent image.Score.Iou}"

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
                "accuracy", spreadJson site.Accuracy
            ]

    let private json perImage (found: Evaluation) =
        Json.object
            [
                "protocol", Json.text (Protocol.name found.Protocol)
                "protocol_description", Json.text (Protocol.describe found.Protocol)
                "mode", Json.text (MarginalisationName.ofMode found.Mode)
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
                                    ]
                                :> _
                        ]
            ]

    let private run session (arguments: ParseResults<EvaluateArgument>) =
        let protocol = arguments.GetResult(Protocol, defaultValue = "imagewise")

        match Protocol.parse protocol, MarginalisationName.parse (arguments.TryGetResult Mode) with
        | Error fault, _
        | _, Error fault -> Error fault
        | Ok protocol, Ok mode ->
            Segmenter.load (arguments.GetResult Model) (arguments.GetResult(Device, defaultValue = "cpu"))
            |> Result.bind (fun segmenter ->
                use segmenter = segmenter

                ProgressBar.during session (fun report ->
                    Evaluator.evaluate
                        segmenter
                        mode
                        protocol
                        (arguments.GetResult Data)
                        (arguments.GetResults Site)
                        report
                        session.Cancel))
            |> Result.map (fun found ->
                let perImage = arguments.Contains Per_Image
                show session perImage found
                Session.emit session (json perImage found)
                0)

    let verb =
        Verb.create<EvaluateArgument> "evaluate" "scores a model on a dataset with masks, site by site" run
