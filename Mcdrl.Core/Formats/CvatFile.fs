namespace Mcdrl

open System.Globalization
open System.IO
open System.Text
open System.Xml

/// “CVAT for images 1.1”, one XML file: a region without holes is a polygon along its pixels' edges, one with holes a mask.
[<RequireQualifiedAccess>]
module CvatFile =
    let private settings =
        XmlWriterSettings(Indent = true, Encoding = UTF8Encoding false)

    let private text (value: int) =
        value.ToString CultureInfo.InvariantCulture

    let private attributes (xml: XmlWriter) (pairs: (string * string) list) =
        for name, value in pairs do
            xml.WriteAttributeString(name, value)

    let private exact (outline: struct (int * int)[]) =
        outline
        |> Array.map (fun struct (x, y) -> $"{text x},{text y}")
        |> String.concat ";"

    let private half (value: float) =
        value.ToString("0.#", CultureInfo.InvariantCulture)

    let private simplified (outline: struct (int * int)[]) =
        OutlineSimplification.simplified outline
        |> Seq.map (fun struct (x, y) -> $"{half x},{half y}")
        |> String.concat ";"

    let private region (xml: XmlWriter) points (name: string) (region: Region) =
        let common = [ "label", name; "source", "file"; "occluded", "0"; "z_order", "0" ]

        if region.Holes.IsEmpty then
            xml.WriteStartElement "polygon"
            attributes xml (common @ [ "points", points region.Outline ])
        else
            xml.WriteStartElement "mask"

            attributes
                xml
                (common
                 @ [
                     "rle", RegionRuns.byRow region |> Array.map text |> String.concat ", "
                     "left", text region.X
                     "top", text region.Y
                     "width", text region.Width
                     "height", text region.Height
                 ])

        xml.WriteEndElement()

    let private labels (xml: XmlWriter) (classes: (byte * string) list) =
        for name in [ "meta"; "task"; "labels" ] do
            xml.WriteStartElement name

        for label, name in classes do
            let red, green, blue = ClassColours.palette[int label]
            xml.WriteStartElement "label"
            xml.WriteElementString("name", Printable.line name)
            xml.WriteElementString("color", $"#{red:x2}{green:x2}{blue:x2}")
            xml.WriteEndElement()

        for _ in 1..3 do
            xml.WriteEndElement()

    let private writeBy
        points
        (path: string)
        (classes: (byte * string) list)
        (masks: NamedMask list)
        : Result<unit, McdrlError> =
        let names = Map.ofList classes

        NamedMasks.write path masks (fun stream maps ->
            use xml = XmlWriter.Create(stream, settings)

            xml.WriteStartElement "annotations"
            xml.WriteElementString("version", "1.1")
            labels xml classes

            for index, (mask, map) in Seq.indexed maps do
                xml.WriteStartElement "image"

                attributes
                    xml
                    [
                        "id", text index
                        "name", Printable.line mask.Name
                        "width", text map.Width
                        "height", text map.Height
                    ]

                for found in Contours.find map do
                    match names.TryFind(byte found.Label) with
                    | Some name -> region xml points (Printable.line name) found
                    | None -> ()

                xml.WriteEndElement()

            xml.WriteEndElement())

    /// Writes the masks into one file; `classes` are the labels of the maps and their names. A label without a name is left out.
    let write path classes masks : Result<unit, McdrlError> = writeBy exact path classes masks

    /// `write` for hands that move corners: polygons have the fewer corners of `OutlineSimplification`, and so are less than half a pixel off.
    let writeEditable path classes masks : Result<unit, McdrlError> = writeBy simplified path classes masks
