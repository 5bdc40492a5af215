module Mcdrl.Runtime.Tests.ImportTests

open System
open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests

let private width, height = 96, 72
let private polyp = Published.disc width height
let private frame seed = Published.scene seed width height
let private area = Published.discArea width height

let private tiff pixel =
    Published.tiff width height 3 (Published.pixels width height pixel)

let private redOrGreen seed x y =
    match polyp x y with
    | 0uy, _, _ -> 0uy, 0uy, 0uy
    | _ -> if seed % 2 = 0 then 255uy, 0uy, 0uy else 0uy, 255uy, 0uy

let private annotations (images: string list) =
    [
        for image in images ->
            $"""{{ "object_id": "{image}", "label_ids": ["l5"], "data": [{{"x":10,"y":10}},{{"x":39,"y":10}},{{"x":39,"y":29}},{{"x":10,"y":29}}] }}"""
    ]
    |> String.concat ","

let private labels =
    """[{ "id": "l5", "name": "Mucosal infiltration" }, { "id": "l1", "name": "Muscosal erythema" }, { "id": "a1", "name": "Trachea" }]"""

/// Each dataset as published, two or three frames a site: files by name.
let private trees: Map<string, (string * byte[]) list> =
    let text (value: string) = Text.Encoding.UTF8.GetBytes value
    let jpeg pixel = Published.jpeg 90 width height pixel
    let png pixel = Published.png width height pixel

    let numbered seed =
        Crafted.indexed width height 8 0 false (Array.init (width * height) (fun i -> (i + seed) / width % 7))

    Map.ofList
        [
            "kvasir-seg",
            [
                "kavsir_bboxes.json", text "{}"
                for k in 1..3 do
                    $"images/cju{k}.jpg", jpeg (frame k)
                    $"masks/cju{k}.jpg", jpeg polyp
            ]
            "cvc-clinicdb",
            [
                for k in 1..3 do
                    $"Original/{k}.tif", tiff (frame (10 + k))
                    $"Ground Truth/{k}.tif", tiff polyp
            ]
            "etis-larib",
            [
                for k in 1..3 do
                    $"ETIS-LaribPolypDB/{k}.tif", tiff (frame (20 + k))
                    $"Ground Truth/p{k}.tif", tiff polyp
            ]
            "polypgen",
            [
                for site in [ 1; 4 ] do
                    for k in 1..2 do
                        $"data_C{site}/images_C{site}/100H{k}.jpg", jpeg (frame (30 + 2 * site + k))
                        $"data_C{site}/masks_C{site}/100H{k}_mask.jpg", jpeg polyp
                        $"data_C{site}/bbox_C{site}/100H{k}_mask.txt", text "polyp 1 2 3 4"
                        $"data_C{site}/bbox_image_C{site}/100H{k}.jpg", jpeg (frame (30 + 2 * site + k))
                "sequenceData/positive/seq1/images_seq1/a.jpg", jpeg (frame 40)
                "imagesAll_positive/100H1.jpg", jpeg (frame 33)
            ]
            "bkai-igh",
            [
                for k in 1..3 do
                    $"train/train/{k}.jpeg", jpeg (frame (50 + k))
                    $"train_gt/train_gt/{k}.jpeg", jpeg (redOrGreen k)
                "test/test/9.jpeg", jpeg (frame 59)
            ]
            "vocal-folds",
            [
                "img/.DS_Store", text "x"
                for patient, sequence in [ 1, 1; 1, 4; 2, 5 ] do
                    $"img/patient{patient}/seq{sequence}/0001_l.png", png (frame (60 + sequence))
                    $"annot/patient{patient}/seq{sequence}/0001_l.png", numbered sequence
            ]
            "bm-broncholc",
            [
                for group, images in [ "Lung_cancer", [ "a1"; "a2"; "a3" ]; "Non_lung_cancer", [ "b1"; "b2" ] ] do
                    for k, image in List.indexed images do
                        $"{group}/imgs/p{k}/v/{image}.png", png (frame (70 + k + images.Length * 10))

                    $"{group}/objects.json", text "[]"
                    $"{group}/labels.json", text labels

                    $"{group}/annotation.json",
                    text
                        $"""[{annotations images.Tail}, {{ "object_id": "{images.Head}", "label_ids": ["a1"], "data": [] }}]"""
            ]
            "laryngoscope8",
            [
                for k in 0..2 do
                    $"{k}/{k}0000.png", png (frame (80 + k))
            ]
        ]

