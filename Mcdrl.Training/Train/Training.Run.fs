namespace Mcdrl

open System
open System.IO
open System.Text.Json

/// What a training run is asked to do.
[<NoComparison; NoEquality>]
type TrainRequest =
    {
        /// The dataset's folder.
        Data: string
        /// The site that is never seen; `None` trains on all.
        LeaveOut: string option
        /// The name that the tower must have, where the caller insists on one.
        Tower: string option
        /// The tower's weights, a file or a folder. With `From`, the weights whose text tower makes the texts that the model lacks; the
        /// model's folder again where there are none.
        Weights: string
        /// The folder of a model to start from in place of a pretrained tower and drawn values.
        From: string option
        /// An embeddings table, for a tower without a text tower.
        Text: string option
        /// A sentence encoder, the folder of a BERT, in place of the table.
        TextWeights: string option
        /// What decides the training besides data, weights and seed.
        Settings: Settings
        /// The run's folder.
        Out: string
        /// A folder of prepared frames and features of the whole dataset that runs share and that outlives them; `None`
        /// prepares those that are trained on, in the run's folder, and deletes them afterwards.
        Prepared: string option
        /// Go on with the run that the folder holds, also for more epochs than it was begun with; unless asked to, such a folder is
        /// refused.
        Resume: bool
        /// First weights, held-back frames, order and augmentation follow from it.
        Seed: uint64
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
        /// What the model says it is to compute in; training computes in fp32.
        Precision: Precision
        /// The element type of the model's weights as a file; training and checkpoints are fp32.
        Store: WeightStorage
        /// Minutes between checkpoints within an epoch.
        CheckpointMinutes: float
        /// Keep the checkpoint once the model is written: only then can the run be made longer afterwards.
        KeepCheckpoint: bool
    }

/// Requests of a few words.
[<RequireQualifiedAccess>]
module TrainRequest =
    /// What `mcdrl train` does where it is told no more than the dataset, the tower's weights and the run's folder: all sites, the
    /// weights' own texts, seed 1, on the processor. Change what you want otherwise: `{ TrainRequest.create … with Seed = 2UL }`.
    let create (settings: Settings) (data: string) (weights: string) (out: string) : TrainRequest =
        {
            Data = data
            LeaveOut = None
            Tower = None
            Weights = weights
            From = None
            Text = None
            TextWeights = None
            Settings = settings
            Out = Path.GetFullPath out
            Prepared = None
            Resume = false
            Seed = 1UL
            Device = "cpu"
            Precision = Precision.Fp32
            Store = WeightStorage.F32
            CheckpointMinutes = 5.0
            KeepCheckpoint = false
        }

/// What identifies a run: a run is resumed only when all of it is the same, but that `optimiser.epochs` may have grown.
type RunIdentity =
    {
        /// The release of Mcdrl.
        Version: string
        /// The data set's name.
        Data: string
        /// Digest of its frames and masks and of what the masks' values mean, wherever they lie.
        DataSha256: string
        /// The site that is never seen.
        LeaveOut: string option
        /// Digest of the tower's file, or of the model that it started from, see `Bundle.sha256`.
        WeightsSha256: string
        /// Digest of the embeddings table or of the sentence encoder's weights, where there is one.
        TextSha256: string option
        /// The run's seed.
        Seed: uint64
        /// What decides the training besides data, weights and seed.
        Settings: Settings
        /// Torch's threads when the run began. The same run on another number of them ends in other last digits: sums are taken in
        /// another order. It may be resumed on any; runs of earlier versions don't say.
        Threads: int option
    }

