module Mcdrl.Tests.ExperimentRobustnessTests

open Expecto
open TorchSharp
open Mcdrl

let private dataset () =
    Outcome.ok (Dataset.load (World.data ()))

let private sweep change =
    use segmenter = World.segmenter ()
    let dataset, site, frames, seed = change (dataset (), "c", 4, Seed.create 5UL)
    ExperimentRobustness.sweep segmenter dataset site frames seed Progress.none

let private swept = lazy (Outcome.ok (sweep id))

let private near expected actual what =
    Expect.floatClose Accuracy.high actual expected what

let private sweeping =
    testList
        "sweep"
        [
            testCase "every operation at every strength; strength 0 is the frame as it is"
            <| fun () ->
                Expect.equal
                    (swept.Value |> List.map (fun point -> point.Condition, point.Strength))
                    (List.allPairs (List.map fst Conditions.byName) [ 0.0; 0.25; 0.5; 0.75; 1.0 ])
                    "plan"

                let plain =
                    swept.Value
                    |> List.filter (fun point -> point.Strength = 0.0)
                    |> List.map _.Dice
                    |> List.distinct

                Expect.equal plain.Length 1 "the same whatever would have been done"

                Expect.isGreaterThan
                    (swept.Value |> List.map _.Dice |> List.distinct).Length
                    10
                    "conditions matter"

            testCase "the numbers, frame by frame: Dice at the input's size of the frame after the operation"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use segmenter = World.segmenter ()
                let items = Dataset.spaced 4 (dataset ()).Sites[2].Items

                for name, strength in [ "blur", 0.0; "blur", 1.0; "blood", 0.75; "artifacts", 0.5 ] do
                    let dice (item: DatasetItem) =
                        let picture, truth = Outcome.ok (Dataset.read (dataset ()) item)
                        let frame = Preprocessing.frame 32 picture

                        let seed =
                            Seed.create 5UL |> Seed.named "c" |> Seed.named item.Stem |> Seed.named name

                        let operation = Conditions.byName |> List.find (fst >> (=) name) |> snd

                        let changed =
                            if strength = 0.0 then
                                frame
                            else
                                operation strength seed frame

                        let marked =
                            (Segmenter.probabilitiesOfFrames segmenter None (changed.unsqueeze 0L))
                                .squeeze(0L)
                                .argmax(0L)
                                .``to``
                                torch.uint8

                        let truth = Resize.nearest 32 32 (RasterTensors.ofLabels truth)

                        Counts.ofForeground
                            (RasterTensors.toLabels marked).Labels
                            (RasterTensors.toLabels truth).Labels
                        |> Metrics.dice EmptyTruth.Counted

                    let found =
                        swept.Value
                        |> List.find (fun point -> (point.Condition, point.Strength) = (name, strength))

                    World.sameScoreButForTies found.Dice (items |> Array.averageBy dice) $"{name} {strength}"

            testCase "frame by frame, under every condition at the strength of training's pairs"
            <| fun () ->
                use segmenter = World.segmenter ()

                let scores =
                    Outcome.ok (
                        ExperimentRobustness.scores
                            segmenter
                            (dataset ())
                            "c"
                            4
                            (Seed.create 5UL)
                            Progress.none
                    )

                let items = Dataset.spaced 4 (dataset ()).Sites[2].Items
                Expect.equal (scores |> List.map _.Stem) (items |> List.ofArray |> List.map _.Stem) "frames"

                let plain = swept.Value |> List.find (fun point -> point.Strength = 0.0) |> _.Dice

                near plain (scores |> List.averageBy _.AsItIs) "as they are"

                let item = items[1]
                let picture, truth = Outcome.ok (Dataset.read (dataset ()) item)

                let seed =
                    Seed.create 5UL
                    |> Seed.named "c"
                    |> Seed.named item.Stem
                    |> Seed.named "reflection"

                use _scope = torch.NewDisposeScope()

                let changed =
                    Conditions.reflection Conditions.typical seed (Preprocessing.frame 32 picture)

                let marked =
                    (Segmenter.probabilitiesOfFrames segmenter None (changed.unsqueeze 0L))
                        .squeeze(0L)
                        .argmax(0L)
                        .``to``
                        torch.uint8

                let truth = Resize.nearest 32 32 (RasterTensors.ofLabels truth)

                let expected =
                    Counts.ofForeground
                        (RasterTensors.toLabels marked).Labels
                        (RasterTensors.toLabels truth).Labels
                    |> Metrics.dice EmptyTruth.Counted

                Expect.equal
                    (List.ofSeq scores[1].Under.Keys |> set)
                    (set (Conditions.byName |> List.map fst) - set [ "mucus"; "blood" ])
                    "eight: films are drawings"

                near expected scores[1].Under["reflection"] "one of them by hand"

            testCase "the same again, and another seed moves only what is drawn"
            <| fun () ->
                Expect.equal (Outcome.ok (sweep id)) swept.Value "again"

                let other =
                    Outcome.ok (sweep (fun (data, site, frames, _) -> data, site, frames, Seed.create 6UL))

                let changed =
                    List.zip swept.Value other
                    |> List.filter (fun (a, b) -> a.Dice <> b.Dice)
                    |> List.map (fun (a, _) -> a.Condition)
                    |> List.distinct

                Expect.isNonEmpty changed "films and spots"
                Expect.isFalse (List.contains "blur" changed) "blur draws nothing"

            testCase "what can't be swept is refused"
            <| fun () ->
                let refused code parts change =
                    sweep change |> Outcome.refusedWith code parts

                refused 2 [ "“site” z" ] (fun (data, _, frames, seed) -> data, "z", frames, seed)
                refused 4 [ "no frame" ] (fun (data, site, _, seed) -> data, site, 0, seed)

                refused 4 [ "cyst" ] (fun (data, site, frames, seed) ->
                    { data with Classes = [ "cyst" ] }, site, frames, seed)
        ]

let private plain =
    testList
        "curves"
        [
            testCase "curves spread over the models of a method"
            <| fun () ->
                let sweep dices =
                    [
                        for (condition, strength), dice in
                            List.zip [ "blur", 0.5; "blur", 0.0; "blood", 0.0 ] dices ->
                            {
                                Condition = condition
                                Strength = strength
                                Dice = dice
                            }
                    ]

                let found =
                    ExperimentRobustness.curves "mcdrl" [ sweep [ 0.2; 0.5; 0.9 ]; sweep [ 0.4; 0.5; 0.7 ] ]

                Expect.equal
                    (found |> List.map (fun curve -> curve.Method, curve.Condition))
                    [ "mcdrl", "blur"; "mcdrl", "blood" ]
                    "curves"

                let points = found.Head.Points
                Expect.equal (points |> List.map _.Strength) [ 0.0; 0.5 ] "by strength"
                near 0.3 points[1].Dice.Mean "mean"
                near (0.1 * sqrt 2.0) points[1].Dice.StandardDeviation "spread"
                Expect.equal points[1].Dice.Count 2 "models"
                Expect.equal (ExperimentRobustness.curves "mcdrl" []) [] "no model yet"
        ]

let tests = testSequenced (testList "Experiment.Robustness" [ sweeping; plain ])
