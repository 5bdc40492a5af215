namespace Mcdrl

open System.IO
open System.Text.Json

/// Instances in COCO's format, one JSON file: a region without holes is an outline along its pixels' edges, one with holes packed runs.
[<RequireQualifiedAccess>]
module CocoFile =
    let private segmentation (json: Utf8JsonWriter) onlyRuns (map: LabelMap) (region: Region) =
        if onlyRuns || not region.Holes.IsEmpty then
            json.WriteStartObject "segmentation"
            json.WriteStartArray "size"
            json.WriteNumberValue map.Height
            json.WriteNumberValue map.Width
            json.WriteEndArray()
            json.WriteString("counts", RegionRuns.pack (RegionRuns.byColumn map.Width map.Height region))
            json.WriteEndObject()
        else
            json.WriteStartArray "segmentation"
            json.WriteStartArray()

            for struct (x, y) in region.Outline do
                json.WriteNumberValue x
                json.WriteNumberValue y

            json.WriteEndArray()
            json.WriteEndArray()

    let private annotation (json: Utf8JsonWriter) onlyRuns (id: int) (image: int) map (region: Region) =
        json.WriteStartObject()
        json.WriteNumber("id", id)
        json.WriteNumber("image_id", image)
        json.WriteNumber("category_id", region.Label)
        json.WriteNumber("iscrowd", 0)
        json.WriteNumber("area", region.Area)
        json.WriteStartArray "bbox"

        for value in [ region.X; region.Y; region.Width; region.Height ] do
            json.WriteNumberValue value

        json.WriteEndArray()
        segmentation json onlyRuns map region
        json.WriteEndObject()

    let private categories (json: Utf8JsonWriter) (classes: (byte * string) list) =
        json.WriteStartArray "categories"

        for label, name in classes do
            json.WriteStartObject()
            json.WriteNumber("id", int label)
            json.WriteString("name", name)
            json.WriteEndObject()

        json.WriteEndArray()

    let private images (json: Utf8JsonWriter) (found: struct (string * int * int) seq) =
        json.WriteStartArray "images"

        for index, struct (name, width, height) in Seq.indexed found do
            json.WriteStartObject()
            json.WriteNumber("id", index + 1)
            json.WriteString("file_name", name)
            json.WriteNumber("width", width)
            json.WriteNumber("height", height)
            json.WriteEndObject()

        json.WriteEndArray()

    /// `write` for maps in memory, upright, each with its picture's name, into a stream.
    let writeTo
        (stream: Stream)
        (onlyRuns: bool)
        (classes: (byte * string) list)
        (maps: (string * LabelMap) seq)
        : unit =
        let labels = classes |> List.map (fst >> int) |> Set
        use json = new Utf8JsonWriter(stream)
        let pictures = ResizeArray()
        let mutable annotations = 0
        json.WriteStartObject()
        categories json classes
        json.WriteStartArray "annotations"

        for name, map in maps do
            pictures.Add(struct (name, map.Width, map.Height))

            for region in Contours.find map do
                if labels.Contains region.Label then
                    annotations <- annotations + 1
                    annotation json onlyRuns annotations pictures.Count map region

            json.Flush()

        json.WriteEndArray()
        images json pictures
        json.WriteEndObject()

    /// Writes the masks into one file; `classes` are the labels of the maps and their names, and a label without a name is left out. With
    /// `onlyRuns` no region is an outline.
    let write
        (onlyRuns: bool)
        (path: string)
        (classes: (byte * string) list)
        (masks: NamedMask list)
        : Result<unit, McdrlError> =
        NamedMasks.write path masks (fun stream maps ->
            maps
            |> Seq.map (fun (mask, map) -> mask.Name, map)
            |> writeTo stream onlyRuns classes)