/// The folder of a run: who owns it, what it is, and where its files lie.
[<RequireQualifiedAccess>]
module Run =
    /// `RunIdentity` as JSON.
    let identityFile folder = Path.Combine(folder, "run.json")

    /// The state that a resumed run goes on from.
    let checkpointFile folder =
        Path.Combine(folder, "checkpoint.safetensors")

    /// The trained leaves of the best epoch so far.
    let bestFile folder =
        Path.Combine(folder, "best.safetensors")

    /// What training came to, once the model is written.
    let reportFile folder = Path.Combine(folder, "report.json")

    /// Where prepared frames and features lie until the run ends.
    let preparedFolder folder = Path.Combine(folder, "prepared")

    /// Where TensorBoard finds the run's curves.
    let tensorBoardFolder folder = Path.Combine(folder, "tensorboard")

    /// Holds the run's folder for this process; a second trainer on it is refused, on whatever machine. A holder that ended however
    /// it did is waited for no longer than its expiry.
    let lease (folder: string) (progress: Progress) : Result<Lease, McdrlError> =
        Lease.take (LeaseWatch Lease.standard) (Path.Combine(folder, "run.lease")) progress
        |> Result.bind (fun taken ->
            taken
            |> Result.mapError (fun holder ->
                McdrlError.usage
                    $"another process is training in this folder: {holder.Process} on {holder.Machine}"
                    folder
                    "Wait for it to end, or choose another “out”"))

    /// What `work` comes to in the folder that is held; an error where another took it over meanwhile.
    let working (lease: Lease) (folder: string) progress work =
        Lease.working lease progress work
        |> Result.bind (fun outcome ->
            match outcome with
            | Some outcome -> Ok outcome
            | None ->
                Error(
                    McdrlError.resource
                        "another process has taken this run over: for a while no sign of life of this one could be seen"
                        folder
                        "Let the other go on, or repeat the call with “resume” when it has ended"
                ))

    /// The keys in which two JSON objects differ, with dots.
    let private differences (left: RunIdentity) (right: RunIdentity) =
        let rec compare path (a: Nodes.JsonNode | null) (b: Nodes.JsonNode | null) =
            match a, b with
            | (:? Nodes.JsonObject as a), (:? Nodes.JsonObject as b) ->
                [
                    for pair in a do
                        let key = if path = "" then pair.Key else $"{path}.{pair.Key}"
                        yield! compare key pair.Value b[pair.Key]
                ]
            | _ -> if Nodes.JsonNode.DeepEquals(a, b) then [] else [ path ]

        compare
            ""
            (RecordJson.toObject { left with Threads = None })
            (RecordJson.toObject { right with Threads = None })

    /// Whether `earlier` is this run before it was made longer; an error that lists the fields in which they differ where they are not the
    /// same run.
    let private isShorter place (earlier: RunIdentity) (identity: RunIdentity) : Result<bool, McdrlError> =
        let isLonger =
            identity.Settings.Optimiser.Epochs > earlier.Settings.Optimiser.Epochs

        match differences earlier identity with
        | [] -> Ok false
        | [ "settings.optimiser.epochs" ] when isLonger -> Ok true
        | keys ->
            let listed = String.concat ", " keys

            Error(
                McdrlError.model
                    $"the run differs from this call in {listed}"
                    place
                    "Repeat the call with the same data, weights, seed and settings, of which only optimiser.epochs may be raised, or choose another “out”"
            )

    let private identityKey = "run"

    /// What a checkpoint of the run states of whose it is.
    let facts (identity: RunIdentity) : Map<string, string> =
        Map [ identityKey, RecordJson.render identity ]

    /// A `Model` error for the facts of a checkpoint that another run wrote; `path` names it.
    let requireOwn
        (path: string)
        (identity: RunIdentity)
        (facts: Map<string, string>)
        : Result<unit, McdrlError> =
        match facts.TryFind identityKey with
        | None ->
            Error(
                McdrlError.model
                    "the checkpoint does not say which run wrote it"
                    path
                    "Start the run afresh in another folder"
            )
        | Some text ->
            RecordJson.parse<RunIdentity> path text
            |> Result.mapError (fun fault ->
                McdrlError.model (McdrlError.describe fault) path "Start the run afresh in another folder")
            |> Result.bind (fun earlier -> isShorter path earlier identity)
            |> Result.map ignore

    /// Whether the folder's run is this one, has ended, and left no checkpoint to go on from. An error where it is another, or would have
    /// to be made longer.
    let hasEnded (folder: string) (model: string) (identity: RunIdentity) : Result<bool, McdrlError> =
        if
            File.Exists(identityFile folder)
            && File.Exists(reportFile folder)
            && not (File.Exists(checkpointFile folder))
        then
            RecordJson.ofFile<RunIdentity>(identityFile folder)
            |> Result.bind (fun earlier -> isShorter folder earlier identity)
            |> Result.bind (fun isShorter ->
                if isShorter then
                    Error(
                        McdrlError.usage
                            "the run has ended, and its checkpoint was removed with it, so it can't be made longer"
                            folder
                            $"Begin anew with more epochs (“keep_checkpoint” keeps it), or fine-tune the model: “from” {model}"
                    )
                else
                    Ok true)
        else
            Ok false

    /// Starts the folder's run, or checks that the run in it is this one, or this one before it was made longer. True when there is
    /// a checkpoint to go on from.
    let enter folder resume (identity: RunIdentity) : Result<bool, McdrlError> =
        let file = identityFile folder

        let begin' () =
            Files.writeText file (RecordJson.render identity)

        match File.Exists file, resume with
        | true, false ->
            Error(
                McdrlError.usage
                    "the folder already holds a run"
                    folder
                    "Add “resume” to go on with it, or choose another “out”"
            )
        | false, _ -> begin' () |> Result.map (fun () -> false)
        | true, true ->
            RecordJson.ofFile<RunIdentity> file
            |> Result.bind (fun earlier -> isShorter folder earlier identity)
            |> Result.bind (fun isShorter -> if isShorter then begin' () else Ok())
            |> Result.map (fun () -> File.Exists(checkpointFile folder))
