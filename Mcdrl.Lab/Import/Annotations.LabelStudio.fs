namespace Mcdrl

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling

/// What Label Studio exports: its JSON, which says what image a task has and holds its polygons, and a PNG for each brush mark.
[<RequireQualifiedAccess>]
module internal LabelStudio =
    /// A mask's name: task, annotation, and the label between `tag` and a number.
    let private maskName =
        Regex(
            @"^task-([0-9]{1,9})-annotation-([0-9]{1,9})-.*?tag-(.+)-[0-9]+\z",
            RegexOptions.CultureInvariant
        )

    /// Whether a file is named as a brush mark is.
    let isMask (path: string) : bool =
        maskName.IsMatch(nonNull (Path.GetFileNameWithoutExtension path))

    type private Mask =
        {
            Annotation: int
            Label: string
            Path: string
        }

    let private masksOf (files: string list) =
        files
        |> List.choose (fun path ->
            let found = maskName.Match(nonNull (Path.GetFileNameWithoutExtension path))

            if found.Success then
                Some(
                    int found.Groups[1].Value,
                    {
                        Annotation = int found.Groups[2].Value
                        Label = found.Groups[3].Value
                        Path = path
                    }
                )
            else
                None)
        |> List.groupBy fst
        |> List.map (fun (task, masks) -> task, List.map snd masks)
        |> Map.ofList

    let private text (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.String -> Option.ofObj (value.GetString())
        | _ -> None

    /// The name of a task's image: the text in `data` that is named as a picture.
    let private imageOf (task: JsonElement) =
        match task.TryGetProperty "data" with
        | true, data when data.ValueKind = JsonValueKind.Object ->
            data.EnumerateObject()
            |> Seq.choose (fun property ->
                if property.Value.ValueKind = JsonValueKind.String then
                    Option.ofObj (property.Value.GetString())
                else
                    None)
            // A file of a served folder is named in the address's query: /data/local-files/?d=west/0001.png
            |> Seq.map (fun address ->
                match address.IndexOf("?d=", StringComparison.Ordinal) with
                | -1 -> address.Split('?').[0]
                | at -> address.Substring(at + 3)
                |> Uri.UnescapeDataString)
            |> Seq.tryFind Images.isNamedAsImage
        | _ -> None

    /// The annotation of a task that counts, of several the last: its number and what was marked. None where nobody looked at it.
    let private latest (task: JsonElement) =
        match task.TryGetProperty "annotations" with
        | true, annotations when annotations.ValueKind = JsonValueKind.Array ->
            annotations.EnumerateArray()
            |> Seq.filter (fun annotation ->
                match annotation.TryGetProperty "was_cancelled" with
                | true, cancelled -> cancelled.ValueKind <> JsonValueKind.True
                | _ -> true)
            |> Seq.map (fun annotation ->
                annotation.GetProperty("id").GetInt32(),
                List.ofSeq (annotation.GetProperty("result").EnumerateArray()))
            |> Seq.sortBy fst
            |> Seq.tryLast
        | _ -> None

    /// A mark that the JSON itself holds, `None` for one that doesn't say where anything is. Coordinates are shares in percent.
    let private shape (mark: JsonElement) : Result<Shape, string> option =
        let kind = text mark "type" |> Option.defaultValue ""
        let value = mark.GetProperty "value"

        let label =
            match value.TryGetProperty kind with
            | true, labels when labels.ValueKind = JsonValueKind.Array && labels.GetArrayLength() > 0 ->
                Option.ofObj (labels[0].GetString()) |> Option.defaultValue ""
            | _ -> ""

        let ofShare (name: string) (share: JsonElement) =
            share.GetDouble() / 100.0 * mark.GetProperty(name).GetDouble()

        let x, y = ofShare "original_width", ofShare "original_height"

        let drawn area =
            Some(AnnotationShapes.shape label 0 area)

        let isTurned =
            match value.TryGetProperty "rotation" with
            | true, turn -> turn.GetDouble() <> 0.0
            | _ -> false

        let at (name: string) = value.GetProperty name

        match kind with
        | "polygonlabels" ->
            drawn (
                ShapeArea.Outlines
                    [ [| for point in at("points").EnumerateArray() -> x point[0], y point[1] |] ]
            )
        | "rectanglelabels" when not isTurned ->
            let left, top = x (at "x"), y (at "y")
            drawn (AnnotationShapes.rectangle (left, top) (left + x (at "width"), top + y (at "height")))
        | "ellipselabels" when not isTurned ->
            drawn (AnnotationShapes.ellipse (x (at "x"), y (at "y")) (x (at "radiusX")) (y (at "radiusY")))
        | "rectanglelabels"
        | "ellipselabels" -> Some(Error "it is turned")
        | _ -> None

    let private size (marks: JsonElement list) =
        marks
        |> List.tryPick (fun mark ->
            match mark.TryGetProperty "original_width", mark.TryGetProperty "original_height" with
            | (true, width), (true, height) -> Some(width.GetInt32(), height.GetInt32())
            | _ -> None)

    let private readTask path (finder: PictureFinder) (masks: Map<int, Mask list>) (task: JsonElement) =
        let number = task.GetProperty("id").GetInt32()

        match imageOf task, latest task with
        | _, None -> None, []
        | None, Some _ ->
            None,
            [
                Annotations.fault ImportFaultKind.MissingImage path $"task {number} names no picture"
            ]
        | Some image, Some(annotation, marks) ->
            let shapes = marks |> List.choose shape

            let layers =
                masks.TryFind number
                |> Option.defaultValue []
                |> List.filter (fun mask -> mask.Annotation = annotation)
                |> List.map (fun mask -> mask.Label, mask.Path)

            let brushed =
                marks |> List.exists (fun mark -> text mark "type" = Some "brushlabels")

            let unclear =
                [
                    for shape in shapes do
                        match shape with
                        | Ok _ -> ()
                        | Error what -> what

                    if brushed && layers.IsEmpty then
                        "it has brush marks and there is no PNG of them"

                    if not (layers.IsEmpty || shapes.IsEmpty) then
                        "it has both brush marks and outlines, of which only one kind is read"
                ]

            let found =
                match finder.Find image with
                | Error why -> Error why
                | Ok(name, file) ->
                    Ok
                        {
                            Name = name
                            Image = file
                            Annotation =
                                if layers.IsEmpty then
                                    Annotation.Shapes(size marks, shapes |> List.choose Result.toOption)
                                else
                                    Annotation.Layers layers
                            Unclear =
                                [
                                    for what in unclear ->
                                        Annotations.fault
                                            ImportFaultKind.UnclearShape
                                            path
                                            $"task {number}: {what}"
                                ]
                        }

            Result.toOption found,
            [
                match found with
                | Ok _ -> ()
                | Error why -> Annotations.fault ImportFaultKind.MissingImage path $"{image}: {why}"
            ]

    let private readRoot path finder masks (root: JsonElement) : Result<AnnotationSet option, McdrlError> =
        let isTask (item: JsonElement) =
            item.ValueKind = JsonValueKind.Object
            && fst (item.TryGetProperty "data")
            && fst (item.TryGetProperty "annotations")

        if
            root.ValueKind = JsonValueKind.Array
            && root.GetArrayLength() > 0
            && Seq.forall isTask (root.EnumerateArray())
        then
            let read = [ for task in root.EnumerateArray() -> readTask path finder masks task ]

            Ok(
                Some
                    {
                        Annotated = read |> List.choose fst
                        Faults = read |> List.collect snd
                    }
            )
        else
            Ok None

    /// The JSON exports in a folder and below, with the masks that lie there.
    let read (finder: PictureFinder) (folder: string) : Result<AnnotationSet, McdrlError> =
        result {
            let! files = Annotations.files ".json" folder
            let! pictures = Annotations.files ".png" folder
            let masks = masksOf pictures

            let nothing =
                if masks.IsEmpty then
                    "no JSON export with data and annotations of each task"
                else
                    "no JSON export, which says what image each PNG's task has,"

            return!
                files
                |> Annotations.ofJson folder nothing (fun file -> readRoot file finder masks)
        }
