namespace Mcdrl

open System
open System.Collections.Generic
open TorchSharp

/// A loaded model on a device, until it is disposed. One instance serves any number of threads.
[<Sealed; NoComparison; NoEquality>]
type Segmenter =
    /// What the model states about itself.
    member Manifest: Manifest

    /// The precision that it computes in.
    member ComputesIn: Precision

    /// Where it computes: `cpu` or `cuda:N`.
    member ComputesOn: string

    interface IDisposable

/// Segments and explains pictures with libtorch. `mode` overrides the model's own marginalisation; a model whose
/// intervention never became active doesn't intervene in any but `Rendered`, which needs no A. In a mode that `requireMode`
/// refuses, the others throw `ArgumentException`. Frames are [B, 3, S, S] in [0, 1] as `Preprocessing.frame`
/// makes them, S the model's input size. Tensors that are handed out belong to the caller.
[<RequireQualifiedAccess>]
module Segmenter =
    /// Loads a bundle onto a device (`cpu`, `cuda`, `cuda:N`, `auto`) in the precision that it records.
    val load: folder: string -> device: string -> Result<Segmenter, McdrlError>

    /// `load` in the precision given, else in the recorded one; a `Usage` error where the processor can't compute in it.
    val loadIn:
        precision: Precision option -> folder: string -> device: string -> Result<Segmenter, McdrlError>

    /// `loadIn` for a bundle whose files are in memory, by their names; `place` is what messages call it. Whatever else is there is not looked
    /// at, and all of it may change once this has returned.
    val ofFiles:
        precision: Precision option ->
        place: string ->
        files: IReadOnlyDictionary<string, ReadOnlyMemory<byte>> ->
        device: string ->
            Result<Segmenter, McdrlError>

    /// Prepares a model that is already in memory, which stays as it is.
    val ofModel: device: torch.Device -> precision: Precision -> model: Model -> Segmenter

    /// The same segmenter, answering by other mirror images than its model says: probabilities and what is said of conditions are
    /// their means. It shares the tensors: dispose one of them.
    val withFlips: flips: Flips option -> segmenter: Segmenter -> Segmenter

    /// A `Usage` error where the model can't answer in the mode: `Rendered` needs a condition of weight that can be done to
    /// pixels, and a mode asked for by name that its weights were trained for, see `Manifest.requireTrained`.
    val requireMode: segmenter: Segmenter -> mode: Marginalisation option -> Result<unit, McdrlError>

    /// Segments a picture of any size, each pixel its most probable class.
    val segment:
        segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> SegmentationResult

    /// Segments a picture by a way of one's own to make one answer of those under single conditions: `combine` log π [M] and logits
    /// [M, 1, K + 1, S, S] → probabilities [1, K + 1, S, S], as `Backdoor.exact` and `Backdoor.nwgm` are. The result's mode is `Custom`.
    /// `ArgumentException` for a model that doesn't intervene, and for an answer of another shape.
    val segmentBy:
        combine: (Tensor -> Tensor -> Tensor) ->
        segmenter: Segmenter ->
        picture: Picture ->
            SegmentationResult

    /// `probabilities` by a way of one's own, as in `segmentBy`.
    val probabilitiesBy:
        combine: (Tensor -> Tensor -> Tensor) -> segmenter: Segmenter -> picture: Picture -> Tensor

    /// Segments a picture, as `segment` does, marking as told.
    val segmentWith:
        marking: Marking ->
        segmenter: Segmenter ->
        mode: Marginalisation option ->
        picture: Picture ->
            SegmentationResult

    /// Segments a picture, as `segment` does, and says what the answer depends on.
    val explain: segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> ExplanationResult

    /// Explains what `segmentWith` answers: every mask of the explanation is marked as told.
    val explainWith:
        marking: Marking ->
        segmenter: Segmenter ->
        mode: Marginalisation option ->
        picture: Picture ->
            ExplanationResult

    /// P(Y | do(F)) of a picture at the network's input size, [K + 1, S, S] on the CPU.
    val probabilities: segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> Tensor

    /// `probabilities`, and how far the conditions disagree about each pixel, I(Y; Z | F) in nats, [S, S] on the CPU, whatever
    /// the mode; `None` for a model that doesn't intervene.
    val probabilitiesAndDisagreement:
        segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> Tensor * Tensor option

    /// P(Y | do(F)) of frames, [B, K + 1, S, S] on the segmenter's device.
    val probabilitiesOfFrames:
        segmenter: Segmenter -> mode: Marginalisation option -> frames: Tensor -> Tensor

    /// What the tower says about frames.
    val features: segmenter: Segmenter -> frames: Tensor -> TowerFeatures

    /// The map that the head reads of frames: the mean over the prior of A(F, z_m) at the cells that the texts select, and
    /// for a model that doesn't intervene its aligned features there. [B, H, W, d], at least fp32, on the segmenter's device.
    val intervenedMap: segmenter: Segmenter -> frames: Tensor -> Tensor

    /// One scene under no condition and under some, frames [3, S, S].
    val underConditions:
        segmenter: Segmenter ->
        mode: Marginalisation option ->
        reference: Tensor ->
        conditions: (string * Tensor) list ->
            SceneAnswers

    /// The segmenter as an engine, which disposes it.
    val engine: segmenter: Segmenter -> Engine
