namespace Mcdrl

open System

/// Masks that a model gives of a frame and of what becomes of it under a condition, at the same pixels.
type internal DoMasks =
    {
        /// What A foretells under do(condition) from the frame as it is.
        Foretold: byte[]
        /// The answer to the frame as it is, without intervention.
        Unchanged: byte[]
        /// The answer to the frame under the condition, without intervention: what there is to foretell.
        Shown: byte[]
    }

/// What a model says about one scene under one imaging condition. All label arrays of a scene have the same number
/// of pixels; label 0 is background, k the k-th class.
type internal InterventionalView =
    {
        Predicted: byte[]
        /// The truth as the condition shows it: a close-up enlarges the lesion, too.
        Truth: byte[]
        /// `Predicted` with the condition's geometry undone: one label for each pixel of the reference frame, and
        /// `Interventional.unseen` where the condition leaves a pixel out of the picture.
        InReference: byte[]
        /// Mean probability of the true class over the lesion's pixels; NaN without a lesion.
        TruthProbability: float
        /// Whether the training sites show this scene's class under this condition more often than other classes
        /// (`Some true`), or the condition goes with other classes there (`Some false`). `None` where they have no bias.
        Usual: bool option
        /// `None` where the model has no such condition, or the condition moves what the regions show.
        Grounding: GroundingScore option
        /// `None` where `Grounding` is.
        DoMasks: DoMasks option
    }

/// Lesion Dice with the mask of the frame under a condition.
[<Struct>]
type internal DoDice =
    {
        /// Of the mask that A foretells.
        Foretold: float
        /// Of the mask of the frame as it is: what A must beat.
        Unchanged: float
    }

/// The scores of one view. Dice counts a pixel only with the right class and is the mean over the classes that either
/// map shows; lesion Dice tells lesions from background alone. Both are 1 where neither map shows a lesion.
[<Struct>]
type internal ViewScore =
    {
        Dice: float
        LesionDice: float
        TruthProbability: float
        /// Dice of this mask and the reference's: 1 where the condition changed nothing.
        Kept: float
        Usual: bool option
        Grounding: GroundingScore option
        DoDice: DoDice option
    }

/// One scene under the reference and under every condition.
type internal SceneScore =
    {
        Reference: ViewScore
        /// By condition, in the dictionary's order, the same for all scenes of a report.
        Conditions: (string * ViewScore) list
        /// Mean Dice between the masks of every two conditions; 1 where fewer than two are given.
        Invariance: float
        /// The same for lesion against background.
        LesionInvariance: float
        /// Its site with the patient or sequence that it is of, where the dataset names one.
        Group: (string * FrameGroup) option
    }

/// Whether A foretells the masks of a condition: lesion Dice with the mask that the model gives, without intervention, of the
/// frame under the condition. Spreads run over scenes.
type DoMaskScore =
    {
        /// Of the mask that A foretells under do(condition) from the frame as it is.
        Foretold: Spread
        /// Of the mask of the frame as it is, without intervention.
        Unchanged: Spread
        /// The first minus the second, mean over scenes, with its 95 % interval by paired bootstrap.
        Difference: Interval
    }

/// One condition over all scenes.
type ConditionScore =
    {
        /// Its words in the dictionary; `reference` for none.
        Condition: string
        /// With the right class, mean over the classes that either mask shows.
        Dice: Spread
        /// Lesion against background.
        LesionDice: Spread
        /// Mean probability of the true class over the lesion's pixels.
        TruthProbability: Spread
        /// Dice of the mask and the reference's: 1 where the condition changed nothing.
        Kept: Spread
        /// Cosine with the condition's features of what A foretells, and of no change. `None` where unknown.
        Grounding: (Spread * Spread) option
        /// `None` where unknown, as `Grounding` is.
        DoMasks: DoMaskScore option
    }

/// Figures of one model minus those of another on the same scenes, each with its 95 % interval by paired bootstrap over
/// scenes.
type InterventionalDifference =
    {
        /// Dice of the frames under no condition.
        Reference: Interval
        /// `InterventionalReport.Robust`.
        Robust: Interval
        /// Each model's own worst condition, which another draw of scenes may change.
        Worst: Interval
    }

