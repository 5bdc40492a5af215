/// What an explanation says in words, and its sheet.
module Mcdrl.Tests.ExplainSheetTests

open Expecto
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.ExplainTests

let private answer condition weight dice influence (mask: LabelMap) =
    {
        Condition = condition
        Weight = weight
        Influence = influence
        Mask = mask
        Dice = dice
        Changed = if dice < 1.0 then 1L else 0L
    }

/// A made-up explanation of a frame of 90 by 60 pixels: two lesions, `conditions` of made-up influence.
let private crafted classes (conditions: string list) (dice: float) : Picture * ExplanationResult =
    let width, height = 90, 60

    let picture: Picture =
        {
            Width = width
            Height = height
            Rgb = Array.init (width * height * 3) (fun i -> byte (i % 251))
            Orientation = Orientation.TopLeft
        }

    let mask label : LabelMap =
        {
            Width = width
            Height = height
            Labels =
                Array.init (width * height) (fun pixel ->
                    if pixel % width > 30 && pixel / width > 20 then
                        label
                    else
                        0uy)
        }

    let values level : ValueMap =
        {
            Width = width
            Height = height
            Values =
                Array.init (width * height) (fun pixel -> level * float32 (pixel % width) / float32 width)
        }

    let given = mask 1uy

    picture,
    {
        Segmentation =
            {
                Mask = given
                Upright = given
                Classes = classes
                Mode = Marginalisation.Exact
                Marking = Marking.standard
                Probabilities =
                    [|
                        for index in 0 .. classes.Length do
                            if index = 0 then 0.25f
                            elif index = 1 then 0.75f
                            else 0.0f
                    |]
                Side = 1
                Orientation = Orientation.TopLeft
                Influence = []
                Disagreement = None
            }
        Active = true
        Conditions =
            conditions
            |> List.mapi (fun index condition ->
                let last = index = conditions.Length - 1

                answer
                    condition
                    (1.0 / float conditions.Length)
                    (if last then dice else 1.0)
                    (0.01 * float index)
                    given)
        MutualInformation = values 0.3f
        GeometricDisagreement = values 0.4f
        Strongest = given
        StrongestInfluence = values 0.5f
        Unstable = 17L
        Gap =
            {
                MeanTotalVariation = 0.01
                MaxTotalVariation = 0.5
                Dice = 0.9
                Flips = 5L
                FlipMap = mask 1uy
                Mask = given
            }
        Regions =
            {
                Selected =
                    {
                        Width = 3
                        Height = 2
                        Labels = [| 1uy; 0uy; 1uy; 0uy; 1uy; 0uy |]
                    }
                Similarity =
                    classes
                    |> List.map (fun _ ->
                        {
                            Width = 3
                            Height = 2
                            Values = [| 0.1f; -0.2f; 0.3f; 0.0f; 0.2f; 0.4f |]
                        })
            }
    }

let private words =
    testList
        "words"
        [
            for dice, expected in
                [
                    1.0, "stays nearly the same under all 3"
                    0.9, "shifts somewhat"
                    0.5, "Look twice"
                ] do
                testCase $"a lowest Dice of {dice}"
                <| fun () ->
                    let _, found = crafted [ "polyp" ] [ "blur"; "blood"; "mucus" ] dice
                    let text = Conclusions.sentences found |> String.concat " "
                    Expect.stringContains text expected "stability"
                    Expect.stringContains text "matters most here is mucus" "the condition"

            testCase "nothing marked, but something under a condition"
            <| fun () ->
                let _, found = crafted [ "polyp" ] [ "blur"; "blood" ] 0.0

                let empty =
                    { found.Segmentation.Upright with
                        Labels = Array.zeroCreate 5400
                    }

                let found =
                    { found with
                        Segmentation =
                            { found.Segmentation with
                                Mask = empty
                                Upright = empty
                            }
                    }

                let text = Conclusions.sentences found |> String.concat " "
                Expect.stringContains text "Nothing is marked" "what"
                Expect.stringContains text "something would be marked under 2 of the 2" "look twice"

            testCase "how sure: of what is marked, and of nothing"
            <| fun () ->
                let _, found = crafted [ "polyp" ] [ "blur"; "blood" ] 1.0
                let sentences = Conclusions.sentences found

                Expect.contains
                    sentences
                    "Probability of a lesion: 0.75 on average where it is marked, 0.75 at most."
                    "said"

                let empty =
                    { found.Segmentation.Upright with
                        Labels = Array.zeroCreate 5400
                    }

                let missed =
                    { found.Segmentation with
                        Upright = empty
                        Probabilities = [| 0.6875f; 0.3125f |]
                    }

                Expect.equal (Conclusions.confidence missed) (0.3125, None) "in numbers"

                Expect.contains
                    (Conclusions.sentences { found with Segmentation = missed })
                    "The highest probability of a lesion anywhere is 0.31."
                    "said"

                Expect.equal
                    (List.map Conclusions.probability [ 0.0; 0.001; 0.5; 0.999; 1.0 ])
                    [ "0.00"; "<0.01"; "0.50"; ">0.99"; "1.00" ]
                    "as text"

            testCase "an influence that is only noise names no condition"
            <| fun () ->
                let _, found = crafted [ "polyp" ] [ "blur"; "blood" ] 1.0

                let quiet =
                    { found with
                        Conditions =
                            found.Conditions |> List.map (fun answer -> { answer with Influence = 1e-7 })
                    }

                Expect.isSome (Conclusions.mostInfluential found) "named"
                Expect.isNone (Conclusions.mostInfluential quiet) "not named"

            testCase "only the same mask has Dice 1.00"
            <| fun () ->
                Expect.equal
                    (List.map Conclusions.dice [ 1.0; 0.99999; 0.99; 0.0 ])
                    [ "1.00"; ">0.99"; "0.99"; "0.00" ]
                    "as text"
        ]

