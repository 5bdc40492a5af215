module Mcdrl.Tests.ImageFolderTests

open System.IO
open Expecto
open Mcdrl

let private filled work =
    Folder.temporary (fun folder ->
        for name in
            [
                "b.png"
                "a.JPG"
                "c.jfif"
                "d.tif"
                "notes.txt"
                ".DS_Store"
                "._b.png"
                "sub/e.png"
                "sub/f.tiff"
                "__MACOSX/g.png"
                "@eaDir/b.png/h.jpg"
            ] do
            let path = Path.Combine(folder, name)
            Directory.CreateDirectory(nonNull (Path.GetDirectoryName path)) |> ignore
            File.WriteAllText(path, "")

        work folder)

let private names folder paths =
    paths |> List.map (fun path -> Path.GetRelativePath(folder, path))

let tests =
    testList
        "ImageFolder"
        [
            testCase "images by name, all else that is there told, what systems leave in no list"
            <| fun () ->
                filled (fun folder ->
                    let found = Outcome.ok (ImageFolder.read "*" folder)
                    Expect.equal (names folder found.Images) [ "a.JPG"; "b.png"; "c.jfif" ] "images"
                    Expect.equal found.Others [ "d.tif"; "notes.txt" ] "others"
                    Expect.equal found.Below [ "sub" ] "below"
                    let line = Option.get (ImageFolder.leftOut found)

                    for part in [ folder; "2 left out"; "d.tif, notes.txt"; "not searched: sub" ] do
                        Expect.stringContains line part "told")

            testCase "with what lies below"
            <| fun () ->
                filled (fun folder ->
                    let found = Outcome.ok (ImageFolder.readAll folder)

                    Expect.equal
                        (names folder found.Images)
                        [ "a.JPG"; "b.png"; "c.jfif"; "sub/e.png" ]
                        "images"

                    Expect.equal found.Others [ "d.tif"; "notes.txt"; "sub/f.tiff" ] "others"
                    Expect.isEmpty found.Below "all is searched")

            testCase "of a pattern, what fits it"
            <| fun () ->
                filled (fun folder ->
                    let found = Outcome.ok (ImageFolder.read "*.tif" folder)
                    Expect.equal (found.Images, found.Others, found.Below) ([], [ "d.tif" ], []) "one")

            testCase "many are counted, and where nothing is left out nothing is said"
            <| fun () ->
                Folder.temporary (fun folder ->
                    Expect.isNone (ImageFolder.leftOut (Outcome.ok (ImageFolder.read "*" folder))) "empty"

                    for number in 10..29 do
                        File.WriteAllText(Path.Combine(folder, $"x{number}.tif"), "")

                    let line =
                        Option.get (ImageFolder.leftOut (Outcome.ok (ImageFolder.read "*" folder)))

                    Expect.stringContains line "20 left out" "all"
                    Expect.stringContains line "x19.tif and 10 more" "some")

            testCase "a folder that isn't there is an error"
            <| fun () ->
                Folder.temporary (fun folder ->
                    ImageFolder.read "*" (Path.Combine(folder, "none"))
                    |> Outcome.refusedWith 5 [ "none" ])
        ]
