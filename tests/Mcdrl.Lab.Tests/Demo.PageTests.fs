module Mcdrl.Tests.DemoPageTests

open System
open System.Text.RegularExpressions
open Expecto
open Mcdrl

let private image alt : PageImage =
    {
        Bytes = [| 1uy; 2uy; 3uy |]
        MediaType = "image/png"
        Width = 8
        Height = 8
        Alt = alt
    }

/// A square of this label in a frame of 8 by 8.
let private square label : LabelMap =
    {
        Width = 8
        Height = 8
        Labels =
            Array.init 64 (fun i ->
                if abs (2 * (i % 8) - 7) < 4 && abs (2 * (i / 8) - 7) < 4 then
                    label
                else
                    0uy)
    }

let private picture name marked truth : DemoPicture =
    {
        Frame = DemoFrame.judge name (square marked) None (square truth)
        Image = image name
        Truth = square truth
        Marked = square marked
        Sheet = image $"sheet of {name}", $"Words on {name}."
    }

let private results: DemoResults =
    {
        Version = "0.2"
        Provenance =
            {
                Product = "Mcdrl 0.2"
                Created = "2026-01-31"
                Data = "Five <hospitals>"
                DataSha256 = ""
                TrainedOn = [ "c1"; "c2" ]
                LeftOut = Some "c6"
                WeightsSha256 = ""
                Seed = 1UL
                Epoch = 7
                TrainingFrames = 1281
                FineTunedFrom = None
                HeldBack = None
            }
        Metrics =
            [
                {
                    Name = "Dice on c6"
                    Value = 0.8123
                    Protocol = "88 frames"
                }
            ]
        Published = [ "Another network", 79.0, "512 px" ]
        Folder = "elsewhere/demo"
        Dataset = "Frames & masks"
        Licence = Some "CC BY 4.0"
        Citation = Some "A. Author, 2023"
        Pictures =
            [
                picture "hit" 1uy 1uy
                picture "miss" 0uy 1uy
                picture "empty" 0uy 0uy
                picture "alarm" 1uy 0uy
            ]
        Seconds = 41.6
    }

let private text page =
    let text = Net.WebUtility.HtmlDecode(Regex.Replace(page, "<[^>]*>", " ")) |> string
    Regex.Replace(text, @"\s+", " ")

let tests =
    testList
        "demo page"
        [
            test "each frame's outcome, the model's figures, those of others and the sources are told" {
                let said = text (DemoPage.render results)

                for words in
                    [
                        "Of 2 frames with a lesion the model outlines 1 with a Dice of 0.70 or more; of 2 without one it leaves 1 unmarked."
                        "hit Found, Dice 1.00."
                        "miss Missed: nothing of the lesion is marked."
                        "empty No lesion, and nothing marked."
                        "alarm False alarm"
                        "Words on miss."
                        "1281 frames of Five <hospitals>, sites c1, c2. It has never seen c6."
                        "Dice on c6 0.812 88 frames"
                        "Another network (published) 0.79 512 px"
                        "A. Author, 2023. Licence: CC BY 4.0."
                        "in 42 s"
                    ] do
                    Expect.isTrue (said.Contains words) words
            }

            test "whether an answer is right is told in words and marked, and both outlines are drawn" {
                let page = DemoPage.render results
                let count (pattern: string) = Regex.Matches(page, pattern).Count
                Expect.equal (count "class=\"right\"") 2 "right"
                Expect.equal (count "class=\"wrong\"") 2 "wrong"
                Expect.equal (count "mark first") 2 "marked"
                Expect.equal (count "mark truth") 2 "drawn"
                Expect.equal (count "<details") 4 "a sheet each"
            }

            test "it loads nothing, and names are escaped" {
                let page = DemoPage.render results

                for address in Regex.Matches(page, "(?:src|href)=\"([^\"]*)\"") do
                    Expect.stringStarts address.Groups[1].Value "data:" "within the page"

                Expect.isFalse (page.Contains "<hospitals>") "escaped"
            }
        ]
