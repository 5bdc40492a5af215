module Mcdrl.Cli.Tests.SegmentVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

/// A folder with a good image, a bad one and a file that is none.
let private withImages work =
    Folder.temporary (fun folder ->
        let images = Path.Combine(folder, "images")
        Directory.CreateDirectory images |> ignore
        File.Copy(Path.Combine(World.data (), "c", "images", "frame1.png"), Path.Combine(images, "good.png"))
        File.WriteAllText(Path.Combine(images, "bad.png"), "no image")
        File.WriteAllText(Path.Combine(images, "notes.txt"), "")
        work images (Path.Combine(folder, "out")))

let private segment arguments =
    mcdrl ("segment" :: arguments @ [ "--model"; World.bundle () ])

let tests =
    testSequenced (
        testList
            "segment"
            [
                test "a bad image is reported, the good one is done: exit 1" {
                    withImages (fun images out ->
                        let outcome = segment [ images; "--out"; out; "--json" ]
                        Expect.equal outcome.Code 1 outcome.Err
                        Expect.stringContains outcome.Err "bad.png" "named"

                        match objects outcome with
                        | [| bad; good |] ->
                            Expect.stringContains
                                (bad.GetProperty("error").GetString() |> string)
                                "bad.png"
                                "why"

                            Expect.stringEnds
                                (good.GetProperty("image").GetString() |> string)
                                "good.png"
                                "which"

                            Expect.equal (good.GetProperty("width").GetInt32()) World.width "its size"

                            Expect.equal
                                (good.GetProperty("classes").[0].GetProperty("name").GetString())
                                "polyp"
                                "its classes"
                        | other -> failtest $"{other.Length} objects on stdout, not 2"

                        Expect.equal
                            (Directory.GetFiles out |> Array.map Path.GetFileName |> Array.sort)
                            [| "good.json"; "good.mask.png"; "good.overlay.png" |]
                            "only the good image's files")
                }

                test
                    "every image that is named is done, before an option and after it; a folder's other files are told" {
                    withImages (fun images out ->
                        let one, other = Path.Combine(images, "good.png"), Path.Combine(images, "later.png")
                        File.Copy(one, other)
                        let outcome = segment [ one; "--out"; out; other ]
                        Expect.equal outcome.Code 0 outcome.Err

                        for name in [ "good"; "later" ] do
                            Expect.isTrue (File.Exists(Path.Combine(out, $"{name}.mask.png"))) name

                        let missing = segment [ "no-such.png"; "--out"; out; other ]
                        Expect.equal missing.Code 2 "missing"
                        Expect.stringContains missing.Err "no-such.png" "named"

                        for json in [ []; [ "--json" ] ] do
                            let whole = segment ([ images; "--out"; out ] @ json)
                            Expect.equal whole.Code 1 whole.Err
                            Expect.stringContains whole.Err "1 left out" "counted"
                            Expect.stringContains whole.Err "notes.txt" "named")
                }

                test "--format: the masks in other tools' formats too, in one file or one for each image" {
                    withImages (fun images out ->
                        let formats = "coco,coco-rle,cvat,labelme,nrrd,tiff"

                        let outcome =
                            segment [ images; "--out"; out; "--format"; formats; "--threshold"; "0.01" ]

                        Expect.equal outcome.Code 1 outcome.Err

                        let written =
                            Directory.GetFiles(out, "*", SearchOption.AllDirectories)
                            |> Array.map (fun path -> Path.GetRelativePath(out, path))
                            |> Array.sort

                        Expect.equal
                            written
                            [|
                                "annotations.xml"
                                "coco-rle.json"
                                "coco.json"
                                "good.json"
                                "good.mask.png"
                                "good.overlay.png"
                                "good.seg.nrrd"
                                "labelme/good.json"
                                "masks.tif"
                            |]
                            "files"

                        let imported format =
                            mcdrl
                                [
                                    "data"
                                    "import"
                                    format
                                    out
                                    "--images"
                                    images
                                    "--out"
                                    Path.Combine(out, "..", "again-" + format)
                                ]

                        for format in [ "coco"; "cvat"; "labelme" ] do
                            // The bad image is a picture by its name, and nobody annotated it.
                            let outcome = imported format
                            Expect.equal outcome.Code 0 outcome.Err

                        let unknown = segment [ images; "--out"; out; "--format"; "coko" ]
                        Expect.equal unknown.Code 2 "unknown"
                        Expect.stringContains unknown.Err "Did you mean coco?" "meant")
                }

                test "--explain: a sheet, maps and the mask under every condition, told in the JSON" {
                    withImages (fun images out ->
                        let outcome =
                            segment [ Path.Combine(images, "good.png"); "--out"; out; "--explain"; "--json" ]

                        Expect.equal outcome.Code 0 outcome.Err
                        let told = (objects outcome).[0].GetProperty "explanation"
                        Expect.equal (told.GetProperty("sheet").GetString()) "good.explained.png" "sheet"
                        Expect.isTrue (File.Exists(Path.Combine(out, "good.explained.png"))) "sheet"
                        Expect.equal (told.GetProperty("conditions").GetArrayLength()) 3 "conditions"

                        for condition in told.GetProperty("conditions").EnumerateArray() do
                            let mask = condition.GetProperty("mask").GetString() |> string
                            Expect.isTrue (File.Exists(Path.Combine(out, mask))) mask)
                }

                test
                    "--probabilities, --threshold and --min-area: files and figures, of a model and of its ONNX file" {
                    withImages (fun images out ->
                        let file, image =
                            Path.Combine(images, "model.onnx"), Path.Combine(images, "good.png")

                        let exported = mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; file ]
                        Expect.equal exported.Code 0 exported.Err

                        let ask arguments =
                            let outcome =
                                mcdrl ("segment" :: image :: "--out" :: out :: "--json" :: arguments)

                            Expect.equal outcome.Code 0 outcome.Err
                            (objects outcome).[0]

                        let area (told: System.Text.Json.JsonElement) =
                            told.GetProperty("classes").[0].GetProperty("area").GetInt64()

                        for engine in [ [ "--model"; World.bundle () ]; [ "--onnx"; file ] ] do
                            let usual = ask engine
                            let low = ask ([ "--threshold"; "0.05"; "--probabilities" ] @ engine)
                            let none = ask ([ "--min-area"; "100000" ] @ engine)
                            Expect.isGreaterThan (area low) (area usual) "more"
                            Expect.equal (area none) 0L "none as large"
                            Expect.equal (low.GetProperty("threshold").GetDouble()) 0.05 "told"
                            Expect.equal (none.GetProperty("min_area").GetInt64()) 100000L "told"

                            Expect.equal
                                (low.GetProperty("probability").GetString())
                                "good.probability.png"
                                "told"

                            let map =
                                Outcome.ok (
                                    Images.read
                                        ImageLimits.standard
                                        (Path.Combine(out, "good.probability.png"))
                                )

                            Expect.equal
                                (map.Width, map.Height)
                                (World.width, World.height)
                                "the frame's size"

                            File.Delete(Path.Combine(out, "good.probability.png"))
                            let lesion = usual.GetProperty("classes").[0]
                            let score = lesion.GetProperty("score").GetDouble()
                            Expect.isGreaterThan score 0.5 "something is marked"

                            Expect.floatClose
                                Accuracy.medium
                                (lesion.GetProperty("regions").[0].GetProperty("max_probability").GetDouble())
                                score
                                "the largest region has it"

                            for arguments, named in
                                [
                                    [ "--threshold"; "1.5" ], "--threshold: 1.5"
                                    [ "--threshold"; "0" ], "--threshold: 0"
                                    [ "--threshold"; "half" ], "half"
                                    [ "--min-area"; "-1" ], "--min-area: -1"
                                ] do
                                let outcome =
                                    mcdrl ("segment" :: image :: "--out" :: out :: engine @ arguments)

                                Expect.equal outcome.Code 2 outcome.Err
                                Expect.stringContains outcome.Err named "named")
                }

                test "--mode rendered: the conditions done to pixels; the explanation is of A's answers still" {
                    withImages (fun images out ->
                        let ask mode =
                            let outcome =
                                segment
                                    [
                                        Path.Combine(images, "good.png")
                                        "--out"
                                        out
                                        "--mode"
                                        mode
                                        "--explain"
                                        "--json"
                                    ]

                            Expect.equal outcome.Code 0 outcome.Err
                            (objects outcome).[0]

                        let rendered, exact = ask "rendered", ask "exact"
                        Expect.equal (rendered.GetProperty("mode").GetString()) "rendered" "told"

                        let influences (told: System.Text.Json.JsonElement) =
                            [
                                for each in
                                    told
                                        .GetProperty("explanation")
                                        .GetProperty("conditions")
                                        .EnumerateArray() ->
                                    each.GetProperty("condition").GetString(),
                                    each.GetProperty("influence").GetDouble()
                            ]

                        Expect.equal
                            (influences rendered)
                            (influences exact)
                            "what A says of single conditions")
                }

                test "--flips: another answer of the same file; not with --onnx" {
                    withImages (fun images out ->
                        let disagreement flips =
                            let outcome =
                                segment (
                                    [
                                        Path.Combine(images, "good.png")
                                        "--out"
                                        out
                                        "--mode"
                                        "exact"
                                        "--json"
                                    ]
                                    @ flips
                                )

                            Expect.equal outcome.Code 0 outcome.Err
                            (objects outcome).[0].GetProperty("disagreement").GetDouble()

                        let one = disagreement []
                        Expect.notEqual (disagreement [ "--flips"; "horizontal" ]) one "averaged"
                        Expect.equal (disagreement [ "--flips"; "none" ]) one "as the model says"

                        let outcome =
                            mcdrl [ "segment"; images; "--onnx"; "x.onnx"; "--flips"; "both"; "--out"; out ]

                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err "--flips" "named")
                }

                test "--recursive: folders in folders, TIFF too; of several pages the first, which is said" {
                    withImages (fun images out ->
                        let deep = Path.Combine(images, "site", "day")
                        Directory.CreateDirectory deep |> ignore
                        let good = Path.Combine(images, "good.png")
                        let picture = Outcome.ok (Images.read ImageLimits.standard good)
                        let rows = picture.Rgb |> Array.chunkBySize (3 * picture.Width)

                        Published.tiffPages
                            BitMiracle.LibTiff.Classic.Compression.LZW
                            8
                            3
                            BitMiracle.LibTiff.Classic.Photometric.RGB
                            picture.Width
                            picture.Height
                            [ rows; Array.rev rows ]
                        |> fun bytes -> File.WriteAllBytes(Path.Combine(deep, "scan.tif"), bytes)

                        File.Delete(Path.Combine(images, "bad.png"))
                        let outcome = segment [ images; "--recursive"; "--out"; out; "--json" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.stringContains outcome.Err "scan.tif: the file holds 2 pictures" "said"

                        let mask (name: string) =
                            Outcome.ok (Masks.read ImageLimits.standard (Path.Combine(out, name)))

                        Expect.equal
                            (mask "site/day/scan.mask.png")
                            (mask "good.mask.png")
                            "the same picture"

                        Expect.equal
                            (objects outcome
                             |> Array.map (fun told -> told.GetProperty("pictures").GetInt32()))
                            [| 1; 2 |]
                            "told")
                }

                test "only good images: exit 0; the summary on stdout is for people" {
                    withImages (fun images out ->
                        let outcome = segment [ Path.Combine(images, "g*.png"); "--out"; out ]
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.stringContains outcome.Out "1 of 1 images" "told"
                        Expect.stringContains outcome.Out "not for clinical use" "told")
                }

                test "where no model is named the embedded one answers, and says what it is" {
                    withImages (fun images out ->
                        let outcome =
                            mcdrl [ "segment"; Path.Combine(images, "good.png"); "--out"; out; "--json" ]

                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.stringContains outcome.Err "using the embedded one" "said"
                        Expect.stringContains outcome.Err "not for clinical use" "said"
                        Expect.isTrue (File.Exists(Path.Combine(out, "good.mask.png"))) "a mask"
                        Expect.equal (objects outcome).Length 1 "one result")
                }

                test "--onnx: an exported model answers as the model does" {
                    withImages (fun images out ->
                        let file, image =
                            Path.Combine(images, "model.onnx"), Path.Combine(images, "good.png")

                        let exported = mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; file ]

                        Expect.equal exported.Code 0 exported.Err

                        let mask arguments =
                            let outcome =
                                mcdrl ("segment" :: image :: "--out" :: out :: "--json" :: arguments)

                            Expect.equal outcome.Code 0 outcome.Err
                            let report = (objects outcome).[0]
                            let conditions = report.GetProperty("conditions").EnumerateObject()

                            Outcome.ok (Masks.read ImageLimits.standard (Path.Combine(out, "good.mask.png"))),
                            [ for condition in conditions -> condition.Name, condition.Value.GetDouble() ],
                            [
                                for lesion in report.GetProperty("classes").EnumerateArray() ->
                                    string (lesion.GetProperty "name"), lesion.GetProperty("area").GetInt64()
                            ]

                        let ownMask, own, ownClasses = mask [ "--model"; World.bundle () ]
                        let foundMask, found, foundClasses = mask [ "--onnx"; file ]
                        World.sameButForTies foundMask ownMask "mask"
                        Expect.equal (List.map fst foundClasses) (List.map fst ownClasses) "classes"

                        for _, area in foundClasses do
                            Expect.equal area (Array.sumBy int64 foundMask.Labels) "area"

                        Expect.equal (List.map fst found) (List.map fst own) "conditions"

                        for (name, a), (_, b) in List.zip found own do
                            Expect.isLessThan (abs (a - b)) 1e-4 name)
                }

                test "--onnx: no file, another file, or flags that it makes no sense with" {
                    withImages (fun images out ->
                        let refused code arguments (named: string) =
                            let outcome = mcdrl ("segment" :: images :: "--out" :: out :: arguments)
                            Expect.equal outcome.Code code outcome.Err
                            Expect.stringContains outcome.Err named "named"

                        let image = Path.Combine(images, "good.png")
                        refused 3 [ "--onnx"; image ] "good.png"
                        refused 3 [ "--onnx"; Path.Combine(images, "none.onnx") ] "none.onnx"
                        refused 2 [ "--onnx"; image; "--mode"; "exact" ] "--mode"

                        refused
                            2
                            [ "--onnx"; image; "--explain"; "--precision"; "fp32" ]
                            "--explain, --precision"

                        refused 2 [ "--onnx"; image; "--model"; World.bundle () ] "--model"
                        refused 2 [ "--onnx"; image; "--device"; "gpu" ] "--device gpu"
                        refused 2 [ "--onnx"; image; "--device"; "cuda:99" ] "--device cuda:99")
                }

                test "wrong usage is refused before any work" {
                    withImages (fun images out ->
                        for arguments, named in
                            [
                                [ "--out"; out ], "no image is named"
                                [ "/nonexistent/a.png"; "--out"; out ], "/nonexistent/a.png"
                                [ Path.Combine(images, "x*.png"); "--out"; out ], "x*.png"
                                [ images; "--out"; images ], "--out"
                                [ images; "--out"; out; "--mode"; "median" ], "--mode median"
                                [ images; "--out"; out; "--device"; "gpu" ], "gpu"
                            ] do
                            let outcome = segment arguments
                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.equal outcome.Out "" "nothing on stdout"
                            Expect.stringContains outcome.Err named "named")
                }

                test "a model that is not there or damaged" {
                    withImages (fun images out ->
                        let outcome = mcdrl [ "segment"; images; "--out"; out; "--model"; "/nonexistent/m" ]
                        Expect.equal outcome.Code 3 outcome.Err
                        Expect.isFalse (Directory.Exists out) "no output folder without a model"
                        Expect.stringContains outcome.Err "/nonexistent/m" "named"
                        let copy = Path.Combine(images, "model")
                        World.copyTree (World.bundle ()) copy
                        File.Delete(Path.Combine(copy, "weights.safetensors"))
                        let outcome = mcdrl [ "segment"; images; "--out"; out; "--model"; copy ]
                        Expect.equal outcome.Code 3 outcome.Err
                        Expect.stringContains outcome.Err "weights.safetensors" "named")
                }
            ]
    )
