module Mcdrl.Tests.ImportSpoiltTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests.PublishedTrees

/// Every dataset with masks, spoilt in one way: what the report must say.
let tests =
    let cases name (cases: (string * ((string -> string) -> unit) * string * string) list) =
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

                        let check = Expect.wantOk (DatasetCheck.run request.Out false Progress.none) "ours"

                        Expect.isEmpty check.Problems "sound")
                }
        ]

    let cut (path: string) =
        let bytes = File.ReadAllBytes path
        File.WriteAllBytes(path, Array.truncate (bytes.Length * 2 / 3) bytes)

    let small file at =
        File.WriteAllBytes(at file, Published.jpeg 90 (width - 8) height (Published.disc (width - 8) height))

    testList
        "Import of spoilt files"
        [
            yield!
                cases
                    "kvasir-seg"
                    [
                        "an image without mask",
                        (fun at -> File.Delete(at "masks/cju2.jpg")),
                        "1 image has no mask",
                        "images/cju2.jpg"
                        "a mask without image",
                        (fun at -> File.Delete(at "images/cju2.jpg")),
                        "1 mask has no image",
                        "masks/cju2.jpg"
                        "a mask of another size",
                        small "masks/cju1.jpg",
                        "1 mask is of another size",
                        "88 x 72, image 96 x 72"
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
                cases
                    "cvc-clinicdb"
                    [
                        "a TIFF cut short",
                        (fun at -> cut (at "Original/2.tif")),
                        "1 file can't be read",
                        "truncated"
                        "a mask cut short",
                        (fun at -> cut (at "Ground Truth/2.tif")),
                        "1 file can't be read",
                        "Ground Truth/2.tif"
                    ]
            yield!
                cases
                    "etis-larib"
                    [
                        "a mask without its p",
                        (fun at -> File.Move(at "Ground Truth/p2.tif", at "Ground Truth/2.tif")),
                        "1 image has no mask",
                        "ETIS-LaribPolypDB/2.tif"
                    ]
            yield!
                cases
                    "polypgen"
                    [
                        "masks of another hospital",
                        (fun at ->
                            File.Move(
                                at "data_C4/masks_C4/100H2_mask.jpg",
                                at "data_C4/masks_C4/100X2_mask.jpg"
                            )),
                        "1 mask has no image",
                        "data_C4/images_C4/100H2.jpg"
                    ]
            yield!
                cases
                    "bkai-igh"
                    [
                        "a white mask",
                        (fun at ->
                            File.WriteAllBytes(
                                at "train_gt/train_gt/1.jpeg",
                                Published.jpeg 90 width height polyp
                            )),
                        "1 mask holds what",
                        "no known colour"
                    ]
            yield!
                cases
                    "vocal-folds"
                    [
                        "an unknown value",
                        (fun at ->
                            File.WriteAllBytes(
                                at "annot/patient2/seq5/0001_l.png",
                                Crafted.indexed width height 8 0 false (Array.create (width * height) 9)
                            )

                            File.Copy(at "img/patient1/seq1/0001_l.png", at "img/patient2/seq5/0002_l.png")

                            File.Copy(
                                at "annot/patient1/seq1/0001_l.png",
                                at "annot/patient2/seq5/0002_l.png"
                            )),
                        "1 mask holds what",
                        "9 (6912 pixels)"
                    ]
            yield!
                cases
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
