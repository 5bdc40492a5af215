module Mcdrl.Tests.DatasetTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests

let private good =
    """{ "name": "T", "licence": "CC0", "citation": "none", "classes": ["polyp", "cyst"],
  "masks": { "0": "background", "1": "polyp", "2": "cyst" },
  "sites": { "a": { "images": "a/images", "masks": "a/masks" },
             "b": { "images": "b/images", "masks": "b/masks", "class": "cyst" } } }"""

/// A dataset of two sites with two frames each, 6 x 4 pixels; `change` may spoil it.
let private dataset (description: string) change test =
    Crafted.withFolder (fun folder ->
        for site in [ "a"; "b" ] do
            for kind in [ "images"; "masks" ] do
                Directory.CreateDirectory(Path.Combine(folder, site, kind)) |> ignore

            for stem in [ "f2"; "f10" ] do
                File.WriteAllBytes(Path.Combine(folder, site, "images", $"{stem}.jpg"), Crafted.jpeg 6 4)

                File.WriteAllBytes(
                    Path.Combine(folder, site, "masks", $"{stem}.png"),
                    Crafted.indexed 6 4 8 0 false (Array.init 24 (fun pixel -> pixel % 3))
                )

        File.WriteAllText(Path.Combine(folder, "dataset.json"), description)
        change folder
        test folder)

let private unspoilt: string -> unit = ignore

let private loaded folder =
    match Dataset.load folder with
    | Ok dataset -> dataset
    | Error problem -> failtest (McdrlError.describe problem)

/// The messages of a refused load, one a fault.
let private faults folder =
    match Dataset.load folder with
    | Ok _ -> failtest "accepted"
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) 4 "a data error"
        McdrlError.flatten problem |> List.map McdrlError.describe

let private write (bytes: byte[]) (name: string) folder =
    let path = Path.Combine(folder, name)

    Path.GetDirectoryName path
    |> Option.ofObj
    |> Option.iter (Directory.CreateDirectory >> ignore)

    File.WriteAllBytes(path, bytes)

