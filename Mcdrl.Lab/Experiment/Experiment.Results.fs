namespace Mcdrl

/// Foreground Dice of one model on an unseen frame, as it is and under imaging conditions, at the network's input size.
type ConditionedScore =
    {
        /// The name that frame and mask share.
        Stem: string
        /// Of the frame as it is.
        AsItIs: float
        /// Under each of `Conditions.onPixels`, at the strength of training's pairs.
        Under: Map<string, float>
    }

/// What one run of an experiment came to: a method trained without one site, with one seed, and judged on that site.
type RunResult =
    {
        /// The method's key within the experiment, e.g. `mcdrl`.
        Method: string
        /// The site that training never saw.
        Site: string
        /// The run's.
        Seed: uint64
        /// The epoch that was kept, from 1.
        Epoch: int
        /// Mean Dice on the held-back frames of the training sites, which chose the epoch; absent where no site had a frame to spare.
        ValidationDice: float option
        /// Wall-clock time of its training.
        TrainSeconds: float
        /// Weights that answer: tower, network and whatever a rival needs besides.
        Parameters: int64
        /// Weights of the causal intervention network.
        CausalParameters: int64
        /// Median milliseconds of a whole answer to one prepared frame, on one thread.
        Milliseconds: float
        /// Version of the product that trained and judged it.
        Version: string
        /// Scores of the unseen site's frames, each with its findings but for its bins of calibration.
        Images: ImageScore list
        /// P(lesion) against truth, summed over these frames; `None` in results from before it was measured.
        Calibration: Calibration option
        /// Of evenly spaced frames of the unseen site under conditions, where the experiment asks for them.
        Conditioned: ConditionedScore list option
    }

/// A method of an experiment, and its runs so far.
type MethodRuns =
    {
        /// E.g. `mcdrl`; unique within an experiment.
        Key: string
        /// How tables and figures call it, e.g. `MCDRL (best)`.
        Label: string
        /// What it is, in a sentence: its source and our interpretation of it.
        Note: string
        /// The label of its row in the published table, where there is one.
        Published: string option
        /// Those that are done, in any order.
        Runs: RunResult list
    }

/// What an experiment is about and how it was done; printed with every number.
type ExperimentFacts =
    {
        /// E.g. `table1`.
        Name: string
        /// Heading of its report.
        Title: string
        /// What it asks, in a sentence.
        Question: string
        /// The name of the data set, and of the one that is judged on instead.
        Data: string
        /// Digest of its frames and masks and of what the masks' values mean.
        DataSha256: string
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The unseen sites, in the dataset's order.
        Sites: string list
        /// The tower's architecture, see `Tower.name`.
        Tower: string
        /// One line: threshold, resolution, empty rule, aggregation.
        Protocol: string
        /// Those of the plan, from 1.
        Seeds: uint64 list
        /// The key of the method that the others are compared with.
        Reference: string
        /// The call that repeats it.
        Command: string
        /// What all methods share: preset, epochs, augmentation, how the epoch is chosen.
        Budget: string list
        /// Runs that the plan has; fewer results mean that it is unfinished.
        Planned: int
    }

/// Mean Dice of a method on unseen frames under a condition of a strength; the spread is over seeds.
type RobustnessPoint =
    {
        /// Of the condition, 0 to 1.
        Strength: float
        /// Over seeds, of the mean over sites.
        Dice: Spread
    }

/// A sweep of one condition, for one method.
type RobustnessCurve =
    {
        /// The method's label.
        Method: string
        /// Its words in the dictionary.
        Condition: string
        /// By strength, 0 (the frame as it is) to 1.
        Points: RobustnessPoint list
    }

/// An image's feature in the plane.
type EmbeddedPoint =
    {
        /// Along the map's first axis, in the map's own unit.
        X: float
        /// Along the second.
        Y: float
        /// Empty for a frame without a lesion.
        Class: string
        /// The frame's site.
        Site: string
    }

/// The features of a method's images in the plane.
type EmbeddedMap =
    {
        /// The method's label.
        Method: string
        /// One for each frame.
        Points: EmbeddedPoint list
        /// Mean silhouette of the classes in the features themselves, −1 to 1.
        Silhouette: float
    }

/// A frame of the qualitative sheet.
[<NoComparison; NoEquality>]
type SheetFrame =
    {
        /// The frame's site.
        Site: string
        /// The name that frame and mask share.
        Stem: string
        /// `best`, `median` or `worst` by the reference method's Dice on that site.
        Rank: string
        /// The frame with the truth's outline alone.
        Truth: PageImage
        /// Each method's label and Dice, and the frame with its outline and the truth's.
        Answers: (string * float * PageImage) list
    }

/// Picks runs by site and seed.
[<RequireQualifiedAccess>]
module MethodRuns =
    /// The method with each of its runs changed.
    let mapRuns (change: RunResult -> RunResult) (method: MethodRuns) =
        { method with
            Runs = List.map change method.Runs
        }

    /// A method's runs that belong to the plan, by site and seed; of a run done twice, the later.
    let cells (facts: ExperimentFacts) (runs: MethodRuns) =
        runs.Runs
        |> List.filter (fun run -> List.contains run.Site facts.Sites && List.contains run.Seed facts.Seeds)
        |> List.map (fun run -> (run.Site, run.Seed), run)
        |> Map.ofList

    /// The seeds that have every site.
    let completeSeeds (facts: ExperimentFacts) (cells: Map<string * uint64, RunResult>) =
        facts.Seeds
        |> List.filter (fun seed -> facts.Sites |> List.forall (fun site -> cells.ContainsKey(site, seed)))
