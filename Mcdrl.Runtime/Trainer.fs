namespace Mcdrl

open System
open System.Diagnostics
open System.IO
open System.Threading
open TorchSharp

/// What training came to.
type TrainReport =
    {
        /// The model's folder.
        Bundle: string
        TrainingFrames: int
        ValidationFrames: int
        Epochs: int
        /// The epoch whose weights were kept, from 1.
        BestEpoch: int
        /// Mean Dice on the held-back source frames, at the network's input size.
        ValidationDice: float
        Seconds: float
    }

/// Trains MCDRL: the loop around the pure objective.
[<RequireQualifiedAccess>]
module Trainer =
    /// What stays the same from step to step.
    [<NoComparison; NoEquality>]
    type private Course =
        {
            Request: TrainRequest
            Texts: Texts
            Training: Views
            Validation: Views
            Seed: Seed
            Report: Report
            Cancel: CancellationToken
            Log: Modules.SummaryWriter
        }

        member this.Frames = this.Training.Frames.Items.Length
        member this.BatchSize = this.Request.Settings.Optimiser.BatchSize
        member this.StepsPerEpoch = (this.Frames + this.BatchSize - 1) / this.BatchSize

    let private predict settings active (course: Course) network (features: TowerFeatures) =
        scoped (fun () ->
            let side = int64 settings.Method.InputSize

            let observation =
                Network.observe network course.Texts settings.Method.Alpha features

            (Network.probabilities
                network
                course.Texts
                settings.Method.Marginalisation
                active
                side
                observation)
                .argmax(1L)
                .cpu()
                .``to``
                torch.uint8)

    let private validate (course: Course) (state: TrainState) active =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        let settings = course.Request.Settings

        let network, tower =
            TrainState.withLeaves (dict (TrainState.kept state) |> Collections.Generic.Dictionary) state

        [|
            for members in
                Array.chunkBySize course.BatchSize [| 0 .. course.Validation.Frames.Items.Length - 1 |] do
                use _scope = torch.NewDisposeScope()
                let features, labels = Views.batch course.Validation tower 0 members
                let predicted = predict settings active course network features
                Objective.meanDice (int course.Texts.classes.shape[0]) predicted labels, members.Length
        |]
        |> fun parts ->
            (parts |> Array.sumBy (fun (dice, count) -> dice * float count))
            / (parts |> Array.sumBy (snd >> float))

    let private step (course: Course) active epoch (members: int array) (state: TrainState) =
        use _scope = torch.NewDisposeScope()
        let settings = course.Request.Settings
        let classes = int course.Texts.classes.shape[0]
        let features, marks = Views.batch course.Training state.Tower epoch members
        let labels = marks.``to``(course.Training.Device).``to`` torch.int64

        let shown =
            [|
                for image in 0L .. marks.shape[0] - 1L -> Objective.classShown classes marks[image]
            |]

        let draws = course.Seed |> Seed.named "confounders" |> Seed.split state.Step

        let batch =
            {
                Features = features
                Labels = labels
                Classes = torch.tensor (shown, device = labels.device)
                Confounders =
                    (Objective.drawConfounders course.Texts draws members.Length).``to`` labels.device
            }

        let terms, logits =
            Objective.evaluate settings state.Network course.Texts active batch

        let loss = terms.Total.item<float32>() |> float

        if not (Double.IsFinite loss) then
            Error(
                McdrlError.model
                    $"the loss became {loss} at step {state.Step} (epoch {epoch + 1})"
                    course.Request.Out
                    "Lower optimiser.learning_rate, then go on from the last checkpoint with --resume or start afresh"
            )
        else
            let predicted = logits.detach().argmax(1L).cpu().``to`` torch.uint8
            let dice = Objective.meanDice classes predicted marks
            Ok(TrainState.advance settings.Optimiser course.StepsPerEpoch state terms.Total, loss, dice)

    let private orderOf (course: Course) epoch =
        course.Seed
        |> Seed.named "order"
        |> Seed.split epoch
        |> Seed.permutation course.Frames
        |> Array.chunkBySize course.BatchSize

    /// The steps of one epoch that are still to be done, with a checkpoint every so many minutes.
    let private runEpoch (course: Course) (saved: Stopwatch) (state: TrainState) =
        let epoch = state.Step / course.StepsPerEpoch
        let active = Schedule.isActive course.Request.Settings epoch
        let batches = orderOf course epoch
        let total = course.Request.Settings.Optimiser.Epochs * course.StepsPerEpoch

        let save state =
            TrainState.save (Run.checkpointFile course.Request.Out) state

        let rec go index (losses: float list) (dices: float list) (state: TrainState) =
            if index = batches.Length then
                Ok(state, losses, dices)
            elif course.Cancel.IsCancellationRequested then
                save state |> Result.bind (fun () -> Error McdrlError.Cancelled)
            else
                match step course active epoch batches[index] state with
                | Error fault -> Error fault
                | Ok(state, loss, dice) ->
                    course.Log.add_scalar ("train/loss", float32 loss, state.Step)
                    let losses, dices = loss :: losses, dice :: dices

                    course.Report
                        {
                            Stage = "training"
                            Done = state.Step
                            Total = total
                            Note =
                                $"epoch {epoch + 1} of {course.Request.Settings.Optimiser.Epochs}, loss {List.average losses:F3}, Dice {List.average dices:F3}"
                        }

                    if
                        index + 1 < batches.Length
                        && saved.Elapsed.TotalMinutes >= course.Request.CheckpointMinutes
                    then
                        saved.Restart()
                        save state |> Result.bind (fun () -> go (index + 1) losses dices state)
                    else
                        go (index + 1) losses dices state

        go (state.Step % course.StepsPerEpoch) [] [] state
        |> Result.map (fun (state, losses, dices) -> state, epoch, active, losses, dices)

    /// After an epoch: validation, the best weights so far, the log, a checkpoint.
    let private closeEpoch
        (course: Course)
        (state: TrainState, epoch, active, losses: float list, dices: float list)
        =
        let settings = course.Request.Settings
        let dice = validate course state active
        course.Log.add_scalar ("validation/dice", float32 dice, state.Step)

        if not losses.IsEmpty then
            course.Log.add_scalar ("train/epoch_loss", float32 (List.average losses), state.Step)
            course.Log.add_scalar ("train/dice", float32 (List.average dices), state.Step)

        // A model that never intervened is kept only if the run never intervenes.
        let counts =
            active || not (Schedule.isActive settings (settings.Optimiser.Epochs - 1))

        let better = counts && (state.Best |> Option.forall (fun (_, best) -> dice > best))

        let kept =
            if better then
                Checkpoint.write (Run.bestFile course.Request.Out) Map.empty (TrainState.kept state)
            else
                Ok()

        kept
        |> Result.bind (fun () ->
            let state =
                if better then
                    { state with
                        Best = Some(epoch + 1, dice)
                    }
                else
                    state

            TrainState.save (Run.checkpointFile course.Request.Out) state
            |> Result.map (fun () -> state))

    let rec private runEpochs (course: Course) saved (state: TrainState) =
        if state.Step >= course.Request.Settings.Optimiser.Epochs * course.StepsPerEpoch then
            Ok state
        else
            runEpoch course saved state
            |> Result.bind (closeEpoch course)
            |> Result.bind (runEpochs course saved)

    let private sitesOf (dataset: Dataset) (leaveOut: string option) : Result<DatasetSite list, McdrlError> =
        let names = dataset.Sites |> List.map _.Name
        let listed = String.concat ", " names

        match leaveOut with
        | None -> Ok dataset.Sites
        | Some site when not (List.contains site names) ->
            Error(
                McdrlError.usage
                    "the dataset has no such site"
                    $"--leave-out {site}"
                    $"Choose one of {listed}"
            )
        | Some _ when names.Length = 1 ->
            Error(
                McdrlError.usage
                    "nothing is left to train on"
                    "--leave-out"
                    "Use a dataset with more than one site"
            )
        | Some site -> Ok(dataset.Sites |> List.filter (fun other -> other.Name <> site))

    /// sha256 over the names and contents of all frames and masks.
    let private digestOf (items: DatasetItem list) (cancel: CancellationToken) : Result<string, McdrlError> =
        Files.attempt "dataset" (fun () ->
            use hash =
                Security.Cryptography.IncrementalHash.CreateHash
                    Security.Cryptography.HashAlgorithmName.SHA256

            for item in items do
                cancel.ThrowIfCancellationRequested()
                hash.AppendData(Text.Encoding.UTF8.GetBytes $"{item.Site}/{item.Stem}\n")
                hash.AppendData(Security.Cryptography.SHA256.HashData(File.ReadAllBytes item.Image))
                hash.AppendData(Security.Cryptography.SHA256.HashData(File.ReadAllBytes item.Mask))

            Convert.ToHexStringLower(hash.GetHashAndReset()))

    let private provenance
        (request: TrainRequest)
        (identity: RunIdentity)
        (dataset: Dataset)
        sites
        (course: Course)
        epoch
        =
        {
            Product = $"mcdrl {Run.version}"
            Created = DateTime.UtcNow.ToString("yyyy-MM-dd", Globalization.CultureInfo.InvariantCulture)
            Data = dataset.Name
            DataSha256 = identity.DataSha256
            TrainedOn = sites |> List.map (fun (site: DatasetSite) -> site.Name)
            LeftOut = request.LeaveOut
            WeightsSha256 = identity.WeightsSha256
            Seed = request.Seed
            Epoch = epoch
            TrainingFrames = course.Frames
        }

    let private writeBundle
        (identity: RunIdentity)
        (dataset: Dataset)
        sites
        (course: Course)
        (state: TrainState)
        =
        let request, settings = course.Request, course.Request.Settings

        match state.Best with
        | None ->
            Error(
                McdrlError.model
                    "no epoch was ever validated"
                    request.Out
                    "Set optimiser.epochs to at least 1"
            )
        | Some(epoch, dice) ->
            Checkpoint.read (Run.bestFile request.Out)
            |> Result.bind (fun (_, leaves) ->
                let network, tower = TrainState.withLeaves leaves state
                let mean, std = Tower.normalisation tower

                let manifest: Manifest =
                    {
                        Format = 1
                        Classes = dataset.Classes
                        Tower = Tower.name tower
                        TowerFacts = Tower.facts tower
                        Active = Schedule.isActive settings (epoch - 1)
                        Precision = "fp32"
                        Preprocessing =
                            {
                                Resize = "squash-bicubic"
                                InputSize = settings.Method.InputSize
                                Mean = mean
                                Std = std
                            }
                        Settings = settings
                        Provenance = provenance request identity dataset sites course epoch
                        Metrics =
                            [
                                {
                                    Name = "mean Dice, held-back source frames"
                                    Value = dice
                                    Protocol =
                                        $"image-wise foreground Dice at {settings.Method.InputSize} px, empty-empty 1; used to choose the epoch"
                                }
                            ]
                        Files = Map.empty
                    }

                let bundle = Run.bundleFolder request.Out

                Bundle.write
                    bundle
                    {
                        Manifest = manifest
                        Tower = tower
                        Network = network
                        Texts = course.Texts
                    }
                |> Result.map (fun () -> bundle, epoch, dice))

    /// Frames, features and texts made ready; then the epochs; then the bundle.
    let private run
        (request: TrainRequest)
        (report: Report)
        (cancel: CancellationToken)
        device
        resume
        identity
        dataset
        sites
        =
        let settings = request.Settings
        let seed = Seed.create request.Seed
        let clock = Stopwatch.StartNew()

        let items =
            sites |> List.collect (fun (site: DatasetSite) -> List.ofArray site.Items)

        let training, validation =
            Splits.holdOut
                settings.Validation
                (Seed.named "validation" seed)
                (fun (item: DatasetItem) -> item.Site)
                items

        Weights.loadTower request.Weights
        |> Result.bind (fun tower ->
            TextTable.texts
                request.Weights
                request.Text
                dataset.Classes
                settings.Method.Conditions
                settings.Method.Prior
            |> Result.bind (fun texts ->
                let frames name members =
                    let key =
                        $"{identity.DataSha256} {name} {settings.Method.InputSize} {settings.Validation} {request.Seed}"

                    Frames.prepare
                        (Run.framesFile request.Out name)
                        key
                        settings.Method.InputSize
                        dataset
                        members
                        report
                        cancel

                match
                    frames "training" (List.toArray training), frames "validation" (List.toArray validation)
                with
                | Error fault, _
                | _, Error fault -> Error fault
                | Ok trainingFrames, Ok validationFrames ->
                    let mean, std = Tower.normalisation tower
                    let texts = texts |> Tree.map (fun leaf -> leaf.``to`` (device: torch.Device))

                    let views frames augmentation : Views =
                        {
                            Frames = frames
                            Settings =
                                { settings with
                                    Augmentation = augmentation
                                }
                            Seed = seed
                            Mean = mean |> List.map float32 |> List.toArray
                            Std = std |> List.map float32 |> List.toArray
                            Device = device
                            Cache = None
                        }

                    let network =
                        Objective.createNetwork
                            settings
                            (Tower.isAligned tower)
                            (Tower.width tower)
                            (Tower.skipChannels tower)
                            texts
                            (Seed.named "network" seed)

                    let trains path =
                        Tower.isTrained settings.Optimiser.TrainedBlocks tower path

                    let state = TrainState.start settings.Optimiser device trains network tower
                    let frozen = not (Tree.leaves tower |> List.exists (fst >> trains))

                    let withCache name (views: Views) =
                        if frozen && views.Settings.Augmentation.Views > 0 then
                            let key =
                                $"{identity.DataSha256} {identity.WeightsSha256} {request.Seed} {RecordJson.render views.Settings}"

                            Views.cached
                                (Run.featuresFile request.Out name)
                                key
                                state.Tower
                                views
                                report
                                cancel
                        else
                            Ok views

                    match
                        withCache "training" (views trainingFrames settings.Augmentation),
                        withCache "validation" (views validationFrames Augmentation.none)
                    with
                    | Error fault, _
                    | _, Error fault -> Error fault
                    | Ok training, Ok validation ->
                        use log =
                            torch.utils.tensorboard.SummaryWriter(
                                Run.tensorBoardFolder request.Out,
                                createRunName = false
                            )

                        let course =
                            {
                                Request = request
                                Texts = texts
                                Training = training
                                Validation = validation
                                Seed = seed
                                Report = report
                                Cancel = cancel
                                Log = log
                            }

                        let started =
                            if resume then
                                TrainState.restore (Run.checkpointFile request.Out) state
                            else
                                Ok state

                        started
                        |> Result.bind (runEpochs course (Stopwatch.StartNew()))
                        |> Result.bind (writeBundle identity dataset sites course)
                        |> Result.map (fun (bundle, epoch, dice) ->
                            {
                                Bundle = bundle
                                TrainingFrames = course.Frames
                                ValidationFrames = validation.Frames.Items.Length
                                Epochs = settings.Optimiser.Epochs
                                BestEpoch = epoch
                                ValidationDice = dice
                                Seconds = clock.Elapsed.TotalSeconds
                            })))

    /// Trains on every site but the one left out, choosing the epoch on held-back frames of the training sites, and
    /// writes a bundle. A cancelled run keeps a checkpoint.
    let train
        (request: TrainRequest)
        (report: Report)
        (cancel: CancellationToken)
        : Result<TrainReport, McdrlError> =
        Native.load ()
        |> Result.bind (fun _ -> Device.parse request.Device)
        |> Result.bind (fun device ->
            Dataset.load request.Data
            |> Result.bind (fun dataset ->
                sitesOf dataset request.LeaveOut |> Result.map (fun sites -> dataset, sites))
            |> Result.bind (fun (dataset, sites) ->
                let items = sites |> List.collect (fun site -> List.ofArray site.Items)

                match
                    Weights.digest request.Weights,
                    digestOf items cancel,
                    request.Text |> Option.map Files.sha256
                with
                | Error fault, _, _
                | _, Error fault, _
                | _, _, Some(Error fault) -> Error fault
                | Ok weights, Ok data, text ->
                    let identity: RunIdentity =
                        {
                            Version = Run.version
                            Data = dataset.Name
                            DataSha256 = data
                            LeaveOut = request.LeaveOut
                            WeightsSha256 = weights
                            TextSha256 =
                                text
                                |> Option.bind (function
                                    | Ok digest -> Some digest
                                    | Error _ -> None)
                            Seed = request.Seed
                            Settings = request.Settings
                        }

                    Run.lock request.Out
                    |> Result.bind (fun owned ->
                        use _owned = owned

                        Run.enter request.Out request.Resume identity
                        |> Result.bind (fun resume ->
                            run request report cancel device resume identity dataset sites))))
