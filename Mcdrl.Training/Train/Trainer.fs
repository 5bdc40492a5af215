namespace Mcdrl

open System
open System.Diagnostics
open System.IO
open System.Threading
open FsToolkit.ErrorHandling
open TorchSharp

/// What training came to.
type TrainReport =
    {
        /// The model's folder.
        Bundle: string
        /// Frames that were trained on.
        TrainingFrames: int
        /// Frames that were held back to choose the epoch.
        ValidationFrames: int
        /// Epochs done, those before a resumption included.
        Epochs: int
        /// The epoch whose weights were kept, from 1: the best on the held-back frames, the last where there are none.
        BestEpoch: int
        /// Mean Dice on the held-back source frames, at the network's input size; `None` where no site had a frame to spare.
        ValidationDice: float option
        /// What was taken of the model that training started from, if it did.
        Start: StartReport option
        /// π of each condition, where it was estimated or learned.
        Prior: Map<string, float> option
        /// Wall-clock time of this call.
        Seconds: float
    }

/// Trains MCDRL on a dataset, from its files to a bundle.
[<RequireQualifiedAccess>]
module Trainer =
    let private sitesOf (dataset: Dataset) (leaveOut: string option) : Result<DatasetSite list, McdrlError> =
        let names = dataset.Sites |> List.map _.Name

        match leaveOut with
        | None -> Ok dataset.Sites
        | Some site when not (List.contains site names) ->
            let listed = String.concat ", " names

            Error(
                McdrlError.usage
                    "the dataset has no such site"
                    $"“leave_out” {site}"
                    $"Choose one of {listed}"
            )
        | Some _ when names.Length = 1 ->
            Error(
                McdrlError.usage
                    "nothing is left to train on"
                    "“leave_out”"
                    "Use a dataset with more than one site"
            )
        | Some site -> Ok(dataset.Sites |> List.filter (fun other -> other.Name <> site))

    /// Half precision is what a plain ResNet can be trained in.
    let private requirePrecision (settings: Settings) (tower: Tower) =
        match tower, settings.Optimiser.TowerPrecision with
        | Tower.ViT _, Some Precision.Bf16
        | Tower.ClipResNet _, Some Precision.Bf16 ->
            Error(
                McdrlError.usage
                    $"bf16 needs a plain ResNet (resnet18, resnet34 or resnet50), and the tower is {Tower.name tower}"
                    "optimiser.tower_precision"
                    "Leave the setting out, or use weights of a plain ResNet"
            )
        | _ -> Ok()

    /// The tower must be the one that the caller insists on, and cut frames of this size into cells.
    let private requireTower (request: TrainRequest) path (tower: Tower) =
        match request.Tower with
        | Some wanted when wanted <> Tower.name tower ->
            Error(
                McdrlError.usage
                    $"the weights hold {Tower.name tower}, not {wanted}"
                    path
                    "Name the tower that the weights hold, or leave “tower” out"
            )
        | _ ->
            let step = Tower.granularity tower
            let side = int64 request.Settings.Method.InputSize

            if side % step = 0L then
                Ok()
            else
                let below = side / step * step

                let near =
                    if below = 0L then
                        $"{step}"
                    else
                        $"{below} or {below + step}"

                Error(
                    McdrlError.usage
                        $"{side} is no multiple of {step}, which {Tower.name tower} needs"
                        "method.input_size"
                        $"Set it to {near}, in the configuration or with “set”"
                )

    /// What training starts with: a tower and, if there is one, its text tower; and the model that they are of.
    let private loadWeights (request: TrainRequest) : Result<Weights * StartingModel option, McdrlError> =
        result {
            let! weights, start =
                match request.From with
                | None -> Weights.load request.Weights |> Result.map (fun weights -> weights, None)
                | Some folder ->
                    FineTuning.load request folder
                    |> Result.map (fun start -> FineTuning.weights start, Some start)

            do! requireTower request weights.Path weights.Tower
            do! requirePrecision request.Settings weights.Tower

            let! tower =
                Tower.withInstanceNorm request.Settings.Method.InstanceNorm weights.Tower

            return { weights with Tower = tower }, start
        }

    let private textsOf (request: TrainRequest) (weights: Weights) source (classes: string list) =
        let m = request.Settings.Method
        let prior = if m.Prior.IsEmpty then None else Some m.Prior

        PromptTable.resolve weights source (Prompts.all (Settings.wordsOf m classes) m.Conditions)
        |> Result.map (PromptTexts.ofEmbeddings classes.Length m.Conditions.Length prior)

    let private identify
        (request: TrainRequest)
        source
        (dataset: Dataset)
        items
        (cancel: CancellationToken)
        : Result<RunIdentity, McdrlError> =
        result {
            let! weights =
                match request.From with
                | Some folder -> Bundle.sha256 folder
                | None -> Weights.locate request.Weights |> Result.bind Files.sha256

            let! text =
                match request.From, source with
                | Some folder, TextSource.Own when request.Weights <> folder ->
                    Weights.locate request.Weights |> Result.bind Files.sha256 |> Result.map Some
                | _ -> TextSource.sha256 source

            let! data = DatasetDigest.ofItems dataset items cancel

            return
                {
                    Version = Product.release
                    Data = dataset.Name
                    DataSha256 = data
                    LeaveOut = request.LeaveOut
                    WeightsSha256 = weights
                    TextSha256 = text
                    Seed = request.Seed
                    Settings = request.Settings
                    Threads = Some(torch.get_num_threads ())
                }
        }

    /// Minutes that can pass; 0 is a checkpoint after every step.
    let private requireMinutes (request: TrainRequest) =
        if Double.IsFinite request.CheckpointMinutes && request.CheckpointMinutes >= 0.0 then
            Ok()
        else
            Error(
                McdrlError.usage
                    "must be a number of at least 0"
                    $"“checkpoint_minutes” {request.CheckpointMinutes}"
                    "Give the minutes between checkpoints, e.g. 5"
            )

    /// The model that training starts from isn't the one that it will write, and the run's folder isn't the dataset's.
    let private keepRead (request: TrainRequest) =
        let start = request.From |> Option.map Bundle.locate |> Option.toList

        Inputs.keep [ request.Data ] request.Out
        |> Result.bind (fun () -> Inputs.keep start (Bundle.ofRun request.Out))

    /// Deletes the prepared frames and features, which only training reads, and nothing else that the folder may hold.
    let private forgetPrepared folder =
        let prepared = Run.preparedFolder folder

        Files.attempt prepared (fun () ->
            if Directory.Exists prepared then
                for pattern in [ "frames-*.bin"; "features-*.bin"; "transformed-*.bin"; ".mcdrl-*.tmp" ] do
                    for file in Directory.GetFiles(prepared, pattern) do
                        File.Delete file

                if Seq.isEmpty (Directory.EnumerateFileSystemEntries prepared) then
                    Directory.Delete prepared)

    /// A run that was refused once it had been begun, and has no checkpoint, would only stand in the way of the next.
    let private withdraw (request: TrainRequest) outcome =
        match outcome with
        | Error McdrlError.Cancelled
        | Ok _ -> outcome
        | Error _ when File.Exists(Run.checkpointFile request.Out) -> outcome
        | Error _ ->
            Files.attempt request.Out (fun () ->
                let curves = Run.tensorBoardFolder request.Out

                if Directory.Exists curves then
                    for file in Directory.GetFiles(curves, "events.out.tfevents.*") do
                        File.Delete file

                    if Seq.isEmpty (Directory.EnumerateFileSystemEntries curves) then
                        Directory.Delete curves

                File.Delete(Run.identityFile request.Out))
            |> Result.bind (fun () -> forgetPrepared request.Out)
            |> Result.bind (fun () -> outcome)

    /// Frames, features and texts made ready; then the epochs; then the bundle.
    let private run
        (request: TrainRequest)
        source
        (identity: RunIdentity)
        (dataset: Dataset)
        sites
        items
        device
        progress
        =
        result {
            let clock = Stopwatch.StartNew()
            let settings = request.Settings
            let seed = Seed.create request.Seed

            let training, validation =
                items
                |> Splits.holdOut
                    settings.Validation
                    (Seed.named "validation" seed)
                    (fun (item: DatasetItem) -> item.Site)

            let! weights, start = loadWeights request

            let! texts =
                match start with
                | Some start -> FineTuning.texts request source dataset.Classes start
                | None -> textsOf request weights source dataset.Classes

            let tower = weights.Tower

            let! rival =
                RivalSource.create
                    settings.Method
                    weights
                    source
                    texts
                    dataset.Classes
                    (Seed.named "prompts" seed)

            let! estimator =
                match start with
                | Some start when FineTuning.keepsPrior settings.Method start -> Ok None
                | _ -> PriorEstimate.create settings.Method weights

            let texts = texts |> Tree.map (fun leaf -> leaf.``to`` (device: torch.Device))

            let drawn =
                NetworkTemplate.create
                    settings.Method
                    (Tower.sizes tower)
                    texts
                    (Filling.Drawn(Seed.named "network" seed))

            let! network =
                match start with
                | Some start -> FineTuning.network settings.Method dataset.Classes drawn start
                | None -> Ok drawn

            let network =
                { network with
                    log_prior = Prior.start settings.Method texts
                }

            let trains = Tower.isTrained settings.Optimiser.TrainedBlocks tower
            let state = TrainState.start settings.Optimiser device trains network tower rival

            // What can't be trained is refused by now, and leaves no run behind.
            let! resume = Run.enter request.Out request.Resume identity
            let! views = Preparation.views request identity device dataset state.Running progress

            let! texts =
                match estimator with
                | None -> Ok texts
                | Some text ->
                    result {
                        let! frames = views Augmentation.none None training

                        return!
                            PriorEstimate.ofFrames
                                text
                                state.Running
                                settings.Optimiser.BatchSize
                                frames
                                texts
                                progress
                    }

            // After the estimate, which asks what frames show.
            let texts =
                match settings.Method.Dictionary, start with
                | Some _, Some start when FineTuning.hasTexts settings.Method dataset.Classes start -> texts
                | Some source, _ -> texts |> PromptTexts.withDictionary source (Seed.named "dictionary" seed)
                | None, _ -> texts

            let! trainingViews =
                views
                    settings.Augmentation
                    (if settings.Augmentation.Pairs then Some texts else None)
                    training

            let! validationViews =
                if validation.IsEmpty then
                    Ok None
                else
                    views Augmentation.none None validation |> Result.map Some

            let loop =
                {
                    Request = request
                    Identity = identity
                    Texts = texts
                    Training = trainingViews
                    Validation = validationViews
                    Seed = seed
                    Progress = progress
                    Log =
                        torch.utils.tensorboard.SummaryWriter(
                            Run.tensorBoardFolder request.Out,
                            createRunName = false
                        )
                }

            let! state =
                if resume then
                    TrainState.restore (Run.checkpointFile request.Out) identity state
                    |> Result.map (fun state ->
                        // A run that was made longer may intervene now, which its best epoch so far didn't.
                        { state with
                            Best =
                                state.Best
                                |> Option.filter (fun (epoch, _) ->
                                    TrainingLoop.mayKeep settings (epoch - 1))
                        })
                else
                    Ok state

            // Nothing else on that thread: those that it makes would flush for ever.
            let! state =
                FlushedThread.run (fun () ->
                    Interruption.finishes (fun () -> TrainingLoop.complete loop (Stopwatch.StartNew()) state))

            let! (epoch, dice), prior =
                TrainedModel.write identity start dataset sites loop state

            do! forgetPrepared request.Out

            let report =
                {
                    Bundle = Bundle.ofRun request.Out
                    TrainingFrames = training.Length
                    ValidationFrames = validation.Length
                    Epochs = settings.Optimiser.Epochs
                    BestEpoch = epoch
                    ValidationDice = if validation.IsEmpty then None else Some dice
                    Start = start |> Option.map (FineTuning.report settings.Method dataset.Classes)
                    Prior = prior
                    Seconds = clock.Elapsed.TotalSeconds
                }

            do! Files.writeText (Run.reportFile request.Out) (RecordJson.render report)

            if not request.KeepCheckpoint then
                do!
                    Files.attempt request.Out (fun () ->
                        File.Delete(Run.checkpointFile request.Out)
                        File.Delete(Run.bestFile request.Out))

            return report
        }

    /// A `Usage` error for a model that nobody could load.
    let private requireAnswers (settings: MethodSettings) (dataset: Dataset) =
        ModelLimits.answerFaults dataset.Classes.Length settings.Conditions.Length settings.InputSize
        |> List.map (fun what ->
            McdrlError.usage what "method.conditions" "Use fewer conditions or a smaller method.input_size")
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok())

    /// Trains on every site but the one left out, from a pretrained tower or from a model, choosing the epoch on held-back
    /// frames of the training sites, and writes a bundle. A cancelled run keeps a checkpoint; one that has ended only if it is asked to,
    /// and to resume it gives the report that it ended with.
    let train (request: TrainRequest) (progress: Progress) : Result<TrainReport, McdrlError> =
        result {
            do! requireMinutes request
            do! keepRead request
            let! _ = Native.load ()
            let! device = Device.parse request.Device
            let! source = TextSource.choose request.Text request.TextWeights
            let! dataset = Dataset.load request.Data
            do! requireAnswers request.Settings.Method dataset
            let! sites = sitesOf dataset request.LeaveOut
            let items = sites |> List.collect (fun site -> List.ofArray site.Items)
            let! identity = identify request source dataset items progress.Cancel
            use! lease = Run.lease request.Out progress
            let isNew = not (File.Exists(Run.identityFile request.Out))

            let! hasEnded =
                if request.Resume then
                    Run.hasEnded request.Out (Bundle.ofRun request.Out) identity
                else
                    Ok false

            return!
                if hasEnded then
                    RecordJson.ofFile<TrainReport>(Run.reportFile request.Out)
                else
                    Run.working lease request.Out progress (fun progress ->
                        run request source identity dataset sites items device progress
                        |> (if isNew then withdraw request else id))
        }
