namespace Mcdrl

open TorchSharp
open FsToolkit.ErrorHandling

/// What to pretrain.
type PretrainingRequest =
    {
        /// The towers and their training.
        Settings: PretrainingSettings
        /// The folder to write; one that pretraining wrote is replaced at the end, another is refused unless it is empty.
        Out: string
        /// What everything is drawn from.
        Seed: uint64
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
        /// Unseen frames that the result is measured on.
        Frames: int
    }

/// Pretrains a small CLIP from nothing on frames of a world.
[<RequireQualifiedAccess>]
module Pretrainer =
    /// Frames to measure on come from a seed of their own, whatever the training's seed is.
    let measuringSeed = Seed.create 2026UL |> Seed.named "zero-shot"

    let private vocabularyOf (world: PretrainingWorld) =
        Captions.all world.Classes world.Conditions
        @ Prompts.all world.Classes world.Conditions
        |> Vocabulary.ofSentences

    /// Runs `work` with libtorch on this one thread. The other cores render; and the sums of one thread are the same on
    /// every run and however many cores there are.
    let private onOneThread work =
        let threads = torch.get_num_threads ()
        torch.set_num_threads 1

        try
            work ()
        finally
            torch.set_num_threads threads

    /// Pretrains, measures what was written, and puts the folder in place whole. Cancelling leaves nothing behind.
    let pretrain
        (world: PretrainingWorld)
        (request: PretrainingRequest)
        (progress: Progress)
        : Result<PretrainingRecord, McdrlError> =
        result {
            do!
                Result.requireTrue
                    (McdrlError.usage
                        "must lie between 32 and 100000"
                        $"“frames” {request.Frames}"
                        "Measure on more or fewer frames")
                    (request.Frames >= 32 && request.Frames <= 100_000)

            do! PretrainingFolder.mayReplace request.Out
            let! device = Device.parse request.Device
            use _scope = torch.NewDisposeScope()
            let vocabulary = vocabularyOf world
            let! tokenizer = ClipTokenizer.ofTokens vocabulary
            let seed = Seed.create request.Seed

            let loop =
                {
                    Settings = request.Settings
                    World = world
                    Tokenizer = tokenizer
                    Device = device
                    Seed = seed
                    Progress = progress
                }

            let! clip =
                onOneThread (fun () ->
                    Seed.named "weights" seed
                    |> Pretraining.create request.Settings vocabulary.Tokens.Length
                    |> PretrainingLoop.run loop)

            return!
                PretrainingFolder.write request.Out vocabulary clip (fun folder ->
                    Weights.load folder
                    |> Result.bind (fun weights ->
                        ZeroShotMeasuring.measure world weights measuringSeed request.Frames progress
                        |> Result.map (fun zeroShot ->
                            {
                                Product = $"mcdrl {Product.release}"
                                Seed = request.Seed
                                Settings = request.Settings
                                Classes = world.Classes
                                Conditions = world.Conditions
                                ImageWeights = Tree.count clip.visual
                                TextWeights = Tree.count clip.text
                                Tower = Tower.name weights.Tower
                                ZeroShot = zeroShot
                            })))
        }
