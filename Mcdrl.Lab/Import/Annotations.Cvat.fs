namespace Mcdrl

open System
open System.Globalization
open System.IO
open System.Xml
open System.Xml.Linq
open FsToolkit.ErrorHandling

/// What CVAT exports: “Segmentation mask 1.1” (`labelmap.txt` and PNG masks of its colours) and “CVAT for images 1.1” (`annotations.xml`).
[<RequireQualifiedAccess>]
module internal Cvat =
    let private invariant = CultureInfo.InvariantCulture

    let private number (text: string) =
        match Double.TryParse(text, NumberStyles.Float, invariant) with
        | true, number when Double.IsFinite number -> Some number
        | _ -> None

    let private whole (text: string) =
        match Int32.TryParse(text.Trim(), NumberStyles.Integer, invariant) with
        | true, number -> Some number
        | _ -> None

    let private attribute (name: string) (element: XElement) =
        element.Attribute(XName.Get name) |> Option.ofObj |> Option.map _.Value

    let private numbers (names: string list) (element: XElement) : float list option =
        names
        |> Annotations.each (fun name -> attribute name element |> Option.bind number)

    let private outline (points: string) : ShapeArea option =
        points.Split(';', StringSplitOptions.RemoveEmptyEntries)
        |> List.ofArray
        |> Annotations.each (fun point ->
            match point.Split ',' |> Array.map number with
            | [| Some x; Some y |] -> Some(x, y)
            | _ -> None)
        |> Option.map (fun corners -> ShapeArea.Outlines [ Array.ofList corners ])

    let private runs (element: XElement) : ShapeArea option =
        let lengths =
            attribute "rle" element
            |> Option.bind (fun text ->
                text.Split(',', StringSplitOptions.RemoveEmptyEntries)
                |> List.ofArray
                |> Annotations.each whole)

        match
            lengths,
            [ "left"; "top"; "width"; "height" ]
            |> Annotations.each (fun name -> attribute name element |> Option.bind whole)
        with
        | Some lengths, Some [ left; top; width; height ] ->
            Some(ShapeArea.Runs(left, top, width, height, false, Array.ofList lengths))
        | _ -> None

    let private area (element: XElement) : Result<ShapeArea, string> =
        let turned =
            attribute "rotation" element |> Option.bind number |> Option.exists ((<>) 0.0)

        let found =
            match element.Name.LocalName with
            | "polygon" -> attribute "points" element |> Option.bind outline
            | "mask" -> runs element
            | "box" when not turned ->
                match numbers [ "xtl"; "ytl"; "xbr"; "ybr" ] element with
                | Some [ left; top; right; bottom ] ->
                    Some(AnnotationShapes.rectangle (left, top) (right, bottom))
                | _ -> None
            | "ellipse" when not turned ->
                match numbers [ "cx"; "cy"; "rx"; "ry" ] element with
                | Some [ x; y; alongX; alongY ] -> Some(AnnotationShapes.ellipse (x, y) alongX alongY)
                | _ -> None
            | _ -> None

        match found with
        | Some area -> Ok area
        | None when turned -> Error $"a {element.Name.LocalName} that is turned isn't read"
        | None -> Error $"a {element.Name.LocalName} surrounds nothing, or can't be read"

    /// What an image holds that isn't drawn.
    let private undrawn = set [ "tag" ]

    let private readImage (path: string) (finder: PictureFinder) (image: XElement) =
        let name = attribute "name" image |> Option.defaultValue ""

        let shapes =
            [
                for element in image.Elements() do
                    if not (undrawn.Contains element.Name.LocalName) then
                        let label = attribute "label" element |> Option.defaultValue ""

                        let height =
                            attribute "z_order" element |> Option.bind whole |> Option.defaultValue 0

                        area element |> Result.bind (AnnotationShapes.shape label height)
            ]

        let size =
            Option.map2
                (fun width height -> width, height)
                (attribute "width" image |> Option.bind whole)
                (attribute "height" image |> Option.bind whole)

        let found = finder.Find name

        let faults =
            [
                match found with
                | Ok _ -> ()
                | Error why -> Annotations.fault ImportFaultKind.MissingImage path $"{name}: {why}"
            ]

        found
        |> Result.toOption
        |> Option.map (fun (found, file) ->
            {
                Name = found
                Image = file
                Annotation = Annotation.Shapes(size, shapes |> List.choose Result.toOption)
                Unclear =
                    [
                        for shape in shapes do
                            match shape with
                            | Ok _ -> ()
                            | Error what ->
                                Annotations.fault ImportFaultKind.UnclearShape path $"in {name}, {what}"
                    ]
            }),
        faults

    let private xmlSettings =
        XmlReaderSettings(
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = Annotations.bounds.MostBytes
        )

    /// How deep elements may lie in each other.
    let private deepest = 32

    let private isTooDeep (text: string) =
        use reader = XmlReader.Create(new StringReader(text), xmlSettings)
        let mutable found = false

        while not found && reader.Read() do
            found <- reader.Depth > deepest

        found

    let private ofXml (path: string) (finder: PictureFinder) : Result<AnnotationSet, McdrlError> =
        Files.readText Annotations.bounds.MostBytes path
        |> Result.bind (fun text ->
            try
                if isTooDeep text then
                    Error(Annotations.refuse path $"it has elements in more than {deepest} others")
                else
                    use reader = XmlReader.Create(new StringReader(text), xmlSettings)
                    Ok(XDocument.Load reader)
            with :? XmlException as problem ->
                Error(Annotations.refuse path (problem.Message.TrimEnd '.')))
        |> Result.bind (fun document ->
            let root = nonNull document.Root
            let images = root.Elements(XName.Get "image") |> List.ofSeq

            if images.IsEmpty && not (Seq.isEmpty (root.Elements(XName.Get "track"))) then
                Error(
                    McdrlError.data
                        "these are tracks of a video, without its frames"
                        path
                        "Export it as “CVAT for images 1.1”, with the images"
                )
            else
                let read = images |> List.map (readImage path finder)

                Ok
                    {
                        Annotated = read |> List.choose fst
                        Faults = read |> List.collect snd
                    })

    /// The colours of `labelmap.txt`: a line for each label, `name:red,green,blue:parts:actions`.
    let private labelMap (path: string) : Result<((byte * byte * byte) * string option) list, McdrlError> =
        let colour (line: string) =
            let parts = line.Split ':'

            match parts.Length > 1, lazy (parts[1].Split ',' |> List.ofArray |> Annotations.each whole) with
            | true, Lazy(Some [ red; green; blue ]) when
                [ red; green; blue ] |> List.forall (fun value -> value >= 0 && value < 256)
                ->
                Some(
                    (byte red, byte green, byte blue),
                    (if parts[0] = "background" then None else Some parts[0])
                )
            | _ -> None

        Files.readText 1_000_000L path
        |> Result.bind (fun text ->
            text.Split '\n'
            |> Seq.map _.Trim()
            |> Seq.filter (fun line -> line <> "" && not (line.StartsWith '#'))
            |> List.ofSeq
            |> Annotations.each colour
            |> function
                | Some meanings when (List.distinctBy fst meanings).Length = meanings.Length -> Ok meanings
                | Some _ -> Error(Annotations.refuse path "two labels have the same colour")
                | None -> Error(Annotations.refuse path "a line isn't name:red,green,blue"))

    let private ofMasks (path: string) (finder: PictureFinder) : Result<AnnotationSet, McdrlError> =
        result {
            let! meanings = labelMap path
            let folder = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""
            let! masks = Annotations.files ".png" (Path.Combine(folder, "SegmentationClass"))

            let read =
                masks
                |> List.map (fun mask ->
                    let stem =
                        Path.ChangeExtension(
                            Path.GetRelativePath(Path.Combine(folder, "SegmentationClass"), mask),
                            null
                        )
                        |> nonNull

                    finder.FindStem stem
                    |> Result.map (fun (name, file) ->
                        {
                            Name = name
                            Image = file
                            Annotation = Annotation.Coloured(mask, meanings)
                            Unclear = []
                        })
                    |> Result.mapError (fun why -> Annotations.fault ImportFaultKind.MissingImage mask why))

            return
                {
                    Annotated = read |> List.choose Result.toOption
                    Faults =
                        read
                        |> List.choose (function
                            | Ok _ -> None
                            | Error fault -> Some fault)
                }
        }

    /// Whether a picture of an export is a mask.
    let isMask (path: string) : bool =
        path.Split '/'
        |> Array.exists (fun part -> part = "SegmentationClass" || part = "SegmentationObject")

    /// All exports of either format in a folder and below.
    let read (finder: PictureFinder) (folder: string) : Result<AnnotationSet, McdrlError> =
        result {
            let! texts = Annotations.files "labelmap.txt" folder
            let! documents = Annotations.files "annotations.xml" folder

            let! sets =
                [ for path in texts -> ofMasks path finder ]
                @ [ for path in documents -> ofXml path finder ]
                |> List.sequenceResultM

            return!
                Annotations.joined
                    folder
                    "no labelmap.txt with SegmentationClass, and no annotations.xml,"
                    sets
        }
