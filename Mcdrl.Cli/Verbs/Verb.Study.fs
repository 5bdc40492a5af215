namespace Mcdrl.Cli

open System.IO
open Argu
open Mcdrl

type StudyArgument =
    | [<Unique>] Out of folder: string
    | [<Unique>] Seed of number: uint64
    | [<Unique>] Left_Out of site: string
    | [<Unique>] Weights of path: string
    | [<Unique>] Quick
    | [<Unique>] Replace

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ ->
                "where everything goes; what an earlier run with the same arguments finished there is kept. Default: out/study."
            | Seed _ -> "decides every random choice. Default 1."
            | Left_Out _ -> "the site that neither model is trained on, p1 to p5. Default p5."
            | Weights _ ->
                "a CLIP's weights, a file or a folder. Default: the small one that comes with Mcdrl."
            | Quick -> "few frames and epochs: a minute, and numbers that mean nothing."
            | Replace -> "starts over where the folder holds a study made with other arguments."

/// `mcdrl study`
[<RequireQualifiedAccess>]
module StudyVerb =
    let private table session (found: StudyReport) =
        let say = Session.say session
        let models = [ found.Mcdrl; found.Baseline ]

        let row (label: string) (figure: StudyScores -> Measured option) =
            let cells =
                models
                |> List.map (fun model ->
                    match figure model with
                    | Some value -> $"{Page.number value.Mean} ± {Page.number value.Error}"
                    | None -> "-")
                |> List.map (fun cell -> $"{cell, 18}")
                |> String.concat ""

            say $"{label, -18}{cells}"

        say
            $"{found.Scenes} scenes of {found.LeftOut}, which neither model was trained on, each under every condition."

        let names =
            models |> List.map (fun model -> $"{model.Name, 18}") |> String.concat ""

        let nothing = ""
        say $"{nothing, -18}{names}"
        row "mean Dice" (fun model -> Some model.Dice)
        row "worst condition" (StudyScores.worst >> Option.map _.Dice)
        row "invariance" (fun model -> Some model.Invariance)
        row "confounding gap" _.ConfoundingGap
        say "± one standard error over scenes. One seed and one unseen site: no proof."
        say ""

        for stage in found.Stages do
            say $"{stage.Stage, -40}{stage.Seconds, 5:F0} s"

        say $"All told {found.Stages |> List.sumBy _.Seconds:F0} s, {found.Seconds:F0} s of them in this run."
        say ""
        say $"Open {found.Page}"

    let private run session (arguments: ParseResults<StudyArgument>) =
        let request: StudyRequest =
            {
                Out = Path.GetFullPath(arguments.GetResult(Out, defaultValue = Path.Combine("out", "study")))
                Seed = arguments.GetResult(Seed, defaultValue = 1UL)
                LeftOut = arguments.TryGetResult Left_Out
                Weights = arguments.TryGetResult Weights
                Quick = arguments.Contains Quick
                Replace = arguments.Contains Replace
            }

        ProgressBar.during session (Study.run request)
        |> Result.map (fun found ->
            table session found
            Session.emit session (RecordJson.toObject found)
            0)

    let verb =
        Verb.create<StudyArgument>
            "study"
            "trains on simulated hospitals, judges on one never seen, and tells it on a page"
            run