let private source name =
    Expect.wantOk (ImportCatalogue.find name) name

/// Writes a published tree into `folder/name`; `change` may spoil it.
let private publish folder name change =
    for file, bytes in trees[name] do
        Published.write (Path.Combine(folder, name)) file bytes

    change (fun (file: string) -> Path.Combine(folder, name, file))

let private request folder names : ImportRequest =
    {
        Sources = names |> List.map (fun name -> source name, Path.Combine(folder, name))
        Out = Path.Combine(folder, "out", "data")
        As = None
        Skip = false
    }

let private run request =
    Import.run request Report.none CancellationToken.None

let private wanted request =
    match run request with
    | Ok report -> report
    | Error problem -> failtest (McdrlError.describe problem)

/// Files below a folder with their bytes.
let private content (folder: string) =
    [
        for path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories) |> Seq.sort ->
            Path.GetRelativePath(folder, path), Convert.ToHexString(File.ReadAllBytes path)
    ]

/// Imports one dataset as published and hands out the report and our dataset, checked to its last pixel.
let private imported name (test: string -> ImportReport -> Dataset -> unit) =
    Crafted.withFolder (fun folder ->
        publish folder name ignore
        let before = content (Path.Combine(folder, name))
        let request = request folder [ name ]
        let report = wanted request
        Expect.isEmpty report.Problems "no problem"
        Expect.isTrue report.Written "written"
        let check = Expect.wantOk (DatasetCheck.run request.Out false Report.none CancellationToken.None) "ours"
        Expect.isEmpty check.Problems "sound"
        Expect.equal (content (Path.Combine(folder, name))) before "the published files are as they were"

        Expect.equal
            (Directory.GetFileSystemEntries(Path.Combine(folder, "out")))
            [| request.Out |]
            "nothing is left beside it"

        test (Path.Combine(folder, name)) report (Expect.wantOk (Dataset.load request.Out) "loads"))

let private shape (dataset: Dataset) =
    dataset.Sites |> List.map (fun site -> site.Name, site.Items |> Array.map _.Stem |> List.ofArray)

let private areas (dataset: Dataset) =
    [
        for site in dataset.Sites do
            for item in site.Items do
                match Dataset.labels dataset item with
                | Ok map -> (LabelMap.histogram map)[1 .. dataset.Classes.Length] |> List.ofArray
                | Error problem -> failtest (McdrlError.describe problem)
    ]

let private near (expected: int) (found: int64) =
    Expect.isLessThan (abs (int found - expected)) (max 1 (expected / 20)) "the disc's area"

