/// Which files are segmented, and where their answers go.
module Mcdrl.Tests.SegmentFilesPlansTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests.SegmentFilesTests

let tests =
    testSequenced
    <| testList
        "SegmentFiles.Plans"
        [
            testCase "files, folders and patterns, each image once"
            <| fun () ->
                inFolder (fun input out ->
                    File.WriteAllText(Path.Combine(input, "notes.txt"), "")
                    let all = [ for number in 0..5 -> $"frame{number}.png" ]
                    Expect.equal (names (Outcome.ok (SegmentFiles.plan [ input ] out))) all "a folder"

                    let pattern = Path.Combine(input, "frame[0-9].png").Replace("[0-9]", "?")
                    let one = Path.Combine(input, "frame3.png")

                    Expect.equal
                        (names (Outcome.ok (SegmentFiles.plan [ pattern; one ] out)))
                        all
                        "once each"

                    let target = (Outcome.ok (SegmentFiles.plan [ one ] out)).Head
                    Expect.equal target.Mask (Path.Combine(out, "frame3.mask.png")) "mask"
                    Expect.equal target.Report (Path.Combine(out, "frame3.json")) "report")

            testCase "two images whose results would have one name"
            <| fun () ->
                inFolder (fun input out ->
                    File.WriteAllBytes(Path.Combine(input, "frame2.jpg"), Crafted.jpeg 6 4)

                    SegmentFiles.plan [ input ] out
                    |> Outcome.refusedWith 2 [ "frame2.jpg"; "frame2.png"; "same name" ]

                    Expect.isFalse (Directory.Exists out) "nothing was made")

            testCase "an output folder that holds the input"
            <| fun () ->
                inFolder (fun input _ ->
                    SegmentFiles.plan [ input ] (Path.Combine(input, "..", "in"))
                    |> Outcome.refusedWith 2 [ "holds input images" ])

            testCase "an output folder that is the input's, through a link or a link to a folder above"
            <| fun () ->
                inFolder (fun input _ ->
                    let at (name: string) = Path.Combine(input, "..", name)
                    Directory.CreateSymbolicLink(at "link", input) |> ignore
                    Directory.CreateSymbolicLink(at "above", Path.Combine(input, "..")) |> ignore

                    for out in [ at "link"; at "above/in" ] do
                        SegmentFiles.plan [ input ] out
                        |> Outcome.refusedWith 2 [ out; "holds input images" ]

                        SegmentFiles.plan [ Path.Combine(input, "frame1.png") ] out
                        |> Outcome.refusedWith 2 [ out; "holds input images" ]

                    SegmentFiles.plan [ at "link" ] input
                    |> Outcome.refusedWith 2 [ "holds input images" ])

            testCase "a result that would take the place of an input"
            <| fun () ->
                inFolder (fun input out ->
                    // The input's folder holds links alone; one leads to where a result is to go.
                    Directory.CreateDirectory out |> ignore
                    let real = Path.Combine(out, "frame1.mask.png")
                    File.Copy(Path.Combine(input, "frame2.png"), real)
                    File.CreateSymbolicLink(Path.Combine(input, "drawn.png"), real) |> ignore

                    SegmentFiles.plan [ input ] out
                    |> Outcome.refusedWith 2 [ real; "drawn.png"; "would replace the input" ])

            testCase "an output folder that is a file"
            <| fun () ->
                inFolder (fun input out ->
                    File.WriteAllText(out, "")
                    SegmentFiles.plan [ input ] out |> Outcome.refusedWith 2 [ out; "not a folder" ])

            testCase
                "what systems leave is no image, also where a shell names it; all else that is left out is told"
            <| fun () ->
                inFolder (fun input out ->
                    let at name = Path.Combine(input, name)

                    for name in [ ".DS_Store"; "Thumbs.db"; "._frame1.png"; "frame7.tga" ] do
                        File.WriteAllText(at name, "")

                    for name in [ "__MACOSX"; "sub" ] do
                        Directory.CreateDirectory(at name) |> ignore
                        File.Copy(at "frame1.png", Path.Combine(at name, "frame8.png"))

                    let frames = [ for number in 0..5 -> $"frame{number}.png" ]
                    let found = Outcome.ok (SegmentFiles.plan [ input ] out)
                    Expect.equal (names found) frames "of the folder"

                    match SegmentTargets.leftOut false [ input ] out with
                    | [ line ] ->
                        Expect.stringContains line "1 left out" "counted"
                        Expect.stringContains line "frame7.tga" "named"
                        Expect.stringContains line "sub" "the folder"
                        Expect.isFalse (line.Contains "DS_Store") "not the system's"
                    | other -> failtest $"{other.Length} lines"

                    let named = [ at "frame1.png"; at "Thumbs.db"; at "__MACOSX" ]
                    Expect.equal (names (Outcome.ok (SegmentFiles.plan named out))) [ "frame1.png" ] "named"
                    Expect.hasLength (SegmentTargets.leftOut false named out) 2 "both are told"

                    SegmentFiles.plan [ at "Thumbs.db" ] out
                    |> Outcome.refusedWith 2 [ "Thumbs.db" ])

            testCase
                "folders in a folder: searched where that is asked for, their results in folders of the same names"
            <| fun () ->
                inFolder (fun input out ->
                    let deep = Path.Combine(input, "site", "day")
                    Directory.CreateDirectory deep |> ignore

                    for name in [ "frame1.png"; "frame8.png" ] do
                        File.Copy(Path.Combine(input, "frame1.png"), Path.Combine(deep, name))

                    File.WriteAllText(Path.Combine(deep, "notes.txt"), "")

                    let masks =
                        List.map (fun (target: SegmentTarget) -> Path.GetRelativePath(out, target.Mask))

                    let expected =
                        [
                            for number in 0..5 -> $"frame{number}.mask.png"
                            yield! [ "site/day/frame1.mask.png"; "site/day/frame8.mask.png" ]
                        ]

                    let plan = SegmentTargets.plan true [ input ]
                    Expect.equal (masks (Outcome.ok (plan out))) expected "all"

                    let pattern =
                        Outcome.ok (SegmentFiles.plan [ Path.Combine(input, "**", "frame1.*") ] out)

                    Expect.equal
                        (masks pattern)
                        [ "frame1.mask.png"; "site/day/frame1.mask.png" ]
                        "of a pattern"

                    match SegmentTargets.leftOut true [ input ] out with
                    | [ line ] ->
                        Expect.stringContains line "1 left out" "counted"
                        Expect.stringContains line "site/day/notes.txt" "named"
                    | other -> failtest $"{other.Length} lines"

                    let inside = Path.Combine(input, "results")
                    Directory.CreateDirectory(Path.Combine(inside, "site")) |> ignore

                    File.Copy(
                        Path.Combine(input, "frame1.png"),
                        Path.Combine(inside, "site", "frame1.mask.png")
                    )

                    Expect.hasLength (Outcome.ok (plan inside)) 8 "results of an earlier run are no images"

                    plan input |> Outcome.refusedWith 2 [ "holds input images" ]

                    SegmentTargets.plan true [ Path.Combine(input, "site") ] (Path.Combine(input, "site"))
                    |> Outcome.refusedWith 2 [ "site/day"; "holds input images" ]

                    SegmentFiles.plan [ Path.Combine(input, "site") ] out
                    |> Outcome.refusedWith 2 [ "not searched"; "recursive"; "**" ]

                    let empty = Path.Combine(input, "empty")
                    Directory.CreateDirectory(Path.Combine(empty, "more")) |> ignore

                    SegmentTargets.plan true [ empty ] out
                    |> Outcome.refusedWith 2 [ "neither the folder" ])

            testCase "everything that is missing is named at once"
            <| fun () ->
                inFolder (fun input out ->
                    let empty = Path.Combine(input, "empty")
                    Directory.CreateDirectory empty |> ignore
                    let missing = Path.Combine(input, "frame9.png")
                    let none = Path.Combine(input, "*.webp")

                    SegmentFiles.plan [ missing; empty; none ] out
                    |> Outcome.refusedWith
                        2
                        [
                            $"{missing}: there is no such file"
                            $"{empty}: the folder holds no image"
                            $"{none}: no image fits"
                        ])
        ]
