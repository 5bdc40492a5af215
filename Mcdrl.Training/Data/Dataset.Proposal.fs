namespace Mcdrl

open System
open System.Collections.Generic
open System.IO
open FsToolkit.ErrorHandling

/// What the masks of a folder hold, before anybody says what it means.
[<RequireQualifiedAccess>]
type MaskContent =
    /// Values, each with the number of masks that hold it.
    | Values of (byte * int) list
    /// Colours, red, green and blue, likewise.
    | Colours of ((byte * byte * byte) * int) list
    /// So many values, or a format that loses some, that only light and dark can be told apart.
    | Shades

/// Sites and masks found in a folder.
type DatasetSurvey =
    {
        /// The folder.
        Folder: string
        /// The sites, and how many frames each has.
        Sites: (SiteDescription * int) list
        /// Of the masks that were read.
        Content: MaskContent
        /// Masks that were read.
        Read: int
    }

/// What someone says of a folder; the rest is asked for, or follows from what is found.
type DatasetAnswers =
    {
        /// The dataset's name; the folder's where there is none.
        Name: string option
        /// The classes in order: mask value k is the k-th.
        Classes: string list
        /// What mask values (`255`) and colours (`#ff0000`) mean: background, ignore or a class.
        Masks: (string * string) list
        /// Under which the images may be used.
        Licence: string option
    }

