module Mcdrl.Tests.ImageListTests

open System.IO
open Expecto
open FsCheck
open Mcdrl

let private within (lines: string list) (work: string -> 'a) =
    Folder.temporary (fun folder ->
        let file = Path.Combine(folder, "list.txt")
        File.WriteAllText(file, lines |> List.map (fun line -> line + "\n") |> String.concat "")
        work file)

let private imagesOf lines =
    within lines (fun file ->
        let found = ResizeArray()

        ImageList.iterate file Progress.none (fun image ->
            found.Add image
            Ok())
        |> Result.map (fun () -> List.ofSeq found))

let private survey compared part lines =
    within lines (fun file -> ImageList.surveyBy compared part file Progress.none)

let private part count index = Outcome.ok (Part.create count index)

let tests =
    testList
        "ImageList"
        [
            testCase "paths in the order of the list, without what says nothing"
            <| fun () ->
                let found =
                    Outcome.ok (
                        imagesOf [ "./b/2.png"; "a.png"; "b//./1.PNG"; "deep/er/x.y.jpg"; "# no comment" ]
                    )

                Expect.equal
                    (found |> List.map _.Path)
                    [ "b/2.png"; "a.png"; "b/1.PNG"; "deep/er/x.y.jpg"; "# no comment" ]
                    "paths"

                Expect.equal
                    (found |> List.map _.Place)
                    [ "b/2"; "a"; "b/1"; "deep/er/x.y"; "# no comment" ]
                    "where results go"

                Expect.equal (found |> List.map _.Line) [ 1L; 2L; 3L; 4L; 5L ] "lines"

            testCase "names that are endings alone keep their folders apart"
            <| fun () ->
                let found = Outcome.ok (imagesOf [ "c1/.png"; "c1.png"; ".png" ])
                Expect.equal (found |> List.map _.Place) [ "c1/"; "c1"; "" ] "three places"

            testCase "what is no path below the root is refused, and its line named"
            <| fun () ->
                for line, why in
                    [
                        "", "empty"
                        "/etc/a.png", "no path below the root"
                        "../a.png", "leads out"
                        "a/../../b.png", "leads out"
                        "a/..", "leads out"
                        "a/", "a folder"
                        ".", "a folder"
                        "a\000b.png", "NUL"
                    ] do
                    imagesOf [ "good.png"; line; "good2.png" ]
                    |> Outcome.refusedWith 4 [ "list.txt, line 2"; why ]

            testCase
                "an image named twice, and two whose results would have one name, are refused by their part alone"
            <| fun () ->
                for lines, first, second in
                    [
                        [ "a.png"; "b.png"; "./a.png" ], 1, 3
                        [ "x.png"; "c/a.jpg"; "c/b.png"; "c/a.png" ], 2, 4
                    ] do
                    let named = [ $"line {second}"; $"line {first}" ]
                    survey 100 Part.whole lines |> Outcome.refusedWith 4 named

                    let outcomes =
                        [ for index in 0..3 -> survey 100 (part 4 index) lines ]
                        |> List.filter Result.isError

                    Expect.hasLength outcomes 1 "one part"
                    outcomes.Head |> Outcome.refusedWith 4 named

                survey 100 Part.whole [ "c1/a.png"; "c2/a.png"; "a.png" ]
                |> Outcome.ok
                |> ignore

            Property.check
                "with little room to compare, the same duplicates are found"
                (fun (numbers: int list) (PositiveInt room) ->
                    let lines = numbers |> List.map (fun number -> $"frame{number % 50}.png")
                    let hasTwice = List.distinct lines <> lines

                    lines.IsEmpty
                    || Result.isError (survey (room % 12 + 2) Part.whole lines) = hasTwice)

            Property.check "the parts' images are all images" (fun (names: Set<uint16>) (PositiveInt count) ->
                let lines = [ for name in names -> $"c{name % 3us}/frame{name}.png" ]
                let count = count % 10 + 1

                lines.IsEmpty
                || (let found =
                        [
                            for index in 0 .. count - 1 -> Outcome.ok (survey 100 (part count index) lines)
                        ]

                    List.sumBy _.InPart found = int64 lines.Length
                    && found |> List.forall (fun one -> one.Images = int64 lines.Length)))

            testCase "an empty list, and one that isn't there"
            <| fun () ->
                survey 100 Part.whole []
                |> Outcome.refusedWith 4 [ "list.txt"; "names no image" ]

                ImageList.survey Part.whole "/none/list.txt" Progress.none
                |> Outcome.refusedWith 4 [ "/none/list.txt" ]
        ]