let private layouts =
    testList
        "as published"
        [
            test "Kvasir-SEG: JPEG masks, images copied byte for byte" {
                imported "kvasir-seg" (fun published _ dataset ->
                    Expect.equal (shape dataset) [ "kvasir-seg", [ "cju1"; "cju2"; "cju3" ] ] "frames"
                    Expect.equal dataset.Classes [ "polyp" ] "class"

                    for item in dataset.Sites.Head.Items do
                        Expect.equal
                            (File.ReadAllBytes item.Image)
                            (File.ReadAllBytes(Path.Combine(published, "images", item.Stem + ".jpg")))
                            "copied"

                    for found in areas dataset do
                        near area found.Head)
            }

            for name in [ "cvc-clinicdb"; "etis-larib" ] do
                test $"{name}: TIFF, pixel for pixel" {
                    imported name (fun _ _ dataset ->
                        Expect.equal (shape dataset) [ name, [ "1"; "2"; "3" ] ] "frames"
                        Expect.equal (areas dataset) (List.replicate 3 [ int64 area ]) "masks"
                        let offset = if name = "cvc-clinicdb" then 10 else 20

                        dataset.Sites.Head.Items
                        |> Array.iteri (fun k item ->
                            Expect.equal (Path.GetExtension item.Image) ".png" "converted"
                            let picture = Expect.wantOk (Images.read ImageLimits.standard item.Image) "reads"

                            Expect.equal
                                picture.Rgb
                                (Published.pixels width height (frame (offset + k + 1)))
                                "no pixel changed"))
                }

            test "CVC-ClinicDB may hold both TIF and PNG: one is taken" {
                Crafted.withFolder (fun folder ->
                    for file, bytes in trees["cvc-clinicdb"] do
                        Published.write (Path.Combine(folder, "cvc-clinicdb", "CVC-ClinicDB", "TIF")) file bytes

                        let png =
                            match Mcdrl.Tiff.decode ImageLimits.standard file bytes with
                            | Ok raster ->
                                Published.png width height (fun x y ->
                                    let at = (y * width + x) * 3
                                    raster.Samples[at], raster.Samples[at + 1], raster.Samples[at + 2])
                            | Error problem -> failtest (McdrlError.describe problem)

                        Published.write
                            (Path.Combine(folder, "cvc-clinicdb", "CVC-ClinicDB", "PNG"))
                            (Path.ChangeExtension(file, ".png"))
                            png

                    let report = wanted (request folder [ "cvc-clinicdb" ])
                    Expect.equal (report.Sites |> List.map _.Frames) [ 3 ] "three frames, not six")
            }

            test "PolypGen: hospitals are sites, boxes, sequences and the copy of all frames are not taken" {
                imported "polypgen" (fun _ _ dataset ->
                    Expect.equal (shape dataset) [ "c1", [ "100H1"; "100H2" ]; "c4", [ "100H1"; "100H2" ] ] "sites"

                    for found in areas dataset do
                        near area found.Head)
            }

            test "BKAI-IGH: red is the first class, green the second" {
                imported "bkai-igh" (fun _ _ dataset ->
                    Expect.equal (shape dataset) [ "bkai-igh", [ "1"; "2"; "3" ] ] "without the test image"

                    match areas dataset with
                    | [ [ red1; green1 ]; [ red2; green2 ]; [ red3; green3 ] ] ->
                        near area green1
                        near area red2
                        near area green3
                        Expect.equal [ red1; green2; red3 ] [ 0L; 0L; 0L ] "no other"
                    | other -> failtest $"{other}")
            }

            test "Vocal folds: patients are sites, sequences part of the name, values kept" {
                imported "vocal-folds" (fun _ _ dataset ->
                    Expect.equal
                        (shape dataset)
                        [ "patient1", [ "seq1_0001_l"; "seq4_0001_l" ]; "patient2", [ "seq5_0001_l" ] ]
                        "sites"

                    Expect.equal dataset.Classes.Length 6 "classes"
                    let map = Expect.wantOk (Dataset.labels dataset dataset.Sites[1].Items[0]) "labels"

                    Expect.equal
                        map.Labels
                        (Array.init (width * height) (fun i -> byte ((i + 5) / width % 7)))
                        "the numbers")
            }

            test "BM-BronchoLC: polygons of lesions, frames without one left out and counted" {
                imported "bm-broncholc" (fun _ report dataset ->
                    Expect.equal (shape dataset) [ "bm-broncholc", [ "a2"; "a3"; "b2" ] ] "frames"
                    Expect.equal report.Unmarked 2 "a1 and b1 show landmarks only"

                    Expect.equal
                        (areas dataset)
                        (List.replicate 3 [ 0L; 0L; 0L; 0L; 600L; 0L; 0L ])
                        "30 x 20 pixels of mucosal infiltration")
            }

            test "Laryngoscope8 has no masks, and the error says so" {
                Crafted.withFolder (fun folder ->
                    publish folder "laryngoscope8" ignore
                    let request = request folder [ "laryngoscope8" ]

                    match run request with
                    | Ok _ -> failtest "imported"
                    | Error problem ->
                        Expect.equal (McdrlError.exitCode problem) 4 "data"
                        let text = McdrlError.describe problem
                        Expect.stringContains text "published without masks" "says so"
                        Expect.stringContains text "3 images" "how many"
                        Expect.isFalse (Directory.Exists(Path.Combine(folder, "out"))) "nothing made")
            }

            test "the folder may be given from two levels above" {
                Crafted.withFolder (fun folder ->
                    for file, bytes in trees["kvasir-seg"] do
                        Published.write (Path.Combine(folder, "kvasir-seg", "kvasir", "Kvasir-SEG")) file bytes

                    Published.write (Path.Combine(folder, "kvasir-seg", "__MACOSX")) "images/._cju1.jpg" [| 1uy |]
                    Expect.equal (wanted (request folder [ "kvasir-seg" ])).Sites.Head.Frames 3 "frames")
            }
        ]

