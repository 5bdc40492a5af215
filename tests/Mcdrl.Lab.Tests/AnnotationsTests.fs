module Mcdrl.Tests.AnnotationsTests

open System
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.PublishedTrees
open Mcdrl.Tests.Annotated

let private width, height = 40, 30

/// An upright rectangle of a class on background.
let private marked (label: byte) left top right bottom : LabelMap =
    {
        Width = width
        Height = height
        Labels =
            Array.init (width * height) (fun i ->
                let x, y = i % width, i / width

                if x >= left && x < right && y >= top && y < bottom then
                    label
                else
                    0uy)
    }

let private picture folder name seed =
    Published.write folder name (Published.png width height (Published.scene seed width height))

let private request folder (sources: (string * string) list) : ImportRequest =
    { PublishedTrees.request folder [] with
        Sources =
            sources
            |> List.map (fun (name, below) -> source name, Path.Combine(folder, below))
        Out = Path.Combine(folder, "ours")
    }

/// The report and our dataset, which must be sound.
let private imported request =
    let report = Outcome.ok (run request)
    Expect.isEmpty (report.Problems |> List.map McdrlError.describe) "no problem"
    let check = Outcome.ok (DatasetCheck.run request.Out false Progress.none)
    Expect.isEmpty check.Problems "sound"
    report, Outcome.ok (Dataset.load request.Out)

let private labels (dataset: Dataset) site stem =
    let site = dataset.Sites |> List.find (fun found -> found.Name = site)
    let item = site.Items |> Array.find (fun item -> item.Stem = stem)
    (Outcome.ok (Dataset.labels dataset item)).Labels

let private refused text outcome =
    match outcome with
    | Ok(report: ImportReport) ->
        Expect.isFalse report.Written "nothing is written"
        let told = report.Problems |> List.map McdrlError.describe |> String.concat "\n"
        Expect.stringContains told text "told"
    | Error problem -> Expect.stringContains (McdrlError.describe problem) text "told"

