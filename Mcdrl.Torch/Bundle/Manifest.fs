namespace Mcdrl

open System

/// A model that another was fine-tuned from.
type Ancestor =
    {
        /// Digest of its `mcdrl.json`, which holds those of its other files.
        Sha256: string
        /// Its data set's name.
        Data: string
        /// Digest of its data set.
        DataSha256: string
        /// The sites that it was trained on, by name.
        TrainedOn: string list
    }

/// Where a model comes from.
type Provenance =
    {
        /// What wrote the model, with its version.
        Product: string
        /// The day in UTC, as 2026-01-31.
        Created: string
        /// The data set's name.
        Data: string
        /// Digest of its frames and masks and of what the masks' values mean.
        DataSha256: string
        /// The sites whose frames were trained on, by name.
        TrainedOn: string list
        /// The site that was never seen, if one was left out.
        LeftOut: string option
        /// Digest of the weights file that the tower came from.
        WeightsSha256: string
        /// Of the run: weights, order and augmentation follow from it.
        Seed: uint64
        /// The epoch whose weights were kept, from 1.
        Epoch: int
        /// Frames that it learned from.
        TrainingFrames: int
        /// The models that it was fine-tuned from, one from the next, the last one first; absent where there is none.
        FineTunedFrom: Ancestor list option
        /// Frames of the training sites that were held back to choose the epoch; with none it was chosen by nothing, and is the last.
        /// Absent in models from before it was stated, which all had some.
        HeldBack: int option
    }

/// A figure with the protocol it was measured by.
type ReportedMetric =
    {
        /// What was measured, in words.
        Name: string
        /// In the metric's own unit; overlaps are 0 to 1.
        Value: float
        /// On which frames, and by which rules.
        Protocol: string
    }

/// `mcdrl.json` of a bundle.
type Manifest =
    {
        /// Version of this layout, see `Manifest.format`.
        Format: int
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The tower's architecture, see `Tower.name`.
        Tower: string
        /// What the tower's weights file states about itself.
        TowerFacts: Map<string, string>
        /// Whether the intervention is on; it is off in a model that was stopped before it was activated.
        Active: bool
        /// What it is to be used in.
        Precision: Precision
        /// What the network takes.
        Preprocessing: Preprocessing
        /// What it was trained with.
        Settings: Settings
        /// What it was trained on.
        Provenance: Provenance
        /// What was measured of it when it was written.
        Metrics: ReportedMetric list
        /// sha256 of every other file.
        Files: Map<string, string>
        /// sha256 of this file, see `SelfDigest`; absent in layout 2, and in a model that was not read from a folder.
        Sha256: string option
    }

/// The layout of bundles.
[<RequireQualifiedAccess>]
module Manifest =
    /// The version that this release writes. 1 was that of 0.1, whose networks attended to one confounder without asking, and read
    /// skip maps past the intervention; 2 is the same as 3 but that `mcdrl.json` holds no digest of itself.
    let format = 3

    /// The versions that this release reads, the oldest first.
    let readable = [ 2; format ]

    let private isDigest (text: string) =
        text.Length = SelfDigest.length
        && text
           |> Seq.forall (fun digit -> Char.IsAsciiDigit digit || (digit >= 'a' && digit <= 'f'))

    let private within (low: int) high value = value >= low && value <= high

    /// All that no model can be, each with its key; empty if nothing is. `files` are the names of the files that a model has besides.
    let faults (files: string list) (manifest: Manifest) : (string * string) list =
        let method = manifest.Settings.Method
        let preprocessing, provenance = manifest.Preprocessing, manifest.Provenance

        let parts =
            [
                "classes", ModelLimits.classFaults manifest.Classes
                "settings.method.conditions", ModelLimits.conditionFaults method.Conditions
                "preprocessing.input_size", ModelLimits.sideFaults preprocessing.InputSize
                "preprocessing", ModelLimits.colourFaults preprocessing.Mean preprocessing.Std
            ]

        [
            for key, faults in parts do
                for fault in faults do
                    key, fault

            if parts |> List.forall (snd >> List.isEmpty) then
                for fault in
                    ModelLimits.answerFaults
                        manifest.Classes.Length
                        method.Conditions.Length
                        preprocessing.InputSize do
                    "settings.method.conditions", fault

            if preprocessing.InputSize <> method.InputSize then
                "preprocessing.input_size", "the preprocessing's input size is not the settings'"

            if not (within 0 1_000_000 provenance.Epoch) then
                "provenance.epoch", $"{provenance.Epoch} is no number of an epoch"

            if provenance.TrainingFrames < 0 then
                "provenance.training_frames", $"{provenance.TrainingFrames} is no number of frames"

            for name in files do
                if not (manifest.Files.ContainsKey name) then
                    $"files.{name}", "there is no sha256 of this file"

            for KeyValue(name, digest) in manifest.Files do
                if not (List.contains name files) then
                    $"files.{name}", "no model has such a file"
                elif not (isDigest digest) then
                    $"files.{name}", "it is no sha256"

            if manifest.Sha256.IsSome <> (manifest.Format > 2) then
                "sha256", "a model of layout 3 and no other holds the sha256 of its mcdrl.json"
        ]

    /// The sites that the model or one that it was fine-tuned from was trained on.
    let seen (manifest: Manifest) : string list =
        let provenance = manifest.Provenance

        provenance.TrainedOn
        @ (provenance.FineTunedFrom |> Option.defaultValue [] |> List.collect _.TrainedOn)
        |> List.distinct

    /// A `Usage` error where someone asks for a mode whose weights the model's training never reached: those that ask A, of a
    /// model that never intervened. Any training that intervenes reaches all of them (law I-34), and `Rendered` asks none.
    let requireTrained (manifest: Manifest) (asked: Marginalisation option) : Result<unit, McdrlError> =
        match asked with
        | Some mode when
            not manifest.Active
            && List.contains mode (Marginalisation.Custom :: Marginalisation.inFeatures)
            ->
            Error(
                McdrlError.usage
                    "the model was trained without an intervention, so the weights that this mode asks were never trained"
                    $"“mode” {Marginalisation.name mode}"
                    "Leave “mode” out for the model's own answer, or train a model that intervenes (method.training_mode)"
            )
        | _ -> Ok()
