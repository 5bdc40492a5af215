namespace Mcdrl

open System
open Giraffe.ViewEngine

/// The page of `mcdrl demo`.
[<RequireQualifiedAccess>]
module internal DemoPage =
    let private good (frame: DemoFrame) =
        match frame.Verdict with
        | DemoVerdict.Found
        | DemoVerdict.RightlyEmpty -> true
        | DemoVerdict.Partly
        | DemoVerdict.Missed
        | DemoVerdict.FalseAlarm -> false

    let private isAny verdicts (picture: DemoPicture) =
        List.contains picture.Frame.Verdict verdicts

    let private counted verdicts (results: DemoResults) =
        results.Pictures |> List.filter (isAny verdicts) |> List.length

    let private summary (results: DemoResults) =
        let lesions =
            counted [ DemoVerdict.Found; DemoVerdict.Partly; DemoVerdict.Missed ] results

        let empty = counted [ DemoVerdict.RightlyEmpty; DemoVerdict.FalseAlarm ] results
        let found = counted [ DemoVerdict.Found ] results
        let silent = counted [ DemoVerdict.RightlyEmpty ] results

        Page.paragraph
            $"Of {lesions} frames with a lesion the model outlines {found} with a Dice of {Page.short Warning.threshold} or more; of {empty} without one it leaves {silent} unmarked."

    let private frame (picture: DemoPicture) =
        div
            []
            [
                Page.outlined picture.Image [ "first", picture.Marked; "truth", picture.Truth ]
                p [] [ strong [] [ str picture.Frame.Name ] ]
                p
                    [
                        if good picture.Frame then
                            _class "right"
                        else
                            _class "wrong"
                    ]
                    [ str (DemoFrame.said picture.Frame) ]
            ]

    let private frames (results: DemoResults) =
        Page.section
            "What it marks"
            [
                summary results
                Page.figure
                    $"Frames of {results.Dataset}. Under each: how the answer compares with the outline that a physician drew."
                    [
                        PageCharts.key [ "marked by the model" ] (Some "drawn by a physician")
                        div [ _class "grid gallery" ] (List.map frame results.Pictures)
                    ]
            ]

    let private sheets (results: DemoResults) =
        Page.section
            "Why it answers so"
            [
                Page.paragraph
                    "For each frame the model says what it would have answered under every imaging condition of its dictionary. Open a frame to see its sheet."
                for picture in results.Pictures do
                    let sheet, words = picture.Sheet

                    details
                        []
                        [
                            tag "summary" [] [ str $"{picture.Frame.Name}: {DemoFrame.said picture.Frame}" ]
                            Page.broad sheet
                            p [] [ str words ]
                        ]
            ]

    let private listed (names: string list) = String.Join(", ", names)

    let private model (results: DemoResults) =
        let provenance = results.Provenance
        let trained = listed provenance.TrainedOn

        let unseen =
            match provenance.LeftOut with
            | Some site -> $" It has never seen {site}."
            | None -> ""

        let rows =
            [
                for metric in results.Metrics do
                    metric.Name, Page.number metric.Value, metric.Protocol
                for name, dice, known in results.Published do
                    $"{name} (published)", Page.short (dice / 100.0), known
            ]

        Page.section
            "How well it does"
            [
                Page.paragraph
                    $"The model was trained on {provenance.TrainingFrames} frames of {provenance.Data}, sites {trained}.{unseen}"
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
                                                for name in [ "what"; "value"; "how" ] do
                                                    th [ attr "scope" "col" ] [ str name ]
                                            ]
                                    ]
                                tbody
                                    []
                                    [
                                        for name, value, how in rows do
                                            tr
                                                []
                                                [
                                                    th [ attr "scope" "row" ] [ str name ]
                                                    td [] [ str value ]
                                                    td [] [ str how ]
                                                ]
                                    ]
                            ]
                    ]
            ]

    let private onwards =
        Page.section
            "How to go on"
            [
                h3 [] [ str "Segment your own frames" ]
                Page.commands [ "bin/mcdrl segment my-frames --out segmented --explain" ]
                h3 [] [ str "Put your own frames and masks on a page like this" ]
                Page.commands [ "bin/mcdrl demo --data my-data --out out/my-page" ]
                h3
                    []
                    [
                        str
                            "See the method judged where every frame can be taken again under another condition"
                    ]
                Page.commands [ "dotnet fsi build.fsx study" ]
            ]

    let private sources (results: DemoResults) =
        Page.section
            "Sources"
            [
                Page.paragraph (
                    String.concat
                        " "
                        [
                            $"Frames and outlines: {results.Dataset}."
                            yield! results.Citation |> Option.map (fun text -> $"{text}.") |> Option.toList
                            yield!
                                results.Licence
                                |> Option.map (fun text -> $"Licence: {text}.")
                                |> Option.toList
                        ]
                )
                Page.paragraph
                    $"Made by Mcdrl {results.Version} in {results.Seconds:F0} s; masks, overlays and reports lie in {results.Folder}/segmented."
            ]

    let private title = "Mcdrl demo: frames of a hospital that the model has never seen"

    /// Whether HTML is such a page.
    let isOne (html: string) =
        html.Contains($"<title>{title}</title>", StringComparison.Ordinal)

    /// The page as HTML.
    let render (results: DemoResults) : string =
        Page.render
            title
            [
                p [ _class "notice" ] [ str $"Mcdrl demo. {Product.notice}" ]
                h1 [] [ str "What the model marks, beside what a physician drew" ]
                frames results
                sheets results
                model results
                onwards
                sources results
            ]