let private decoded bytes =
    Outcome.ok (Images.decode ImageLimits.standard "sheet" (Outcome.ok bytes))

/// Columns of the outermost margins hold nothing but the background.
let private hasMargins (sheet: Picture) =
    [ 4; sheet.Width - 5 ]
    |> List.forall (fun x ->
        Seq.forall (fun y -> sheet.Rgb[(y * sheet.Width + x) * 3] < 30uy) (seq { 0 .. sheet.Height - 1 }))

let private sheets =
    testList
        "sheet"
        [
            for name, classes, conditions in
                [
                    "one class", [ "polyp" ], World.conditions
                    "long names",
                    [
                        for k in 1..9 -> $"a class with a name much longer than any panel is wide, number {k}"
                    ],
                    [
                        for m in 1..12 -> $"a condition whose name is longer than its picture is wide, {m}"
                    ]
                    "one endless word", [ String.replicate 300 "m" ], [ String.replicate 300 "w"; "blur" ]
                    "forty conditions", [ "polyp"; "ulcer" ], [ for m in 1..40 -> $"condition {m}" ]
                ] do
                testCase $"{name}: drawn within its margins"
                <| fun () ->
                    let picture, found = crafted classes conditions 0.7
                    let sheet = decoded (Sheet.png "frame.png" picture found)
                    Expect.equal sheet.Width 1680 "width"
                    Expect.isTrue (hasMargins sheet) "nothing runs over the edge"

            for width, height in [ 1, 1; 1, 300; 300, 1; 1920, 1080; 500, 900 ] do
                testCase $"a frame of {width} x {height}"
                <| fun () ->
                    use segmenter = World.segmenter ()

                    let picture =
                        Outcome.ok (Images.decode ImageLimits.standard "made" (Crafted.jpeg width height))

                    let found = checkedExplain segmenter None picture
                    let sheet = decoded (Sheet.png "frame.png" picture found)
                    Expect.isTrue (hasMargins sheet) "nothing runs over the edge"

            testCase
                "a lesion that is half seen is coloured where its conditions agree that nothing is marked"
            <| fun () ->
                let picture, found = crafted [ "polyp" ] [ "blur"; "blood" ] 1.0

                let grey =
                    { picture with
                        Rgb = Array.create picture.Rgb.Length 128uy
                    }

                /// Colourfulness of the second panel's picture: the mean range of red, green and blue.
                let colourful probability =
                    let found =
                        { found with
                            Segmentation =
                                { found.Segmentation with
                                    Probabilities = [| 1.0f - probability; probability |]
                                    Upright =
                                        { found.Segmentation.Upright with
                                            Labels = Array.zeroCreate 5400
                                        }
                                }
                        }

                    let sheet = decoded (Sheet.png "frame.png" grey found)

                    seq {
                        for y in 330..430 do
                            for x in 620..1000 do
                                let at channel =
                                    int sheet.Rgb[(y * sheet.Width + x) * 3 + channel]

                                float (max (at 0) (max (at 1) (at 2)) - min (at 0) (min (at 1) (at 2)))
                    }
                    |> Seq.average

                Expect.isLessThan (colourful 0.0f) 3.0 "surely none: grey"
                Expect.isGreaterThan (colourful 0.3f) 40.0 "half seen: coloured"

            testCase "one condition, and none, give shorter sheets that say why"
            <| fun () ->
                let heightOf change =
                    use segmenter = changed change
                    let picture = frame "frame1.png"

                    (decoded (Sheet.png "frame1.png" picture (Segmenter.explain segmenter None picture)))
                        .Height

                let whole = heightOf id
                Expect.isLessThan (heightOf onlyTheFirst) (whole / 2) "one"
                Expect.isLessThan (heightOf off) (whole / 2) "none"
        ]

let tests = testSequenced (testList "Explain.Sheet" [ words; sheets ])
