namespace Mcdrl

open System
open System.Text.Json
open FsToolkit.ErrorHandling

/// Instances in COCO's format: one JSON file with `images`, `annotations` and `categories`, outlines or runs.
[<RequireQualifiedAccess>]
module internal Coco =
    let private list (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.Array -> Some(List.ofSeq (value.EnumerateArray()))
        | _ -> None

    let private text (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.String -> Option.ofObj (value.GetString())
        | _ -> None

    /// Numbers or texts, whichever the tool uses.
    let private id (element: JsonElement) (name: string) = element.GetProperty(name).GetRawText()

    let private whole (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.Number ->
            match value.TryGetDouble() with
            | true, number when number >= 0.0 && number < 1e9 -> Some(int number)
            | _ -> None
        | _ -> None

    /// The lengths of runs that are packed into text: groups of five bits from the lowest, a sixth that says whether more follow, 48 added;
    /// from the fourth on each is told as the difference to the one before the last.
    let unpack (packed: string) : int[] option =
        let lengths = ResizeArray<int>()
        let mutable at = 0
        let mutable isWhole = true

        while isWhole && at < packed.Length do
            let mutable value, shift, more = 0L, 0, true

            while isWhole && more do
                if at >= packed.Length || shift > 30 then
                    isWhole <- false
                else
                    let bits = int64 packed[at] - 48L
                    at <- at + 1

                    if bits < 0L || bits > 63L then
                        isWhole <- false
                    else
                        value <- value ||| ((bits &&& 31L) <<< shift)
                        shift <- shift + 5
                        more <- bits &&& 32L <> 0L

                        if not more && bits &&& 16L <> 0L then
                            value <- value ||| (-1L <<< shift)

            if isWhole then
                let length =
                    if lengths.Count > 2 then
                        value + int64 lengths[lengths.Count - 2]
                    else
                        value

                if length < 0L || length > int64 Int32.MaxValue then
                    isWhole <- false
                else
                    lengths.Add(int length)

        if isWhole then Some(lengths.ToArray()) else None

    let private runs (segmentation: JsonElement) =
        let size = list segmentation "size" |> Option.defaultValue []

        let lengths =
            match segmentation.TryGetProperty "counts" with
            | true, counts when counts.ValueKind = JsonValueKind.String ->
                Option.ofObj (counts.GetString()) |> Option.bind unpack
            | true, counts when counts.ValueKind = JsonValueKind.Array ->
                Some [| for length in counts.EnumerateArray() -> length.GetInt32() |]
            | _ -> None

        match size, lengths with
        | [ height; width ], Some lengths ->
            Ok(ShapeArea.Runs(0, 0, width.GetInt32(), height.GetInt32(), true, lengths))
        | _ -> Error "its runs can't be read"

    let private outlines (segmentation: JsonElement) =
        let corners =
            [
                for outline in segmentation.EnumerateArray() ->
                    AnnotationShapes.corners
                        [| for number in outline.EnumerateArray() -> number.GetDouble() |]
            ]

        if corners |> List.exists Option.isNone then
            Error "it has an outline with an odd number of coordinates"
        else
            // Of one or two corners nothing is surrounded: some tools leave such beside true ones.
            match
                corners
                |> List.choose (fun corners -> corners)
                |> List.filter (fun corners -> corners.Length > 2)
            with
            | [] -> Error "it has no outline"
            | corners -> Ok(ShapeArea.Outlines corners)

    let private area (annotation: JsonElement) : Result<ShapeArea, string> =
        match annotation.TryGetProperty "segmentation" with
        | true, segmentation when
            segmentation.ValueKind = JsonValueKind.Array
            && segmentation.GetArrayLength() > 0
            ->
            outlines segmentation
        | true, segmentation when segmentation.ValueKind = JsonValueKind.Object -> runs segmentation
        | _ -> Error "it is a box without an outline"

    let private readRoot
        (path: string)
        (finder: PictureFinder)
        (root: JsonElement)
        : Result<AnnotationSet option, McdrlError> =
        match
            root.ValueKind = JsonValueKind.Object, lazy (list root "images"), lazy (list root "categories")
        with
        | true, Lazy(Some images), Lazy(Some categories) ->
            let annotations = list root "annotations" |> Option.defaultValue []

            let labels =
                categories
                |> List.map (fun category -> id category "id", text category "name" |> Option.defaultValue "")
                |> Map.ofList

            let drawn =
                annotations
                |> List.map (fun annotation ->
                    let shape =
                        match labels.TryFind(id annotation "category_id") with
                        | None -> Error "its category isn't declared"
                        | Some label -> area annotation |> Result.bind (AnnotationShapes.shape label 0)

                    id annotation "image_id", shape |> Result.mapError (fun what -> id annotation "id", what))
                |> List.groupBy fst
                |> Map.ofList

            let found =
                images
                |> List.map (fun image ->
                    let name = text image "file_name" |> Option.defaultValue ""

                    let shapes =
                        Map.tryFind (id image "id") drawn |> Option.defaultValue [] |> List.map snd

                    name,
                    finder.Find name
                    |> Result.map (fun (found, file) ->
                        {
                            Name = found
                            Image = file
                            Annotation =
                                Annotation.Shapes(
                                    Option.map2
                                        (fun width height -> width, height)
                                        (whole image "width")
                                        (whole image "height"),
                                    shapes |> List.choose Result.toOption
                                )
                            Unclear =
                                [
                                    for shape in shapes do
                                        match shape with
                                        | Ok _ -> ()
                                        | Error(number, what) ->
                                            Annotations.fault
                                                ImportFaultKind.UnclearShape
                                                path
                                                $"annotation {number} of {name}: {what}"
                                ]
                        }))

            Ok(
                Some
                    {
                        Annotated = found |> List.choose (snd >> Result.toOption)
                        Faults =
                            [
                                for name, image in found do
                                    match image with
                                    | Ok _ -> ()
                                    | Error why ->
                                        Annotations.fault ImportFaultKind.MissingImage path $"{name}: {why}"
                            ]
                    }
            )
        | _ -> Ok None

    /// All files of the format in a folder, or one file; what else is JSON there is passed over.
    let read (finder: PictureFinder) (path: string) : Result<AnnotationSet, McdrlError> =
        result {
            let! files =
                if IO.File.Exists path then
                    Ok [ path ]
                else
                    Annotations.files ".json" path

            return!
                files
                |> Annotations.ofJson path "no JSON file with images, annotations and categories" (fun file ->
                    readRoot file finder)
        }
