module Mcdrl.Tests.ExplainTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let frame name =
    Outcome.ok (Images.read ImageLimits.standard (Path.Combine(World.data (), "c", "images", name)))

/// The world's model, changed.
let changed (change: Model -> Model) =
    Folder.temporary (fun folder ->
        using (torch.NewDisposeScope()) (fun _ ->
            Outcome.ok (Bundle.load (World.bundle ()))
            |> change
            |> Bundle.write folder
            |> Outcome.ok)

        Outcome.ok (Segmenter.load folder "cpu"))

/// The dictionary moved apart, so that the conditions disagree about some pixels.
let private contradicting (model: Model) =
    { model with
        Texts =
            { model.Texts with
                conditions = model.Texts.conditions.mul (scalar 40.0)
            }
    }

let onlyTheFirst (model: Model) =
    { model with
        Manifest =
            { model.Manifest with
                Settings =
                    { model.Manifest.Settings with
                        Method =
                            { model.Manifest.Settings.Method with
                                Conditions = [ World.conditions.Head ]
                            }
                    }
            }
        Texts =
            { model.Texts with
                conditions = model.Texts.conditions.narrow (0L, 0L, 1L)
                class_conditions = model.Texts.class_conditions.narrow (1L, 0L, 1L)
                log_prior = Backdoor.logPrior [ 1.0 ]
            }
    }

let off (model: Model) =
    { model with
        Manifest = { model.Manifest with Active = false }
    }

/// What must hold for every explanation.
let checkedExplain (segmenter: Segmenter) mode (picture: Picture) =
    let found = Segmenter.explain segmenter mode picture
    let size = picture.Width, picture.Height
    Expect.equal found.Segmentation (Segmenter.segment segmenter mode picture) "the answer of `segment`"

    for map in
        [
            found.MutualInformation
            found.GeometricDisagreement
            found.StrongestInfluence
        ] do
        Expect.equal (map.Width, map.Height) size "the picture's size"
        Expect.equal map.Values.Length (picture.Width * picture.Height) "a number a pixel"
        Expect.isTrue (map.Values |> Array.forall (fun value -> value >= 0f)) "no negative one"

    let most = log (float (max 1 (min found.Conditions.Length 2)))
    Expect.isLessThanOrEqual (float (Array.max found.MutualInformation.Values)) (most + 1e-5) "bounded"

    for map in
        found.Strongest
        :: found.Gap.FlipMap
        :: found.Gap.Mask
        :: (found.Conditions |> List.map _.Mask) do
        Expect.equal (map.Width, map.Height) size "the picture's size"

    Expect.isLessThanOrEqual (int (Array.max found.Strongest.Labels)) found.Conditions.Length "a condition"

    for answer in found.Conditions do
        let changed =
            Array.map2 (<>) answer.Mask.Labels found.Segmentation.Upright.Labels
            |> Array.filter id

        Expect.equal answer.Changed (int64 changed.Length) "changed pixels"
        Expect.equal (answer.Dice = 1.0) (changed.Length = 0) "Dice is 1 for the same mask only"
        Expect.isGreaterThanOrEqual found.Unstable answer.Changed "each changed pixel is unstable"

    let cells = found.Regions.Selected
    Expect.equal found.Regions.Similarity.Length found.Segmentation.Classes.Length "a map a class"

    for map in found.Regions.Similarity do
        Expect.equal (map.Width, map.Height) (cells.Width, cells.Height) "a number a cell"
        Expect.isTrue (map.Values |> Array.forall (fun value -> abs value <= 1.00001f)) "cosines"

    found

