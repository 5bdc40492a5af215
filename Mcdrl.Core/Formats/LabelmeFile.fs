namespace Mcdrl

open System
open System.IO
open System.Text.Json

/// What labelme reads, a JSON file for a picture: a region without holes is a polygon along its pixels' edges, one with holes a mask (labelme
/// 5.3 and later).
[<RequireQualifiedAccess>]
module LabelmeFile =
    /// The version whose shapes these are.
    let private version = "5.3.1"

    let private points (json: Utf8JsonWriter) (corners: struct (int * int) seq) =
        json.WriteStartArray "points"

        for struct (x, y) in corners do
            json.WriteStartArray()
            json.WriteNumberValue x
            json.WriteNumberValue y
            json.WriteEndArray()

        json.WriteEndArray()

    /// A grey PNG of the region's box, 1 where it is marked, in base 64.
    let private mask (region: Region) =
        use png = new MemoryStream()
        let marked = RegionRuns.box region |> Array.map Convert.ToByte
        Png.write png region.Width region.Height None marked
        Convert.ToBase64String(png.GetBuffer(), 0, int png.Length)

    let private shape (json: Utf8JsonWriter) (label: string) (region: Region) =
        json.WriteStartObject()
        json.WriteString("label", label)

        if region.Holes.IsEmpty then
            points json region.Outline
            json.WriteString("shape_type", "polygon")
        else
            points
                json
                [
                    struct (region.X, region.Y)
                    struct (region.X + region.Width - 1, region.Y + region.Height - 1)
                ]

            json.WriteString("shape_type", "mask")
            json.WriteString("mask", mask region)

        json.WriteNull "group_id"
        json.WriteString("description", "")
        json.WriteStartObject "flags"
        json.WriteEndObject()
        json.WriteEndObject()

    /// Writes the file of one picture, `image` as seen from the folder of `path`; `classes` are the labels of the map and their names, and a label without a
    /// name is left out.
    let write
        (path: string)
        (classes: (byte * string) list)
        (image: string)
        (map: LabelMap)
        : Result<unit, McdrlError> =
        let names = Map.ofList classes

        Files.writeAtomically path (fun stream ->
            use json = new Utf8JsonWriter(stream)
            json.WriteStartObject()
            json.WriteString("version", version)
            json.WriteStartObject "flags"
            json.WriteEndObject()
            json.WriteStartArray "shapes"

            for region in Contours.find map do
                names.TryFind(byte region.Label)
                |> Option.iter (fun name -> shape json name region)

            json.WriteEndArray()
            json.WriteString("imagePath", image)
            json.WriteNull "imageData"
            json.WriteNumber("imageHeight", map.Height)
            json.WriteNumber("imageWidth", map.Width)
            json.WriteEndObject())
