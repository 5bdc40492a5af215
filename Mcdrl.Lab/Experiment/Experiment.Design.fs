namespace Mcdrl

/// A method that an experiment compares: changes to the settings that all of them share.
type ExperimentMethod =
    {
        /// E.g. `mcdrl`; unique within an experiment.
        Key: string
        Label: string
        /// What it is, in a sentence.
        Note: string
        /// The label of its row in the published table.
        Published: string option
        /// Whether it runs the text tower on prompts of its own.
        NeedsTextTower: bool
        /// Assignments `key=value` on top of the shared settings.
        Changes: string list
    }

/// What an experiment shows besides its tables.
[<RequireQualifiedAccess>]
type ExperimentFigure =
    /// The unseen frames of best, median and worst Dice.
    | Sheet
    /// Class-conditional features in the plane.
    | Features
    /// Dice under each imaging condition at rising strength.
    | Robustness

/// An experiment: a question, the methods that answer it, and the one that the others are compared with.
type ExperimentDesign =
    {
        Name: string
        Title: string
        Question: string
        Methods: ExperimentMethod list
        /// A key of `Methods`.
        Reference: string
        Figures: ExperimentFigure list
    }

[<RequireQualifiedAccess>]
module ExperimentMethod =
    /// A method without a row in a published table, for every tower.
    let create key label note changes : ExperimentMethod =
        {
            Key = key
            Label = label
            Note = note
            Published = None
            NeedsTextTower = false
            Changes = changes
        }

    /// The method as the row `label` of a published table.
    let published label (method: ExperimentMethod) = { method with Published = Some label }

    /// The method, for towers with a text tower only.
    let needingTextTower (method: ExperimentMethod) = { method with NeedsTextTower = true }
