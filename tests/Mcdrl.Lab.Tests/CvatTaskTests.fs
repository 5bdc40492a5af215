module Mcdrl.Tests.CvatTaskTests

open System.IO
open System.IO.Compression
open System.Xml.Linq
open Expecto
open Mcdrl

let private classes = [ "polyp"; "cyst" ]

/// A disc of label 2 in the left upper quarter, upright, and a smaller one of label 1 with a hole on the right of wide pictures.
let private answer (picture: Picture) : LabelMap =
    let within x y centreX centreY radius =
        let dx, dy = float x + 0.5 - centreX, float y + 0.5 - centreY
        dx * dx + dy * dy < radius * radius

    {
        Width = picture.Width
        Height = picture.Height
        Labels =
            Array.init (picture.Width * picture.Height) (fun i ->
                let x, y = i % picture.Width, i / picture.Width

                if within x y 16.0 14.0 9.0 then
                    2uy
                elif picture.Width > 60 && within x y 64.0 24.0 8.0 && not (within x y 64.0 24.0 3.0) then
                    1uy
                else
                    0uy)
    }

let private engine: Engine =
    FakeEngine.saying classes (fun _ marking picture ->
        Ok
            { FakeEngine.answerOf classes marking (answer picture) 2 (Array.create 12 0.5f) with
                Mask = LabelMap.inFile picture.Orientation (answer picture)
                Orientation = picture.Orientation
            })

let private frames (folder: string) : string list =
    [
        for name, bytes in
            [
                "deleted.png", Crafted.png 80 40
                "kept.png", Crafted.png 80 40
                "later.png", Crafted.png 80 40
                "turned.jpg", Crafted.withOrientation 6 (Crafted.jpeg 80 48)
            ] do
            let path = Path.Combine(folder, name)
            File.WriteAllBytes(path, bytes)
            path
    ]

let private write images out =
    let unread = ResizeArray()

    let report =
        CvatTask.write engine images out (fun image _ -> unread.Add image) Progress.none

    report, List.ofSeq unread

/// What an annotator does to `annotations.xml`.
let private corrected (task: string) (change: XElement list -> unit) =
    let path = Path.Combine(task, "annotations.xml")
    let document = XDocument.Load path
    change (List.ofSeq (nonNull(document.Root).Elements(XName.Get "image")))
    document.Save path

let private named name (images: XElement list) =
    images
    |> List.find (fun image -> nonNull(image.Attribute(XName.Get "name")).Value = name)

let private imported task out : Result<ImportReport, McdrlError> =
    Import.run
        {
            Sources = [ Outcome.ok (ImportCatalogue.find "cvat"), task ]
            Out = out
            As = None
            Labels = []
            Classes = Some classes
            Options =
                {
                    Images = None
                    Site = Some "new"
                    ByFolder = false
                }
            Licence = None
            Skip = false
        }
        Progress.none

let private labels (dataset: Dataset) stem =
    let item = dataset.Sites.Head.Items |> Array.find (fun item -> item.Stem = stem)

    let picture, truth = Outcome.ok (Dataset.read dataset item)
    picture, truth.Labels

let private dice label (a: byte[]) (b: byte[]) =
    Metrics.dice EmptyTruth.Counted (Counts.ofLabel label a b)

let private back =
    testCase
        "there and back: kept, deleted and added marks, a frame that is turned; what wasn't looked at is no frame"
    <| fun () ->
        Folder.temporary (fun folder ->
            let task = Path.Combine(folder, "task")
            let report, unread = write (frames folder) task
            let report = Outcome.ok report
            Expect.equal (report.Frames, report.Marked, report.Unread, unread) (4, 4, 0, []) "report"

            corrected task (fun images ->
                (named "deleted.png" images).RemoveNodes()

                (named "turned.jpg" images)
                    .Add(
                        XElement(
                            XName.Get "polygon",
                            XAttribute(XName.Get "label", "polyp"),
                            XAttribute(XName.Get "z_order", "0"),
                            XAttribute(XName.Get "points", "30,60;40,60;40,70;30,70")
                        )
                    )

                (named "later.png" images).Remove())

            let out = Path.Combine(folder, "labelled")
            let found = Outcome.ok (imported task out)
            Expect.isEmpty (found.Problems |> List.map McdrlError.describe) "no problem"
            Expect.equal found.Unmarked 1 "the frame that is no more in the export"
            let site = List.exactlyOne found.Sites
            Expect.equal (site.Frames, site.Empty) (3, 1) "a frame without a mark is one without a lesion"
            let dataset = Outcome.ok (Dataset.load out)
            Expect.equal dataset.Classes classes "the model's classes in its order"

            let picture, truth = labels dataset "kept"

            for label, least in [ 1uy, 0.999; 2uy, 0.97 ] do
                Expect.isGreaterThanOrEqual
                    (dice label (answer picture).Labels truth)
                    least
                    $"class {label} as it was"

            let _, truth = labels dataset "deleted"
            Expect.allEqual truth 0uy "nothing is left"

            let picture, truth = labels dataset "turned"
            Expect.equal (picture.Width, picture.Height) (48, 80) "upright"
            Expect.isGreaterThanOrEqual (dice 2uy (answer picture).Labels truth) 0.97 "upright as well"

            Expect.equal
                [
                    for i in 0 .. truth.Length - 1 do
                        if truth[i] = 1uy then
                            i % 48, i / 48
                ]
                [
                    for y in 60..69 do
                        for x in 30..39 -> x, y
                ]
                "the mark that was added")

