namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// How one's own images and annotations are taken.
type ImportOptions =
    {
        /// A folder in which images are looked for besides that of the annotations.
        Images: string option
        /// The site's name; the folder's where there is none.
        Site: string option
        /// Whether the folder that an image lies in is its site.
        ByFolder: bool
    }

/// Brings images and what annotation tools say of them together. Nothing is changed, no picture is read.
[<RequireQualifiedAccess>]
module internal AnnotatedSurvey =
    let private read format =
        match format with
        | AnnotationFormat.Coco -> Coco.read
        | AnnotationFormat.Labelme -> Labelme.read
        | AnnotationFormat.Cvat -> Cvat.read
        | AnnotationFormat.LabelStudio -> LabelStudio.read

    let private isPicture format path =
        match format with
        | AnnotationFormat.Cvat -> not (Cvat.isMask path)
        | AnnotationFormat.LabelStudio -> not (LabelStudio.isMask path)
        | AnnotationFormat.Coco
        | AnnotationFormat.Labelme -> true

    /// What several files say of one image, as one; unclear where it can't be.
    let private merged (images: AnnotatedImage list) : AnnotatedImage =
        let shapes =
            images
            |> List.choose (fun image ->
                match image.Annotation with
                | Annotation.Shapes(size, shapes) -> Some(size, shapes)
                | Annotation.Coloured _
                | Annotation.Layers _ -> None)

        match images, shapes with
        | [ single ], _ -> single
        | first :: _, shapes when shapes.Length = images.Length && (shapes |> List.distinctBy fst).Length = 1 ->
            { first with
                Annotation = Annotation.Shapes(fst shapes.Head, List.collect snd shapes)
                Unclear = images |> List.collect _.Unclear
            }
        | images, _ ->
            { images.Head with
                Unclear =
                    [
                        Annotations.fault
                            ImportFaultKind.SameName
                            images.Head.Image
                            "it is annotated in several files"
                    ]
            }

    let private labelsOf (image: AnnotatedImage) =
        match image.Annotation with
        | Annotation.Shapes(_, shapes) -> shapes |> List.map _.Label
        | Annotation.Coloured(_, meanings) -> meanings |> List.choose snd
        | Annotation.Layers layers -> layers |> List.map fst

    /// The image, unclear also where a mark of it has no label.
    let private named (image: AnnotatedImage) =
        if labelsOf image |> List.exists (fun label -> label.Trim() = "") then
            { image with
                Unclear =
                    Annotations.fault ImportFaultKind.UnclearShape image.Image "it has a mark without a label"
                    :: image.Unclear
            }
        else
            image

    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    /// The name of the folder that a picture lies in.
    let private parent (name: string) =
        match name.Split '/' with
        | parts when parts.Length > 1 -> Some parts[parts.Length - 2]
        | _ -> None

    let private withoutEnding (name: string) =
        name.Substring(0, name.Length - (nonNull (Path.GetExtension name)).Length)

    /// A name for each image of a site: its own, and where two have the same its folders' before it.
    let private stems (images: AnnotatedImage list) =
        let short (image: AnnotatedImage) = withoutEnding (nameOf image.Name)
        let isUnique = (images |> List.distinctBy short).Length = images.Length

        images
        |> List.map (fun image ->
            let name =
                if isUnique then
                    short image
                else
                    (withoutEnding image.Name).Replace('/', '_')

            FileName.ofText name, image)

    let private site (options: ImportOptions) folder (image: AnnotatedImage) =
        let own = options.Site |> Option.defaultValue (nameOf folder)

        if options.ByFolder then
            parent image.Name |> Option.defaultValue own
        else
            own

    /// The images and annotations in `path`, a folder or for COCO also a file, with the classes that they name.
    let run
        (options: ImportOptions)
        (format: AnnotationFormat)
        (source: ImportSource)
        (path: string)
        : Result<ImportSurvey, McdrlError> =
        result {
            let path = Path.TrimEndingDirectorySeparator(Path.GetFullPath path)

            let! folder =
                match Directory.Exists path, format = AnnotationFormat.Coco && File.Exists path with
                | true, _ -> Ok path
                | false, true -> Ok(nonNull (Path.GetDirectoryName path))
                | false, false -> Error(McdrlError.data "the folder does not exist" path "Check the path")

            do!
                match options.Images with
                | Some images when not (Directory.Exists images) ->
                    Error(McdrlError.data "the folder does not exist" images "Check “images”")
                | _ -> Ok()

            let finder = PictureFinder(folder :: Option.toList options.Images, isPicture format)

            let! set = read format finder path

            let images =
                set.Annotated
                |> List.groupBy _.Image
                |> List.map (fun (_, images) -> named (merged images))

            let labels =
                images
                |> List.collect labelsOf
                |> List.distinct
                |> List.filter (fun label -> label <> "background" && label.Trim() <> "")
                |> List.sortWith (fun a b -> String.CompareOrdinal(a, b))

            do!
                if labels.Length > DatasetKeys.mostClasses then
                    Error(
                        McdrlError.data
                            $"there are {labels.Length} labels"
                            path
                            $"At most {DatasetKeys.mostClasses} classes can be told apart"
                    )
                else
                    Ok()

            let numbers =
                ("background", 0uy)
                :: (labels |> List.mapi (fun index label -> label, byte (index + 1)))
                |> Map.ofList

            let items =
                images
                |> List.filter _.Unclear.IsEmpty
                |> List.groupBy (site options folder)
                |> List.collect (fun (site, images) ->
                    stems images
                    |> List.map (fun (stem, image) ->
                        {
                            Site = site
                            Stem = stem
                            Image = image.Image
                            Mark = ImportMark.Drawn(image.Annotation, numbers)
                        }))
                |> List.sortWith (fun a b ->
                    match DatasetPairs.compareNames a.Site b.Site with
                    | 0 -> DatasetPairs.compareNames a.Stem b.Stem
                    | different -> different)

            let sameName =
                items
                |> List.groupBy (fun item -> item.Site, item.Stem)
                |> List.collect (fun (_, same) ->
                    same.Tail
                    |> List.map (fun item ->
                        Annotations.fault ImportFaultKind.SameName item.Image $"as {same.Head.Image}"))

            return
                {
                    Source =
                        { source with
                            Title = nameOf folder
                            Classes = labels
                        }
                    Items = items |> List.distinctBy (fun item -> item.Site, item.Stem)
                    Faults = set.Faults @ List.collect _.Unclear images @ sameName
                    Unmarked =
                        let annotated = images |> List.map _.Image |> Set.ofList

                        finder.All
                        |> List.filter (fun (_, file) -> not (annotated.Contains file))
                        |> List.length
                }
        }
