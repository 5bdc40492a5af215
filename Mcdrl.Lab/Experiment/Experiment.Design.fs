namespace Mcdrl

/// A method that an experiment compares: changes to the settings that all of them share.
type ExperimentMethod =
    {
        /// E.g. `mcdrl`; unique within an experiment.
        Key: string
        /// How tables and figures call it, e.g. `MCDRL (best)`.
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
        /// What the command calls it, e.g. `table1`.
        Name: string
        /// Heading of its report.
        Title: string
        /// What it asks, in a sentence.
        Question: string
        /// In the order of the tables.
        Methods: ExperimentMethod list
        /// A key of `Methods`.
        Reference: string
        /// What is drawn besides the tables.
        Figures: ExperimentFigure list
    }

[<RequireQualifiedAccess>]
module internal ExperimentMethod =
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
