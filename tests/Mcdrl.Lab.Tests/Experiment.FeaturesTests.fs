module Mcdrl.Tests.ExperimentFeaturesTests

open System
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private dataset () =
    Outcome.ok (Dataset.load (World.data ()))

let private featuresOf sites =
    use segmenter = World.segmenter ()

    ExperimentFeatures.ofSites segmenter (dataset ()) sites Progress.none
    |> Outcome.ok

let private dot a b = Array.map2 (*) a b |> Array.sum

let private near expected actual what =
    Expect.floatClose Accuracy.medium actual expected what

/// A map of 2 x 2 cells of width 3, each along its own direction but the last, which is the sum.
let private map () =
    torch
        .tensor([| 1.0f; 0.0f; 0.0f; 0.0f; 2.0f; 0.0f; 0.0f; 0.0f; 3.0f; 1.0f; 1.0f; 1.0f |])
        .view(2L, 2L, 3L)

/// Labels of 8 x 8 pixels: what `label x y` says.
let private labels label =
    torch.tensor(Array.init 64 (fun pixel -> label (pixel % 8) (pixel / 8): byte)).view(8L, 8L)

let private pooling =
    testList
        "pooling"
        [
            testCase "the mean over the cells of the class that most lesion pixels belong to, of unit length"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let lesion, values =
                    ExperimentFeatures.pooled
                        2
                        (map ())
                        (labels (fun x y ->
                            if y < 4 then 2uy
                            else if x < 3 then 1uy
                            else 0uy))

                Expect.equal lesion 1L "the second class has 32 pixels, the first 12"
                // (1, 0, 0) and (0, 2, 0).
                near (1.0 / sqrt 5.0) values[0] "first"
                near (2.0 / sqrt 5.0) values[1] "second"
                Expect.equal values[2] 0.0 "the first class's cell is left out"

            testCase "a lesion too small for a quarter of a cell is looked for where it is"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let lesion, values =
                    ExperimentFeatures.pooled
                        1
                        (map ())
                        (labels (fun x y -> if x = 1 && y = 6 then 1uy else 0uy))

                Expect.equal (lesion, values) (0L, [| 0.0; 0.0; 1.0 |]) "the third cell"

            testCase "without a lesion, the mean over all cells"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let lesion, values = ExperimentFeatures.pooled 1 (map ()) (labels (fun _ _ -> 0uy))
                Expect.equal lesion -1L "none"

                for value, expected in Array.zip values [| 2.0; 3.0; 4.0 |] do
                    near (expected / sqrt 29.0) value "mean"
        ]

let private features =
    testList
        "features"
        [
            testCase
                "one a frame of the sites asked for, in the dataset's order, from the map that the head reads"
            <| fun () ->
                let found = featuresOf [ "c"; "a" ]

                Expect.equal
                    (found |> List.map (fun feature -> feature.Site, feature.Stem))
                    [
                        for site in [ "a"; "c" ] do
                            for number in 0..5 -> site, $"frame{number}"
                    ]
                    "frames"

                Expect.equal (featuresOf []).Length 18 "all sites"

                for feature in found do
                    let isNormal = (feature.Site, feature.Stem) = ("c", "frame0")
                    Expect.equal feature.Class (if isNormal then "" else "polyp") feature.Stem
                    Expect.equal feature.Values.Length 32 "joint dimensions"
                    near 1.0 (dot feature.Values feature.Values) "unit length"

                // The same by hand, for one frame.
                use _scope = torch.NewDisposeScope()
                use segmenter = World.segmenter ()
                let item = (dataset ()).Sites[2].Items[3]
                let picture, truth = Outcome.ok (Dataset.read (dataset ()) item)

                let map =
                    Segmenter.intervenedMap segmenter ((Preprocessing.frame 32 picture).unsqueeze 0L)

                let labels = Resize.nearest 32 32 (RasterTensors.ofLabels truth)
                let _, expected = ExperimentFeatures.pooled 1 (map.squeeze 0L) labels
                let found = found |> List.find (fun f -> (f.Site, f.Stem) = ("c", item.Stem))
                near 1.0 (dot found.Values expected) "by hand"

            testCase "a site that is not there and other classes are refused"
            <| fun () ->
                use segmenter = World.segmenter ()

                let refused dataset sites code parts =
                    ExperimentFeatures.ofSites segmenter dataset sites Progress.none
                    |> Outcome.refusedWith code parts

                refused (dataset ()) [ "z" ] 2 [ "“site” z" ]
                refused { dataset () with Classes = [ "cyst" ] } [] 4 [ "cyst"; "polyp" ]

            testCase "a cancelled call says so"
            <| fun () ->
                use segmenter = World.segmenter ()

                ExperimentFeatures.ofSites segmenter (dataset ()) [] (Progress.until (CancellationToken true))
                |> Outcome.refusedWith 130 []
        ]

