namespace Mcdrl.Cli

open Argu
open Mcdrl

type CardArgument =
    | [<Mandatory; Unique>] Model of folder: string
    | [<Mandatory; Unique>] Data of folder: string
    | Site of name: string
    | [<Unique>] About of file: string
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Model _ ->
                "the model's folder, or that of the run that trained it. Its card and figures are replaced."
            | Data _ -> "the dataset that it is measured on."
            | Site _ -> "a site of it. May be repeated. Default: all."
            | About _ -> "a Markdown file with words of your own for the card: intended use, licences."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl card`
[<RequireQualifiedAccess>]
module CardVerb =
    let private run session (arguments: ParseResults<CardArgument>) =
        let request: CardRequest =
            {
                Model = arguments.GetResult Model
                Data = arguments.GetResult Data
                Sites = arguments.GetResults Site
                About = arguments.TryGetResult About
                Device = arguments.GetResult(Device, defaultValue = "cpu")
            }

        ProgressBar.during session (Card.write request)
        |> Result.map (fun found ->
            for site in found.Findings do
                for line in FindingsText.lines site do
                    Session.say session line

            Session.say session $"Written into {request.Model}."
            Session.emit session (RecordJson.toObject found.Findings.Head)
            0)

    let verb =
        Verb.create<CardArgument>
            "card"
            "measures a model and writes its figures, and frames where it fails, into its card"
            run