/// How much of an answer is due to the imaging condition. Spreads run over scenes.
type InterventionalReport =
    {
        /// The frame under no condition.
        Reference: ConditionScore
        /// In the dictionary's order.
        Conditions: ConditionScore list
        /// Mean over scenes and conditions, each condition weighing the same. The reference is not among them.
        Dice: Spread
        /// The same for lesion against background.
        LesionDice: Spread
        /// Robust Dice: mean over scenes, and in each over the reference and all conditions, each weighing the same.
        Robust: Spread
        /// The condition of the lowest mean Dice, the first of equals.
        Worst: ConditionScore option
        /// Mean Dice between the masks of every two conditions: 1 for an answer that no condition changes.
        Invariance: Spread
        /// The same for lesion against background.
        LesionInvariance: Spread
        /// For each scene, mean Dice under the conditions usual for its class at the training sites minus mean Dice
        /// under those that are usual for others, −1 to 1: 0 for a model that learned nothing from the bias.
        /// `None` where no scene has both.
        ConfoundingGap: Spread option
        /// The same after each condition's mean over the scenes is taken from its Dice: it doesn't mistake a condition
        /// that is hard for every class for a bias.
        AdjustedGap: Spread option
        /// The gap of the true class's probability.
        ProbabilityGap: Spread option
    }

