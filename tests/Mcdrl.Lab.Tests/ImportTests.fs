module Mcdrl.Tests.ImportTests

open System
open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.PublishedTrees
open Mcdrl.Tests

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

        let check = Expect.wantOk (DatasetCheck.run request.Out false Progress.none) "ours"

        Expect.isEmpty check.Problems "sound"
        Expect.equal (content (Path.Combine(folder, name))) before "the published files are as they were"

        Expect.equal
            (Directory.GetFileSystemEntries(Path.Combine(folder, "out")))
            [| request.Out |]
            "nothing is left beside it"

        test (Path.Combine(folder, name)) report (Expect.wantOk (Dataset.load request.Out) "loads"))

let private shape (dataset: Dataset) =
    dataset.Sites
    |> List.map (fun site -> site.Name, site.Items |> Array.map _.Stem |> List.ofArray)

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
                            Expect.stringEnds item.Image ".png" "converted"

                            let picture =
                                Expect.wantOk (Images.read ImageLimits.standard item.Image) "reads"

                            Expect.equal
                                picture.Rgb
                                (Published.pixels width height (frame (offset + k + 1)))
                                "no pixel changed"))
                }

            test "CVC-ClinicDB may hold both TIF and PNG: one is taken" {
                Crafted.withFolder (fun folder ->
                    for file, bytes in trees["cvc-clinicdb"] do
                        Published.write
                            (Path.Combine(folder, "cvc-clinicdb", "CVC-ClinicDB", "TIF"))
                            file
                            bytes

                        let png =
                            match Mcdrl.Tiff.decode ImageLimits.standard file bytes with
                            | Ok raster ->
                                Published.png width height (fun x y ->
                                    let at = (y * width + x) * 3
                                    raster.Samples[at], raster.Samples[at + 1], raster.Samples[at + 2])
                            | Error problem -> failtest (McdrlError.describe problem)

                        Published.write
                            (Path.Combine(folder, "cvc-clinicdb", "CVC-ClinicDB", "PNG"))
                            (file.Replace(".tif", ".png"))
                            png

                    let report = wanted (request folder [ "cvc-clinicdb" ])
                    Expect.equal (report.Sites |> List.map _.Frames) [ 3 ] "three frames, not six")
            }

            test "PolypGen: hospitals are sites, boxes, sequences and the copy of all frames are not taken" {
                imported "polypgen" (fun _ _ dataset ->
                    Expect.equal
                        (shape dataset)
                        [ "c1", [ "100H1"; "100H2" ]; "c4", [ "100H1"; "100H2" ] ]
                        "sites"

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
                        Published.write
                            (Path.Combine(folder, "kvasir-seg", "kvasir", "Kvasir-SEG"))
                            file
                            bytes

                    Published.write
                        (Path.Combine(folder, "kvasir-seg", "__MACOSX"))
                        "images/._cju1.jpg"
                        [| 1uy |]

                    Expect.equal (wanted (request folder [ "kvasir-seg" ])).Sites.Head.Frames 3 "frames")
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
                    [ "kvasir-seg"; "bkai-igh" ]
                    |> List.iter (fun name -> publish folder name ignore)

                    let request = request folder [ "kvasir-seg"; "bkai-igh" ]
                    wanted request |> ignore
                    let dataset = Expect.wantOk (Dataset.load request.Out) "loads"

                    Expect.equal
                        dataset.Classes
                        [ "polyp"; "neoplastic polyp"; "non-neoplastic polyp" ]
                        "classes"

                    let found = areas dataset
                    near area (List.head found[0])
                    near area (List.item 2 found[3])
                    near area (List.item 1 found[4]))
            }

            test "a folder that is not empty, within the published one, or twice the same site: refused" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" ignore
                    let request = request folder [ "kvasir-seg" ]

                    for bad in
                        [
                            { request with
                                Out = Path.Combine(folder, "kvasir-seg")
                            }
                            { request with
                                Out = Path.Combine(folder, "kvasir-seg", "ours")
                            }
                            { request with As = Some "background" }
                            { request with
                                Sources = request.Sources @ request.Sources
                            }
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

                    Expect.equal
                        (Import.run request (Progress.until source.Token))
                        (Error McdrlError.Cancelled)
                        "stopped"

                    Expect.isEmpty (Directory.GetFileSystemEntries(Path.Combine(folder, "out"))) "nothing"
                    Published.write half "kvasir-seg/images/old.jpg" [| 1uy |]
                    Expect.isTrue (wanted request).Written "written"

                    Expect.equal
                        (Directory.GetFileSystemEntries(Path.Combine(folder, "out")))
                        [| request.Out |]
                        "only it")
            }

            test "two imports into one folder: the second is refused" {
                Crafted.withFolder (fun folder ->
                    publish folder "kvasir-seg" ignore
                    let request = request folder [ "kvasir-seg" ]
                    let mutable second = None

                    let tell (_: ProgressStep) =
                        if second.IsNone then
                            second <- Some(run request)

                    let first = Import.run request { Progress.none with Tell = tell }
                    Expect.isTrue (Expect.wantOk first "first").Written "the first is whole"

                    match second with
                    | Some(Error problem) ->
                        Expect.equal (McdrlError.exitCode problem) 5 "refused"
                        Expect.stringContains (McdrlError.describe problem) "another import" "it says why"
                    | _ -> failtest "not refused")
            }

            test "a frame that two datasets have is reported" {
                Crafted.withFolder (fun folder ->
                    [ "kvasir-seg"; "etis-larib" ]
                    |> List.iter (fun name -> publish folder name ignore)

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
                            let target = Path.Combine(folder, "polypgen", $"data_C{site}", $"{kind}_C{site}")

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
                        Expect.equal
                            (mine.Items |> Array.map _.Stem)
                            (given.Items |> Array.map _.Stem)
                            "names"

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
                            let parts = path.Substring(path.LastIndexOf '/' + 1).Split('_', 3)
                            let target = Path.Combine(folder, "vocal-folds", kind, parts[0], parts[1])
                            Directory.CreateDirectory target |> ignore
                            File.CreateSymbolicLink(Path.Combine(target, parts[2]), path) |> ignore

                    let request = request folder [ "vocal-folds" ]
                    let report = wanted request
                    Expect.isEmpty report.Problems "no problem"
                    Expect.equal (report.Sites |> List.sumBy _.Frames) 536 "frames"

                    let check folder =
                        Expect.wantOk (DatasetCheck.run folder false Progress.none) "checks"

                    Expect.equal
                        (check request.Out).Sites
                        (check data).Sites
                        "the same classes in the same pixels")
            }
        ]

let tests = testList "Import" [ layouts; places; real ]
