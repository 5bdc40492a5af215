namespace Mcdrl

open System
open TorchSharp
open FsToolkit.ErrorHandling

/// Frames of a world as the towers take them.
[<RequireQualifiedAccess>]
module internal PretrainingBatches =
    /// Frames number `first` .. `first + count - 1` of the seed's sequence, rendered on all cores.
    let frames (world: PretrainingWorld) side seed first count : PretrainingFrame array =
        Array.Parallel.init count (fun index -> world.Frame side (Seed.split (first + index) seed))

    /// Frames of the same size as the tower wants them: normalised, [B, 3, S, S].
    let images (tower: Tower) (device: torch.Device) (frames: PretrainingFrame array) : Tensor =
        scoped (fun () ->
            let side = int64 frames[0].Picture.Width
            let bytes = frames |> Array.collect _.Picture.Rgb
            let mean, std = Tower.normalisation tower
            let floats = List.map float32 >> Array.ofList

            torch
                .tensor(bytes, ReadOnlySpan [| frames.LongLength; side; side; 3L |])
                .``to``(device)
                // Channels stay last in memory: convolutions are faster that way.
                .permute(0L, 3L, 1L, 2L)
            |> Preprocessing.ofLevels
            |> Preprocessing.normalised (floats mean) (floats std))

    /// Their ground truth, int64 [B, S, S].
    let labels (device: torch.Device) (frames: PretrainingFrame array) : Tensor =
        scoped (fun () ->
            let side = int64 frames[0].Truth.Width
            let bytes = frames |> Array.collect _.Truth.Labels

            torch.tensor(bytes, ReadOnlySpan [| frames.LongLength; side; side |]).``to``(device).``to``
                torch.int64)

    /// One step's batch: the frames, captions of each, and what is true of what.
    let ofFrames
        (settings: PretrainingSettings)
        (world: PretrainingWorld)
        (tokenizer: ClipTokenizer)
        (tower: Tower)
        (device: torch.Device)
        seed
        (frames: PretrainingFrame array)
        : Result<PretrainingBatch, McdrlError> =
        result {
            let descriptions =
                [
                    for frame in frames -> Captions.describe world.Classes frame.Truth frame.Condition
                ]

            let captions =
                descriptions
                |> List.mapi (fun index -> Captions.draw settings.Captions (Seed.split index seed))
                |> List.concat

            let! texts =
                ClipTokenizer.batch settings.Context tokenizer (captions |> List.map _.Text)

            let! prompts =
                Prompts.normal :: List.map Prompts.ofClass world.Classes
                |> ClipTokenizer.batch settings.Context tokenizer

            return
                {
                    Images = images tower device frames
                    Captions = texts.``to`` device
                    Truth = (Captions.truth descriptions captions).``to`` device
                    Prompts = prompts.``to`` device
                    Labels = labels device frames
                }
        }
