namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DataImportArgument =
    | [<MainCommand>] Sources of name_path: string list
    | [<Unique>] Out of folder: string
    | [<Unique>] As of ``class``: string
    | Label of own_new: string
    | [<Unique>] Classes of names: string
    | [<Unique>] Images of folder: string
    | [<Unique>] Site of name: string
    | [<Unique>] By_Folder
    | [<Unique>] Licence of text: string
    | [<Unique>] Skip

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Sources _ ->
                "an annotation format or a published dataset's name, and its unpacked folder; several such pairs become the sites of one dataset."
            | Out _ -> "folder of the new dataset."
            | As _ -> "the one class of everything marked, e.g. polyp, in place of the datasets' own classes."
            | Label _ ->
                "what a label is called in the new dataset, own=new: one or several labels become a class, background, or ignore (counts neither in training nor in scores). May be repeated."
            | Classes _ ->
                "the new dataset's classes in this order, e.g. those of the model that goes on with it: polyp,cyst. Default: the labels, in the order of the alphabet."
            | Images _ ->
                "a folder in which annotated images are looked for, besides that of the annotations."
            | Site _ -> "the site's name for one folder of annotations; else the folder's name is the site's."
            | By_Folder -> "the folder that an annotated image lies in is its site."
            | Licence _ -> "under which your own images may be used, for dataset.json."
            | Skip ->
                "leave out images and masks with problems; without it, a problem means that nothing is written."

/// `mcdrl data import`
[<RequireQualifiedAccess>]
module DataImportVerb =
    /// The formats and the datasets, each with its licence, address and layout.
    let private catalogue =
        [
            "Formats of your own annotations:"
            for source in ImportCatalogue.formats do
                ""
                $"  {source.Name}: {source.Title}"
                $"    folder    {source.Expected}"
                $"    left out  {source.LeftOut}"
            ""
            "Published datasets:"
            for source in ImportCatalogue.all do
                ""
                $"  {source.Name}: {source.Title}"
                $"    licence   {source.Licence}"
                $"    from      {source.Address}"
                $"    folder    {source.Expected}"

                if source.LeftOut <> "" then
                    $"    left out  {source.LeftOut}"
            ""
            "  The folder given may also be one or two levels above."
        ]

    let private catalogueJson (source: ImportSource) =
        Json.object
            [
                "name", Json.text source.Name
                "title", Json.text source.Title
                "licence", Json.text source.Licence
                "from", Json.text source.Address
                "citation", Json.text source.Citation
                "folder", Json.text source.Expected
                "left_out", Json.text source.LeftOut
                "classes", Json.array [ for name in source.Classes -> Json.text name ]
            ]

    let private say session (found: ImportReport) =
        let line = Session.say session
        let site, frames, empty = "site", "frames", "empty"
        line $"{site, -18}{frames, 8}{empty, 8}  licence"

        for site in found.Sites do
            line $"{site.Site, -18}{site.Frames, 8}{site.Empty, 8}  {site.Source.Licence}"

        line ""

        if found.Unmarked > 0 then
            line $"{found.Unmarked} images are left out: their dataset doesn't say what is in them."

        DuplicateText.say session found.Duplicates

        if found.Written then
            if found.Skipped > 0 then
                line $"{found.Skipped} images or masks were left out."

            line $"The dataset is in {found.Out}."
        else
            line "Nothing was written."

    let private json (found: ImportReport) =
        Json.object
            [
                "folder", Json.text found.Out
                "written", Json.flag found.Written
                "sites",
                Json.array
                    [
                        for site in found.Sites ->
                            Json.object
                                [
                                    "site", Json.text site.Site
                                    "source", Json.text site.Source.Name
                                    "licence", Json.text site.Source.Licence
                                    "frames", Json.whole (int64 site.Frames)
                                    "empty", Json.whole (int64 site.Empty)
                                ]
                            :> _
                    ]
                "unmarked", Json.whole (int64 found.Unmarked)
                "skipped", Json.whole (int64 found.Skipped)
                "problems", Json.array [ for problem in found.Problems -> ProblemJson.create problem :> _ ]
                "duplicates", DuplicateText.json found.Duplicates
            ]

    /// Data errors, whatever the family of a single problem.
    let private unsound = 4

    /// Some inputs were left out.
    let private partial = 1

    let private import session (request: ImportRequest) =
        ProgressBar.during session (Import.run request)
        |> Result.map (fun found ->
            say session found
            Session.emit session (json found)

            for problem in found.Problems do
                Session.warn session (Flags.describe problem)

            if not found.Written then unsound
            elif found.Problems.IsEmpty then 0
            else partial)

    let private usage what =
        McdrlError.usage
            what
            "mcdrl data import"
            "Give NAME PATH pairs and --out; see `mcdrl data import --help`"

    let private sources (words: string list) =
        match words |> List.chunkBySize 2 |> List.partition (fun pair -> pair.Length = 2) with
        | pairs, [] ->
            pairs
            |> List.traverseResultM (fun pair ->
                ImportCatalogue.find pair[0] |> Result.map (fun source -> source, pair[1]))
        | _, lonely -> Error(usage $"{lonely.Head.Head} is a name without a folder")

    let private run session (arguments: ParseResults<DataImportArgument>) =
        match List.concat (arguments.GetResults Sources) with
        | [] when arguments.GetAllResults().IsEmpty ->
            if session.Json then
                ImportCatalogue.formats @ ImportCatalogue.all
                |> List.iter (catalogueJson >> Session.emit session)
            else
                catalogue |> List.iter (Session.say session)

            Ok 0
        | [] -> Error(usage "no dataset is named")
        | words ->
            result {
                let! sources = sources words

                let! labels =
                    arguments.GetResults Label
                    |> List.traverseResultM (fun text ->
                        match text.Split('=', 2) with
                        | [| own; name |] when own <> "" && name <> "" -> Ok(own, name)
                        | _ -> Error(usage $"--label {text} is not own=new"))

                let site = arguments.TryGetResult DataImportArgument.Site

                do!
                    if site.IsSome && sources.Length > 1 then
                        Error(usage "--site names one site, and several folders are given")
                    else
                        Ok()

                let! out =
                    arguments.TryGetResult DataImportArgument.Out
                    |> Result.requireSome (usage "--out is missing")

                return!
                    import
                        session
                        {
                            Sources = sources
                            Out = out
                            As = arguments.TryGetResult DataImportArgument.As
                            Labels = labels
                            Classes =
                                arguments.TryGetResult DataImportArgument.Classes
                                |> Option.map (fun names ->
                                    names.Split(',', System.StringSplitOptions.TrimEntries) |> List.ofArray)
                            Options =
                                {
                                    Images = arguments.TryGetResult Images
                                    Site = site
                                    ByFolder = arguments.Contains By_Folder
                                }
                            Licence = arguments.TryGetResult Licence
                            Skip = arguments.Contains DataImportArgument.Skip
                        }
            }

    let verb =
        let verb =
            Verb.create<DataImportArgument>
                "data import"
                "makes a dataset of your own annotations, or of published datasets"
                run

        { verb with
            Help = fun () -> verb.Help() + String.concat System.Environment.NewLine catalogue
        }
