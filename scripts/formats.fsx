// Writes a dataset's masks in every format, reads the files by what the formats say, and counts what differs:
// `dotnet fsi scripts/formats.fsx DATASET FOLDER`. Seconds are those of one processor. How `data import` reads them is what tests see to.
#load "load.fsx"
#r "BitMiracle.LibTiff.NET.dll"

open System
open System.Diagnostics
open System.IO
open System.IO.Compression
open System.Text.Json
open System.Xml.Linq
open BitMiracle.LibTiff.Classic
open Mcdrl

let given = fsi.CommandLineArgs

let orStop result =
    result |> Result.defaultWith (McdrlError.describe >> failwith)

let dataset = orStop (Dataset.load given[1])
let folder = Path.GetFullPath given[2]
let classes = DatasetExport.classes dataset
let labelOf = classes |> List.map (fun (label, name) -> name, label) |> dict

let truth =
    [
        for site in dataset.Sites do
            for mask in DatasetExport.masks dataset site do
                let map = orStop (mask.Read())
                { mask with Read = fun () -> Ok map }, map
    ]

let maps =
    dict
        [
            for mask, map in truth ->
                mask.Name,
                { map with
                    Labels = Array.zeroCreate map.Labels.Length
                }
        ]

let timed work =
    use self = Process.GetCurrentProcess()
    let before = self.TotalProcessorTime
    work ()
    self.Refresh()
    (self.TotalProcessorTime - before).TotalSeconds

/// Fills what a polygon along edges of pixels surrounds.
let fill (map: LabelMap) label (corners: int[][]) =
    let inside = Array.zeroCreate<bool>(map.Labels.Length + 1)

    for (here, next) in Seq.zip corners (Seq.append (Seq.skip 1 corners) [ corners[0] ]) do
        if here[0] = next[0] && here[0] < map.Width then
            for y in min here[1] next[1] .. max here[1] next[1] - 1 do
                inside[y * map.Width + here[0]] <- not inside[y * map.Width + here[0]]

    for y in 0 .. map.Height - 1 do
        let mutable isIn = false

        for pixel in y * map.Width .. (y + 1) * map.Width - 1 do
            isIn <- isIn <> inside[pixel]

            if isIn then
                map.Labels[pixel] <- label

/// Marks the pixels of every second run, which `place` finds.
let mark (map: LabelMap) label (lengths: int seq) (place: int -> int) =
    let mutable at = 0

    for index, length in Seq.indexed lengths do
        if index % 2 = 1 then
            for pixel in at .. at + length - 1 do
                map.Labels[place pixel] <- label

        at <- at + length

let unpacked (text: string) =
    let lengths = ResizeArray<int>()
    let mutable value, shift = 0, 0

    for letter in text do
        let bits = int letter - 48
        value <- value ||| ((bits &&& 31) <<< shift)
        shift <- shift + 5

        if bits &&& 32 = 0 then
            if bits &&& 16 <> 0 then
                value <- value ||| (-1 <<< shift)

            lengths.Add(
                if lengths.Count > 2 then
                    value + lengths[lengths.Count - 2]
                else
                    value
            )

            value <- 0
            shift <- 0

    lengths

let numbers (element: JsonElement) =
    [| for number in element.EnumerateArray() -> number.GetInt32() |]

let json path read =
    use document = JsonDocument.Parse(File.ReadAllBytes path)
    read document.RootElement

let readCoco path =
    json path (fun root ->
        let names =
            dict
                [
                    for image in root.GetProperty("images").EnumerateArray() ->
                        image.GetProperty("id").GetInt32(), string (image.GetProperty "file_name")
                ]

        for annotation in root.GetProperty("annotations").EnumerateArray() do
            let map = maps[names[annotation.GetProperty("image_id").GetInt32()]]
            let label = byte (annotation.GetProperty("category_id").GetInt32())
            let segmentation = annotation.GetProperty "segmentation"

            if segmentation.ValueKind = JsonValueKind.Array then
                segmentation[0] |> numbers |> Array.chunkBySize 2 |> fill map label
            else
                mark map label (unpacked (string (segmentation.GetProperty "counts"))) (fun pixel ->
                    pixel % map.Height * map.Width + pixel / map.Height))

