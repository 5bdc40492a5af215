namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// What says which pixels of an image are marked.
[<RequireQualifiedAccess>]
type internal ImportMark =
    | Mask of path: string * rule: MaskRule
    /// Label and corners of each polygon.
    | Polygons of (byte * (float * float)[]) list
    /// What an annotation tool says, and the label of each of its labels.
    | Drawn of Annotation * Map<string, byte>

/// An image of a published dataset and its mark; both are there, neither has been read.
type internal ImportItem =
    {
        Site: string
        Stem: string
        Image: string
        Mark: ImportMark
    }

/// What a folder with a published dataset holds.
type internal ImportSurvey =
    {
        Source: ImportSource
        /// By site and name, in natural order.
        Items: ImportItem list
        Faults: ImportFault list
        /// Images that the dataset says nothing about, left out.
        Unmarked: int
    }

/// Finds the images and marks of a published dataset below a folder. Nothing is changed, no picture is read.
[<RequireQualifiedAccess>]
module internal ImportSurvey =
    /// How deep the layout may lie below the folder given: archives unpack into a folder of their own, often twice.
    let private depth = 2

    let private withoutEnding (path: string) =
        path.Substring(
            0,
            path.Length
            - (Path.GetExtension path |> Option.ofObj |> Option.defaultValue "").Length
        )

    /// The folders in which a layout may begin, with what lies below each: the given one (an empty text) and those
    /// below it, outermost first.
    let private beginnings (files: string list) =
        seq {
            "", files

            for level in 1..depth do
                yield!
                    files
                    |> List.choose (fun path ->
                        let parts = path.Split('/', level + 1)

                        if parts.Length > level then
                            Some(String.Join('/', Array.truncate level parts) + "/", parts[level])
                        else
                            None)
                    |> List.groupBy fst
                    |> List.map (fun (beginning, below) -> beginning, List.map snd below)
        }

    /// What stands for a file whose path fits: site, name and its parts.
    type private Fitting =
        {
            Key: string * string
            Parts: Map<string, string>
            Path: string
        }

    let private fitting (source: ImportSource) (pattern: string) : string -> Fitting option =
        let read = PathPattern.reader pattern

        fun path ->
            read (withoutEnding path)
            |> Option.map (fun parts ->
                {
                    Key = PathPattern.fill parts source.Site, PathPattern.fill parts source.Stem
                    Parts = parts
                    Path = path
                })

    let private firstFit (readers: (string -> Fitting option) list) path =
        readers |> List.tryPick (fun read -> read path)

    /// Images and marks must both be there for a layout to be the one.
    let private fits source (layout: ImportLayout) (folder: string) files =
        let has pattern =
            files |> List.exists (fitting source pattern >> Option.isSome)

        has layout.Images
        && (match layout.Marks with
            | Marks.Masks(patterns, _) -> patterns |> List.exists has
            | Marks.Polygons(annotations, _, _) ->
                files
                |> List.choose (fitting source layout.Images)
                |> List.exists (fun found ->
                    File.Exists(Path.Combine(folder, PathPattern.fill found.Parts annotations)))
            | Marks.Annotated _
            | Marks.Nothing _ -> true)

    let private byKey (files: Fitting list) =
        files
        |> List.groupBy _.Key
        |> List.map (fun (key, found) -> key, List.sortBy _.Path found)

    let private order (left: string * string, _) (right: string * string, _) =
        match DatasetPairs.compareNames (fst left) (fst right) with
        | 0 -> DatasetPairs.compareNames (snd left) (snd right)
        | different -> different

    let private fault kind where detail =
        {
            Kind = kind
            Where = where
            Detail = detail
        }

    /// One image a name, and a fault for each further one.
    let private single at (files: Fitting list) =
        let grouped = byKey files |> List.sortWith order

        grouped |> List.map (fun (key, found) -> key, found.Head),
        [
            for _, found in grouped do
                for further in found.Tail do
                    fault ImportFaultKind.SameName (at further.Path) $"as {found.Head.Path}"
        ]

    let private withMasks source root layout (patterns, rule) files =
        let at path = Path.Combine(root, path)
        let readImage = fitting source layout.Images
        let readMask = firstFit (patterns |> List.map (fitting source))
        let images, doubleImages = files |> List.choose readImage |> single at

        // A mask may lie where an image could: in a folder of both, what is an image is no mask.
        let masks, doubleMasks =
            files
            |> List.filter (readImage >> Option.isNone)
            |> List.choose readMask
            |> single at

        let maskOf = Map.ofList masks
        let imageOf = Map.ofList images

        let items =
            images
            |> List.choose (fun ((site, stem) as key, image) ->
                maskOf
                |> Map.tryFind key
                |> Option.map (fun mask ->
                    {
                        Site = site
                        Stem = stem
                        Image = at image.Path
                        Mark = ImportMark.Mask(at mask.Path, rule)
                    }))

        let faults =
            [
                for key, image in images do
                    if not (maskOf.ContainsKey key) then
                        fault ImportFaultKind.ImageWithoutMask (at image.Path) ""

                for key, mask in masks do
                    if not (imageOf.ContainsKey key) then
                        fault ImportFaultKind.MaskWithoutImage (at mask.Path) ""
            ]

        Ok(items, faults @ doubleImages @ doubleMasks, 0)

    let private withPolygons source root layout (annotations, labels, names: string list) files =
        let at path = Path.Combine(root, path)

        let labelOf (name: string) =
            names
            |> List.tryFindIndex ((=) (name.Trim()))
            |> Option.map (fun k -> byte (k + 1))

        let images, double =
            files |> List.choose (fitting source layout.Images) |> single at

        let sets =
            images
            |> List.map (fun (_, image) ->
                at (PathPattern.fill image.Parts annotations), at (PathPattern.fill image.Parts labels))
            |> List.distinct

        sets
        |> List.traverseResultA (fun (annotations, labels) ->
            Polygons.read annotations labels (labelOf >> Option.isSome)
            |> Result.map (List.map (fun polygon -> annotations, polygon)))
        |> Result.mapError (fun faults ->
            McdrlError.ofList faults |> Option.defaultValue McdrlError.Cancelled)
        |> Result.map (fun found ->
            let polygons =
                List.concat found
                |> List.groupBy (fun (_, polygon) -> polygon.Image)
                |> Map.ofList

            let shapes (image: Fitting) =
                Map.tryFind (image.Parts["name"]) polygons
                |> Option.defaultValue []
                |> List.choose (fun (_, polygon) ->
                    List.tryPick labelOf polygon.Names
                    |> Option.map (fun label -> label, polygon.Corners))

            let items =
                images
                |> List.choose (fun ((site, stem), image) ->
                    match shapes image with
                    | [] -> None
                    | found ->
                        Some
                            {
                                Site = site
                                Stem = stem
                                Image = at image.Path
                                Mark = ImportMark.Polygons found
                            })

            let there = images |> List.map (fun (_, image) -> image.Parts["name"]) |> set

            let faults =
                [
                    for KeyValue(image, lines) in polygons do
                        if not (there.Contains image) then
                            fault ImportFaultKind.MaskWithoutImage (fst lines.Head) $"polygons of {image}"
                ]

            items, faults @ double, images.Length - items.Length)

    let private notFound (source: ImportSource) (folder: string) =
        let seen =
            Files.attempt folder (fun () ->
                Directory.EnumerateFileSystemEntries folder
                |> Seq.map (fun path -> Path.GetFileName path |> Option.ofObj |> Option.defaultValue "")
                |> Seq.sort
                |> Seq.truncate 8
                |> String.concat ", ")
            |> Result.defaultValue ""

        let held = if seen = "" then "it is empty" else $"it holds {seen}"

        McdrlError.data
            $"this is not {source.Title} as published: {held}"
            folder
            $"Give the folder with {source.Expected}; get it from {source.Address}"

    /// The images and marks of `source` in `folder`. `Error` where the layout is not found, or where the dataset has no
    /// masks; what is wrong with single files is in the survey.
    let run (source: ImportSource) (folder: string) : Result<ImportSurvey, McdrlError> =
        result {
            let folder = Path.GetFullPath folder

            do!
                if Directory.Exists folder then
                    Ok()
                else
                    Error(McdrlError.data "the folder does not exist" folder "Check the path")

            let! files = ImportPictures.below folder

            let! beginning, files, layout =
                beginnings files
                |> Seq.collect (fun (beginning, files) ->
                    source.Layouts |> Seq.map (fun layout -> beginning, files, layout))
                |> Seq.tryFind (fun (beginning, files, layout) ->
                    fits source layout (Path.Combine(folder, beginning)) files)
                |> Result.requireSome (notFound source folder)

            let root = Path.Combine(folder, beginning).TrimEnd '/'

            let source =
                if source.Site = "{site}" && not (layout.Images.Contains "{site}") then
                    { source with
                        Site = nonNull (Path.GetFileName root)
                    }
                else
                    source

            let! items, faults, unmarked =
                match layout.Marks with
                | Marks.Masks(patterns, rule) -> withMasks source root layout (patterns, rule) files
                | Marks.Polygons(annotations, labels, names) ->
                    withPolygons source root layout (annotations, labels, names) files
                | Marks.Annotated _ -> Ok([], [], 0)
                | Marks.Nothing instead ->
                    let count = files |> List.choose (fitting source layout.Images) |> List.length

                    Error(
                        McdrlError.data
                            $"{source.Title} was published without masks: the folder's {count} images have {instead}"
                            folder
                            "Draw masks yourself and describe them with mcdrl data init, or use another dataset"
                    )

            return
                {
                    Source = source
                    Items = items
                    Faults = faults
                    Unmarked = unmarked
                }
        }