let private cocoTests =
    testList
        "COCO"
        [
            test "outlines and runs, two hospitals, one class of them renamed, one ignored" {
                Crafted.withFolder (fun folder ->
                    let classes = [ "polyp"; "instrument"; "blurry" ]

                    for site in [ "west"; "east" ] do
                        for k in 0..2 do
                            picture folder $"{site}/images/f{k}.png" (k + site.Length)

                        writeText
                            folder
                            $"{site}/annotations/instances_default.json"
                            (coco
                                classes
                                [
                                    "f0.png", marked 1uy 3 4 13 20, Outlines
                                    "f1.png", marked 2uy 5 6 25 16, Runs
                                    "images/f2.png", marked 3uy 0 0 40 30, PackedRuns
                                ])

                    let report, dataset =
                        imported
                            { request folder [ "coco", "west"; "coco", "east" ] with
                                Labels = [ "instrument", "tool"; "blurry", "ignore" ]
                                Licence = Some "CC BY 4.0"
                            }

                    Expect.equal dataset.Classes [ "tool"; "polyp" ] "classes, in the order of the labels"

                    Expect.equal
                        (report.Sites |> List.map (fun site -> site.Site, site.Frames, site.Empty))
                        [ "west", 3, 1; "east", 3, 1 ]
                        "sites"

                    for site in [ "west"; "east" ] do
                        Expect.equal (labels dataset site "f0") (marked 2uy 3 4 13 20).Labels "outline"
                        Expect.equal (labels dataset site "f1") (marked 1uy 5 6 25 16).Labels "runs"
                        Expect.equal (labels dataset site "f2") (marked 255uy 0 0 40 30).Labels "packed"

                    let text = File.ReadAllText(Path.Combine(folder, "ours", "dataset.json"))
                    Expect.stringContains text "\"255\": \"ignore\"" "declared"
                    Expect.stringContains text "CC BY 4.0" "licence")
            }

            test "one file, images elsewhere, sites by folder, frames without a lesion and frames unsaid" {
                Crafted.withFolder (fun folder ->
                    for name in [ "a/f.png"; "b/f.png"; "b/g.png"; "b/unsaid.png" ] do
                        picture folder $"frames/{name}" name.Length

                    writeText
                        folder
                        "export/all.json"
                        (coco
                            [ "polyp" ]
                            [
                                "a/f.png", marked 1uy 1 1 9 9, Outlines
                                "b/f.png", marked 1uy 2 2 9 9, Outlines
                                "b/g.png", marked 0uy 0 0 0 0, Outlines
                            ])

                    writeText folder "export/other.json" """{ "info": {} }"""
                    let plain = request folder [ "coco", "export/all.json" ]

                    let report, dataset =
                        imported
                            { plain with
                                Options =
                                    {
                                        Images = Some(Path.Combine(folder, "frames"))
                                        Site = None
                                        ByFolder = true
                                    }
                            }

                    Expect.equal report.Unmarked 1 "unsaid"

                    Expect.equal
                        (dataset.Sites
                         |> List.map (fun site -> site.Name, site.Items |> Array.map _.Stem |> List.ofArray))
                        [ "a", [ "f" ]; "b", [ "f"; "g" ] ]
                        "sites"

                    Expect.equal (labels dataset "b" "f") (marked 1uy 2 2 9 9).Labels "its own")
            }

            for name, change, told in
                [
                    "an image that isn't there",
                    (fun (text: string) -> text.Replace("f0.png", "none.png")),
                    "none.png"
                    "a box without an outline",
                    (fun text -> text.Replace("\"segmentation\":[[", "\"box\":[[")),
                    "annotation 1 of f0.png: it is a box"
                    "runs of another size",
                    (fun text -> text.Replace("\"size\":[30,40]", "\"size\":[30,41]")),
                    "runs"
                    "another size", (fun text -> text.Replace("\"width\":40", "\"width\":41")), "another size"
                    "a category that isn't declared",
                    (fun text -> text.Replace("\"category_id\":1", "\"category_id\":7")),
                    "category"
                    "no JSON", (fun text -> text.Substring 1), "JSON"
                    "not COCO", (fun _ -> "{}"), "no JSON file with images"
                ] do
                test $"{name} is told, and nothing is written" {
                    Crafted.withFolder (fun folder ->
                        picture folder "export/f0.png" 1
                        picture folder "export/f1.png" 2

                        coco
                            [ "polyp" ]
                            [
                                "f0.png", marked 1uy 3 4 13 20, Outlines
                                "f1.png", marked 1uy 3 4 13 20, Runs
                            ]
                        |> change
                        |> writeText folder "export/x.json"

                        let request = request folder [ "coco", "export" ]
                        refused told (run request)
                        Expect.isFalse (Directory.Exists request.Out) "nothing")
                }

            test "a label that nothing has is told with what may be meant" {
                Crafted.withFolder (fun folder ->
                    picture folder "export/f0.png" 1

                    writeText
                        folder
                        "export/x.json"
                        (coco [ "polyp" ] [ "f0.png", marked 1uy 3 4 13 20, Outlines ])

                    refused
                        "Did you mean polyp?"
                        (run
                            { request folder [ "coco", "export" ] with
                                Labels = [ "polpy", "lesion" ]
                            }))
            }

            test "shapes are of the upright picture where the frame is stored turned" {
                Crafted.withFolder (fun folder ->
                    let jpeg =
                        Crafted.encode
                            SkiaSharp.SKEncodedImageFormat.Jpeg
                            90
                            width
                            height
                            (Published.scene 3 width height)

                    Published.write folder "export/f0.jpg" (Crafted.withOrientation 6 jpeg)

                    let upright: LabelMap =
                        {
                            Width = height
                            Height = width
                            Labels =
                                Array.init (width * height) (fun i -> if i / height < 7 then 1uy else 0uy)
                        }

                    writeText folder "export/x.json" (coco [ "polyp" ] [ "f0.jpg", upright, Outlines ])
                    let _, dataset = imported (request folder [ "coco", "export" ])
                    Expect.equal (labels dataset "export" "f0") upright.Labels "upright")
            }
        ]