let readCvat (path: string) =
    for image in XDocument.Load(path).Descendants "image" do
        let text (element: XElement) (name: string) =
            (nonNull (element.Attribute name)).Value

        let map = maps[text image "name"]

        for shape in image.Elements() do
            let label = labelOf[text shape "label"]

            if shape.Name.LocalName = "polygon" then
                (text shape "points").Split ';'
                |> Array.map (fun point -> point.Split ',' |> Array.map int)
                |> fill map label
            else
                let whole name = int (text shape name)
                let left, top, width = whole "left", whole "top", whole "width"

                mark map label ((text shape "rle").Split ',' |> Seq.map int) (fun pixel ->
                    (top + pixel / width) * map.Width + left + pixel % width)

let readLabelme out name (map: LabelMap) =
    json (Path.Combine(out, "labelme", nonNull (Path.ChangeExtension(name, ".json")))) (fun root ->
        for shape in root.GetProperty("shapes").EnumerateArray() do
            let label = labelOf[string (shape.GetProperty "label")]

            let points =
                [| for point in shape.GetProperty("points").EnumerateArray() -> numbers point |]

            if string (shape.GetProperty "shape_type") = "polygon" then
                fill map label points
            else
                let box =
                    Convert.FromBase64String(string (shape.GetProperty "mask"))
                    |> Masks.decode ImageLimits.standard name
                    |> orStop

                for pixel in 0 .. box.Labels.Length - 1 do
                    if box.Labels[pixel] = 1uy then
                        map.Labels[(points[0][1] + pixel / box.Width) * map.Width
                                   + points[0][0]
                                   + pixel % box.Width] <- label)

let readNrrd out name (map: LabelMap) =
    let bytes =
        File.ReadAllBytes(Path.Combine(out, nonNull (Path.ChangeExtension(name, ".seg.nrrd"))))

    let data = bytes.AsSpan().IndexOf("\n\n"B) + 2

    use packed =
        new GZipStream(new MemoryStream(bytes, data, bytes.Length - data), CompressionMode.Decompress)

    packed.ReadExactly(map.Labels, 0, map.Labels.Length)

let readTiff path =
    use tiff = nonNull (Tiff.Open(path, "r"))
    let mutable isMore = true

    while isMore do
        let name = nonNull (tiff.GetField TiffTag.PAGENAME)
        let labels = maps[string name[0]].Labels
        tiff.ReadEncodedStrip(0, labels, 0, labels.Length) |> ignore
        isMore <- tiff.ReadDirectory()

let dice (truth: byte[]) (found: byte[]) =
    let both =
        Array.fold2 (fun sum a b -> if a <> 0uy && a = b then sum + 1 else sum) 0 truth found

    let marked labels =
        labels |> Array.sumBy (fun label -> if label = 0uy then 0 else 1)

    let all = marked truth + marked found
    if all = 0 then 1.0 else 2.0 * float both / float all

printfn "| format | write, s | MB | read, s | masks | pixels that differ | smallest Dice |"
printfn "|---|---|---|---|---|---|---|"

for name, format in MaskFiles.formats do
    let out = Path.Combine(folder, name)
    let masks = List.map fst truth
    let writing = timed (fun () -> orStop (MaskFiles.write out classes masks format))
    let files = MaskFiles.paths out format masks
    let bytes = files |> List.sumBy (fun path -> (FileInfo path).Length)

    for map in maps.Values do
        Array.Clear map.Labels

    let reading =
        timed (fun () ->
            match format with
            | MaskFormat.Coco
            | MaskFormat.CocoRle -> readCoco files.Head
            | MaskFormat.Cvat -> readCvat files.Head
            | MaskFormat.Labelme -> Seq.iter (fun name -> readLabelme out name maps[name]) maps.Keys
            | MaskFormat.Nrrd -> Seq.iter (fun name -> readNrrd out name maps[name]) maps.Keys
            | MaskFormat.Tiff -> readTiff files.Head)

    let found = [ for mask, map in truth -> map.Labels, maps[mask.Name].Labels ]

    let differing =
        found
        |> List.sumBy (fun (a, b) -> Array.fold2 (fun sum a b -> if a = b then sum else sum + 1) 0 a b)

    let smallest = found |> List.map (fun (a, b) -> dice a b) |> List.min

    printfn
        $"| `{name}` | {writing:F1} | {float bytes / 1e6:F1} | {reading:F1} | {found.Length} | {differing} | {smallest:F4} |"