/// Every dataset with masks, spoilt in one way: what the report must say.
let private spoilt =
    let tests name (cases: (string * ((string -> string) -> unit) * string * string) list) =
        [
            for what, spoil, count, where in cases do
                test $"{name}: {what}" {
                    Crafted.withFolder (fun folder ->
                        publish folder name spoil
                        let request = request folder [ name ]
                        let report = wanted request
                        Expect.isFalse report.Written "nothing written"

                        Expect.isEmpty
                            (Directory.GetFileSystemEntries(Path.Combine(folder, "out")))
                            "and nothing left"

                        let text = report.Problems |> List.map McdrlError.describe |> String.concat "\n"
                        Expect.stringContains text count "what, and how often"
                        Expect.stringContains text where "where"
                        let skipped = wanted { request with Skip = true }
                        Expect.isTrue skipped.Written "the rest is written with --skip"
                        let check = Expect.wantOk (DatasetCheck.run request.Out false Report.none CancellationToken.None) "ours"
                        Expect.isEmpty check.Problems "sound")
                }
        ]

    let cut (path: string) =
        let bytes = File.ReadAllBytes path
        File.WriteAllBytes(path, Array.truncate (bytes.Length * 2 / 3) bytes)

    let small file at =
        File.WriteAllBytes(at file, Published.jpeg 90 (width - 8) height (Published.disc (width - 8) height))

    testList
        "spoilt"
        [
            yield!
                tests
                    "kvasir-seg"
                    [
                        "an image without mask", (fun at -> File.Delete(at "masks/cju2.jpg")), "1 image has no mask", "images/cju2.jpg"
                        "a mask without image", (fun at -> File.Delete(at "images/cju2.jpg")), "1 mask has no image", "masks/cju2.jpg"
                        "a mask of another size", small "masks/cju1.jpg", "1 mask is of another size", "88 x 72, image 96 x 72"
                        "an image in a mask's place",
                        (fun at -> File.Copy(at "images/cju1.jpg", at "masks/cju1.jpg", true)),
                        "1 mask holds what",
                        "neither black nor white"
                        "two images of one name",
                        (fun at -> File.Copy(at "images/cju1.jpg", at "images/cju1.jpeg")),
                        "1 file shares its name",
                        "cju1.jp"
                    ]
            yield!
                tests
                    "cvc-clinicdb"
                    [
                        "a TIFF cut short", (fun at -> cut (at "Original/2.tif")), "1 file can't be read", "truncated"
                        "a mask cut short", (fun at -> cut (at "Ground Truth/2.tif")), "1 file can't be read", "Ground Truth/2.tif"
                    ]
            yield!
                tests
                    "etis-larib"
                    [
                        "a mask without its p",
                        (fun at -> File.Move(at "Ground Truth/p2.tif", at "Ground Truth/2.tif")),
                        "1 image has no mask",
                        "ETIS-LaribPolypDB/2.tif"
                    ]
            yield!
                tests
                    "polypgen"
                    [
                        "masks of another hospital",
                        (fun at ->
                            File.Move(at "data_C4/masks_C4/100H2_mask.jpg", at "data_C4/masks_C4/100X2_mask.jpg")),
                        "1 mask has no image",
                        "data_C4/images_C4/100H2.jpg"
                    ]
            yield!
                tests
                    "bkai-igh"
                    [
                        "a white mask",
                        (fun at -> File.WriteAllBytes(at "train_gt/train_gt/1.jpeg", Published.jpeg 90 width height polyp)),
                        "1 mask holds what",
                        "no known colour"
                    ]
            yield!
                tests
                    "vocal-folds"
                    [
                        "an unknown value",
                        (fun at ->
                            File.WriteAllBytes(
                                at "annot/patient2/seq5/0001_l.png",
                                Crafted.indexed width height 8 0 false (Array.create (width * height) 9)
                            )
                            File.Copy(at "img/patient1/seq1/0001_l.png", at "img/patient2/seq5/0002_l.png")
                            File.Copy(at "annot/patient1/seq1/0001_l.png", at "annot/patient2/seq5/0002_l.png")),
                        "1 mask holds what",
                        "9 (6912 pixels)"
                    ]
            yield!
                tests
                    "bm-broncholc"
                    [
                        "polygons without their image",
                        (fun at -> File.Delete(at "Lung_cancer/imgs/p1/v/a2.png")),
                        "1 mask has no image",
                        "polygons of a2"
                    ]

            for name in trees.Keys do
                test $"{name}: another folder" {
                    Crafted.withFolder (fun folder ->
                        Published.write (Path.Combine(folder, name)) "holiday/beach.txt" [| 1uy |]

                        match run (request folder [ name ]) with
                        | Ok _ -> failtest "imported"
                        | Error problem ->
                            Expect.equal (McdrlError.exitCode problem) 4 "data"
                            let text = McdrlError.describe problem
                            Expect.stringContains text "it holds holiday" "what is there"
                            Expect.stringContains text (source name).Expected "what is expected")
                }

            test "all kinds at once, with counts and examples" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" (fun at ->
                        for k in 4..12 do
                            File.WriteAllBytes(at $"images/cju{k}.jpg", [||])

                        small "masks/cju1.jpg" at
                        File.Delete(at "images/cju3.jpg"))

                    let report = wanted (request folder [ "kvasir-seg" ])
                    let text = report.Problems |> List.map McdrlError.describe
                    Expect.hasLength text 3 "one a kind"
                    Expect.stringContains text[0] "9 images have no mask" "images"
                    Expect.stringContains text[0] "and 4 more" "the first five are named"
                    Expect.stringContains text[1] "1 mask has no image" "masks"
                    Expect.stringContains text[2] "1 mask is of another size" "sizes")
            }
        ]

