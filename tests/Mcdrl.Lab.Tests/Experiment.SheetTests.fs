module Mcdrl.Tests.ExperimentSheetTests

open Expecto
open Mcdrl

let private score site stem dice : ImageScore =
    {
        Site = site
        Stem = stem
        Score =
            {
                Dice = dice
                Iou = dice
                Accuracy = dice
            }
        ClassDice = [ dice ]
        Findings = None
    }

let private dataset () =
    Outcome.ok (Dataset.load (World.data ()))

/// frame0 of site c has no lesion, and the best score.
let private scores =
    [
        score "a" "frame1" 1.0
        for number, dice in List.indexed [ 1.0; 0.3; 0.9; 0.1; 0.6; 0.5 ] do
            score "c" $"frame{number}" dice
    ]

let private frames site scores =
    use segmenter = World.segmenter ()

    ExperimentSheet.frames (dataset ()) site scores [ "MCDRL", segmenter; "again", segmenter ] Progress.none

let private decoded (image: PageImage) =
    let picture = Outcome.ok (Images.decode ImageLimits.standard "picture" image.Bytes)
    Expect.equal (picture.Width, picture.Height) (image.Width, image.Height) "its size"
    picture

/// Pixels near a colour, as a JPEG keeps it.
let private near (red, green, blue) (picture: Picture) =
    let apart (a: byte) (b: byte) = abs (int a - int b)

    [ 0 .. picture.Width * picture.Height - 1 ]
    |> List.filter (fun pixel ->
        let channel index = picture.Rgb[3 * pixel + index]
        apart (channel 0) red + apart (channel 1) green + apart (channel 2) blue < 120)
    |> List.length

let private ranking =
    testCase "best, median and worst by Dice, each frame once, undefined ones never"
    <| fun () ->
        let ranks dices =
            dices
            |> List.mapi (fun index dice -> score "c" (string index) dice)
            |> ExperimentSheet.ranked
            |> List.map (fun (rank, image) -> rank, image.Stem)

        Expect.equal
            (ranks [ 0.1; 0.9; 0.5; nan; 0.7; 0.6 ])
            [ "best", "1"; "median", "5"; "worst", "0" ]
            "five"

        Expect.equal (ranks [ 0.1; 0.4; 0.3; 0.2 ]) [ "best", "1"; "median", "3"; "worst", "0" ] "of four"
        Expect.equal (ranks [ 0.1; 0.2 ]) [ "best", "1"; "worst", "0" ] "two"
        Expect.equal (ranks [ nan; 0.2 ]) [ "best", "1" ] "one"
        Expect.equal (ranks [ 0.5; 0.5; 0.5 ]) [ "best", "0"; "median", "1"; "worst", "2" ] "equal ones"
        Expect.equal (ranks [ nan ]) [] "none"

let private drawing =
    testCase "frames with a lesion alone, outlines in the picture, Dice of the model's own mask"
    <| fun () ->
        let found = Outcome.ok (frames "c" scores)

        Expect.equal
            (found |> List.map (fun frame -> frame.Rank, frame.Stem))
            [ "best", "frame2"; "median", "frame5"; "worst", "frame3" ]
            "frame0 shows none"

        use segmenter = World.segmenter ()

        for frame in found do
            Expect.equal frame.Site "c" "site"

            Expect.equal
                (frame.Answers |> List.map (fun (label, _, _) -> label))
                [ "MCDRL"; "again" ]
                "labels"

            let item =
                (dataset ()).Sites[2].Items |> Array.find (fun item -> item.Stem = frame.Stem)

            let picture, truth = Outcome.ok (Dataset.read (dataset ()) item)
            let marked = (Segmenter.segment segmenter None picture).Upright

            let dice =
                Metrics.dice EmptyTruth.Counted (Counts.ofForeground marked.Labels truth.Labels)

            let alone = decoded frame.Truth
            Expect.equal (alone.Width, alone.Height) (320, 267) "320 pixels wide, as high as 48 x 40 asks"
            Expect.equal frame.Truth.MediaType "image/jpeg" "JPEG"
            Expect.isGreaterThan (near (ClassColours.ofLabel 1) alone) 50 "the true outline"

            for _, found, image in frame.Answers do
                World.sameScoreButForTies found dice "Dice"
                Expect.stringContains image.Alt (Page.short found) "said"
                Expect.notEqual image.Bytes frame.Truth.Bytes "another picture"
                decoded image |> ignore

let private outlining =
    testCase "the truth is dashed in white over the outline of the answer"
    <| fun () ->
        let grey: Picture =
            {
                Width = 80
                Height = 60
                Rgb = Array.create (80 * 60 * 3) 90uy
                Orientation = Orientation.TopLeft
            }

        let square label first : LabelMap =
            {
                Width = 80
                Height = 60
                Labels =
                    Array.init (80 * 60) (fun pixel ->
                        let x, y = pixel % 80 - first, pixel / 80 - 15
                        if x >= 0 && x < 30 && y >= 0 && y < 30 then label else 0uy)
            }

        let draw map truth =
            PagePictures.outlined 320 "square" grey map truth |> Outcome.ok |> decoded

        // A thin line is never quite white; the frame is darker, and the answer's line has no blue.
        let light (picture: Picture) =
            picture.Rgb
            |> Array.chunkBySize 3
            |> Array.filter (Array.forall (fun level -> level > 150uy))
            |> Array.length

        let alone = draw (square 2uy 5) None

        Expect.isGreaterThan
            (near (ClassColours.ofLabel 2) alone)
            300
            "the answer's outline in its class's colour"

        Expect.equal (light alone) 0 "no truth"
        let both = draw (square 2uy 5) (Some(square 1uy 40))
        Expect.isGreaterThan (light both) 100 "the truth's"
        Expect.equal (near (ClassColours.ofLabel 1) both) 0 "not in the colour of its class"

let private refusing =
    testCase "no scored lesion, an unknown frame and an unknown site are refused"
    <| fun () ->
        frames "c" [ score "c" "frame0" 1.0 ]
        |> Outcome.refusedWith 4 [ "no scored frame shows a lesion" ]

        frames "c" [ score "a" "frame1" 1.0 ]
        |> Outcome.refusedWith 4 [ "c: no scored frame" ]

        frames "c" [ score "c" "frame99" 1.0 ] |> Outcome.refusedWith 4 [ "frame99" ]
        frames "z" scores |> Outcome.refusedWith 2 [ "“site” z" ]

let tests =
    testSequenced (testList "Experiment.Sheet" [ ranking; outlining; drawing; refusing ])
