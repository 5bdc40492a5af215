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
                "d.tga"
                "notes.txt"
                ".DS_Store"
                "._b.png"
                "sub/e.png"
                "sub/f.svg"
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
                    Expect.equal found.Others [ "d.tga"; "notes.txt" ] "others"
                    Expect.equal found.Below [ "sub" ] "below"
                    let line = Option.get (ImageFolder.leftOut found)

                    for part in [ folder; "2 left out"; "d.tga, notes.txt"; "not searched: sub" ] do
                        Expect.stringContains line part "told")

            testCase "with what lies below"
            <| fun () ->
                filled (fun folder ->
                    let found = Outcome.ok (ImageFolder.readAll folder)

                    Expect.equal
                        (names folder found.Images)
                        [ "a.JPG"; "b.png"; "c.jfif"; "sub/e.png" ]
                        "images"

                    Expect.equal found.Others [ "d.tga"; "notes.txt"; "sub/f.svg" ] "others"
                    Expect.isEmpty found.Below "all is searched")

            testCase "of a pattern, what fits it"
            <| fun () ->
                filled (fun folder ->
                    let found = Outcome.ok (ImageFolder.read "*.tga" folder)
                    Expect.equal (found.Images, found.Others, found.Below) ([], [ "d.tga" ], []) "one")

            testCase "patterns with parts for folders, and with ** for any number of them"
            <| fun () ->
                Folder.temporary (fun folder ->
                    for name in
                        [
                            "a.png"
                            "one/b.png"
                            "one/deep/c.png"
                            "two/d.jpg"
                            "two/e.png"
                            "out/f.png"
                        ] do
                        let path = Path.Combine(folder, name)
                        Directory.CreateDirectory(nonNull (Path.GetDirectoryName path)) |> ignore
                        File.WriteAllText(path, "")

                    Directory.CreateSymbolicLink(Path.Combine(folder, "two", "round"), folder)
                    |> ignore

                    let isOut (path: string) = Path.GetFileName path = "out"

                    for pattern, expected in
                        [
                            "**", [ "a.png"; "one/b.png"; "one/deep/c.png"; "two/d.jpg"; "two/e.png" ]
                            "**/*.png", [ "a.png"; "one/b.png"; "one/deep/c.png"; "two/e.png" ]
                            "one/**", [ "one/b.png"; "one/deep/c.png" ]
                            "**/deep/*", [ "one/deep/c.png" ]
                            "*/?.png", [ "one/b.png"; "two/e.png" ]
                            "t*/**/*.jpg", [ "two/d.jpg" ]
                            "three/**", []
                        ] do
                        let path = Path.Combine(folder, pattern)

                        let found =
                            if Directory.Exists(ImageFolder.patternFolder path) then
                                (Outcome.ok (ImageFolder.readPattern isOut path)).Images
                            else
                                []

                        Expect.equal (names folder found) expected pattern

                    Expect.isTrue (ImageFolder.isPattern "a/**" && ImageFolder.isPattern "a?") "patterns"
                    Expect.isFalse (ImageFolder.isPattern "a/b.png") "no pattern"
                    let all = Outcome.ok (ImageFolder.readAllBut isOut folder)
                    Expect.equal all.Below [ "out"; "two/round" ] "what is not searched is told")

            testCase "many are counted, and where nothing is left out nothing is said"
            <| fun () ->
                Folder.temporary (fun folder ->
                    Expect.isNone (ImageFolder.leftOut (Outcome.ok (ImageFolder.read "*" folder))) "empty"

                    for number in 10..29 do
                        File.WriteAllText(Path.Combine(folder, $"x{number}.tga"), "")

                    let line =
                        Option.get (ImageFolder.leftOut (Outcome.ok (ImageFolder.read "*" folder)))

                    Expect.stringContains line "20 left out" "all"
                    Expect.stringContains line "x19.tga and 10 more" "some")

            testCase "a folder that isn't there is an error"
            <| fun () ->
                Folder.temporary (fun folder ->
                    ImageFolder.read "*" (Path.Combine(folder, "none"))
                    |> Outcome.refusedWith 5 [ "none" ])
        ]
