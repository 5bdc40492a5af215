namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DataCheckArgument =
    | [<MainCommand; Mandatory>] Datasets of folder: string list
    | [<Unique>] Duplicates

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Datasets _ ->
                "the dataset's folder, or the dataset.json in it; several are checked one after the other."
            | Duplicates ->
                "also look for frames that are in several sites, as copies or nearly (encoded anew, resized, slightly cropped)."

/// `mcdrl data check`
[<RequireQualifiedAccess>]
module DataCheckVerb =
    let private table session (found: DatasetReport) =
        let say = Session.say session
        let site, frames, usable, empty = "site", "frames", "usable", "empty"
        say $"{found.Name} in {found.Folder}"
        say ""
        say $"{site, -14}{frames, 8}{usable, 8}{empty, 8}  frames (pixels) of each class"

        for site in found.Sites do
            let classes =
                site.Classes
                |> List.filter (fun occurrence -> occurrence.Frames > 0)
                |> List.map (fun occurrence ->
                    $"{occurrence.Class} {occurrence.Frames} ({occurrence.Pixels})")
                |> String.concat ", "

            say $"{site.Site, -14}{site.Frames, 8}{site.Usable, 8}{site.Empty, 8}  {classes}"

        say ""

    let private json (found: DatasetReport) =
        Json.object
            [
                "name", Json.text found.Name
                "folder", Json.text found.Folder
                "sites",
                Json.array
                    [
                        for site in found.Sites ->
                            Json.object
                                [
                                    "site", Json.text site.Site
                                    "frames", Json.whole (int64 site.Frames)
                                    "usable", Json.whole (int64 site.Usable)
                                    "empty", Json.whole (int64 site.Empty)
                                    "ignoring", Json.whole (int64 site.Ignoring)
                                    "classes",
                                    Json.array
                                        [
                                            for occurrence in site.Classes ->
                                                Json.object
                                                    [
                                                        "class", Json.text occurrence.Class
                                                        "frames", Json.whole (int64 occurrence.Frames)
                                                        "pixels", Json.whole occurrence.Pixels
                                                    ]
                                                :> _
                                        ]
                                ]
                            :> _
                    ]
                "notices", found.Notices |> Seq.map Json.text |> Json.array
                "problems", Json.array [ for problem in found.Problems -> ProblemJson.create problem :> _ ]
                match found.Duplicates with
                | Some duplicates -> "duplicates", DuplicateText.json duplicates
                | None -> ()
            ]

    /// Data errors, whatever the family of a single problem.
    let private unsound = 4

    let private check session duplicates folder : Result<int, McdrlError> =
        ProgressBar.during session (DatasetCheck.run folder duplicates)
        |> Result.map (fun found ->
            table session found
            found.Duplicates |> Option.iter (DuplicateText.say session)
            DatasetUnread.lines folder |> List.iter (Session.warn session)
            Session.emit session (json found)

            for notice in found.Notices do
                Session.say session (Printable.line $"Note: {notice}.")

            let kinds = ProblemGroups.ofList found.Folder found.Problems

            for problem in kinds do
                Session.warn session (Flags.describe problem)

            match found.Problems.Length with
            | 0 ->
                Session.say session "No problem found."
                0
            | 1 ->
                Session.say session "1 problem."
                unsound
            | count when count > kinds.Length ->
                Session.say session $"{count} problems of {kinds.Length} kinds."
                unsound
            | count ->
                Session.say session $"{count} problems."
                unsound)

    /// Every dataset is checked, whatever is wrong with another; the worst of the codes is given.
    let private run session (arguments: ParseResults<DataCheckArgument>) =
        let duplicates = arguments.Contains DataCheckArgument.Duplicates

        let outcomes =
            arguments.GetResults Datasets
            |> List.concat
            |> List.map (fun folder -> Guard.run folder (fun () -> check session duplicates folder))

        match
            outcomes
            |> List.choose (Result.either (fun _ -> None) Some)
            |> McdrlError.ofList
        with
        | Some faults -> Error faults
        | None -> Ok(outcomes |> List.choose Result.toOption |> List.fold max 0)

    let verb =
        Verb.create<DataCheckArgument>
            "data check"
            "reports every problem of a dataset at once, and what it holds"
            run