let private explanations =
    testList
        "results"
        [
            testCase "every mode is explained, and every condition is looked at"
            <| fun () ->
                use segmenter = changed contradicting

                for mode in Marginalisation.answering do
                    let found = checkedExplain segmenter (Some mode) (frame "frame1.png")
                    Expect.isTrue found.Active "active"

                    Expect.equal
                        ((found.Conditions |> List.map _.Condition))
                        World.conditions
                        "the dictionary"

                    Expect.floatClose Accuracy.high (found.Conditions |> List.sumBy _.Weight) 1.0 "the prior"
                    Expect.isGreaterThan (Array.max found.MutualInformation.Values) 1e-4f "they disagree"
                    Expect.isGreaterThan (Array.max found.GeometricDisagreement.Values) 1e-4f "they disagree"

            testCase "the numbers are those of the answer: influence, and the mean of I(Y; Z | F)"
            <| fun () ->
                use segmenter = changed contradicting

                let found =
                    checkedExplain segmenter (Some Marginalisation.Exact) (frame "frame2.png")

                Expect.equal
                    (found.Conditions |> List.map (fun answer -> answer.Condition, answer.Influence))
                    found.Segmentation.Influence
                    "influence"

                let selected = Array.sumBy int found.Regions.Selected.Labels
                let cells = int64 found.Regions.Selected.Labels.Length

                Expect.equal
                    (int64 selected)
                    (Regions.count World.settings.Method.Alpha cells)
                    "α of the cells"

            testCase "the mask under a condition is the answer of a model that knows no other"
            <| fun () ->
                use all = World.segmenter ()
                use first = changed onlyTheFirst
                let picture = frame "frame1.png"
                let found = checkedExplain all None picture
                let alone = Segmenter.segment first (Some Marginalisation.Exact) picture
                World.sameButForTies found.Conditions.Head.Mask alone.Upright "do(condition)"

            testCase "with one condition there is no gap, no disagreement and nothing to compare"
            <| fun () ->
                use segmenter = changed onlyTheFirst
                let found = checkedExplain segmenter None (frame "frame1.png")
                Expect.equal found.Conditions.Length 1 "one condition"
                World.sameButForTies found.Gap.Mask found.Segmentation.Upright "no gap"
                Expect.isLessThan found.Gap.MaxTotalVariation 1e-5 "no gap"
                Expect.isLessThan (Array.max found.MutualInformation.Values) 1e-5f "no disagreement"
                Expect.isFalse (Conclusions.comparesConditions found) "nothing to compare"

                Expect.stringContains
                    (Conclusions.sentences found |> String.concat " ")
                    "a single imaging condition (blur)"
                    "said in words"

            testCase "a model whose intervention is off has conditions play no part"
            <| fun () ->
                use segmenter = changed off
                let found = checkedExplain segmenter None (frame "frame1.png")
                Expect.isFalse found.Active "off"
                Expect.equal (found.Conditions, found.Unstable, found.Gap.Flips) ([], 0L, 0L) "nothing"

                Expect.stringContains
                    (Conclusions.sentences found |> String.concat " ")
                    "They play no part in this answer"
                    "said in words"

            testCase "ten explanations leave no tensor behind"
            <| fun () ->
                use segmenter = World.segmenter ()
                let picture = frame "frame3.png"
                Segmenter.explain segmenter None picture |> ignore
                let before = LiveTensors.count ()

                for _ in 1..10 do
                    Segmenter.explain segmenter None picture |> ignore

                Expect.equal torch.Tensor.TotalCount before "none left behind"
        ]

let private marked =
    testCase "every mask of an explanation is marked by the threshold of its answer"
    <| fun () ->
        use segmenter = changed contradicting
        let picture = frame "frame1.png"
        let marking = Outcome.ok (Marking.create (Some 0.05) 0L)
        let found = Segmenter.explainWith marking segmenter None picture
        let standard = checkedExplain segmenter None picture
        Expect.equal found.Segmentation (Segmenter.segmentWith marking segmenter None picture) "the answer"
        let area (map: LabelMap) = Array.sumBy int map.Labels

        for low, usual in List.zip found.Conditions standard.Conditions do
            Expect.isGreaterThan (area low.Mask) (area usual.Mask) low.Condition

        Expect.isGreaterThan (area found.Gap.Mask) (area standard.Gap.Mask) "attention's"

let private files =
    testCase "every file that the report names is there, in the orientation of the image's file"
    <| fun () ->
        Folder.temporary (fun folder ->
            use segmenter = changed contradicting

            let picture =
                { frame "frame1.png" with
                    Orientation = Orientation.RightTop
                }

            let found = Segmenter.explain segmenter None picture

            let maps, sheet =
                Path.Combine(folder, "a.explained"), Path.Combine(folder, "a.explained.png")

            let report = Outcome.ok (ExplanationFiles.write maps sheet "a.png" picture found)
            let size = Orientation.size Orientation.RightTop (picture.Width, picture.Height)
            let path (name: string) = Path.Combine(folder, name)

            let numbers =
                [
                    report.MutualInformation
                    report.GeometricDisagreement
                    report.StrongestInfluence
                    report.Regions.Similarity
                ]

            let masks =
                report.Strongest
                :: report.Attention.Flips
                :: report.Attention.Mask
                :: report.Regions.Selected
                :: (report.Conditions |> List.map _.Mask)

            for map in numbers do
                let image = Outcome.ok (Images.read ImageLimits.standard (path map.File))
                Expect.equal (image.Width, image.Height) size map.File
                Expect.isLessThan map.Black map.White map.File

            for name in masks do
                let mask = Outcome.ok (Masks.read ImageLimits.standard (path name))
                Expect.equal (mask.Width, mask.Height) size name

            Expect.equal
                (Outcome.ok (Masks.read ImageLimits.standard (path report.Conditions.Head.Mask)))
                (LabelMap.inFile picture.Orientation found.Conditions.Head.Mask)
                "the mask under the first condition"

            let information =
                Outcome.ok (Images.read ImageLimits.standard (path report.MutualInformation.File))

            let stored =
                Array.init (information.Rgb.Length / 3) (fun pixel ->
                    float information.Rgb[pixel * 3] / 255.0)

            let expected = (ValueMap.inFile picture.Orientation found.MutualInformation).Values

            Array.iter2
                (fun stored (expected: float32) ->
                    Expect.isLessThan
                        (abs (stored * report.MutualInformation.White - float expected))
                        (0.01 * report.MutualInformation.White)
                        "the number, as far as 8 bits tell")
                stored
                expected

            Expect.isTrue (File.Exists(path report.Sheet)) "sheet"
            let all = Directory.GetFiles(maps) |> Array.length
            Expect.equal all (numbers.Length + masks.Length) "and no other file"
            let json = JsonDocument.Parse(RecordJson.render report).RootElement
            Expect.equal (json.GetProperty("conditions").GetArrayLength()) 3 "as JSON")

let tests = testSequenced (testList "Explain" [ explanations; marked; files ])