/// Features of two classes that are apart and of frames without a lesion, which lie between them.
let private made =
    let feature index : FrameFeature =
        let kind = index % 3

        let noise =
            Array.init 4 (fun axis ->
                Seed.create 1UL |> Seed.split index |> Seed.split axis |> Seed.between -0.1 0.1)

        let values =
            Array.map2
                (+)
                noise
                [| (if kind = 1 then 0.0 else 1.0); (if kind = 0 then 0.0 else 1.0); 0.0; 0.0 |]

        {
            Site = (if index < 20 then "a" else "b")
            Stem = string index
            Class = [ "polyp"; "cyst"; "" ][kind]
            Values = values |> Array.map (fun value -> value / sqrt (dot values values))
        }

    List.init 45 feature

let private maps =
    testList
        "maps"
        [
            testCase "a place for every feature; nearly all neighbours are of its class"
            <| fun () ->
                let map = Outcome.ok (ExperimentFeatures.embedded "mcdrl" made)
                Expect.equal map.Method "mcdrl" "method"

                Expect.equal
                    (map.Points |> List.map (fun point -> point.Class, point.Site))
                    (made |> List.map (fun feature -> feature.Class, feature.Site))
                    "order"

                let isAmongOthers (point: EmbeddedPoint) =
                    let nearest =
                        map.Points
                        |> List.filter ((<>) point)
                        |> List.minBy (fun other -> pown (other.X - point.X) 2 + pown (other.Y - point.Y) 2)

                    nearest.Class <> point.Class

                // Into which valley the descent of t-SNE runs, the last bits of the kernels decide, and in some of them a point
                // or two lie among others; placed at random, 30 would.
                Expect.isLessThan (map.Points |> List.filter isAmongOthers).Length 6 "astray"

                Expect.equal map (Outcome.ok (ExperimentFeatures.embedded "mcdrl" made)) "the same again"

            testCase "the silhouette is of the lesion classes alone"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let lesions = made |> List.filter (fun feature -> feature.Class <> "")

                let expected =
                    Silhouette.mean
                        (torch.tensor(lesions |> Seq.collect _.Values |> Array.ofSeq).view(-1L, 4L))
                        (lesions |> Seq.map _.Class |> Array.ofSeq)

                near expected (ExperimentFeatures.silhouette made) "without the others"
                Expect.isGreaterThan expected 0.9 "apart"
                near expected (Outcome.ok (ExperimentFeatures.embedded "x" made)).Silhouette "in the map"

                let isUndefined features =
                    Double.IsNaN(ExperimentFeatures.silhouette features)

                Expect.isTrue (isUndefined (made |> List.filter (fun f -> f.Class <> "cyst"))) "one class"
                Expect.isTrue (isUndefined []) "none"

            testCase "as few as five are shown, fewer refused"
            <| fun () ->
                Expect.equal
                    (Outcome.ok (ExperimentFeatures.embedded "x" (List.truncate 5 made))).Points.Length
                    5
                    "five"

                ExperimentFeatures.embedded "x" (List.truncate 4 made)
                |> Outcome.refusedWith 4 [ "perplexity" ]

                ExperimentFeatures.embedded "mcdrl" []
                |> Outcome.refusedWith 4 [ "mcdrl"; "no feature" ]
        ]

let tests =
    testSequenced (testList "Experiment.Features" [ pooling; features; maps ])