let private labelme shapes (name: string) =
    $"""{{ "version": "5.4.1", "flags": {{}}, "shapes": [{shapes}], "imagePath": "{name}", "imageData": null, "imageHeight": {height}, "imageWidth": {width} }}"""

let private labelmeTests =
    testList
        "labelme"
        [
            test "polygons, rectangles, circles and masks; an image without a file is left out" {
                Crafted.withFolder (fun folder ->
                    for name in [ "a"; "b"; "c"; "unsaid" ] do
                        picture folder $"export/{name}.png" name.Length

                    let mask =
                        Crafted.pngFile 3 2 8 0 0 [||] [| 0uy; 1uy; 1uy; 0uy; 0uy; 0uy; 1uy; 1uy |]
                        |> Convert.ToBase64String

                    writeText
                        folder
                        "export/a.json"
                        (labelme
                            """{ "label": "polyp", "points": [[3, 4], [13, 4], [13, 20], [3, 20]], "shape_type": "polygon" },
                               { "label": "cyst", "points": [[20, 10], [22, 12]], "shape_type": "rectangle" }"""
                            "a.png")

                    writeText
                        folder
                        "export/b.json"
                        (labelme
                            $"""{{ "label": "cyst", "points": [[5, 6], [7, 7]], "shape_type": "mask", "mask": "{mask}" }}"""
                            "..\\\\export\\\\b.png")

                    writeText
                        folder
                        "export/c.json"
                        (labelme
                            """{ "label": "polyp", "points": [[20, 15], [25, 15]], "shape_type": "circle" }"""
                            "c.png")

                    let report, dataset = imported (request folder [ "labelme", "export" ])
                    Expect.equal report.Unmarked 1 "unsaid"
                    Expect.equal dataset.Classes [ "cyst"; "polyp" ] "classes"

                    Expect.equal
                        (labels dataset "export" "a")
                        (Array.map2 max (marked 2uy 3 4 13 20).Labels (marked 1uy 20 10 22 12).Labels)
                        "polygon and rectangle"

                    Expect.equal
                        (labels dataset "export" "b")
                        (Array.init (width * height) (fun i ->
                            match i % width, i / width with
                            | (5, 6)
                            | (6, 6)
                            | (6, 7)
                            | (7, 7) -> 1uy
                            | _ -> 0uy))
                        "mask"

                    let disc = labels dataset "export" "c" |> Array.filter ((=) 2uy) |> Array.length
                    Expect.isLessThan (abs (float disc - Math.PI * 25.0)) 4.0 "circle")
            }

            test "a line surrounds nothing" {
                Crafted.withFolder (fun folder ->
                    picture folder "export/a.png" 1

                    writeText
                        folder
                        "export/a.json"
                        (labelme
                            """{ "label": "polyp", "points": [[3, 4], [13, 4]], "shape_type": "line" }"""
                            "a.png")

                    refused "a line of 2 points" (run (request folder [ "labelme", "export" ])))
            }
        ]

let private labelmap =
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\npolyp:250,50,83::\ntool:51,221,255::\n"

/// A colour picture of labels: background, polyp, tool.
let private coloured (map: LabelMap) =
    Published.png width height (fun x y ->
        match map.Labels[y * width + x] with
        | 1uy -> 250uy, 50uy, 83uy
        | 2uy -> 51uy, 221uy, 255uy
        | _ -> 0uy, 0uy, 0uy)

let private classesTests =
    test "classes that are named keep their order, also those that nothing shows; another label is refused" {
        Crafted.withFolder (fun folder ->
            picture folder "west/f0.png" 1

            let annotate marks =
                writeText folder "west/c.json" (coco [ "cyst"; "polyp" ] [ "f0.png", marks, Outlines ])

            let asked names =
                { request folder [ "coco", "west" ] with
                    Classes = Some names
                }

            annotate (marked 1uy 3 4 13 20)
            refused "cyst is marked, and is none of the classes" (run (asked [ "polyp" ]))
            refused "named twice" (run (asked [ "polyp"; "cyst"; "polyp" ]))
            let _, dataset = imported (asked [ "polyp"; "ulcer"; "cyst" ])
            Expect.equal dataset.Classes [ "polyp"; "ulcer"; "cyst" ] "classes"
            Expect.equal (labels dataset "west" "f0" |> Array.max) 3uy "cyst is the third"

            annotate (marked 1uy 0 0 0 0)
            Directory.Delete(Path.Combine(folder, "ours"), true)
            let report, _ = imported (asked [ "polyp" ])
            Expect.equal (report.Sites |> List.map _.Empty) [ 1 ] "no lesion anywhere is an answer too")
    }