let private outlines =
    testCase "outlines have corners that a hand can move: far fewer than the pixels' edges"
    <| fun () ->
        Folder.temporary (fun folder ->
            let task = Path.Combine(folder, "task")
            write [ (frames folder)[1] ] task |> fst |> Outcome.ok |> ignore

            corrected task (fun images ->
                let polygon = images.Head.Elements(XName.Get "polygon") |> Seq.exactlyOne
                let points = nonNull(polygon.Attribute(XName.Get "points")).Value.Split ';'

                let picture =
                    Outcome.ok (Images.read ImageLimits.standard (Path.Combine(task, "images", "kept.png")))

                let disc =
                    Contours.find (answer picture) |> List.find (fun region -> region.Label = 2)

                Expect.isLessThan points.Length (disc.Outline.Length / 2) "corners"

                Expect.hasLength
                    (List.ofSeq (images.Head.Elements(XName.Get "mask")))
                    1
                    "what has a hole is a mask"))

let private places =
    testCase
        "pictures are copied byte for byte; an archive holds what a folder does; equal names have their folders"
    <| fun () ->
        Folder.temporary (fun folder ->
            let images =
                [
                    for below in [ "a/x"; "b" ] do
                        Directory.CreateDirectory(Path.Combine(folder, below)) |> ignore
                        let path = Path.Combine(folder, below, "f.png")
                        File.WriteAllBytes(path, Crafted.png 40 (30 + below.Length))
                        path
                ]

            let task, archive =
                Path.Combine(folder, "task"), Path.Combine(folder, "new", "task.zip")

            write images task |> fst |> Outcome.ok |> ignore
            write images archive |> fst |> Outcome.ok |> ignore
            let unpacked = Path.Combine(folder, "unpacked")
            ZipFile.ExtractToDirectory(archive, unpacked)

            Expect.equal
                (Directory.GetFiles(Path.GetDirectoryName archive |> nonNull))
                [| archive |]
                "nothing beside it"

            for place in [ task; unpacked ] do
                Expect.equal
                    [
                        for file in Directory.GetFiles(place, "*", SearchOption.AllDirectories) |> Array.sort ->
                            Path.GetRelativePath(place, file)
                    ]
                    [ "annotations.xml"; "images/a/x/f.png"; "images/b/f.png" ]
                    "files"

                for image, name in List.zip images [ "a/x/f.png"; "b/f.png" ] do
                    Expect.equal
                        (File.ReadAllBytes(Path.Combine(place, "images", name)))
                        (File.ReadAllBytes image)
                        "bytes"

            Expect.equal
                (File.ReadAllText(Path.Combine(task, "annotations.xml")))
                (File.ReadAllText(Path.Combine(unpacked, "annotations.xml")))
                "annotations")

let private refusals =
    testCase "what can't be read is told and left out; a folder that holds something is left alone"
    <| fun () ->
        Folder.temporary (fun folder ->
            let broken = Path.Combine(folder, "broken.png")
            File.WriteAllText(broken, "no picture")
            let images = frames folder
            let report, unread = write (broken :: images) (Path.Combine(folder, "task"))
            let report = Outcome.ok report
            Expect.equal (report.Frames, report.Unread, unread) (4, 1, [ broken ]) "left out"

            Outcome.refusedWith
                4
                [ "no image could be read" ]
                (fst (write [ broken ] (Path.Combine(folder, "other"))))

            Expect.isFalse (Directory.Exists(Path.Combine(folder, "other"))) "nothing is made"
            Outcome.refusedWith 2 [ "not empty" ] (fst (write images folder)))

let private vanished =
    testCase "a picture that is gone before it is copied: an error that names it, and no archive"
    <| fun () ->
        Folder.temporary (fun folder ->
            let images = frames folder |> List.truncate 1
            let archive = Path.Combine(folder, "new", "task.zip")

            let thief =
                { engine with
                    Segment =
                        fun mode marking picture ->
                            File.Delete images.Head
                            engine.Segment mode marking picture
                }

            CvatTask.write thief images archive (fun _ _ -> ()) Progress.none
            |> Outcome.refusedWith 5 [ images.Head ]

            Expect.isEmpty (Directory.GetFileSystemEntries(Path.Combine(folder, "new"))) "nothing is left")

let tests = testList "CvatTask" [ back; outlines; places; refusals; vanished ]
