module Mcdrl.Tests.PhantomDatasetTests

open System.IO
open System.Threading
open Expecto
open Mcdrl

let private ok result =
    match result with
    | Ok value -> value
    | Error problem -> failtest (McdrlError.describe problem)

let private request folder : PhantomRequest =
    {
        Out = Path.Combine(folder, "data")
        Sites = 2
        Images = 4
        Seed = 3UL
        Side = 48
        Confounded = true
        Force = false
    }

let private write request =
    PhantomDataset.write request Progress.none

/// Name and content of every file below a folder.
let private files (folder: string) =
    Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
    |> Array.map (fun path -> Path.GetRelativePath(folder, path), File.ReadAllBytes path)
    |> Array.sortBy fst

let tests =
    testList
        "PhantomDataset"
        [
            testCase "what it writes loads, checks clean, and holds the sites' frames"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request = request folder
                    let found = ok (write request)
                    let dataset = ok (Dataset.load request.Out)
                    Expect.equal dataset.Classes Phantom.classes "classes"
                    Expect.equal [ for site in dataset.Sites -> site.Items.Length ] [ 4; 4 ] "frames"

                    let report = ok (DatasetCheck.run request.Out false Progress.none)

                    Expect.isEmpty report.Problems "clean"

                    Expect.equal
                        (ok (PhantomDataset.scenes request.Out))
                        found
                        "scenes.json says what was drawn"

                    Expect.isTrue (File.Exists(Path.Combine(request.Out, "contact.png"))) "contact sheet"

                    let described =
                        match DatasetDescription.load request.Out with
                        | Ok described -> described
                        | Error faults -> failtest $"{List.map McdrlError.describe faults}"

                    Expect.equal described.Name "Phantom, confounded, seed 3" "name"

                    Expect.equal
                        described.Values
                        [ for label in 0uy .. 5uy -> label, label ]
                        "a mask's value is its label")

            testCase "a scene of scenes.json renders the file's own pixels"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request = request folder
                    ok (write request) |> ignore

                    for frame in (ok (PhantomDataset.scenes request.Out)).Frames do
                        let scene, condition, seed = ok (PhantomDataset.scene frame)
                        let picture, labels = Phantom.render request.Side scene (Some condition) seed
                        let path (name: string) = Path.Combine(request.Out, name)

                        Expect.equal
                            (ok (Images.read ImageLimits.standard (path frame.Image))).Rgb
                            picture.Rgb
                            "frame"

                        Expect.equal (ok (Masks.read ImageLimits.standard (path frame.Mask))) labels "mask"
                        Expect.equal frame.Geometry (Phantom.geometry scene (Some condition)) "geometry"
                        Expect.equal frame.Radius (scene.Lesion |> Option.map _.Radius) "radius")

            testCase
                "the seed decides every byte; an occupied folder needs force, which leaves nothing of before"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request = request folder
                    ok (write request) |> ignore
                    let first = files request.Out

                    match write request with
                    | Error(McdrlError.Usage fault) -> Expect.stringContains fault.What "not empty" "refused"
                    | other -> failtest $"not refused: {other}"

                    let more =
                        { request with
                            Images = 6
                            Seed = 4UL
                            Force = true
                        }

                    ok (write more) |> ignore
                    Expect.notEqual (files request.Out) first "another seed"
                    ok (write { request with Force = true }) |> ignore
                    Expect.equal (files request.Out) first "the same seed")

            testCase "force deletes nothing outside the folder, whatever a link in it leads to"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request =
                        { request folder with
                            Images = 3
                            Force = true
                        }

                    ok (write request) |> ignore
                    let all = files request.Out |> Array.length
                    let site = Directory.GetDirectories(request.Out)[0]
                    let elsewhere = Path.Combine(folder, "elsewhere")
                    Directory.Move(site, elsewhere)
                    Directory.CreateSymbolicLink(site, elsewhere) |> ignore
                    let before = files elsewhere |> Array.length
                    Expect.isGreaterThan all before "other sites too"
                    ok (write { request with Images = 1 }) |> ignore
                    Expect.equal (files elsewhere |> Array.length) before "all are there")

            testCase "a stopped run leaves no dataset"
            <| fun () ->
                Folder.temporary (fun folder ->
                    use stop = new CancellationTokenSource()
                    let request = request folder
                    let tell (_: ProgressStep) = stop.Cancel()

                    Expect.equal
                        (PhantomDataset.write request { Tell = tell; Cancel = stop.Token })
                        (Error McdrlError.Cancelled)
                        "stopped"

                    Expect.isFalse (File.Exists(Path.Combine(request.Out, "dataset.json"))) "no description")

            testCase "numbers out of range are refused before anything is written"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request = request folder

                    for wrong in
                        [
                            { request with Sites = 0 }
                            { request with Sites = 6 }
                            { request with Images = 0 }
                            { request with Side = 31 }
                        ] do
                        match write wrong with
                        | Error(McdrlError.Usage _) -> ()
                        | other -> failtest $"not refused: {other}"

                    Expect.isFalse (Directory.Exists request.Out) "nothing written")

            testCase "scenes.json of unknown words is a data error that names the frame"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let request = request folder
                    let found = ok (write request)
                    let path = Path.Combine(request.Out, "scenes.json")

                    for spoil in
                        [
                            fun (frame: PhantomFrame) -> { frame with Site = "p9" }
                            fun (frame: PhantomFrame) -> { frame with Lesion = Some "wart" }
                            fun (frame: PhantomFrame) -> { frame with Condition = "fog" }
                            fun (frame: PhantomFrame) -> { frame with Strength = 0.0 }
                        ] do
                        let spoiled =
                            { found with
                                Frames = spoil found.Frames.Head :: found.Frames.Tail
                            }

                        File.WriteAllText(path, RecordJson.render spoiled)

                        match PhantomDataset.scenes request.Out with
                        | Error(McdrlError.Data fault) ->
                            Expect.equal fault.Where found.Frames.Head.Image "where"
                        | other -> failtest $"not refused: {other}"

                    for side, isGood in
                        [ 32, true; 2048, true; 31, false; 2049, false; 2_000_000_000, false ] do
                        File.WriteAllText(path, RecordJson.render { found with Side = side })

                        match PhantomDataset.scenes request.Out with
                        | Ok _ -> Expect.isTrue isGood $"a side of {side} is read"
                        | Error fault ->
                            Expect.isFalse isGood $"a side of {side} is refused"
                            Expect.stringContains (McdrlError.describe fault) $"{side}" "named"

                    File.WriteAllText(path, "{")

                    match PhantomDataset.scenes request.Out with
                    | Error(McdrlError.Data _) -> ()
                    | other -> failtest $"not refused: {other}")
        ]
