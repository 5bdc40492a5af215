namespace Mcdrl.Cli

open System
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DataInitArgument =
    | [<MainCommand; ExactlyOnce>] Folder of folder: string
    | [<Unique>] Name of text: string
    | [<Unique>] Classes of names: string
    | Mask of value_meaning: string
    | [<Unique>] Licence of text: string
    | [<Unique>] Force

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Folder _ ->
                "a folder with images and masks of the same names in images and masks (or imgs, frames, labels, gt, …), or in such folders of each site."
            | Name _ -> "the dataset's name. Default: the folder's."
            | Classes _ ->
                "the classes, separated by commas, in the order of the mask values 1, 2, …; a single one is the only value that masks hold besides background."
            | Mask _ ->
                "what a value or colour of the masks means, 255=polyp or #ff0000=polyp: a class, background, or ignore (counts neither in training nor in scores). May be repeated."
            | Licence _ -> "under which the images may be used."
            | Force -> "replaces a dataset.json that is there."

/// `mcdrl data init`
[<RequireQualifiedAccess>]
module DataInitVerb =
    let private say session (survey: DatasetSurvey) =
        for site, frames in survey.Sites do
            Session.say
                session
                (Printable.line $"Site {site.Site}: {frames} frames in {site.Images}, masks in {site.Masks}.")

        match DatasetProposal.keys survey with
        | [] -> Session.say session $"{survey.Read} masks were read; they have shades, or are no PNG."
        | keys ->
            let listed =
                keys |> List.map (fun (key, count) -> $"{key} in {count}") |> String.concat ", "

            Session.say session $"{survey.Read} masks were read and hold {listed}."

    /// Asks a person until there is an answer; the end of input is the empty one.
    let private ask session question fallback =
        let rec again () =
            let hint = fallback |> Option.map (sprintf " [%s]") |> Option.defaultValue ""
            session.Err.Write(Printable.line $"{question}{hint}: ")
            session.Err.Flush()

            match Option.ofObj (Console.In.ReadLine()), fallback with
            | None, _ -> Option.defaultValue "" fallback
            | Some answer, _ when answer.Trim() <> "" -> answer.Trim()
            | Some _, Some fallback -> fallback
            | Some _, None -> again ()

        again ()

    let private meaning (text: string) =
        match text.Split('=', 2) with
        | [| key; meaning |] when key <> "" && meaning <> "" -> Ok(key.ToLowerInvariant(), meaning)
        | _ ->
            Error(
                McdrlError.usage
                    "it is not value=meaning"
                    $"--mask {text}"
                    "Write it as 255=polyp, or #ff0000=polyp"
            )

    let private run session (arguments: ParseResults<DataInitArgument>) =
        result {
            let folder = arguments.GetResult Folder
            let! masks = arguments.GetResults Mask |> List.traverseResultM meaning

            let classes =
                arguments.TryGetResult Classes
                |> Option.map (fun text ->
                    text.Split(',', StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries)
                    |> List.ofArray)
                |> Option.defaultValue []

            let! survey = DatasetProposal.survey folder
            say session survey

            let asks =
                if session.Terminal && not Console.IsInputRedirected && not session.Json then
                    Some(ask session)
                else
                    None

            let! description =
                DatasetProposal.describe
                    survey
                    {
                        Name = arguments.TryGetResult Name
                        Classes = classes
                        Masks = masks
                        Licence = arguments.TryGetResult Licence
                    }
                    asks

            do! DatasetProposal.write survey.Folder (arguments.Contains Force) description

            Session.say
                session
                $"Written: {survey.Folder}/dataset.json, and dataset.schema.json, from which editors complete it."

            Session.say session $"Now check it: mcdrl data check {folder}"

            Session.emit
                session
                (Json.object
                    [
                        "folder", Json.text survey.Folder
                        "classes", Json.array [ for name in description.Classes -> Json.text name ]
                        "sites", Json.array [ for site in description.Sites -> Json.text site.Site ]
                    ])

            return 0
        }

    let verb =
        Verb.create<DataInitArgument>
            "data init"
            "describes a folder of images and masks in a dataset.json, by asking or by flags"
            run