let private description =
    testList
        "description"
        [
            for name, text, key in
                [
                    "unknown key", good.Replace("\"name\"", "\"nmae\""), "nmae"
                    "unknown key of a site", good.Replace("\"class\":", "\"klass\":"), "klass"
                    "missing classes", good.Replace("\"classes\": [\"polyp\", \"cyst\"],", ""), "classes"
                    "undeclared class of a value",
                    good.Replace("\"2\": \"cyst\"", "\"2\": \"tumor\""),
                    "masks.2"
                    "undeclared class of a site",
                    good.Replace("\"class\": \"cyst\"", "\"class\": \"tumor\""),
                    "sites.b.class"
                    "value that is no byte", good.Replace("\"2\":", "\"256\":"), "masks.256"
                    "value with leading zero", good.Replace("\"2\":", "\"02\":"), "masks.02"
                    "class named twice",
                    good.Replace("\"polyp\", \"cyst\"", "\"polyp\", \"cyst\", \"cyst\""),
                    "classes"
                    "wrong type", good.Replace("\"T\"", "7"), "name"
                    "threshold with three values",
                    good.Replace("\"classes\"", "\"threshold\": 128, \"classes\""),
                    "threshold"
                    "threshold out of range",
                    good.Replace("\"classes\"", "\"threshold\": 300, \"classes\""),
                    "threshold"
                    "repeated key", good.Replace("\"licence\"", "\"name\": \"U\", \"licence\""), "JSON"
                    "trailing comma", good.Replace("\"cyst\" } } }", "\"cyst\" }, } }"), "JSON"
                    "no object", "[1]", "root"
                    "nothing", "", "JSON"
                ] do
                test name {
                    dataset text unspoilt (fun folder ->
                        Expect.stringContains (faults folder |> String.concat "\n") key "names the place")
                }

            test "what is rendered reads back as it was" {
                let description: DatasetDescription =
                    {
                        Name = "A \"quoted\" name, größer"
                        Licence = Some "CC BY 4.0"
                        Citation = None
                        Classes = [ "polyp"; "a \"serrated\" \\ lesion" ]
                        Values = [ 0uy, 0uy; 7uy, 2uy; 254uy, Ignored.label; 255uy, 1uy ]
                        Colours = []
                        Threshold = None
                        MaskOrientation = Some MaskOrientation.Upright
                        Sites =
                            [
                                {
                                    Site = "a"
                                    Images = "a/images"
                                    Masks = "a/masks"
                                    Class = Some "a \"serrated\" \\ lesion"
                                    Prefix = ""
                                    Nested = true
                                    Groups = None
                                }
                                {
                                    Site = "St. \"B\""
                                    Images = "all"
                                    Masks = "all"
                                    Class = None
                                    Prefix = "b_"
                                    Nested = false
                                    Groups =
                                        Some
                                            {
                                                Kind = GroupKind.Patients
                                                Frames = [ "\"7\"", [ "b_1"; "b_20" ]; "8", [ "b_3*" ] ]
                                            }
                                }
                            ]
                    }

                for given in
                    [
                        description
                        { description with
                            Values = [ 0uy, 0uy; 255uy, 1uy ]
                            Threshold = Some 128uy
                        }
                        { description with
                            Values = []
                            Colours =
                                [
                                    (0uy, 0uy, 0uy), 0uy
                                    (250uy, 50uy, 83uy), 2uy
                                    (255uy, 255uy, 255uy), Ignored.label
                                ]
                        }
                    ] do
                    Expect.equal
                        (DatasetDescription.parse "made" (DatasetDescription.render given))
                        (Ok given)
                        "the same"
            }

            test "several faults are reported at once" {
                let text =
                    good.Replace("\"2\": \"cyst\"", "\"2\": \"tumor\"").Replace("\"name\"", "\"nmae\"")

                dataset text unspoilt (fun folder ->
                    Expect.equal (faults folder).Length 3 "unknown key, missing name, undeclared class")
            }

            test "a description over 1 MiB is refused unread" {
                dataset
                    good
                    (fun folder ->
                        File.WriteAllText(
                            Path.Combine(folder, "dataset.json"),
                            String.replicate 1_100_000 " "
                        ))
                    (fun folder ->
                        match Dataset.load folder with
                        | Ok _ -> failtest "accepted"
                        | Error problem -> Expect.equal (McdrlError.exitCode problem) 5 "Resource")
            }
        ]