let private places =
    testList
        "place"
        [
            test "several datasets become the sites of one" {
                Crafted.withFolder (fun folder ->
                    let names = [ "cvc-clinicdb"; "etis-larib"; "kvasir-seg"; "bkai-igh" ]
                    names |> List.iter (fun name -> publish folder name ignore)
                    let request = request folder names
                    Expect.isTrue (wanted { request with As = Some "polyp" }).Written "written"
                    let dataset = Expect.wantOk (Dataset.load request.Out) "loads"
                    Expect.equal (dataset.Sites |> List.map _.Name) names "sites"
                    Expect.equal dataset.Classes [ "polyp" ] "one class"

                    for found in areas dataset do
                        near area found.Head

                    let description = Expect.wantOk (DatasetDescription.load request.Out) "description"
                    Expect.stringContains (Option.get description.Licence) "Kvasir-SEG: research" "licences")
            }

            test "without --as the classes are joined" {
                Crafted.withFolder (fun folder ->
                    [ "kvasir-seg"; "bkai-igh" ] |> List.iter (fun name -> publish folder name ignore)
                    let request = request folder [ "kvasir-seg"; "bkai-igh" ]
                    wanted request |> ignore
                    let dataset = Expect.wantOk (Dataset.load request.Out) "loads"
                    Expect.equal dataset.Classes [ "polyp"; "neoplastic polyp"; "non-neoplastic polyp" ] "classes"
                    let found = areas dataset
                    near area found[0][0]
                    near area found[3][2]
                    near area found[4][1])
            }

            test "a folder that is not empty, within the published one, or twice the same site: refused" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" ignore
                    let request = request folder [ "kvasir-seg" ]

                    for bad in
                        [
                            { request with Out = Path.Combine(folder, "kvasir-seg") }
                            { request with Out = Path.Combine(folder, "kvasir-seg", "ours") }
                            { request with As = Some "background" }
                            { request with Sources = request.Sources @ request.Sources }
                        ] do
                        match run bad with
                        | Ok _ -> failtest "accepted"
                        | Error problem -> Expect.equal (McdrlError.exitCode problem) 2 "usage")
            }

            test "what a killed import left behind is cleared, and a stop leaves nothing" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" ignore
                    let request = request folder [ "kvasir-seg" ]
                    let half = Path.Combine(folder, "out", ".data.importing")
                    Published.write half "kvasir-seg/images/old.jpg" [| 1uy |]
                    use source = new CancellationTokenSource()
                    source.Cancel()
                    Expect.equal (Import.run request Report.none source.Token) (Error McdrlError.Cancelled) "stopped"
                    Expect.isEmpty (Directory.GetFileSystemEntries(Path.Combine(folder, "out"))) "nothing"
                    Published.write half "kvasir-seg/images/old.jpg" [| 1uy |]
                    Expect.isTrue (wanted request).Written "written"
                    Expect.equal (Directory.GetFileSystemEntries(Path.Combine(folder, "out"))) [| request.Out |] "only it")
            }

            test "two imports into one folder: the second is refused" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" ignore
                    let request = request folder [ "kvasir-seg" ]
                    let mutable second = None

                    let report (_: Progress) =
                        if second.IsNone then
                            second <- Some(run request)

                    let first = Import.run request report CancellationToken.None
                    Expect.isTrue (Expect.wantOk first "first").Written "the first is whole"

                    match second with
                    | Some(Error problem) -> Expect.equal (McdrlError.exitCode problem) 5 "refused"
                    | _ -> failtest "not refused")
            }

            test "a frame that two datasets have is reported" {
                Crafted.withFolder (fun folder ->
                    [ "kvasir-seg"; "etis-larib" ] |> List.iter (fun name -> publish folder name ignore)

                    Published.write
                        (Path.Combine(folder, "kvasir-seg"))
                        "images/cju2.jpg"
                        (Published.jpeg 70 width height (frame 21))

                    let found = (wanted (request folder [ "kvasir-seg"; "etis-larib" ])).Duplicates
                    Expect.equal (found.Count, found.SameFiles) (1, 0) "one pair"
                    Expect.stringEnds found.Pairs.Head.First.Image "cju2.jpg" "which"
                    Expect.stringEnds found.Pairs.Head.Second.Image "1.tif" "and which")
            }
        ]

