module Mcdrl.Tests.DatasetTurnedTests

open System
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests
open SkiaSharp

let private side = 64

/// A bright disc off the middle, on the upright picture.
let private isLesion x y =
    (x - 20) * (x - 20) + (y - 16) * (y - 16) < 120

let private upright: LabelMap =
    {
        Width = side
        Height = side
        Labels = Array.init (side * side) (fun p -> if isLesion (p % side) (p / side) then 255uy else 0uy)
    }

/// The picture stored so that this EXIF tag turns it upright.
let private frame tag =
    let orientation = Orientation.all[tag - 1]
    let stored = LabelMap.inFile orientation upright

    Crafted.encode SKEncodedImageFormat.Jpeg 95 side side (fun x y ->
        if stored.Labels[y * side + x] > 0uy then
            230uy, 210uy, 190uy
        else
            byte (60 + x / 4), byte (40 + y / 4), 50uy)
    |> Crafted.withOrientation tag

/// A dataset of these stored frames, each with the mask of the upright picture or with one as its file lies, and what it says.
let private within (tags: int list) isUpright (field: string) (test: Dataset -> 'a) : 'a =
    Folder.temporary (fun folder ->
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(folder, "s", kind)) |> ignore

        tags
        |> List.iteri (fun index tag ->
            File.WriteAllBytes(Path.Combine(folder, "s", "images", $"x{index}.jpg"), frame tag)

            let mask =
                if isUpright then
                    upright
                else
                    LabelMap.inFile Orientation.all[tag - 1] upright

            Masks.write (Path.Combine(folder, "s", "masks", $"x{index}.png")) mask
            |> Outcome.ok)

        File.WriteAllText(
            Path.Combine(folder, "dataset.json"),
            $"""{{ "name": "T", {field} "classes": ["polyp", "cancer"], "masks": {{ "0": "background", "255": "polyp", "128": "cancer" }},
  "sites": {{ "s": {{ "images": "s/images", "masks": "s/masks" }} }} }}"""
        )

        test (Outcome.ok (Dataset.load folder)))

let private stated = "\"mask_orientation\": \"upright\","

let private report (dataset: Dataset) =
    Outcome.ok (DatasetCheck.run dataset.Folder false Progress.none)

let private warnings (dataset: Dataset) =
    Outcome.ok (TurnedFrames.warnings dataset dataset.Sites)

let tests =
    testList
        "Turned frames"
        [
            for tag in 1..8 do
                test
                    $"EXIF {tag}: masks as stored, and masks of upright pictures where the dataset says so, are the upright map" {
                    for isUpright, field in [ false, ""; true, stated ] do
                        within [ tag ] isUpright field (fun dataset ->
                            let item = dataset.Sites.Head.Items[0]
                            let _, map = Outcome.ok (Dataset.read dataset item)
                            let expected = upright.Labels |> Array.map (fun value -> min value 1uy)
                            Expect.equal map.Labels expected "frame and mask"

                            Expect.equal
                                (Outcome.ok (Dataset.labels dataset item)).Labels
                                expected
                                "the mask alone")
                }

            test
                "masks of upright pictures that are read as stored are told, by the check and before training" {
                for tags in [ [ 3; 3; 3; 3 ]; [ 3; 6; 1; 8; 2 ] ] do
                    within tags true "" (fun dataset ->
                        let found = report dataset
                        let fault = found.Problems |> List.exactlyOne |> McdrlError.describe
                        Expect.stringContains fault "\"mask_orientation\": \"upright\"" "what to declare"

                        Expect.exists
                            (warnings dataset)
                            (fun line -> line.Contains "upright pictures")
                            "warned")
            }

            test "masks that follow what the dataset says are no fault, and how they are read is told" {
                for isUpright, field in [ false, ""; true, stated ] do
                    within [ 3; 3; 6; 1 ] isUpright field (fun dataset ->
                        let found = report dataset
                        Expect.isEmpty found.Problems "sound"
                        let told = found.Notices |> List.filter _.Contains("stored turned")
                        Expect.equal told.Length 2 "a line for each orientation"

                        Expect.stringContains
                            told.Head
                            "2 frames are stored turned (EXIF orientation 3)"
                            "how many"

                        Expect.equal
                            (warnings dataset).Length
                            (if isUpright then 0 else 2)
                            "silent where it is declared")
            }

            test "frames that are not turned cost no word" {
                within [ 1; 1 ] false "" (fun dataset ->
                    Expect.isEmpty (warnings dataset) "nothing to tell"

                    Expect.equal
                        (report dataset).Notices
                        [
                            "the class cancer occurs in no mask: 0 frames; it can be neither learned nor measured"
                        ]
                        "but of the class that occurs nowhere")
            }

            test "a mask that marks the whole picture is told" {
                within [ 1; 1 ] false "" (fun dataset ->
                    let whole: LabelMap =
                        {
                            Width = side
                            Height = side
                            Labels = Array.create (side * side) 255uy
                        }

                    Masks.write dataset.Sites.Head.Items[0].Mask whole |> Outcome.ok
                    let found = report dataset
                    Expect.isEmpty found.Problems "no fault"
                    Expect.equal found.Sites.Head.Whole 1 "counted"
                    Expect.exists found.Notices (fun line -> line.Contains "1 mask marks every pixel") "told")
            }

            test "prepared frames are others once masks are said to be upright" {
                let digest field =
                    within [ 3 ] false field (fun dataset ->
                        Outcome.ok (DatasetDigest.whole dataset Threading.CancellationToken.None))

                Expect.equal (digest "") (digest "\"mask_orientation\": \"stored\",") "what is so by default"
                Expect.notEqual (digest "") (digest stated) "another reading"
            }
        ]