/// The same scene under every condition: what would have been answered if only the condition had been another.
[<RequireQualifiedAccess>]
module Interventional =
    /// The label of a pixel that a view doesn't show. It is left out wherever two masks are compared.
    let unseen = Byte.MaxValue

    /// How often label p of one map meets label q of the other, at [p, q], over the pixels that both show.
    let private meetings classes (a: byte[]) (b: byte[]) =
        let side = classes + 2
        let table = Array2D.zeroCreate<int> side side

        for pixel in 0 .. a.Length - 1 do
            let p, q = min (int a[pixel]) (side - 1), min (int b[pixel]) (side - 1)
            table[p, q] <- table[p, q] + 1

        table

    /// Class-aware Dice and lesion Dice of two label maps of the same number of pixels, each 0 to 1, symmetric, and
    /// 1 where neither map shows a lesion. Labels are 0 to `classes`, or `unseen`.
    let overlap (classes: int) (a: byte[]) (b: byte[]) : struct (float * float) =
        let meet = meetings classes a b
        let sum cells = float (List.sum cells)
        let inA = [ for p in 0..classes -> sum [ for q in 0..classes -> meet[p, q] ] ]
        let inB = [ for q in 0..classes -> sum [ for p in 0..classes -> meet[p, q] ] ]
        let sizes = List.map2 (+) inA inB |> List.tail

        let perClass =
            sizes
            |> List.indexed
            |> List.choose (fun (index, size) ->
                if size > 0.0 then
                    Some(2.0 * float meet[index + 1, index + 1] / size)
                else
                    None)

        if perClass.IsEmpty then
            struct (1.0, 1.0)
        else
            let lesionInBoth =
                sum
                    [
                        for p in 1..classes do
                            for q in 1..classes -> meet[p, q]
                    ]

            struct (List.average perClass, 2.0 * lesionInBoth / List.sum sizes)

    /// Scores of a scene; the masks are no longer needed afterwards.
    let internal scene
        (classes: int)
        (reference: InterventionalView)
        (conditions: (string * InterventionalView) list)
        : SceneScore =
        let score (view: InterventionalView) =
            let struct (dice, lesionDice) = overlap classes view.Predicted view.Truth
            let struct (kept, _) = overlap classes view.InReference reference.InReference

            {
                Dice = dice
                LesionDice = lesionDice
                TruthProbability = view.TruthProbability
                Kept = kept
                Usual = view.Usual
                Grounding = view.Grounding
                DoDice =
                    view.DoMasks
                    |> Option.map (fun masks ->
                        let struct (_, foretold) = overlap classes masks.Foretold masks.Shown
                        let struct (_, unchanged) = overlap classes masks.Unchanged masks.Shown

                        {
                            Foretold = foretold
                            Unchanged = unchanged
                        })
            }

        let masks = conditions |> List.map (fun (_, view) -> view.InReference)

        let pairs =
            List.allPairs (List.indexed masks) (List.indexed masks)
            |> List.choose (fun ((i, a), (j, b)) -> if i < j then Some(overlap classes a b) else None)

        let mean part =
            if pairs.IsEmpty then 1.0 else List.averageBy part pairs

        {
            Reference = score reference
            Conditions = conditions |> List.map (fun (name, view) -> name, score view)
            Invariance = mean (fun (struct (dice, _)) -> dice)
            LesionInvariance = mean (fun (struct (_, lesionDice)) -> lesionDice)
            Group = None
        }

    /// The interval of the mean over scenes of a number of each, given with the group that it is drawn with.
    let private meanInterval seed (values: ((string * FrameGroup) option * float) list) =
        let groups = values |> FrameFindings.drawnTogether fst |> Array.map (Array.map snd)

        Bootstrap.stratifiedGroups Bootstrap.resamples seed [ groups ]

    let private conditionScore (seed: Seed) name (views: (SceneScore * ViewScore) list) : ConditionScore =
        let scores = List.map snd views

        let spread (part: ViewScore -> float) =
            scores |> Seq.map part |> Summary.spread

        {
            Condition = name
            Dice = spread _.Dice
            LesionDice = spread _.LesionDice
            TruthProbability = spread _.TruthProbability
            Kept = spread _.Kept
            Grounding =
                match scores |> List.choose _.Grounding with
                | [] -> None
                | known ->
                    Some(
                        known |> Seq.map _.Predicted |> Summary.spread,
                        known |> Seq.map _.Unchanged |> Summary.spread
                    )
            DoMasks =
                match
                    views
                    |> List.choose (fun (scene, view) ->
                        view.DoDice |> Option.map (fun dice -> scene.Group, dice))
                with
                | [] -> None
                | known ->
                    Some
                        {
                            Foretold = known |> Seq.map (fun (_, dice) -> dice.Foretold) |> Summary.spread
                            Unchanged = known |> Seq.map (fun (_, dice) -> dice.Unchanged) |> Summary.spread
                            Difference =
                                known
                                |> List.map (fun (group, dice) -> group, dice.Foretold - dice.Unchanged)
                                |> meanInterval (Seed.named name seed)
                        }
        }

    /// Mean Dice of a scene over the reference and all conditions.
    let private robust (scene: SceneScore) =
        scene.Reference :: List.map snd scene.Conditions |> List.averageBy _.Dice

    /// Mean of `value` under usual conditions minus under unusual ones, for each scene that has both.
    let private gap (value: string * ViewScore -> float) (scenes: SceneScore list) =
        let meanWhere usual (scene: SceneScore) =
            scene.Conditions
            |> Seq.filter (fun (_, score) -> score.Usual = Some usual)
            |> Seq.map value
            |> Metrics.mean

        let gaps =
            scenes |> List.map (fun scene -> meanWhere true scene - meanWhere false scene)

        let spread = Summary.spread gaps
        if spread.Count = 0 then None else Some spread

    /// The figures of one model's scenes minus those of another's, the same scenes in the same order; resamples are drawn
    /// with the seed.
    let internal difference
        (seed: Seed)
        (minuend: SceneScore list)
        (subtrahend: SceneScore list)
        : InterventionalDifference =
        let mean (figure: SceneScore -> float) =
            List.map2 (fun (one: SceneScore) other -> one.Group, figure one - figure other) minuend subtrahend
            |> meanInterval seed

        let dices (scene: SceneScore) =
            scene.Conditions |> Seq.map (fun (_, score) -> score.Dice) |> Array.ofSeq

        let worst (scenes: float[] array) =
            if scenes.Length = 0 || scenes[0].Length = 0 then
                nan
            else
                Seq.init scenes[0].Length (fun m -> scenes |> Array.averageBy (fun dices -> dices[m]))
                |> Seq.min

        {
            Reference = mean _.Reference.Dice
            Robust = mean robust
            Worst =
                List.zip minuend subtrahend
                |> FrameFindings.drawnTogether (fun (one, _) -> one.Group)
                |> Array.map (Array.map (fun (one, other) -> struct (dices one, dices other)))
                |> List.singleton
                |> Bootstrap.grouped Bootstrap.resamples seed (fun pairs ->
                    [|
                        worst (pairs |> Array.map (fun struct (one, _) -> one))
                        - worst (pairs |> Array.map (fun struct (_, other) -> other))
                    |])
                |> Array.head
        }

    /// The report on scenes that were all seen under the same conditions. The order of the scenes doesn't matter but to
    /// intervals, whose resamples are drawn with the seed.
    let internal report (seed: Seed) (scenes: SceneScore list) : InterventionalReport =
        let perCondition =
            match scenes with
            | [] -> []
            | first :: _ ->
                first.Conditions
                |> List.mapi (fun index (name, _) ->
                    scenes
                    |> List.map (fun scene -> scene, snd scene.Conditions[index])
                    |> conditionScore seed name)

        let overScenes (part: SceneScore -> float) =
            scenes |> Seq.map part |> Summary.spread

        let meanOf (part: ViewScore -> float) =
            overScenes (fun scene -> scene.Conditions |> Seq.map (snd >> part) |> Metrics.mean)

        let means =
            perCondition |> List.map (fun c -> c.Condition, c.Dice.Mean) |> Map.ofList

        {
            Reference =
                scenes
                |> List.map (fun scene -> scene, scene.Reference)
                |> conditionScore seed "reference"
            Conditions = perCondition
            Dice = meanOf _.Dice
            LesionDice = meanOf _.LesionDice
            Robust = overScenes robust
            Worst =
                match perCondition with
                | [] -> None
                | some -> Some(List.minBy _.Dice.Mean some)
            Invariance = overScenes _.Invariance
            LesionInvariance = overScenes _.LesionInvariance
            ConfoundingGap = gap (fun (_, score) -> score.Dice) scenes
            AdjustedGap = gap (fun (name, score) -> score.Dice - means[name]) scenes
            ProbabilityGap = gap (fun (_, score) -> score.TruthProbability) scenes
        }
