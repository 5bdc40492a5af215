namespace Mcdrl

/// What a model marked on a frame whose truth is known, in a word.
[<RequireQualifiedAccess>]
type DemoVerdict =
    /// Dice of `Warning.threshold` or more.
    | Found
    /// Something of it is marked, with a lower Dice.
    | Partly
    /// A lesion is there and nothing of it is marked.
    | Missed
    /// No lesion is there and nothing is marked.
    | RightlyEmpty
    /// No lesion is there and something is marked.
    | FalseAlarm

/// A frame of the demo, JSON through `RecordJson`.
type DemoFrame =
    {
        /// The name of its file, without ending.
        Name: string
        /// What is to be said of the answer.
        Verdict: DemoVerdict
        /// Of the answer and the truth, all lesion classes together, [0, 1]; 1 where both are empty.
        Dice: float
        /// Share of the frame that the truth marks, [0, 1].
        TrueShare: float
        /// Share of the frame that the answer marks, [0, 1].
        MarkedShare: float
        /// I(Y; Z | F), mean over pixels in nats; absent where the mode looks at no single condition.
        Disagreement: float option
    }

/// Judges an answer about a frame.
[<RequireQualifiedAccess>]
module DemoFrame =
    /// Label maps of one size: what is marked, and the truth.
    let judge name (marked: LabelMap) disagreement (truth: LabelMap) : DemoFrame =
        let counts = Counts.ofForeground marked.Labels truth.Labels
        let dice = (Metrics.score EmptyTruth.Counted counts).Dice
        let share (map: LabelMap) = LabelMap.shares map |> List.sumBy snd
        let ofWhatCounts (map: LabelMap) labels = share { map with Labels = labels }
        let real = ofWhatCounts truth (Ignored.asBackground truth.Labels)
        let found = ofWhatCounts marked (Ignored.without 0uy truth.Labels marked.Labels)

        {
            Name = name
            Verdict =
                match real > 0.0, found > 0.0 with
                | false, false -> DemoVerdict.RightlyEmpty
                | false, true -> DemoVerdict.FalseAlarm
                | true, _ when dice >= Warning.threshold -> DemoVerdict.Found
                | true, _ when dice > 0.0 -> DemoVerdict.Partly
                | true, _ -> DemoVerdict.Missed
            Dice = dice
            TrueShare = real
            MarkedShare = found
            Disagreement = disagreement
        }

    /// What there is to say of an answer, in a sentence.
    let said (frame: DemoFrame) =
        match frame.Verdict with
        | DemoVerdict.Found -> $"Found, Dice {Page.short frame.Dice}."
        | DemoVerdict.Partly -> $"Found badly, Dice {Page.short frame.Dice}."
        | DemoVerdict.Missed -> "Missed: nothing of the lesion is marked."
        | DemoVerdict.RightlyEmpty -> "No lesion, and nothing marked."
        | DemoVerdict.FalseAlarm ->
            $"False alarm: no lesion, and {Page.points frame.MarkedShare} %% of the frame marked."

/// A frame as the page shows it.
type internal DemoPicture =
    {
        Frame: DemoFrame
        Image: PageImage
        Truth: LabelMap
        Marked: LabelMap
        /// The explanation sheet, and what it says in words.
        Sheet: PageImage * string
    }

/// All that the demo's page tells.
type internal DemoResults =
    {
        /// Version of Mcdrl.
        Version: string
        /// What the model was trained on.
        Provenance: Provenance
        /// What was measured of it when it was written.
        Metrics: ReportedMetric list
        /// Figures that others published for the hospital shown: who, Dice in percent, and what is known of it.
        Published: (string * float * string) list
        /// Where the demo was asked to put everything.
        Folder: string
        /// As its makers call it.
        Dataset: string
        Licence: string option
        Citation: string option
        Pictures: DemoPicture list
        Seconds: float
    }
