namespace Mcdrl

open System
open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling
open TorchSharp

/// What stays the same from step to step of a run.
[<NoComparison; NoEquality>]
type internal TrainingLoop =
    {
        Request: TrainRequest
        /// What identifies the run.
        Identity: RunIdentity
        Texts: Texts
        Training: Views
        /// The frames that choose the epoch; none where every site has one frame alone.
        Validation: Views option
        Seed: Seed
        Progress: Progress
        Log: Modules.SummaryWriter
    }

    member this.Frames = this.Training.Members.Length
    member this.BatchSize = this.Request.Settings.Optimiser.BatchSize
    member this.StepsPerEpoch = (this.Frames + this.BatchSize - 1) / this.BatchSize

/// The training loop around the pure objective.
[<RequireQualifiedAccess>]
module internal TrainingLoop =
    let private predict settings mode (loop: TrainingLoop) network rival (features: TowerFeatures) =
        scoped (fun () ->
            let side = int64 settings.Method.InputSize

            let features, texts =
                Rival.read rival network None features (Prior.inTexts network loop.Texts)

            let observation = Network.observe network texts settings.Method.Alpha features

            (Network.probabilities network texts mode side observation).argmax(1L).cpu().``to`` torch.uint8)

    /// Mean Dice on the held-back frames; `None` where nothing is held back.
    let private validate (loop: TrainingLoop) (state: TrainState) isOpen : Result<float option, McdrlError> =
        let settings = loop.Request.Settings
        let mode = Gate.through isOpen settings.Method.Marginalisation

        let diceOf (validation: Views) =
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()

            let network, tower, rival =
                TrainState.runningWith (dict (TrainState.kept state) |> Collections.Generic.Dictionary) state

            [|
                for members in Array.chunkBySize loop.BatchSize [| 0 .. validation.Members.Length - 1 |] do
                    use _scope = torch.NewDisposeScope()
                    let drawn = Views.draw validation 0 members None
                    let features, _ = Views.seenBy Precision.Fp32 tower validation drawn
                    let predicted = predict settings mode loop network rival features

                    Objective.meanDice (int loop.Texts.classes.shape[1]) predicted drawn.Labels,
                    members.Length
            |]
            |> fun parts ->
                (parts |> Array.sumBy (fun (dice, count) -> dice * float count))
                / (parts |> Array.sumBy (snd >> float))

        match loop.Validation with
        | None -> Ok None
        | Some validation ->
            // Prepared frames are read from files that others may have cut short.
            Files.attempt validation.Frames.Store.Path (fun () -> Some(diceOf validation))

    /// What one step is given: a confounder for each image, int64 [B], and the views.
    [<NoComparison; NoEquality>]
    type private Given = { Confounders: Tensor; Drawn: Drawn }

    let private tensors (given: Given) =
        given.Confounders :: Views.tensors given.Drawn

    /// What the step after `done` others is given, in no scope.
    let private prepare (loop: TrainingLoop) epoch ``done`` (members: int array) : Result<Given, McdrlError> =
        use _scope = torch.NewDisposeScope()
        let settings = loop.Request.Settings
        let draws = loop.Seed |> Seed.named "confounders" |> Seed.split ``done``
        let confounders = Objective.drawConfounders loop.Texts draws members.Length

        let under =
            if settings.Augmentation.Pairs then
                Some(confounders.data<int64>().ToArray())
            else
                None

        Files.attempt loop.Training.Frames.Store.Path (fun () ->
            let drawn = Views.draw loop.Training epoch members under

            {
                Confounders =
                    match drawn.Conditioned with
                    | Some conditioned -> conditioned.Confounders.alias ()
                    | None -> confounders
                Drawn = drawn
            })
        |> Result.map (fun given ->
            for tensor in tensors given do
                tensor.DetachFromDisposeScope() |> ignore

            given)

    let private discard (given: Result<Given, McdrlError>) =
        given
        |> Result.iter (fun given ->
            for tensor in tensors given do
                tensor.Dispose())

    let private step (loop: TrainingLoop) mode epoch (given: Given) (state: TrainState) =
        use scope = torch.NewDisposeScope()

        for tensor in tensors given do
            scope.Attach tensor

        let settings = loop.Request.Settings
        let classes = int loop.Texts.classes.shape[1]
        let confounders, marks = given.Confounders, given.Drawn.Labels
        let precision = Option.defaultValue Precision.Fp32 settings.Optimiser.TowerPrecision

        let features, transformed =
            Views.seenBy precision state.Running loop.Training given.Drawn

        let labels = marks.``to``(loop.Training.Device).``to`` torch.int64

        let shown =
            [|
                for image in 0L .. marks.shape[0] - 1L -> Objective.classShown classes marks[image]
            |]

        let batch =
            {
                Features = features
                Labels = labels
                Classes = torch.tensor (shown, device = labels.device)
                Confounders = confounders.``to`` labels.device
                Transformed = transformed
            }

        let terms, logits =
            match state.Rival with
            | Some rival ->
                let noise = loop.Seed |> Seed.named "noise" |> Seed.split state.Step
                Objective.evaluateRival settings state.Network rival loop.Texts mode noise batch
            | None -> Objective.evaluate settings state.Network loop.Texts mode batch

        let loss = terms.Total.item<float32>() |> float

        if not (Double.IsFinite loss) then
            Error(
                McdrlError.model
                    $"the loss became {loss} at step {state.Step} (epoch {epoch + 1})"
                    loop.Request.Out
                    "Lower optimiser.learning_rate, then go on from the last checkpoint with “resume” or start afresh"
            )
        else
            let predicted = logits.detach().argmax(1L).cpu().``to`` torch.uint8
            let dice = Objective.meanDice classes predicted marks
            Ok(TrainState.advance settings.Optimiser loop.StepsPerEpoch state terms.Total, loss, dice)

    /// How many threads draw batches: one beside a processor that computes the steps, more where a graphics card does, which
    /// one thread can't feed.
    let private drawers (device: torch.Device) =
        if device.``type`` = DeviceType.CPU then
            1
        else
            Math.Clamp(Environment.ProcessorCount - 1, 1, 8)

    let private orderOf (loop: TrainingLoop) epoch =
        loop.Seed
        |> Seed.named "order"
        |> Seed.split epoch
        |> Seed.permutation loop.Frames
        |> Array.chunkBySize loop.BatchSize

    /// A figure in TensorBoard's log, whose folder is made anew where somebody removed it.
    let private log (loop: TrainingLoop) (name: string) (value: float) step : Result<unit, McdrlError> =
        let folder = Run.tensorBoardFolder loop.Request.Out

        Files.attempt folder (fun () ->
            Directory.CreateDirectory folder |> ignore
            loop.Log.add_scalar (name, float32 value, step))

    /// The steps of one epoch that are still to be done, with a checkpoint every so many minutes.
    let private runEpoch (loop: TrainingLoop) (saved: Stopwatch) (state: TrainState) =
        let epoch = state.Step / loop.StepsPerEpoch
        let mode = Schedule.mode loop.Request.Settings epoch
        let batches = orderOf loop epoch
        let total = loop.Request.Settings.Optimiser.Epochs * loop.StepsPerEpoch

        let first = state.Step % loop.StepsPerEpoch

        let drawers = drawers loop.Training.Device

        use ahead =
            new Ahead<Result<Given, McdrlError>>(
                drawers,
                drawers + 1,
                batches.Length - first,
                (fun later -> prepare loop epoch (state.Step + later) batches[first + later]),
                discard
            )

        let save state =
            TrainState.save (Run.checkpointFile loop.Request.Out) loop.Identity state

        let rec go index (losses: float list) (dices: float list) (state: TrainState) =
            if index = batches.Length then
                Ok(state, losses, dices)
            elif loop.Progress.IsCancelled then
                save state |> Result.bind (fun () -> Error McdrlError.Cancelled)
            else
                let stepped =
                    result {
                        let! given = ahead.Take()
                        let! state, loss, dice = step loop mode epoch given state
                        do! log loop "train/loss" loss state.Step
                        return state, loss, dice
                    }

                match stepped with
                | Error fault -> Error fault
                | Ok(state, loss, dice) ->
                    let losses, dices = loss :: losses, dice :: dices

                    loop.Progress.Tell
                        {
                            Stage = "training"
                            Done = state.Step
                            Total = total
                            Note =
                                $"epoch {epoch + 1} of {loop.Request.Settings.Optimiser.Epochs}, loss {List.average losses:F3}, Dice {List.average dices:F3}"
                        }

                    if
                        index + 1 < batches.Length
                        && saved.Elapsed.TotalMinutes >= loop.Request.CheckpointMinutes
                    then
                        saved.Restart()
                        save state |> Result.bind (fun () -> go (index + 1) losses dices state)
                    else
                        go (index + 1) losses dices state

        go first [] [] state
        |> Result.map (fun (state, losses, dices) -> state, epoch, mode, losses, dices)

    /// Whether the weights of 0-based `epoch` may become the model: those of a model that never intervened only if the run never
    /// intervenes.
    let mayKeep (settings: Settings) (epoch: int) =
        Schedule.mode settings epoch <> Marginalisation.Never
        || Schedule.mode settings (settings.Optimiser.Epochs - 1) = Marginalisation.Never

    /// After an epoch: validation, the best weights so far, the log, a checkpoint.
    let private closeEpoch
        (loop: TrainingLoop)
        (state: TrainState, epoch, mode, losses: float list, dices: float list)
        =
        let settings = loop.Request.Settings
        let intervenes = mode <> Marginalisation.Never

        result {
            let! dice = validate loop state intervenes

            match dice with
            | Some dice -> do! log loop "validation/dice" dice state.Step
            | None -> ()

            if not losses.IsEmpty then
                do! log loop "train/epoch_loss" (List.average losses) state.Step
                do! log loop "train/dice" (List.average dices) state.Step

            let better =
                mayKeep settings epoch
                && match dice, state.Best with
                   | Some dice, Some(_, best) -> dice > best
                   | _ -> true

            if better then
                do!
                    Checkpoint.write
                        (Run.bestFile loop.Request.Out)
                        (Run.facts loop.Identity)
                        (TrainState.kept state)

            let state =
                if better then
                    { state with
                        Best = Some(epoch + 1, Option.defaultValue 0.0 dice)
                    }
                else
                    state

            do! TrainState.save (Run.checkpointFile loop.Request.Out) loop.Identity state
            return state
        }

    /// Runs the epochs that are still to be done. A cancelled run leaves a checkpoint at the step it had reached.
    let rec complete (loop: TrainingLoop) saved (state: TrainState) : Result<TrainState, McdrlError> =
        if state.Step >= loop.Request.Settings.Optimiser.Epochs * loop.StepsPerEpoch then
            Ok state
        else
            runEpoch loop saved state
            |> Result.bind (closeEpoch loop)
            |> Result.bind (complete loop saved)
