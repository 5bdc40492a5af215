namespace Mcdrl

open System
open System.Threading.Tasks
open TorchSharp
open TorchSharp.Modules

/// What stays the same from step to step of pretraining.
[<NoComparison; NoEquality>]
type internal PretrainingLoop =
    {
        Settings: PretrainingSettings
        World: PretrainingWorld
        Tokenizer: ClipTokenizer
        Device: torch.Device
        Seed: Seed
        Progress: Progress
    }

/// The loop around the pure loss (`Pretraining.loss`).
[<RequireQualifiedAccess>]
module internal PretrainingLoop =
    /// Steps whose mean loss is reported.
    let private window = 50

    /// Frames that the running statistics are taken from, in batches.
    let private calibrationBatches = 16

    /// Matrices and kernels decay towards zero; norms, biases, positions and embeddings don't.
    let private decays (path: string) (leaf: Tensor) =
        leaf.dim () > 1L && not (path.Contains("embedding", StringComparison.Ordinal))

    /// The weights as parameters, and their optimiser.
    let private start (loop: PretrainingLoop) (clip: Clip) =
        let clip =
            clip
            |> Tree.mapi (fun path leaf ->
                let leaf = leaf.``to`` loop.Device

                if Tower.isTrainable path then
                    AdamWStep.parameter leaf
                else
                    leaf)

        let decaying, free =
            Tree.leaves clip
            |> AdamWStep.parameters
            |> List.partition (fun (path, leaf) -> decays path leaf)

        let group decay members =
            AdamWStep.group decay (List.map snd members)

        let optimiser =
            torch.optim.AdamW(
                [| group loop.Settings.WeightDecay decaying; group 0.0 free |],
                lr = loop.Settings.LearningRate,
                beta2 = 0.98
            )

        clip, optimiser

    let private advance (settings: PretrainingSettings) (optimiser: AdamW) step (loss: Tensor) =
        for group in optimiser.ParamGroups do
            group.LearningRate <- Pretraining.rate settings step

        AdamWStep.descend optimiser settings.GradientClip (optimiser.parameters ()) loss

    let private step (loop: PretrainingLoop) (clip: Clip) optimiser index frames =
        use _scope = torch.NewDisposeScope()
        let settings = loop.Settings
        let seed = loop.Seed |> Seed.named "captions" |> Seed.split index

        PretrainingBatches.ofFrames settings loop.World loop.Tokenizer clip.visual loop.Device seed frames
        |> Result.bind (fun batch ->
            let loss = Pretraining.loss settings clip batch
            let value = loss.item<float32>() |> float

            if Double.IsFinite value then
                advance settings optimiser index loss
                Ok value
            else
                Error(
                    McdrlError.usage
                        $"the loss became {value} at step {index + 1}"
                        "learning_rate"
                        "Lower it with “set” learning_rate=…"
                ))

    let private framesOf (loop: PretrainingLoop) part index =
        PretrainingBatches.frames
            loop.World
            loop.Settings.InputSize
            (loop.Seed |> Seed.named part)
            (index * loop.Settings.BatchSize)
            loop.Settings.BatchSize

    let private calibrated (loop: PretrainingLoop) (clip: Clip) =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()

        let statistics =
            [
                for index in 0 .. calibrationBatches - 1 do
                    framesOf loop "calibration" index
                    |> PretrainingBatches.images clip.visual loop.Device
                    |> Tower.batchStatistics clip.visual
            ]

        let calibrated = Pretraining.withStatistics statistics clip

        calibrated
        |> Tree.map (fun leaf -> leaf.detach().cpu().clone().MoveToOuterDisposeScope())

    /// Trains from first weights to the last step; the result lies on the CPU, in the caller's scope.
    let run (loop: PretrainingLoop) (first: Clip) : Result<Clip, McdrlError> =
        use scope = torch.NewDisposeScope()
        let clip, optimiser = start loop first
        use _optimiser = optimiser
        let steps = loop.Settings.Steps

        // The next frames are rendered while this thread computes a step.
        let render index =
            Task.Run(fun () -> framesOf loop "frames" (min index (steps - 1)))

        let rec go index (next: Task<PretrainingFrame array>) (losses: float list) =
            if loop.Progress.IsCancelled then
                Error McdrlError.Cancelled
            elif index = steps then
                Ok()
            else
                let frames = next.Result
                let next = render (index + 1)

                match step loop clip optimiser index frames with
                | Error fault -> Error fault
                | Ok loss ->
                    let losses = List.truncate window (loss :: losses)

                    loop.Progress.Tell
                        {
                            Stage = "pretraining"
                            Done = index + 1
                            Total = steps
                            Note = $"loss {List.average losses:F3}"
                        }

                    go (index + 1) next losses

        go 0 (render 0) []
        |> Result.map (fun () ->
            let trained = calibrated loop clip

            for leaf in Tree.tensors trained do
                scope.MoveToOuter leaf |> ignore

            trained)