let private pairs =
    testList
        "pairs"
        [
            test "sites in their order, frames in natural order, by folder or by file" {
                dataset good unspoilt (fun folder ->
                    let dataset = loaded folder

                    Expect.equal
                        (dataset.Sites |> List.map (fun site -> site.Name, site.Class))
                        [ "a", None; "b", Some 2 ]
                        "sites"

                    Expect.equal
                        (dataset.Sites.Head.Items |> Array.map _.Stem)
                        [| "f2"; "f10" |]
                        "natural order"

                    Expect.equal (loaded (Path.Combine(folder, "dataset.json"))) dataset "by file")
            }

            testTheory
                "natural order"
                [
                    "f2", "f10"
                    "f", "f1"
                    "a10b2", "a10b10"
                    "f09", "f10"
                    "f1", "f01"
                    "B1", "a1"
                    "", "x"
                ]
            <| fun (smaller, larger) ->
                let order = DatasetPairs.compareNames smaller larger

                if smaller = "f1" then
                    Expect.notEqual order 0 "different names are never equal"
                else
                    Expect.isLessThan order 0 $"{smaller} before {larger}"

                Expect.equal (sign (DatasetPairs.compareNames larger smaller)) (-(sign order)) "antisymmetric"

            test "all problems at once: no mask, no frame, two frames of one name, a frame in two formats" {
                let spoil folder =
                    File.Delete(Path.Combine(folder, "a/masks/f2.png"))
                    File.Delete(Path.Combine(folder, "b/images/f10.jpg"))
                    write (Crafted.png 6 4) "b/images/f2.png" folder

                dataset good spoil (fun folder ->
                    let found = faults folder
                    Expect.hasLength found 3 "three"

                    Expect.exists
                        found
                        (fun text -> text.Contains "f2.jpg" && text.Contains "no mask")
                        "no mask"

                    Expect.exists
                        found
                        (fun text -> text.Contains "f10.png" && text.Contains "no frame")
                        "no frame"

                    Expect.exists found (fun text -> text.Contains "f2.jpg, f2.png") "double")
            }

            test "masks may be called x_mask, and lie beside their frames" {
                let text = good.Replace("a/masks", "a/images")

                let spoil folder =
                    for stem in [ "f2"; "f10" ] do
                        File.Move(
                            Path.Combine(folder, $"a/masks/{stem}.png"),
                            Path.Combine(folder, $"a/images/{stem}_mask.png")
                        )

                        File.Move(
                            Path.Combine(folder, $"b/masks/{stem}.png"),
                            Path.Combine(folder, $"b/masks/{stem}_mask.png")
                        )

                dataset text spoil (fun folder ->
                    for site in (loaded folder).Sites do
                        Expect.equal
                            (site.Items |> Array.map (fun item -> Path.GetFileName item.Mask))
                            [| "f2_mask.png"; "f10_mask.png" |]
                            site.Name)
            }

            test "notes beside the frames are left alone, other files are not" {
                let spoil folder =
                    write [| 1uy |] "a/images/notes.txt" folder
                    write [| 1uy |] "a/images/.hidden" folder
                    write [| 1uy |] "a/images/scan.tga" folder

                dataset good spoil (fun folder ->
                    let found = faults folder
                    Expect.hasLength found 1 "one"
                    Expect.stringContains found.Head "scan.tga" "no silent loss of frames")
            }

            test "a prefix selects a site's files; a frame of two sites is refused" {
                let text = good.Replace("\"a/masks\"", "\"a/masks\", \"prefix\": \"f1\"")

                dataset text unspoilt (fun folder ->
                    Expect.equal ((loaded folder).Sites.Head.Items |> Array.map _.Stem) [| "f10" |] "prefix")

                let twice = good.Replace("b/", "a/")

                dataset twice unspoilt (fun folder ->
                    Expect.stringContains (faults folder |> String.concat "\n") "several sites" "twice")
            }

            test "an empty site is refused" {
                let text = good.Replace("\"a/masks\"", "\"a/masks\", \"prefix\": \"zzz\"")

                dataset text unspoilt (fun folder ->
                    Expect.stringContains (faults folder |> String.concat "\n") "no frame" "empty")
            }

            for name, relative in
                [
                    "above", "../x"
                    "hidden above", "a/../../x"
                    "absolute", "/etc"
                    "empty", ""
                    "missing", "nowhere"
                    "with a NUL", "a\\u0000b"
                ] do
                test $"a folder that is {name}" {
                    dataset (good.Replace("a/images", relative)) unspoilt (fun folder ->
                        Expect.isNonEmpty (faults folder) "refused")
                }

            test "symbolic links: inside works, outside and loops are refused" {
                Crafted.withFolder (fun outside ->
                    write (Crafted.jpeg 6 4) "secret.jpg" outside

                    let link target (name: string) folder =
                        File.CreateSymbolicLink(Path.Combine(folder, name), target) |> ignore

                    dataset (good.Replace("a/images", "link")) (link "a/images" "link") (fun folder ->
                        Expect.equal (loaded folder).Sites.Head.Items.Length 2 "inside")

                    for relative, target in [ "link", outside; "link", "link"; "link", "../.." ] do
                        dataset (good.Replace("a/images", relative)) (link target "link") (fun folder ->
                            Expect.isNonEmpty (faults folder) "refused")

                    dataset
                        good
                        (link (Path.Combine(outside, "secret.jpg")) "a/images/f3.jpg")
                        (fun folder ->
                            Expect.stringContains
                                (faults folder |> String.concat "\n")
                                "out of the dataset"
                                "a file may not lead out either"))
            }

            test "a file beside the description is not the dataset" {
                dataset good unspoilt (fun folder ->
                    let path = Path.Combine(folder, "README.md")
                    File.WriteAllText(path, "")

                    Expect.stringContains
                        (faults path |> String.concat "\n")
                        "README.md: this is neither"
                        "refused"

                    Expect.equal
                        (loaded (Path.Combine(folder, "dataset.json"))).Sites.Length
                        (loaded folder).Sites.Length
                        "by its file")
            }

            test "spaces, emoji, line breaks and long names work" {
                let names = [ "a b"; "🙂"; "x\ny"; String.replicate 200 "n" ]

                let add folder =
                    for name in names do
                        write (Crafted.jpeg 6 4) $"a/images/{name}.jpg" folder

                        write
                            (Crafted.indexed 6 4 8 0 false (Array.zeroCreate 24))
                            $"a/masks/{name}.png"
                            folder

                dataset good add (fun folder ->
                    let dataset = loaded folder
                    Expect.equal dataset.Sites.Head.Items.Length 6 "all"

                    for item in dataset.Sites.Head.Items do
                        Expect.isOk (Dataset.read dataset item) item.Stem)
            }

            test "a folder that isn't there" {
                match Dataset.load "/nowhere/at/all" with
                | Ok _ -> failtest "accepted"
                | Error problem -> Expect.equal (McdrlError.exitCode problem) 4 "Data"
            }
        ]

