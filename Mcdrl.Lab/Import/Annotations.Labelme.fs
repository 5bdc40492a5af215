namespace Mcdrl

open System
open System.IO
open System.Text.Json

/// What labelme writes: a JSON file for each image, beside it.
[<RequireQualifiedAccess>]
module internal Labelme =
    let private text (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.String -> Option.ofObj (value.GetString())
        | _ -> None

    let private points (shape: JsonElement) =
        [|
            for point in shape.GetProperty("points").EnumerateArray() ->
                point[0].GetDouble(), point[1].GetDouble()
        |]

    /// The mask of a shape: a picture of the box between its two points.
    let private mask (left: float, top: float) (packed: string) : Result<ShapeArea, string> =
        let bytes = Array.zeroCreate<byte>(packed.Length * 3 / 4 + 3)

        match Convert.TryFromBase64String(packed, bytes.AsSpan()) with
        | false, _ -> Error "its mask can't be read"
        | true, length ->
            Png.decode ImageLimits.standard "mask" bytes[.. length - 1]
            |> Result.mapError (fun _ -> "its mask can't be read")
            |> Result.map (fun raster ->
                let isMarked pixel =
                    raster.Samples[pixel * raster.Channels] <> 0uy

                let lengths = ResizeArray [ 0 ]

                for pixel in 0 .. raster.Width * raster.Height - 1 do
                    if isMarked pixel <> (lengths.Count % 2 = 0) then
                        lengths.Add 0

                    lengths[lengths.Count - 1] <- lengths[lengths.Count - 1] + 1

                ShapeArea.Runs(int left, int top, raster.Width, raster.Height, false, lengths.ToArray()))

    let private area (shape: JsonElement) : Result<ShapeArea, string> =
        let points = points shape
        let kind = text shape "shape_type" |> Option.defaultValue "polygon"

        match kind, points, text shape "mask" with
        | "polygon", corners, _ -> Ok(ShapeArea.Outlines [ corners ])
        | "rectangle", [| one; other |], _ -> Ok(AnnotationShapes.rectangle one other)
        | "circle", [| (x, y); (edgeX, edgeY) |], _ ->
            let radius = sqrt ((edgeX - x) ** 2.0 + (edgeY - y) ** 2.0)
            Ok(AnnotationShapes.ellipse (x, y) radius radius)
        | "mask", points, Some packed when
            points.Length > 0 && abs (fst points[0]) < 1e6 && abs (snd points[0]) < 1e6
            ->
            mask points[0] packed
        | kind, _, _ -> Error $"a {kind} of {points.Length} points surrounds nothing"

    let private size (root: JsonElement) =
        match root.TryGetProperty "imageWidth", root.TryGetProperty "imageHeight" with
        | (true, width), (true, height) when
            width.ValueKind = JsonValueKind.Number
            && height.ValueKind = JsonValueKind.Number
            ->
            Some(width.GetInt32(), height.GetInt32())
        | _ -> None

    let private readRoot
        (path: string)
        (finder: PictureFinder)
        (root: JsonElement)
        : Result<AnnotationSet option, McdrlError> =
        match
            root.ValueKind = JsonValueKind.Object,
            lazy (root.TryGetProperty "shapes"),
            lazy (text root "imagePath")
        with
        | true, Lazy(true, shapes), Lazy(Some name) when shapes.ValueKind = JsonValueKind.Array ->
            let read =
                [
                    for shape in shapes.EnumerateArray() ->
                        area shape
                        |> Result.bind (
                            AnnotationShapes.shape (text shape "label" |> Option.defaultValue "") 0
                        )
                ]

            // The name as it is said, among pictures beside the file.
            let beside = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""
            let picture = finder.Find(Path.Combine(beside, name.Replace('\\', '/')))

            Ok(
                Some
                    {
                        Annotated =
                            match picture with
                            | Error _ -> []
                            | Ok(name, file) ->
                                [
                                    {
                                        Name = name
                                        Image = file
                                        Annotation =
                                            Annotation.Shapes(size root, read |> List.choose Result.toOption)
                                        Unclear =
                                            [
                                                for number, shape in List.indexed read do
                                                    match shape with
                                                    | Ok _ -> ()
                                                    | Error what ->
                                                        Annotations.fault
                                                            ImportFaultKind.UnclearShape
                                                            path
                                                            $"shape {number + 1}: {what}"
                                            ]
                                    }
                                ]
                        Faults =
                            [
                                match picture with
                                | Ok _ -> ()
                                | Error why ->
                                    Annotations.fault ImportFaultKind.MissingImage path $"{name}: {why}"
                            ]
                    }
            )
        | _ -> Ok None

    /// All files of the format in a folder and below.
    let read (finder: PictureFinder) (folder: string) : Result<AnnotationSet, McdrlError> =
        Annotations.files ".json" folder
        |> Result.bind (
            Annotations.ofJson folder "no JSON file with shapes and imagePath" (fun file ->
                readRoot file finder)
        )