/// The same frames as published, from the copies that lie beside the project.
let private real =
    testList
        "real data"
        [
            test "PolypGen in its published layout" {
                let data = Shared.path "data/polypgen"

                Crafted.withFolder (fun folder ->
                    for site in [ "1"; "2"; "3"; "5" ] do
                        for kind, ending in [ "images", ""; "masks", "_mask" ] do
                            let target =
                                Path.Combine(folder, "polypgen", $"data_C{site}", $"{kind}_C{site}")

                            Directory.CreateDirectory target |> ignore

                            for path in Directory.EnumerateFiles(Path.Combine(data, $"c{site}", kind)) do
                                let stem = Path.GetFileNameWithoutExtension path
                                let name = $"{stem}{ending}{Path.GetExtension path}"
                                File.CreateSymbolicLink(Path.Combine(target, name), path) |> ignore

                    let request = request folder [ "polypgen" ]
                    let report = wanted request
                    Expect.isEmpty report.Problems "no problem"
                    Expect.equal (report.Sites |> List.map _.Frames) [ 256; 301; 457; 206 ] "frames"
                    let ours = Expect.wantOk (Dataset.load request.Out) "ours"
                    let theirs = Expect.wantOk (Dataset.load data) "theirs"

                    for mine, given in List.zip ours.Sites theirs.Sites do
                        Expect.equal (mine.Items |> Array.map _.Stem) (given.Items |> Array.map _.Stem) "names"

                        for k in 0..50 .. mine.Items.Length - 1 do
                            Expect.equal
                                (File.ReadAllBytes mine.Items[k].Image)
                                (File.ReadAllBytes given.Items[k].Image)
                                "copied"

                            Expect.equal
                                (Expect.wantOk (Dataset.labels ours mine.Items[k]) "mine")
                                (Expect.wantOk (Dataset.labels theirs given.Items[k]) "given")
                                "the same mask")
            }

            test "vocal folds in their published layout" {
                let data = Shared.path "data/vocalfolds"

                Crafted.withFolder (fun folder ->
                    for from, kind in [ "images", "img"; "labels", "annot" ] do
                        for path in Directory.EnumerateFiles(Path.Combine(data, from)) do
                            let parts = (Path.GetFileName path).Split('_', 3)
                            let target = Path.Combine(folder, "vocal-folds", kind, parts[0], parts[1])
                            Directory.CreateDirectory target |> ignore
                            File.CreateSymbolicLink(Path.Combine(target, parts[2]), path) |> ignore

                    let request = request folder [ "vocal-folds" ]
                    let report = wanted request
                    Expect.isEmpty report.Problems "no problem"
                    Expect.equal (report.Sites |> List.sumBy _.Frames) 536 "frames"
                    let check folder = Expect.wantOk (DatasetCheck.run folder false Report.none CancellationToken.None) "checks"
                    Expect.equal (check request.Out).Sites (check data).Sites "the same classes in the same pixels")
            }
        ]

let tests = testList "Import" [ layouts; spoilt; places; real ]
