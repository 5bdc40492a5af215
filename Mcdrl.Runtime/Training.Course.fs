namespace Mcdrl

open System
open System.Diagnostics
open TorchSharp

/// What stays the same from step to step of a run.
[<NoComparison; NoEquality>]
type Course =
    {
        Request: TrainRequest
        Texts: Texts
        Training: Views
        Validation: Views
        Seed: Seed
        Progress: Progress
        Log: Modules.SummaryWriter
    }

    member this.Frames = this.Training.Members.Length
    member this.BatchSize = this.Request.Settings.Optimiser.BatchSize
    member this.StepsPerEpoch = (this.Frames + this.BatchSize - 1) / this.BatchSize

/// The training loop around the pure objective.
[<RequireQualifiedAccess>]
module Course =
    let private predict settings active (course: Course) network rival (features: TowerFeatures) =
        scoped (fun () ->
            let side = int64 settings.Method.InputSize
            let texts = course.Texts |> Prior.inTexts network |> Rival.texts rival features
            let observation = Network.observe network texts settings.Method.Alpha features

            (Network.probabilities network texts settings.Method.Marginalisation active side observation)
                .argmax(1L)
                .cpu()
                .``to``
                torch.uint8)

    let private validate (course: Course) (state: TrainState) active =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        let settings = course.Request.Settings

        let network, tower, rival =
            TrainState.runningWith (dict (TrainState.kept state) |> Collections.Generic.Dictionary) state

        [|
            for members in Array.chunkBySize course.BatchSize [| 0 .. course.Validation.Members.Length - 1 |] do
                use _scope = torch.NewDisposeScope()
                let drawn = Views.draw course.Validation 0 members None
                let features, _ = Views.seenBy tower course.Validation drawn
                let predicted = predict settings active course network rival features
                Objective.meanDice (int course.Texts.classes.shape[0]) predicted drawn.Labels, members.Length
        |]
        |> fun parts ->
            (parts |> Array.sumBy (fun (dice, count) -> dice * float count))
            / (parts |> Array.sumBy (snd >> float))

    /// What one step is given: a confounder for each image, int64 [B], and the views.
    [<NoComparison; NoEquality>]
    type private Given = { Confounders: Tensor; Drawn: Drawn }

    let private tensors (given: Given) =
        given.Confounders :: Views.tensors given.Drawn

    /// What the step after `done` others is given, in no scope.
    let private prepare (course: Course) epoch ``done`` (members: int array) : Result<Given, McdrlError> =
        use _scope = torch.NewDisposeScope()
        let settings = course.Request.Settings
        let draws = course.Seed |> Seed.named "confounders" |> Seed.split ``done``
        let confounders = Objective.drawConfounders course.Texts draws members.Length

        let under =
            if Objective.isGrounded settings then
                Some(confounders.data<int64>().ToArray())
            else
                None

        Files.attempt course.Training.Frames.Store.Path (fun () ->
            let drawn = Views.draw course.Training epoch members under

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

    let private step (course: Course) active epoch (given: Given) (state: TrainState) =
        use scope = torch.NewDisposeScope()

        for tensor in tensors given do
            scope.Attach tensor

        let settings = course.Request.Settings
        let classes = int course.Texts.classes.shape[0]
        let confounders, marks = given.Confounders, given.Drawn.Labels
        let features, transformed = Views.seenBy state.Running course.Training given.Drawn
        let labels = marks.``to``(course.Training.Device).``to`` torch.int64

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
            | Some rival -> Objective.evaluateRival settings state.Network rival course.Texts active batch
            | None -> Objective.evaluate settings state.Network course.Texts active batch

        let loss = terms.Total.item<float32>() |> float

        if not (Double.IsFinite loss) then
            Error(
                McdrlError.model
                    $"the loss became {loss} at step {state.Step} (epoch {epoch + 1})"
                    course.Request.Out
                    "Lower optimiser.learning_rate, then go on from the last checkpoint with “resume” or start afresh"
            )
        else
            let predicted = logits.detach().argmax(1L).cpu().``to`` torch.uint8
            let dice = Objective.meanDice classes predicted marks
            Ok(TrainState.advance settings.Optimiser course.StepsPerEpoch state terms.Total, loss, dice)

    /// How many batches are drawn before they are needed.
    let private drawnAhead = 2

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

        let first = state.Step % course.StepsPerEpoch

        use ahead =
            new Ahead<Result<Given, McdrlError>>(
                drawnAhead,
                batches.Length - first,
                (fun later -> prepare course epoch (state.Step + later) batches[first + later]),
                discard
            )

        let save state =
            TrainState.save (Run.checkpointFile course.Request.Out) state

        let rec go index (losses: float list) (dices: float list) (state: TrainState) =
            if index = batches.Length then
                Ok(state, losses, dices)
            elif course.Progress.IsCancelled then
                save state |> Result.bind (fun () -> Error McdrlError.Cancelled)
            else
                match ahead.Take() |> Result.bind (fun given -> step course active epoch given state) with
                | Error fault -> Error fault
                | Ok(state, loss, dice) ->
                    course.Log.add_scalar ("train/loss", float32 loss, state.Step)
                    let losses, dices = loss :: losses, dice :: dices

                    course.Progress.Tell
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

        go first [] [] state
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

    /// Runs the epochs that are still to be done. A cancelled run leaves a checkpoint at the step it had reached.
    let rec complete (course: Course) saved (state: TrainState) : Result<TrainState, McdrlError> =
        if state.Step >= course.Request.Settings.Optimiser.Epochs * course.StepsPerEpoch then
            Ok state
        else
            runEpoch course saved state
            |> Result.bind (closeEpoch course)
            |> Result.bind (complete course saved)