/// Describes images and masks where they lie: finds sites and mask values, and makes a `dataset.json` of them and of answers.
[<RequireQualifiedAccess>]
module DatasetProposal =
    let private imageNames =
        [ "images"; "image"; "imgs"; "img"; "frames"; "jpegimages"; "original" ]

    let private maskNames =
        [
            "masks"
            "mask"
            "labels"
            "label"
            "gt"
            "ground truth"
            "groundtruth"
            "annotations"
            "annot"
            "segmentationclass"
        ]

    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    let private isOneOf (names: string list) (folder: string) =
        List.contains ((nameOf folder).ToLowerInvariant()) names

    let private foldersIn (folder: string) =
        Directory.GetDirectories folder
        |> Array.filter (fun path ->
            not (Leftovers.isName (nameOf path)) && not ((nameOf path).StartsWith '.'))
        |> Array.sort
        |> List.ofArray

    let private hasPictures (folder: string) =
        Directory.EnumerateFiles folder |> Seq.exists Images.isNamedAsImage

    let private site name images masks nested : SiteDescription =
        {
            Site = name
            Images = images
            Masks = masks
            Class = None
            Prefix = ""
            Nested = nested
            Groups = None
        }

    /// How deep sites may lie.
    let private deepest = 3

    /// Folders of images with one of masks beside: a site each, or one for each folder that both hold.
    let rec private sitesIn root depth (folder: string) : SiteDescription list =
        let relative (path: string) =
            Path.GetRelativePath(root, path).Replace('\\', '/')

        let folders = foldersIn folder

        let own =
            if folder = root then
                nameOf root
            else
                (relative folder).Replace('/', '-')

        match List.tryFind (isOneOf imageNames) folders, List.tryFind (isOneOf maskNames) folders with
        | Some images, Some masks ->
            let shared =
                Set.intersect
                    (foldersIn images |> List.map nameOf |> set)
                    (foldersIn masks |> List.map nameOf |> set)

            if hasPictures images || shared.IsEmpty then
                [
                    site own (relative images) (relative masks) (not (List.isEmpty (foldersIn images)))
                ]
            else
                [
                    for name in shared ->
                        let images, masks = Path.Combine(images, name), Path.Combine(masks, name)
                        site name (relative images) (relative masks) (not (List.isEmpty (foldersIn images)))
                ]
        | _ when depth < deepest -> folders |> List.collect (sitesIn root (depth + 1))
        | _ -> []

    /// Images and masks in one folder, told apart by `_mask`.
    let private together root =
        if
            hasPictures root
            && Directory.EnumerateFiles root
               |> Seq.exists (fun path ->
                   (nonNull (Path.GetFileNameWithoutExtension path))
                       .EndsWith("_mask", StringComparison.Ordinal))
        then
            [ site (nameOf root) "." "." false ]
        else
            []

    /// Masks that are read.
    let private most = 200

    /// Values or colours of which more than this are no classes but shades.
    let private mostMeanings = 40

    /// What one mask holds: numbers if it is grey or has a palette, else colours.
    let private holds (path: string) : Result<MaskContent, McdrlError> =
        Files.read ImageLimits.standard.MaxBytes path
        |> Result.bind (fun bytes ->
            if not (Png.isPng bytes) then
                Ok MaskContent.Shades
            else
                match Masks.decode ImageLimits.standard path bytes with
                | Ok map ->
                    let counts = LabelMap.histogram map

                    Ok(
                        MaskContent.Values
                            [
                                for value in 0..255 do
                                    if counts[value] > 0L then
                                        byte value, 1
                            ]
                    )
                | Error(McdrlError.Data _) ->
                    Masks.colours ImageLimits.standard path bytes
                    |> Result.map (fun colours -> MaskContent.Colours [ for colour in colours -> colour, 1 ])
                | Error problem -> Error problem)

    let private joined (contents: MaskContent list) : MaskContent =
        let counted items =
            items |> List.concat |> List.countBy fst |> List.sortBy fst

        let values =
            contents
            |> List.map (function
                | MaskContent.Values values -> Some values
                | MaskContent.Colours _
                | MaskContent.Shades -> None)

        // A mask of colours may show none of them: then it is read as values, of grey.
        let colours =
            contents
            |> List.map (function
                | MaskContent.Colours colours -> Some colours
                | MaskContent.Values values ->
                    Some [ for value, count in values -> (value, value, value), count ]
                | MaskContent.Shades -> None)

        if List.forall Option.isSome values then
            let found = values |> List.choose (fun values -> values) |> counted

            if found.Length > mostMeanings then
                MaskContent.Shades
            else
                MaskContent.Values found
        elif List.forall Option.isSome colours then
            let found = colours |> List.choose (fun colours -> colours) |> counted

            if found.Length > mostMeanings then
                MaskContent.Shades
            else
                MaskContent.Colours found
        else
            MaskContent.Shades

    /// Sites and masks in a folder. Reads at most 200 masks, evenly spaced; writes nothing.
    let survey (folder: string) : Result<DatasetSurvey, McdrlError> =
        result {
            let! root = DatasetPairs.root folder

            let! sites =
                Files.attempt root (fun () ->
                    match sitesIn root 0 root with
                    | [] -> together root
                    | sites -> sites)

            do!
                if sites.IsEmpty then
                    Error(
                        McdrlError.data
                            "no folder of images has one of masks beside it"
                            root
                            "Put frames into images and masks of the same names into masks, in a folder of each site; or import what an annotation tool exported, see `mcdrl data import --help`"
                    )
                else
                    Ok()

            let found = sites |> List.map (fun site -> site, DatasetPairs.find root site)

            let! contents =
                found
                |> Seq.collect (fun (_, (items, _)) -> items)
                |> Array.ofSeq
                |> Dataset.spaced most
                |> List.ofArray
                |> List.traverseResultM (fun item -> holds item.Mask)

            return
                {
                    Folder = root
                    Sites = found |> List.map (fun (site, (items, _)) -> site, items.Length)
                    Content = joined contents
                    Read = contents.Length
                }
        }

    let private text (red: byte, green: byte, blue: byte) = $"#{red:x2}{green:x2}{blue:x2}"

    /// What masks hold as keys of `masks`, each with the number of masks that hold it.
    let keys (survey: DatasetSurvey) : (string * int) list =
        match survey.Content with
        | MaskContent.Values values -> [ for value, count in values -> string value, count ]
        | MaskContent.Colours colours -> [ for colour, count in colours -> text colour, count ]
        | MaskContent.Shades -> []

    /// What a key means as far as it follows from the classes: 0 and black are background, k is the k-th class, 255 what is ignored; of a
    /// single class, the only other value is it.
    let private follows (classes: string list) (keys: string list) key =
        let marks = keys |> List.filter (fun key -> key <> "0" && key <> "#000000")

        match key, classes, marks with
        | ("0" | "#000000"), _, _ -> Some "background"
        | _, [ only ], [ _ ] -> Some only
        | "255", _ :: _, _ :: _ -> Some "ignore"
        | _, classes, _ ->
            match Int32.TryParse key with
            | true, number when number <= classes.Length -> Some classes[number - 1]
            | _ -> None

    let private asking (ask: (string -> string option -> string) option) question fallback =
        match ask with
        | Some ask -> Some(ask question fallback)
        | None -> fallback

    let private unsaid (survey: DatasetSurvey) key count =
        McdrlError.usage
            $"masks hold {key} ({count} of {survey.Read} read), and nothing says what it is"
            survey.Folder
            $"Say “mask” {key}=CLASS (or background, or ignore), or “classes” in the order of the values"

    /// A description of what was found and answered; `ask` is asked what neither says (a question, and what an empty answer means), and
    /// without it that is an error.
    let describe
        (survey: DatasetSurvey)
        (answers: DatasetAnswers)
        (ask: (string -> string option -> string) option)
        : Result<DatasetDescription, McdrlError> =
        result {
            let found = keys survey
            let named = Map.ofList answers.Masks

            do!
                match
                    answers.Masks
                    |> List.filter (fun (key, _) -> not (List.exists (fst >> (=) key) found))
                with
                | (key, _) :: _ when survey.Content <> MaskContent.Shades ->
                    let listed = found |> List.map fst |> String.concat ", "

                    Error(
                        McdrlError.usage $"no mask that was read holds {key}" "“mask”" $"They hold {listed}"
                    )
                | _ -> Ok()

            let name =
                answers.Name
                |> Option.orElseWith (fun () -> asking ask "Name of the dataset" (Some(nameOf survey.Folder)))
                |> Option.defaultValue (nameOf survey.Folder)

            let! meanings =
                match survey.Content with
                | MaskContent.Shades ->
                    match
                        answers.Classes,
                        asking ask "Masks have shades or are no PNG: what is brighter than half is" None
                    with
                    | [ only ], _
                    | [], Some only when only <> "" -> Ok [ "0", "background"; "255", only ]
                    | _ ->
                        Error(
                            McdrlError.usage
                                "the masks have shades or are no PNG, so that only light and dark can be told apart"
                                survey.Folder
                                "Name one class with “classes”, or save the masks as PNG with a value for each class"
                        )
                | MaskContent.Values _
                | MaskContent.Colours _ ->
                    found
                    |> List.traverseResultM (fun (key, count) ->
                        let question =
                            $"What is {key} in masks ({count} of {survey.Read})? A class, background or ignore"

                        match named.TryFind key with
                        | Some meaning -> Ok(key, meaning)
                        | None ->
                            match follows answers.Classes (List.map fst found) key, ask with
                            | Some meaning, _ -> Ok(key, meaning)
                            | None, Some ask -> Ok(key, ask question None)
                            | None, None -> Error(unsaid survey key count))

            let classes =
                answers.Classes @ (meanings |> List.map snd)
                |> List.distinct
                |> List.except [ "background"; "ignore" ]

            let label name =
                match name, List.tryFindIndex ((=) name) classes with
                | _, Some index -> byte (index + 1)
                | "background", None -> 0uy
                | _, None -> Ignored.label

            let meaning = Map.ofList meanings

            let draft =
                { DatasetDescription.ofSites name classes [] with
                    Licence = answers.Licence
                    Values =
                        match survey.Content with
                        | MaskContent.Values values ->
                            [ for value, _ in values -> value, label meaning[string value] ]
                        | MaskContent.Colours _ -> []
                        | MaskContent.Shades -> [ 0uy, 0uy; 255uy, 1uy ]
                    Colours =
                        match survey.Content with
                        | MaskContent.Colours colours ->
                            [ for colour, _ in colours -> colour, label meaning[text colour] ]
                        | MaskContent.Values _
                        | MaskContent.Shades -> []
                    Threshold =
                        if survey.Content = MaskContent.Shades then
                            Some 128uy
                        else
                            None
                    Sites =
                        [
                            for site, _ in survey.Sites ->
                                { site with
                                    Class =
                                        match classes with
                                        | [ only ] -> Some only
                                        | _ -> None
                                }
                        ]
                }

            // What is wrong with the answers is what the reader of the file would say.
            return!
                DatasetDescription.render draft
                |> DatasetDescription.parse "dataset.json"
                |> Result.mapError (fun faults ->
                    McdrlError.ofList faults |> Option.defaultValue McdrlError.Cancelled)
        }

    let private file folder = Path.Combine(folder, "dataset.json")

    /// Writes the description as `dataset.json` and the schema that editors complete it from beside it. One that is there is replaced only
    /// if `force` says so.
    let write (folder: string) (force: bool) (description: DatasetDescription) : Result<unit, McdrlError> =
        let path = file folder

        if File.Exists path && not force then
            Error(McdrlError.usage "the file exists" path "Add “force” to replace it")
        else
            Files.writeText (Path.Combine(folder, "dataset.schema.json")) (DatasetKeys.schema ())
            |> Result.bind (fun () ->
                "{\n  \"$schema\": \"dataset.schema.json\",\n"
                + (DatasetDescription.render description).Substring 2
                |> Files.writeText path)
