namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open FsToolkit.ErrorHandling

/// What an experiment is asked to do.
[<NoComparison; NoEquality>]
type ExperimentRequest =
    {
        /// Which experiment.
        Design: ExperimentDesign
        /// The dataset's folder.
        Data: string
        /// A dataset with the same sites and classes to judge on instead, e.g. one without confounding.
        Test: string option
        /// The name that the tower must have, where the caller insists on one.
        Tower: string option
        /// The tower's weights, a file or a folder.
        Weights: string
        /// An embeddings table, for a tower without a text tower.
        Text: string option
        /// A sentence encoder, the folder of a BERT, in place of the table.
        TextWeights: string option
        /// What all methods share, as it is reported: a preset's name or a file, and assignments.
        Budget: string list
        /// Settings with further assignments on top.
        SettingsWith: string list -> Result<Settings, McdrlError>
        /// Seeds 1 to this.
        Seeds: int
        /// How runs are judged.
        Protocol: Protocol
        /// How many frames of each unseen site are judged under imaging conditions, too; none for `None`.
        Conditioned: int option
        /// Which runs this process does, by their keys; `None` for all.
        Part: Part option
        /// Where runs and reports go; experiments that share it share their runs.
        Out: string
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
        /// The call that repeats it.
        Command: string
    }

/// Everything that decides what training comes to; runs with the same are the same run.
type TrainingIdentity =
    {
        /// Of Mcdrl.
        Release: string
        /// Digest of the data set's frames and masks and of what the masks' values mean.
        DataSha256: string
        /// Their names are prompts.
        Classes: string list
        /// The site that training never sees.
        LeaveOut: string
        /// Digest of the tower's file.
        WeightsSha256: string
        /// Digest of the embeddings table or of the sentence encoder's weights, where there is one.
        TextSha256: string option
        /// The run's.
        Seed: uint64
        /// What decides the training besides.
        Settings: Settings
    }

/// Everything that decides what judging a trained model comes to.
type JudgingIdentity =
    {
        /// Digest of the `TrainingIdentity`.
        Training: string
        /// Digest of the data set that is judged on.
        TestSha256: string
        /// The one whose frames are judged.
        Site: string
        /// How they are judged, by name.
        Protocol: string
        /// How many of them are judged under imaging conditions.
        Conditioned: int option
    }

/// A run that an experiment needs.
type PlannedRun =
    {
        /// What is trained.
        Method: ExperimentMethod
        /// What decides its weights.
        Identity: TrainingIdentity
        /// Its folder within `runs`.
        Key: string
        /// The file of its result within that folder.
        Result: string
    }

    /// The site that training never sees, and that judges it.
    member this.Site = this.Identity.LeaveOut
    /// The run's.
    member this.Seed = this.Identity.Seed

[<RequireQualifiedAccess>]
module internal ExperimentPlan =
    /// Without the keys that hold nothing: a setting that comes later and isn't used leaves earlier runs what they are.
    let rec private withoutAbsent (fields: JsonObject) : JsonObject =
        let kept = JsonObject()

        for field in fields do
            match field.Value with
            | null -> ()
            | :? JsonObject as inner -> kept.Add(field.Key, withoutAbsent inner)
            | value -> kept.Add(field.Key, value.DeepClone())

        kept

    let private digest (identity: 'identity) =
        let text = (withoutAbsent (RecordJson.toObject identity)).ToJsonString()
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes text))

    let runsFolder (out: string) = Path.Combine(out, "runs")

    /// The methods that this tower can run, those that it can't, and the settings of the first. A method whose settings are
    /// the reference's would say nothing in an ablation of ours, and is left out there.
    let methods hasTextTower (request: ExperimentRequest) =
        let design = request.Design

        let possible, impossible =
            design.Methods
            |> List.partition (fun method -> hasTextTower || not method.NeedsTextTower)

        possible
        |> List.traverseResultA (fun method ->
            request.SettingsWith method.Changes
            |> Result.map (fun settings -> method, settings)
            |> Result.mapError (fun fault -> [ fault ]))
        |> Result.mapError (fun faults ->
            McdrlError.ofList (List.distinct (List.concat faults))
            |> Option.defaultValue (McdrlError.usage "no method" design.Name "Choose another experiment"))
        |> Result.map (fun resolved ->
            let reference =
                resolved
                |> List.tryFind (fun (method, _) -> method.Key = design.Reference)
                |> Option.map snd

            let says (method: ExperimentMethod, settings) =
                design.Name <> "ablations"
                || method.Key = design.Reference
                || Some settings <> reference

            List.filter says resolved, impossible)

    /// The runs of an experiment, seed by seed, then site by site, so that what is done first can be compared first.
    let runs
        (request: ExperimentRequest)
        (methods: (ExperimentMethod * Settings) list)
        (classes: string list)
        (sites: string list)
        (dataSha256, testSha256, weightsSha256, textSha256)
        : PlannedRun list =
        [
            for seed in 1 .. request.Seeds do
                for site in sites do
                    for method, settings in methods do
                        let identity: TrainingIdentity =
                            {
                                Release = Product.release
                                DataSha256 = dataSha256
                                Classes = classes
                                LeaveOut = site
                                WeightsSha256 = weightsSha256
                                TextSha256 = textSha256
                                Seed = uint64 seed
                                Settings = settings
                            }

                        let training = digest identity

                        let judging =
                            digest
                                {
                                    Training = training
                                    TestSha256 = testSha256
                                    Site = site
                                    Protocol = Protocol.name request.Protocol
                                    Conditioned = request.Conditioned
                                }

                        {
                            Method = method
                            Identity = identity
                            Key = $"{FileName.ofText site}-{seed}-{training[..11]}"
                            Result = $"result-{judging[..11]}.json"
                        }
        ]
