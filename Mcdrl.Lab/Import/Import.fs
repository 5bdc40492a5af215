namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// What to import.
type ImportRequest =
    {
        /// Published datasets and the folder of each.
        Sources: (ImportSource * string) list
        /// Folder of the new dataset, which must not exist or be empty.
        Out: string
        /// One class for everything marked, in place of the datasets' own classes.
        As: string option
        /// What the new dataset calls a label of the sources: a class, several labels the same one if need be, `background`, or `ignore` for
        /// pixels that count neither in training nor in any score.
        Labels: (string * string) list
        /// The new dataset's classes in this order, also those that nothing shows, in place of the labels in the order of the sources.
        Classes: string list option
        /// How one's own annotations are taken.
        Options: ImportOptions
        /// Under which one's own images may be used.
        Licence: string option
        /// Leave out what can't be imported instead of importing nothing.
        Skip: bool
    }

/// Frames taken from a published dataset, by site.
type ImportedSite =
    {
        /// The name that the site has in the new data set.
        Site: string
        /// The published data set that it is from.
        Source: ImportSource
        /// Frames that were taken.
        Frames: int
        /// Of these, the frames without a marked pixel.
        Empty: int
    }

/// What came of an import.
type ImportReport =
    {
        /// The new data set's folder.
        Out: string
        /// Whether the dataset was written; if not, nothing was.
        Written: bool
        /// Those that gave a frame.
        Sites: ImportedSite list
        /// Images left out because their dataset does not say what is in them.
        Unmarked: int
        /// Images and masks left out because of a problem.
        Skipped: int
        /// One for each kind, empty if all is well.
        Problems: McdrlError list
        /// Frames that occur in several sites.
        Duplicates: DuplicateReport
    }