let private cvatTests =
    testList
        "CVAT"
        [
            test "masks with the colours of labelmap.txt, as colours and with a palette" {
                Crafted.withFolder (fun folder ->
                    for name in [ "a"; "b" ] do
                        Published.write
                            folder
                            $"export/JPEGImages/{name}.jpg"
                            (Published.jpeg 95 width height (Published.scene name.Length width height))

                    writeText folder "export/labelmap.txt" labelmap
                    Published.write folder "export/SegmentationClass/a.png" (coloured (marked 1uy 3 4 13 20))

                    Published.write
                        folder
                        "export/SegmentationObject/a.png"
                        (coloured (marked 2uy 3 4 13 20))

                    let path = Path.Combine(folder, "export", "SegmentationClass", "b.png")

                    Outcome.ok (
                        Masks.writePalette
                            path
                            [| 0uy, 0uy, 0uy; 51uy, 221uy, 255uy; 250uy, 50uy, 83uy |]
                            (marked 2uy 1 1 9 9)
                    )

                    let report, dataset = imported (request folder [ "cvat", "export" ])
                    Expect.equal report.Unmarked 0 "masks are no images"
                    Expect.equal dataset.Classes [ "polyp"; "tool" ] "classes"
                    Expect.equal (labels dataset "export" "a") (marked 1uy 3 4 13 20).Labels "colours"
                    Expect.equal (labels dataset "export" "b") (marked 1uy 1 1 9 9).Labels "palette")
            }

            test "a colour that labelmap.txt lacks is a problem" {
                Crafted.withFolder (fun folder ->
                    picture folder "export/JPEGImages/a.png" 1
                    writeText folder "export/labelmap.txt" (labelmap.Replace("tool:51", "tool:52"))
                    Published.write folder "export/SegmentationClass/a.png" (coloured (marked 2uy 3 4 13 20))
                    refused "#33ddff (160 pixels)" (run (request folder [ "cvat", "export" ])))
            }

            test "annotations.xml: polygons, boxes, masks, and what lies above" {
                Crafted.withFolder (fun folder ->
                    picture folder "export/images/default/a.png" 1
                    picture folder "export/images/default/empty.png" 2

                    writeText
                        folder
                        "export/annotations.xml"
                        $"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
  <image id="0" name="default/a.png" width="{width}" height="{height}">
    <polygon label="polyp" source="manual" occluded="0" points="3.00,4.00;13.00,4.00;13.00,20.00;3.00,20.00" z_order="1"></polygon>
    <box label="tool" xtl="2.00" ytl="3.00" xbr="5.00" ybr="6.00" z_order="0"></box>
    <mask label="tool" rle="0, 2, 1, 1" left="30" top="20" width="2" height="2" z_order="0"></mask>
    <tag label="blurry"></tag>
  </image>
  <image id="1" name="default/empty.png" width="{width}" height="{height}"></image>
</annotations>"""

                    let report, dataset = imported (request folder [ "cvat", "export" ])
                    Expect.equal (report.Sites |> List.map _.Empty) [ 1 ] "looked at, nothing there"

                    let tools =
                        (marked 2uy 2 3 5 6).Labels
                        |> Array.mapi (fun i label ->
                            match i % width, i / width with
                            | (30, 20)
                            | (31, 20)
                            | (31, 21) -> 2uy
                            | _ -> label)

                    Expect.equal
                        (labels dataset "export" "a")
                        (Array.map2
                            (fun polyp tool -> if polyp > 0uy then polyp else tool)
                            (marked 1uy 3 4 13 20).Labels
                            tools)
                        "the polyp above the box")
            }

            for name, text, told in
                [
                    "a document type", "<!DOCTYPE a [<!ENTITY b \"c\">]><annotations>&b;</annotations>", "DTD"
                    "no XML", "<annotations>", "annotations"
                    "a video",
                    "<annotations><track id=\"0\" label=\"polyp\"></track></annotations>",
                    "CVAT for images"
                    "depth", String.replicate 40 "<a>" + String.replicate 40 "</a>", "more than 32"
                ] do
                test $"annotations.xml with {name} is refused" {
                    Crafted.withFolder (fun folder ->
                        picture folder "export/a.png" 1
                        writeText folder "export/annotations.xml" text
                        refused told (run (request folder [ "cvat", "export" ])))
                }
        ]

let private task id (image: string) result =
    $"""{{ "id": {id}, "data": {{ "image": "{image}" }}, "annotations": [{result}] }}"""

let private brush =
    """{ "id": 4, "result": [{ "type": "brushlabels", "original_width": 40, "original_height": 30, "value": { "brushlabels": ["polyp"] } }] }"""

let private labelStudioTests =
    testList
        "Label Studio"
        [
            test "brush marks as PNGs, polygons in the JSON, names as it uploads and serves them" {
                Crafted.withFolder (fun folder ->
                    for name in [ "a"; "b"; "c"; "d" ] do
                        picture folder $"frames/{name}.png" name.Length

                    let mask name (map: LabelMap) =
                        Published.write
                            folder
                            $"export/{name}.png"
                            (Published.png width height (fun x y ->
                                let value = if map.Labels[y * width + x] > 0uy then 255uy else 0uy
                                value, value, value))

                    mask "task-1-annotation-4-by-1-tag-polyp-0" (marked 1uy 3 4 23 20)
                    mask "task-1-annotation-4-by-1-tag-cyst-0" (marked 1uy 5 6 9 9)
                    mask "task-1-annotation-3-by-1-tag-cyst-0" (marked 1uy 0 0 40 30)

                    let nothing = """{ "id": 9, "result": [] }"""

                    let polygon =
                        """{ "id": 7, "result": [{ "type": "polygonlabels", "original_width": 40, "original_height": 30,
                             "value": { "polygonlabels": ["cyst"], "points": [[10, 10], [50, 10], [50, 50], [10, 50]] } }] }"""

                    writeText
                        folder
                        "export/export.json"
                        $"""[{task 1 "/data/upload/1/0123abcd-a.png" brush},
                             {task 2 "/data/local-files/?d=frames/b.png" polygon},
                             {task 3 "/data/upload/1/0123abcd-c.png" nothing},
                             {task 4 "/data/upload/1/0123abcd-d.png" ""}]"""

                    let plain = request folder [ "label-studio", "export" ]

                    let report, dataset =
                        imported
                            { plain with
                                Options =
                                    { plain.Options with
                                        Images = Some(Path.Combine(folder, "frames"))
                                        Site = Some "west"
                                    }
                            }

                    Expect.equal report.Unmarked 1 "a task that nobody annotated"

                    Expect.equal
                        (labels dataset "west" "a")
                        (Array.map2
                            (fun cyst polyp -> if cyst > 0uy then cyst else polyp)
                            (marked 1uy 5 6 9 9).Labels
                            (marked 2uy 3 4 23 20).Labels)
                        "the smaller above, of the last annotation"

                    Expect.equal (labels dataset "west" "b") (marked 1uy 4 3 20 15).Labels "polygon"
                    Expect.equal (labels dataset "west" "c") (marked 0uy 0 0 0 0).Labels "nothing there")
            }

            test "brush marks without their PNGs, and PNGs without the JSON, are told" {
                Crafted.withFolder (fun folder ->
                    picture folder "export/a.png" 1
                    writeText folder "export/export.json" $"""[{task 1 "a.png" brush}]"""
                    refused "there is no PNG of them" (run (request folder [ "label-studio", "export" ]))
                    File.Delete(Path.Combine(folder, "export", "export.json"))
                    picture folder "export/task-1-annotation-4-by-1-tag-polyp-0.png" 1
                    refused "no JSON export, which says" (run (request folder [ "label-studio", "export" ])))
            }
        ]

let private folderTests =
    testList
        "plain folders"
        [
            test "of sites, or alone; the class is said" {
                Crafted.withFolder (fun folder ->
                    for site in [ "all/west"; "all/east"; "alone" ] do
                        for name in [ "a"; "b" ] do
                            picture folder $"{site}/images/{name}.png" (site.Length + name.Length)

                            Published.write
                                folder
                                $"{site}/masks/{name}_mask.png"
                                (Published.png width height (Published.disc width height))

                    for path, sites in [ "all", [ "east"; "west" ]; "alone", [ "alone" ] ] do
                        let plain = request folder [ "folders", path ]

                        let _, dataset =
                            imported
                                { plain with
                                    As = Some "polyp"
                                    Out = Path.Combine(folder, $"ours-{path}")
                                }

                        Expect.equal (dataset.Sites |> List.map _.Name) sites "sites"
                        Expect.equal dataset.Classes [ "polyp" ] "class")
            }
        ]

/// Exports in which `b.png` is marked as a polyp, and of `a.png` a mark can't be drawn.
let private unclear folder =
    let square =
        """{ "label": "polyp", "points": [[3, 4], [13, 20]], "shape_type": "rectangle" }"""

    let line =
        """{ "label": "polyp", "points": [[3, 4], [13, 4]], "shape_type": "line" }"""

    writeText folder "labelme/a.json" (labelme $"{square}, {line}" "a.png")
    writeText folder "labelme/b.json" (labelme square "b.png")

    let polygon id =
        $$"""{ "id": {{id}}, "result": [{ "type": "polygonlabels", "original_width": 40, "original_height": 30,
               "value": { "polygonlabels": ["polyp"], "points": [[10, 10], [50, 10], [50, 50]] } }] }"""

    writeText folder "label-studio/export.json" $"""[{task 1 "a.png" brush}, {task 2 "b.png" (polygon 7)}]"""

    writeText
        folder
        "coco/all.json"
        $$"""{ "images": [{ "id": 1, "file_name": "a.png" }, { "id": 2, "file_name": "b.png" }],
               "categories": [{ "id": 1, "name": "polyp" }],
               "annotations": [{ "id": 1, "image_id": 1, "category_id": 1, "bbox": [3, 4, 9, 9] },
                               { "id": 2, "image_id": 2, "category_id": 1, "segmentation": [[3, 4, 9, 4, 9, 9]] }] }"""

    writeText
        folder
        "cvat/annotations.xml"
        """<annotations><image id="0" name="a.png" width="40" height="30">
             <polygon label="polyp" points="3,4;13,4;13,20"/><polyline label="polyp" points="3,4;13,4"/></image>
           <image id="1" name="b.png" width="40" height="30"><polygon label="polyp" points="3,4;13,4;13,20"/></image></annotations>"""

let private skippingTests =
    testList
        "skipping"
        [
            for format in [ "labelme"; "label-studio"; "coco"; "cvat" ] do
                test
                    $"{format}: a frame with a mark that can't be drawn is left out whole, not taken without it" {
                    Crafted.withFolder (fun folder ->
                        unclear folder

                        for name in [ "a"; "b" ] do
                            picture folder $"{format}/{name}.png" name.Length

                        let asked = request folder [ format, format ]
                        Expect.isFalse (Outcome.ok (run asked)).Written "nothing is written"
                        let report = Outcome.ok (run { asked with Skip = true })
                        Expect.equal report.Skipped 1 "one mark"

                        Expect.equal
                            [
                                for site in (Outcome.ok (Dataset.load report.Out)).Sites do
                                    for item in site.Items -> item.Stem
                            ]
                            [ "b" ]
                            "the other frame")
                }
        ]

let tests =
    testList
        "Annotations"
        [
            cocoTests
            labelmeTests
            classesTests
            cvatTests
            labelStudioTests
            folderTests
            skippingTests
        ]
