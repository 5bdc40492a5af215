namespace Mcdrl

/// Where a model comes from.
type Provenance =
    {
        Product: string
        Created: string
        Data: string
        DataSha256: string
        TrainedOn: string list
        LeftOut: string option
        WeightsSha256: string
        Seed: uint64
        Epoch: int
        TrainingFrames: int
    }

/// A figure with the protocol it was measured by.
type ReportedMetric =
    {
        Name: string
        Value: float
        Protocol: string
    }

/// `mcdrl.json` of a bundle.
type Manifest =
    {
        /// Version of this layout; 1.
        Format: int
        Classes: string list
        Tower: string
        /// What the tower's weights file states about itself.
        TowerFacts: Map<string, string>
        /// Whether the intervention is on; it is off in a model that was stopped before it was activated.
        Active: bool
        /// What it is to be used in.
        Precision: Precision
        Preprocessing: Preprocessing
        Settings: Settings
        Provenance: Provenance
        Metrics: ReportedMetric list
        /// sha256 of every other file.
        Files: Map<string, string>
    }
