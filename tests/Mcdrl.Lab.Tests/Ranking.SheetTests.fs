module Mcdrl.Tests.RankingSheetTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open Mcdrl

/// Marks the left half of every picture.
let private engine: Engine =
    let half (picture: Picture) : LabelMap =
        {
            Width = picture.Width
            Height = picture.Height
            Labels =
                Array.init (picture.Width * picture.Height) (fun i ->
                    if i % picture.Width < picture.Width / 2 then 1uy else 0uy)
        }

    FakeEngine.saying [ "polyp" ] (fun _ marking picture ->
        Ok(FakeEngine.answerOf [ "polyp" ] marking (half picture) 2 (Array.create 8 0.5f)))

let private frames folder count : RankedFrame list =
    [
        for number in 1..count do
            let path = Path.Combine(folder, $"frame <{number}>.png")
            File.WriteAllBytes(path, Crafted.png 40 (20 + 10 * (number % 2)))

            {
                Place = number
                Image = path
                Disagreement = Some 0.25
                Entropy = 0.5
                DisagreementNearLesion = None
                EntropyNearLesion = 0.75
                Alike = number - 1
            }
    ]

let private write folder name count =
    let path = Path.Combine(folder, name)
    let frames = frames folder count
    Outcome.ok (RankingSheet.write engine path "entropy" frames Progress.none)
    path

let tests =
    testList
        "Ranking.Sheet"
        [
            testCase "a page with a picture a frame, its name and its figures; names are text"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let page = File.ReadAllText(write folder "sheet.html" 3)
                    Expect.equal (Regex.Count(page, "<img ")) 3 "pictures"

                    for words in
                        [
                            "2  frame &lt;2&gt;.png"
                            "disagreement 0.25, near the lesion –"
                            "entropy 0.5, near the lesion 0.75"
                            "1 more like it"
                            "largest entropy"
                        ] do
                        Expect.stringContains page words words

                    Expect.isFalse (page.Contains "<2>") "escaped")

            testCase "a picture of four columns, the outline in it"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = write folder "sheet.png" 5
                    let sheet = Outcome.ok (Images.read ImageLimits.standard path)
                    Expect.equal sheet.Width 1340 "four columns of 320 and their gaps"
                    let one = Outcome.ok (Images.read ImageLimits.standard (write folder "one.png" 1))
                    Expect.isGreaterThan sheet.Height (one.Height + 200) "two rows"
                    let red, green, blue = ClassColours.ofLabel 1

                    let near (x: int) (y: int) =
                        let at = (y * sheet.Width + x) * 3

                        abs (int sheet.Rgb[at] - int red) < 90
                        && abs (int sheet.Rgb[at + 1] - int green) < 90
                        && abs (int sheet.Rgb[at + 2] - int blue) < 90

                    let middle = 12 + 160

                    Expect.isTrue
                        (Seq.exists (fun x -> near x 100) (seq { middle - 6 .. middle + 6 }))
                        "the edge of the left half")

            testCase "another ending, or a picture that is gone, is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    Outcome.refusedWith 2 [ "sheet.pdf"; ".html" ] (RankingSheet.check "sheet.pdf")
                    let frames = frames folder 1
                    File.Delete frames.Head.Image
                    let path = Path.Combine(folder, "sheet.html")

                    Outcome.refusedWith
                        4
                        [ "frame" ]
                        (RankingSheet.write engine path "entropy" frames Progress.none)

                    Expect.isFalse (File.Exists path) "nothing written")
        ]