let private firstOf (dataset: Dataset) = dataset.Sites.Head.Items[0]

let private content =
    testList
        "content"
        [
            test "mask values become labels in the order of the classes" {
                let text =
                    good.Replace("\"1\": \"polyp\", \"2\": \"cyst\"", "\"1\": \"cyst\", \"2\": \"polyp\"")

                dataset text unspoilt (fun folder ->
                    let dataset = loaded folder
                    let map = Expect.wantOk (Dataset.labels dataset (firstOf dataset)) "labels"

                    Expect.equal
                        (Array.truncate 6 map.Labels)
                        [| 0uy; 2uy; 1uy; 0uy; 2uy; 1uy |]
                        "1 is cyst, 2 is polyp"

                    let picture, again = Expect.wantOk (Dataset.read dataset (firstOf dataset)) "read"
                    Expect.equal again map "the same map"
                    Expect.equal (picture.Width, picture.Height) (6, 4) "size")
            }

            test "unknown values are listed with their counts, ten at most" {
                let spoil folder =
                    write (Crafted.indexed 6 4 8 0 false (Array.init 24 id)) "a/masks/f2.png" folder

                dataset good spoil (fun folder ->
                    let dataset = loaded folder

                    let message =
                        Expect.wantError (Dataset.labels dataset (firstOf dataset)) "refused"
                        |> McdrlError.describe

                    Expect.stringContains message "3 (1 pixels)" "count"
                    Expect.stringContains message "12 (1 pixels) and 11 more" "ten"
                    Expect.isFalse (message.Contains "13 (") "not more")
            }

            test "255 where 1 is declared gets the hint" {
                let text =
                    good
                        .Replace(", \"cyst\"]", "]")
                        .Replace(", \"2\": \"cyst\"", "")
                        .Replace(", \"class\": \"cyst\"", "")

                let spoil folder =
                    write
                        (Crafted.indexed 6 4 8 0 false (Array.init 24 (fun i -> i % 2 * 255)))
                        "a/masks/f2.png"
                        folder

                dataset text spoil (fun folder ->
                    let dataset = loaded folder

                    let message =
                        Expect.wantError (Dataset.labels dataset (firstOf dataset)) "refused"
                        |> McdrlError.describe

                    Expect.stringContains message "0=0,255=1" "hint"
                    Expect.stringContains message "12 pixels" "count")
            }

            test "a mask of another size is refused, both sizes named" {
                let spoil folder =
                    write (Crafted.indexed 4 6 8 0 false (Array.zeroCreate 24)) "a/masks/f2.png" folder

                dataset good spoil (fun folder ->
                    let dataset = loaded folder

                    let message =
                        Expect.wantError (Dataset.labels dataset (firstOf dataset)) "refused"
                        |> McdrlError.describe

                    Expect.stringContains message "4 x 6" "mask"
                    Expect.stringContains message "6 x 4" "frame")
            }

            test "a turned frame's mask, stored like its file, is turned with it" {
                let spoil folder =
                    write (Crafted.withOrientation 6 (Crafted.jpeg 6 4)) "a/images/f2.jpg" folder

                dataset good spoil (fun folder ->
                    let dataset = loaded folder

                    let stored =
                        Expect.wantOk (Masks.read ImageLimits.standard (firstOf dataset).Mask) "mask"

                    let picture, map = Expect.wantOk (Dataset.read dataset (firstOf dataset)) "read"

                    Expect.equal
                        (picture.Width, picture.Height, map.Width, map.Height)
                        (4, 6, 4, 6)
                        "upright"

                    Expect.equal (LabelMap.inFile picture.Orientation map) stored "and back")
            }

            test "a declared threshold reads JPEG masks" {
                let text =
                    good
                        .Replace(", \"cyst\"]", "], \"threshold\": 128")
                        .Replace("\"1\": \"polyp\", \"2\": \"cyst\"", "\"255\": \"polyp\"")
                        .Replace(", \"class\": \"cyst\"", "")

                let spoil folder =
                    File.Delete(Path.Combine(folder, "a/masks/f2.png"))

                    write
                        (Crafted.encode SkiaSharp.SKEncodedImageFormat.Jpeg 90 6 4 (fun _ _ ->
                            240uy, 240uy, 240uy))
                        "a/masks/f2.jpg"
                        folder

                dataset text spoil (fun folder ->
                    let dataset = loaded folder
                    let map = Expect.wantOk (Dataset.labels dataset (firstOf dataset)) "labels"
                    Expect.isTrue (Array.forall ((=) 1uy) map.Labels) "all lesion")
            }

            test "the faults of frame and mask are reported together" {
                let spoil folder =
                    write [||] "a/images/f2.jpg" folder
                    write [||] "a/masks/f2.png" folder

                dataset good spoil (fun folder ->
                    let dataset = loaded folder
                    let problem = Expect.wantError (Dataset.read dataset (firstOf dataset)) "refused"
                    Expect.hasLength (McdrlError.flatten problem) 2 "both")
            }
        ]