/// Makes our kind of dataset from published ones.
[<RequireQualifiedAccess>]
module Import =
    /// The classes of the new dataset, what is marked as none of them, and for each source the label of each of its own labels.
    let private classes (request: ImportRequest) (sources: ImportSource list) =
        let renamed = Map.ofList request.Labels

        let nameOf own =
            match renamed.TryFind own, request.As with
            | Some("background" | "ignore" as name), _ -> name
            | _, Some name -> name
            | Some name, None -> name
            | None, None -> own

        let found =
            sources
            |> List.collect (fun source -> source.Classes |> List.map nameOf)
            |> List.distinct
            |> List.except [ "background"; "ignore" ]

        let all = request.Classes |> Option.defaultValue found

        let labelOf (source: ImportSource) =
            let own =
                source.Classes
                |> List.map (fun own ->
                    match nameOf own with
                    | "background" -> 0uy
                    | "ignore" -> Ignored.label
                    | name -> byte (List.findIndex ((=) name) all + 1))
                |> Array.ofList

            fun label ->
                if label = 0uy || int label > own.Length then
                    0uy
                else
                    own[int label - 1]

        all, List.except all found, labelOf

    /// A label that no source has is a slip; and something must be left to find.
    let private requireLabels (request: ImportRequest) (surveys: ImportSurvey list) =
        let sources = surveys |> List.map _.Source
        let own = sources |> List.collect _.Classes |> List.distinct
        let listed = String.concat ", " own

        [
            for label, _ in request.Labels do
                if not (List.contains label own) then
                    McdrlError.usage
                        $"nothing is labelled {label}"
                        "“label”"
                        $"{Spelling.hint own label}Labels are {listed}"

            let names, others, _ = classes request sources

            for other in others do
                McdrlError.usage
                    $"{other} is marked, and is none of the classes"
                    "“classes”"
                    $"{Spelling.hint names other}Add it, or say with “label” what it is"

            if
                (List.distinct names).Length < names.Length
                || names |> List.exists (fun name -> name = "background" || name = "ignore")
            then
                McdrlError.usage
                    "a class is named twice, or is called background or ignore"
                    "“classes”"
                    "Name each lesion class once"

            match names with
            | [] when
                not request.Skip
                && surveys |> List.exists (fun survey -> not survey.Faults.IsEmpty)
                ->
                // Why none is marked is among these, which are told.
                ()
            | [] ->
                McdrlError.data
                    "no lesion is marked in any image"
                    "mcdrl data import"
                    "Give the export that has the annotations"
            | names when names.Length > DatasetKeys.mostClasses ->
                McdrlError.data
                    $"there would be {names.Length} classes"
                    "mcdrl data import"
                    $"Make them at most {DatasetKeys.mostClasses} with “label” or “as”"
            | names ->
                for name in names do
                    if name.Trim() = "" || name.Length > ModelLimits.longestName then
                        McdrlError.data
                            $"a class must have 1 to {ModelLimits.longestName} characters, and {name} has not"
                            "mcdrl data import"
                            "Call it otherwise with “label”"
        ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok())

    /// Whether `inner`, which need not exist yet, is `outer` or lies in it, by whatever links and mounts.
    let private within (outer: string) (inner: string) =
        let rec lies (folder: string) =
            FileIdentity.isSame outer folder
            || (match Path.GetDirectoryName folder with
                | null -> false
                | parent -> lies parent)

        FileIdentity.realPath inner |> Option.exists lies

    let private prepare (request: ImportRequest) =
        let occupied =
            Files.attempt request.Out (fun () ->
                File.Exists request.Out
                || (Directory.Exists request.Out
                    && not (Seq.isEmpty (Directory.EnumerateFileSystemEntries request.Out))))

        let refuse what fix =
            Error(McdrlError.usage what request.Out fix)

        occupied
        |> Result.bind (fun occupied ->
            if occupied then
                refuse "the folder is not empty" "Give a new folder"
            elif request.Sources |> List.exists (fun (_, path) -> within path request.Out) then
                refuse "the new dataset would lie inside the published one" "Give a folder beside it"
            elif
                request.As
                |> Option.exists (fun name -> name.Trim() = "" || name = "background")
            then
                refuse "the class is empty or called background" "Give “as” the name of a lesion"
            else
                Ok())

    /// A site that two sources have would mix them.
    let private clashes (surveys: ImportSurvey list) =
        surveys
        |> List.collect (fun survey ->
            survey.Items
            |> List.map _.Site
            |> List.distinct
            |> List.map (fun site -> site, survey.Source.Name))
        |> List.groupBy fst
        |> List.filter (fun (_, sources) -> sources.Length > 1)
        |> List.map (fun (site, sources) ->
            let names = sources |> List.map snd |> String.concat ", "

            McdrlError.usage
                $"the site {site} comes from several datasets: {names}"
                "mcdrl data import"
                "Import each dataset once")
        |> McdrlError.ofList

    let private description (request: ImportRequest) sources classes (sites: ImportedSite list) =
        let sources = List.distinct sources

        let each (text: ImportSource -> string) =
            match sources |> List.filter (fun source -> text source <> "") with
            | [] -> None
            | [ single ] when sources.Length = 1 -> Some(text single)
            | several ->
                several
                |> List.map (fun source -> $"{source.Title}: {text source}")
                |> String.concat "; "
                |> Some

        let name = sources |> List.map _.Title |> String.concat ", "

        let plain = DatasetDescription.ofSites name classes (List.map _.Site sites)

        let ignored =
            if request.Labels |> List.exists (fun (_, name) -> name = "ignore") then
                [ Ignored.label, Ignored.label ]
            else
                []

        { plain with
            Licence = each _.Licence |> Option.orElse request.Licence
            Citation = each _.Citation
            Values = plain.Values @ ignored
        }

    /// The folder in the making, beside the one that it becomes. One that a killed import left behind is removed; one
    /// that another import holds is an error. `work` runs while it is held.
    let private making (out: string) (work: string -> Result<'a, McdrlError>) =
        let out = Path.GetFullPath(out).TrimEnd Path.DirectorySeparatorChar

        let parent = Path.GetDirectoryName out |> Option.ofObj |> Option.defaultValue "/"

        let made = Path.Combine(parent, $".{Path.GetFileName out}.importing")

        let clear () =
            if Directory.Exists made then
                Directory.Delete(made, true)

        result {
            let! lock = FileLock.tryTakeTemporary (made + ".lock")

            use! _lock =
                lock
                |> Result.requireSome (
                    McdrlError.resource "another import is writing this dataset" out "Wait for it to end"
                )

            return!
                Files.attempt out (fun () ->
                    clear ()

                    Interruption.finishes (fun () ->
                        try
                            Directory.CreateDirectory made |> ignore
                            work made
                        finally
                            clear ()))
                |> Result.bind id
        }

    /// Moves the finished folder to its place.
    let private finish (made: string) (out: string) =
        Files.attempt out (fun () ->
            if Directory.Exists out then
                Directory.Delete out

            Directory.Move(made, out))

    let private sitesOf (taken: (ImportSource * ImportedFrame)[]) =
        taken
        |> Array.groupBy (fun (source, frame) -> frame.Known.Site, source.Name)
        |> Array.map (fun ((site, _), frames) ->
            {
                Site = site
                Source = fst frames[0]
                Frames = frames.Length
                Empty = frames |> Array.filter (fun (_, frame) -> frame.Empty) |> Array.length
            })
        |> List.ofArray

    let private write (request: ImportRequest) progress (surveys: ImportSurvey list) made =
        let sources = surveys |> List.map _.Source
        let classes, _, labelOf = classes request sources

        let items =
            [|
                for survey in surveys do
                    for item in survey.Items -> survey.Source, item
            |]

        result {
            let! outcomes =
                Parallel.each "importing" (ImportFrames.convert made labelOf) items progress

            let! outcomes = outcomes |> List.ofArray |> List.sequenceResultM

            let taken =
                Seq.zip items outcomes
                |> Seq.choose (fun ((source, _), outcome) ->
                    outcome |> Result.toOption |> Option.map (fun frame -> source, frame))
                |> Array.ofSeq

            let unfit =
                outcomes
                |> List.choose (fun outcome ->
                    match outcome with
                    | Ok _ -> None
                    | Error fault -> Some fault)

            let faults = (surveys |> List.collect _.Faults) @ unfit
            let problems = ImportFault.summarise faults
            let sites = sitesOf taken
            let written = taken.Length > 0 && (faults.IsEmpty || request.Skip)

            do!
                if written then
                    Files.settle ()

                    Files.writeText
                        (Path.Combine(made, "dataset.json"))
                        (DatasetDescription.render (description request sources classes sites))
                    |> Result.bind (fun () -> finish made request.Out)
                else
                    Ok()

            return
                {
                    Out = request.Out
                    Written = written
                    Sites = sites
                    Unmarked = surveys |> List.sumBy _.Unmarked
                    Skipped = if written then faults.Length else 0
                    Problems = problems
                    Duplicates = taken |> Array.map (fun (_, frame) -> frame.Known) |> Duplicates.find
                }
        }

    /// Imports the request's datasets as the sites of one. All problems are in the report; the dataset appears in its
    /// place whole, or not at all. The published files are only read.
    let run (request: ImportRequest) (progress: Progress) : Result<ImportReport, McdrlError> =
        result {
            do! prepare request

            let! surveys =
                request.Sources
                |> List.traverseResultA (fun (source, path) ->
                    match source.Layouts with
                    | [ { Marks = Marks.Annotated format } ] ->
                        AnnotatedSurvey.run request.Options format source path
                    | _ -> ImportSurvey.run source path)
                |> Result.mapError (fun faults ->
                    McdrlError.ofList faults |> Option.defaultValue McdrlError.Cancelled)

            do!
                match clashes surveys with
                | Some problem -> Error problem
                | None -> Ok()

            do! requireLabels request surveys
            return! making request.Out (write request progress surveys)
        }
