module Mcdrl.Tests.FormatsTests

open System
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests

/// Noise, and blobs with holes: what is hard to outline, and what masks look like.
let private drawn (seed: int) : LabelMap =
    let generator = Random seed
    let width, height = 1 + generator.Next 40, 1 + generator.Next 40

    let labels =
        if seed % 3 = 0 then
            Array.init (width * height) (fun _ -> byte (generator.Next 3))
        else
            let x, y = generator.Next width, generator.Next height
            let radius = 2 + generator.Next 15

            Array.init (width * height) (fun pixel ->
                let distance =
                    (pixel % width - x) * (pixel % width - x)
                    + (pixel / width - y) * (pixel / width - y)

                if distance < radius * radius / 9 then 2uy
                elif distance < radius * radius / 4 then 0uy
                elif distance < radius * radius then 1uy
                else 0uy)

    {
        Width = width
        Height = height
        Labels = labels
    }

/// Classes whose names are hard to write.
let private classes = [ 1uy, "polyp & <\"flat\">"; 2uy, "Geschwür ä" ]

/// The dataset that `data import` makes of exports in folders below `out`, whose pictures are in `in`.
let private importedFrom format (folder: string) labels (exports: string list) =
    let source = Expect.wantOk (ImportCatalogue.find format) format

    let report =
        Import.run
            {
                Sources = [ for export in exports -> source, Path.Combine(folder, "out", export) ]
                Out = Path.Combine(folder, "ours")
                As = None
                Classes = None
                Labels = labels
                Options =
                    {
                        Images = Some(Path.Combine(folder, "in"))
                        Site = None
                        ByFolder = false
                    }
                Licence = None
                Skip = false
            }
            Progress.none
        |> Outcome.ok

    Expect.isEmpty (report.Problems |> List.map McdrlError.describe) "no problem"
    Outcome.ok (Dataset.load (Path.Combine(folder, "ours")))

/// What the importer reads of a map that was written: labels by the names of their classes.
let private named (classes: string list) (map: LabelMap) =
    map.Labels
    |> Array.map (fun label ->
        if label = 0uy then ""
        elif label = Ignored.label then DatasetExport.ignored
        else classes[int label - 1])

let private roundTrip (name, format, reader) =
    test $"{name}: what is written is read again, to the pixel" {
        Folder.temporary (fun folder ->
            let maps =
                [
                    for seed in 0..19 ->
                        (if seed % 2 = 0 then
                             $"frame {seed}.png"
                         else
                             $"patient ü/frame {seed}.png"),
                        drawn seed
                ]

            let masks =
                [
                    for seed, (name, map) in List.indexed maps do
                        let path = Path.Combine(folder, "in", name)

                        Published.write
                            (Path.Combine(folder, "in"))
                            name
                            (Published.png map.Width map.Height (Published.scene seed map.Width map.Height))

                        {
                            Name = name
                            Image = path
                            Read = fun () -> Ok map
                        }
                ]

            Outcome.ok (MaskFiles.write (Path.Combine(folder, "out")) classes masks format)
            let dataset = importedFrom reader folder [] [ "" ]
            Expect.hasLength dataset.Sites.Head.Items maps.Length "every picture, the empty ones too"

            for name, map in maps do
                let stem = nonNull (Path.GetFileNameWithoutExtension name)
                let item = dataset.Sites.Head.Items |> Array.find (fun item -> item.Stem = stem)

                Expect.equal
                    (named dataset.Classes (Outcome.ok (Dataset.labels dataset item)))
                    (named (List.map snd classes) map)
                    name)
    }

let private readers =
    [
        "coco", MaskFormat.Coco, "coco"
        "coco-rle", MaskFormat.CocoRle, "coco"
        "cvat", MaskFormat.Cvat, "cvat"
        "labelme", MaskFormat.Labelme, "labelme"
    ]

/// A dataset of two sites whose frames have the same names, and pixels that are ignored.
let private dataset (folder: string) (seed: int) =
    let sites = [ "west"; "ost & süd" ]

    for index, site in List.indexed sites do
        for frame in 0..3 do
            let map = drawn (seed + 10 * index + frame)

            let map =
                { map with
                    Labels =
                        map.Labels
                        |> Array.mapi (fun pixel label -> if pixel % 7 = 0 then Ignored.label else label)
                }

            let picture = Published.scene frame map.Width map.Height
            Published.write folder $"{site}/images/{frame}.png" (Published.png map.Width map.Height picture)
            Published.write folder $"{site}/masks/{frame}.png" (Masks.png map)

    let described =
        [
            for site in sites ->
                $"\"{site}\": {{ \"images\": \"{site}/images\", \"masks\": \"{site}/masks\" }}"
        ]
        |> String.concat ", "

    File.WriteAllText(
        Path.Combine(folder, "dataset.json"),
        $$"""{ "name": "d", "classes": ["polyp", "ulcer"], "sites": { {{described}} },
               "masks": { "0": "background", "1": "polyp", "2": "ulcer", "255": "ignore" } }"""
    )

    Outcome.ok (Dataset.load folder)

/// Frames by site and name: what their pixels are called.
let private content (dataset: Dataset) =
    [
        for site in dataset.Sites do
            for item in site.Items do
                (site.Name, item.Stem), named dataset.Classes (Outcome.ok (Dataset.labels dataset item))
    ]
    |> Map.ofList

let private sameDataset (seed: int) =
    readers
    |> List.forall (fun (name, format, reader) ->
        Folder.temporary (fun folder ->
            let dataset = dataset (Path.Combine(folder, "in")) (abs (seed % 1000))
            let out = Path.Combine(folder, "out")

            let sites =
                Outcome.ok (DatasetExport.run dataset out [ name, format ] Progress.none)

            let again =
                importedFrom
                    reader
                    folder
                    [ DatasetExport.ignored, DatasetExport.ignored ]
                    [ for site in sites -> nonNull (Path.GetFileName site.Folder) ]

            content again = content dataset))

let tests =
    testList
        "Formats"
        [
            yield! List.map roundTrip readers

            testPropertyWithConfig
                { Property.config "export" with
                    maxTest = 5
                }
                "data export, then data import: the same dataset"
                sameDataset
        ]