let private real =
    testList
        "real data"
        [
            test "PolypGen: four sites, 1,220 pairs, 255 is the lesion" {
                let dataset = loaded (Shared.path "data/polypgen")

                let counts =
                    dataset.Sites |> List.map (fun site -> site.Name, site.Class, site.Items.Length)

                Expect.equal
                    counts
                    [ "c1", Some 1, 256; "c2", Some 1, 301; "c3", Some 1, 457; "c5", Some 1, 206 ]
                    "sites"

                let _, map = Expect.wantOk (Dataset.read dataset (firstOf dataset)) "first pair"
                Expect.equal (map.Labels |> Array.distinct |> Array.sort) [| 0uy; 1uy |] "labels"
            }

            test "vocal folds: two patients by prefix, 536 pairs" {
                let dataset = loaded (Shared.path "data/vocalfolds")
                Expect.equal (dataset.Sites |> List.sumBy _.Items.Length) 536 "pairs"
                Expect.equal dataset.Classes.Length 6 "classes"
            }
        ]

let private choosing =
    testList
        "choosing"
        [
            testCase "frames are evenly spaced from the first on"
            <| fun () ->
                let spaced count = Dataset.spaced count [| 0..9 |]

                Expect.equal (spaced 4) [| 0; 2; 5; 7 |] "four of ten"
                Expect.equal (spaced 10) [| 0..9 |] "all"
                Expect.equal (spaced 99) [| 0..9 |] "no more than there are"
                Expect.equal (spaced 0) [||] "none"

            Property.check "as many different ones as asked for"
            <| fun (count: uint8) (all: uint8) ->
                let chosen = Dataset.spaced (int count) [| 1 .. int all |]
                chosen.Length = min (int count) (int all) && Array.distinct chosen = chosen
        ]

let tests = testList "Dataset" [ description; pairs; content; choosing; real ]
