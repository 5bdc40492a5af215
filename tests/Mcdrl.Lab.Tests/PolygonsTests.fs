module Mcdrl.Tests.PolygonsTests

open System.IO
open Expecto
open Mcdrl

let private text (map: LabelMap) =
    map.Labels
    |> Array.chunkBySize map.Width
    |> Array.map (Array.map string >> String.concat "")
    |> List.ofArray

let private files (annotations: string) (labels: string) test =
    Crafted.withFolder (fun folder ->
        let at (name: string) = Path.Combine(folder, name)
        File.WriteAllText(at "annotation.json", annotations)
        File.WriteAllText(at "labels.json", labels)
        test (Polygons.read (at "annotation.json") (at "labels.json") ((=) "Tumor")))

let private labels =
    """[{ "id": "t", "name": "Tumor" }, { "id": "v", "name": "Vocal cords" }]"""

let private polygon (corners: string seq) =
    let listed = String.concat "," corners
    $"""[{{ "object_id": "a", "label_ids": ["t"], "data": [{listed}] }}]"""

let private ring count =
    polygon (Seq.init count (fun number -> $"""{{"x":{number},"y":{number % 7}}}"""))

let private cornerAt (x: string) =
    polygon [ $"""{{"x":{x},"y":2}}"""; """{"x":3,"y":2}"""; """{"x":3,"y":4}""" ]

let tests =
    testList
        "Polygons"
        [
            test "outline and inside are filled" {
                Expect.equal
                    (text (Polygons.draw 6 5 [ 1uy, [| 1.0, 1.0; 4.9, 1.2; 4.0, 3.0; 1.0, 3.0 |] ]))
                    [ "000000"; "011110"; "011110"; "011110"; "000000" ]
                    "a square, corners cut to whole pixels"

                Expect.equal
                    (text (Polygons.draw 5 5 [ 2uy, [| 2.0, 0.0; 4.0, 2.0; 2.0, 4.0; 0.0, 2.0 |] ]))
                    [ "00200"; "02220"; "22222"; "02220"; "00200" ]
                    "a diamond"
            }

            test "the smaller lies above the larger, whatever their order" {
                let large = 1uy, [| 0.0, 0.0; 4.0, 0.0; 4.0, 2.0; 0.0, 2.0 |]
                let small = 2uy, [| 1.0, 1.0; 2.0, 1.0; 2.0, 2.0; 1.0, 2.0 |]

                for order in [ [ large; small ]; [ small; large ] ] do
                    Expect.equal (text (Polygons.draw 5 3 order)) [ "11111"; "12211"; "12211" ] "seen"
            }

            test "what lies outside the picture is cut off, and huge corners end soon" {
                let far = 1uy, [| -5.0, -5.0; 1.0, -5.0; 1.0, 1.0; -5.0, 1.0 |]
                Expect.equal (text (Polygons.draw 3 3 [ far ])) [ "110"; "110"; "000" ] "cut"
                let huge = 1uy, [| -1e300, 0.0; 1e300, 1.0; 1e18, 1e18 |]
                Expect.equal (Polygons.draw 3 3 [ huge ]).Labels.Length 9 "done"
            }

            test "wanted polygons are read, others passed over" {
                let annotations =
                    """[{ "object_id": "a", "label_ids": ["v", "t"], "data": [{"x":1,"y":2},{"x":3.5,"y":2},{"x":3,"y":4}] },
                        { "object_id": "a", "label_ids": ["v"], "data": [] },
                        { "object_id": "b", "label_ids": ["other"], "data": null },
                        { "object_id": "b" }]"""

                files ("\uFEFF" + annotations) labels (fun found ->
                    Expect.equal
                        (Expect.wantOk found "read")
                        [
                            {
                                Image = "a"
                                Names = [ "Tumor" ]
                                Corners = [| 1.0, 2.0; 3.5, 2.0; 3.0, 4.0 |]
                            }
                        ]
                        "one")
            }

            test "as many corners as a polygon may have, as far away as they may be" {
                for annotations in [ ring 20_000; cornerAt "1000000"; cornerAt "-1000000" ] do
                    files annotations labels (fun found ->
                        Expect.equal (Expect.wantOk found "read").Length 1 "one polygon")
            }

            for name, annotations, names, what in
                [
                    "no JSON", "[{", labels, "not valid JSON"
                    "no array", "{}", labels, "not hold an array"
                    "two corners",
                    """[{ "object_id": "a", "label_ids": ["t"], "data": [{"x":1,"y":2},{"x":3,"y":2}] }]""",
                    labels,
                    "2 corners"
                    "20,001 corners", ring 20_001, labels, "20001 corners"
                    "a corner beyond all pictures", cornerAt "1000001", labels, "farther than"
                    "a corner at infinity", cornerAt "1e999", labels, "farther than"
                    "half a surrogate pair", """[{ "object_id": "\uD800" }]""", labels, "surrogate"
                    "labels that are no array", "[]", "7", "not hold an array"
                ] do
                test name {
                    files annotations names (fun found ->
                        match found with
                        | Ok _ -> failtest "accepted"
                        | Error problem -> Expect.stringContains (McdrlError.describe problem) what "says so")
                }
        ]
