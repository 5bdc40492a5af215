namespace Mcdrl

/// Mean Dice under one condition.
type StudyCondition =
    {
        /// Its words in the dictionary.
        Condition: string
        /// Mean over scenes.
        Dice: Measured
    }

/// What is told about one of the two models, JSON through `RecordJson`. Means run over scenes.
type StudyScores =
    {
        /// How the page calls the model.
        Name: string
        /// Mean Dice over scenes and conditions.
        Dice: Measured
        /// Mean Dice of the frames under no condition.
        Reference: Measured
        /// Mean Dice between masks of the same scene under different conditions.
        Invariance: Measured
        /// Dice under conditions usual for the class at the training sites minus Dice under those usual for others.
        ConfoundingGap: Measured option
        /// Mean Dice under each condition, in the dictionary's order.
        Conditions: StudyCondition list
        /// Frames that it was trained on.
        TrainingFrames: int
        /// Those that training took.
        Epochs: int
        /// The epoch whose weights were kept, from 1.
        BestEpoch: int
        /// Mean Dice on held-back frames of the training sites.
        ValidationDice: float option
        /// Seconds that training took.
        Seconds: float
    }

/// Makes scores of reports, and finds the condition a model does worst under.
[<RequireQualifiedAccess>]
module StudyScores =
    /// The scores of a report, and how the model came to be.
    let ofReport name (report: InterventionalReport) (training: TrainReport) : StudyScores =
        {
            Name = name
            Dice = Measured.ofSpread report.Dice
            Reference = Measured.ofSpread report.Reference.Dice
            Invariance = Measured.ofSpread report.Invariance
            ConfoundingGap = report.ConfoundingGap |> Option.map Measured.ofSpread
            Conditions =
                report.Conditions
                |> List.map (fun condition ->
                    {
                        Condition = condition.Condition
                        Dice = Measured.ofSpread condition.Dice
                    })
            TrainingFrames = training.TrainingFrames
            Epochs = training.Epochs
            BestEpoch = training.BestEpoch
            ValidationDice = training.ValidationDice
            Seconds = training.Seconds
        }

    /// The condition with the lowest mean Dice, the first of equals.
    let worst (scores: StudyScores) : StudyCondition option =
        match scores.Conditions with
        | [] -> None
        | some -> Some(some |> List.minBy _.Dice.Mean)

/// What one model marks on a frame.
type internal StudyAnswer =
    {
        Mask: LabelMap
        /// The class that covers most of the mask; `None` where nothing is marked.
        Class: string option
        Dice: float
    }

/// A scene under one condition, and what the two models make of it.
type internal StudyView =
    {
        Condition: string
        Image: PageImage
        Truth: LabelMap
        Mcdrl: StudyAnswer
        Baseline: StudyAnswer
    }

/// A part of the study and how long it took.
type StudyStage =
    {
        /// What was done, in a few words.
        Stage: string
        /// Wall-clock time.
        Seconds: float
    }

/// All that the study's page tells.
type internal StudyResults =
    {
        /// Version of Mcdrl.
        Version: string
        /// Where the study was asked to put everything.
        Folder: string
        Seed: uint64
        Classes: string list
        /// The site that neither model was trained on.
        LeftOut: string
        Sites: string list
        /// For each condition, the share of each class's training frames that was taken under it; a column sums to 1.
        Habits: (string * float list) list
        /// For each site, frames with what they show in a word or two.
        Contact: (string * (string * PageImage) list) list
        /// Scenes of the left-out site, each seen under every condition.
        Scenes: int
        /// Strength of the conditions that the models are judged under, (0, 1].
        Strength: float
        Mcdrl: StudyScores
        Baseline: StudyScores
        /// What the scene below shows, e.g. `a tumor`.
        Scene: string
        Views: StudyView list
        /// Explanation sheets with a caption each.
        Sheets: (PageImage * string) list
        Stages: StudyStage list
    }
