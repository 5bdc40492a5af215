namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// Mean Dice of one model under a condition of a strength.
type internal ConditionDice =
    {
        Condition: string
        /// 0, the frame as it is, to 1.
        Strength: float
        Dice: float
    }

/// How much of a model's Dice is left on unseen frames as a condition is done to them more and more.
[<RequireQualifiedAccess>]
module internal ExperimentRobustness =
    let strengths = [ 0.0; 0.25; 0.5; 0.75; 1.0 ]

    /// Foreground Dice of each of some frames [B, 3, S, S] against one truth, row by row; empty-empty 1.
    let private dices (segmenter: Segmenter) (truth: byte[]) (frames: Tensor) =
        use _scope = torch.NewDisposeScope()
        let probabilities = Segmenter.probabilitiesOfFrames segmenter None frames
        let labels = probabilities.argmax(1L).``to``(torch.uint8).cpu()

        [
            for marked in labels.unbind () ->
                Counts.ofForeground (RasterTensors.toLabels marked).Labels truth
                |> Metrics.dice EmptyTruth.Counted
        ]

    /// Dice of a frame as it is, and after each of some operations at these strengths.
    let private ofItem
        (segmenter: Segmenter)
        (seed: Seed)
        (dataset: Dataset)
        operations
        strengths
        (item: DatasetItem)
        =
        Dataset.read dataset item
        |> Result.map (fun (picture, truth) ->
            use _scope = torch.NewDisposeScope()
            let side = segmenter.Manifest.Preprocessing.InputSize
            let frame = Preprocessing.frame side picture

            let truth =
                (RasterTensors.toLabels (Resize.nearest side side (RasterTensors.ofLabels truth))).Labels

            let seed = seed |> Seed.named item.Site |> Seed.named item.Stem

            List.exactlyOne (dices segmenter truth (frame.unsqueeze 0L)),
            [
                for name, operation in operations do
                    let under strength =
                        operation strength (Seed.named name seed) frame

                    let changed =
                        scoped (fun () -> strengths |> Seq.map under |> Array.ofSeq |> torch.stack)

                    name, dices segmenter truth changed
            ])

    let private sweptAt
        operations
        strengths
        (segmenter: Segmenter)
        (dataset: Dataset)
        site
        frames
        (seed: Seed)
        progress
        =
        result {
            do! Evaluator.requireClasses segmenter dataset
            let! chosen = Evaluator.sitesOf dataset [ site ]
            let items = chosen |> Seq.collect _.Items |> Array.ofSeq |> Dataset.spaced frames

            do!
                items.Length > 0
                |> Result.requireTrue (
                    McdrlError.data "there is no frame to sweep" site "Ask for one frame or more"
                )

            let! swept =
                TorchThreads.run
                    "conditions"
                    (ofItem segmenter seed dataset operations strengths)
                    items
                    progress

            let! swept = McdrlError.complete swept
            return List.zip (List.ofArray items) swept
        }

    /// Mean over the frames, condition by condition and by strength.
    let private meanOver (frames: ConditionDice list list) =
        frames
        |> List.transpose
        |> List.map (fun same ->
            { same.Head with
                Dice = same |> List.averageBy _.Dice
            })

    /// Sweeps a model over `frames` evenly spaced frames of a site: for each of `Conditions.byName` and `strengths` the mean
    /// of the frames' foreground Dice at the network's input size, in the model's own mode. These operations leave pixels
    /// where they are, so that a frame's truth stays its truth; the films of mucus and blood among them are drawings of what
    /// they stand for, but the same for every method. A frame's spots, films and noise
    /// depend on `seed` and the frame alone, so every model of an input size is shown the same pixels, and grow with the
    /// strength where they are. The model must have the dataset's classes, and the site a frame.
    let sweep
        (segmenter: Segmenter)
        (dataset: Dataset)
        (site: string)
        (frames: int)
        (seed: Seed)
        (progress: Progress)
        : Result<ConditionDice list, McdrlError> =
        sweptAt Conditions.byName strengths.Tail segmenter dataset site frames seed progress
        |> Result.map (fun swept ->
            [
                for _, (plain, under) in swept ->
                    [
                        for name, dices in under do
                            for strength, dice in List.zip strengths (plain :: dices) do
                                {
                                    Condition = name
                                    Strength = strength
                                    Dice = dice
                                }
                    ]
            ]
            |> meanOver)

    /// The same, frame by frame, for each of `Conditions.onPixels` at the strength that pairs of views have in training.
    let scores
        (segmenter: Segmenter)
        (dataset: Dataset)
        (site: string)
        (frames: int)
        (seed: Seed)
        (progress: Progress)
        : Result<ConditionedScore list, McdrlError> =
        sweptAt Conditions.onPixels [ Conditions.typical ] segmenter dataset site frames seed progress
        |> Result.map (fun swept ->
            [
                for item, (plain, under) in swept ->
                    {
                        Stem = item.Stem
                        AsItIs = plain
                        Under =
                            under
                            |> List.map (fun (name, dices) -> name, List.exactlyOne dices)
                            |> Map.ofList
                    }
            ])

    /// The curves of a method from the sweeps of its models, one a seed: the spread at each point is over the models that
    /// were swept there. Conditions in the order in which they first occur, points by strength.
    let curves (method: string) (sweeps: ConditionDice list list) : RobustnessCurve list =
        List.concat sweeps
        |> List.groupBy _.Condition
        |> List.map (fun (condition, dices) ->
            {
                Method = method
                Condition = condition
                Points =
                    dices
                    |> List.groupBy _.Strength
                    |> List.sortBy fst
                    |> List.map (fun (strength, same) ->
                        {
                            Strength = strength
                            Dice = same |> List.map _.Dice |> Summary.spread
                        })
            })
