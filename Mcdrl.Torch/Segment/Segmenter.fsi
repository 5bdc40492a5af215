namespace Mcdrl

open System
open TorchSharp

/// A loaded model on a device, until it is disposed. One instance serves any number of threads.
[<Sealed; NoComparison; NoEquality>]
type Segmenter =
    /// What the model states about itself.
    member Manifest: Manifest

    /// The precision that it computes in.
    member internal ComputesIn: Precision

    interface IDisposable

/// Segments and explains pictures with libtorch. `mode` overrides the model's own marginalisation; a model whose
/// intervention never became active doesn't intervene in any. Frames are [B, 3, S, S] in [0, 1] as `Preprocessing.frame`
/// makes them, S the model's input size. Tensors that are handed out belong to the caller.
[<RequireQualifiedAccess>]
module Segmenter =
    /// Loads a bundle onto a device (`cpu`, `cuda`, `cuda:N`, `auto`) in the precision that it records.
    val load: folder: string -> device: string -> Result<Segmenter, McdrlError>

    /// `load` in the precision given, else in the recorded one; a `Usage` error where the processor can't compute in it.
    val loadIn:
        precision: Precision option -> folder: string -> device: string -> Result<Segmenter, McdrlError>

    /// Prepares a model that is already in memory, which stays as it is.
    val ofModel: device: torch.Device -> precision: Precision -> model: Model -> Segmenter

    /// Segments a picture of any size.
    val segment:
        segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> SegmentationResult

    /// Segments a picture, as `segment` does, and says what the answer depends on.
    val explain: segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> ExplanationResult

    /// P(Y | do(F)) of a picture at the network's input size, [K + 1, S, S] on the CPU.
    val probabilities: segmenter: Segmenter -> mode: Marginalisation option -> picture: Picture -> Tensor

    /// P(Y | do(F)) of frames, [B, K + 1, S, S] on the segmenter's device.
    val probabilitiesOfFrames:
        segmenter: Segmenter -> mode: Marginalisation option -> frames: Tensor -> Tensor

    /// What the tower says about frames.
    val features: segmenter: Segmenter -> frames: Tensor -> TowerFeatures

    /// The map that the head reads of frames: the mean over the prior of A(F, z_m) at the cells that the texts select, and
    /// for a model that doesn't intervene its aligned features there. [B, H, W, d], at least fp32, on the segmenter's device.
    val intervenedMap: segmenter: Segmenter -> frames: Tensor -> Tensor

    /// One scene under no condition and under some, frames [3, S, S]. P(Y | do(F)) of the reference and of each condition,
    /// [K + 1, S, S] on the CPU; and for the conditions that are in the model's dictionary how well A foretells them from
    /// the reference alone.
    val underConditions:
        segmenter: Segmenter ->
        mode: Marginalisation option ->
        reference: Tensor ->
        conditions: (string * Tensor) list ->
            Tensor list * (string * GroundingScore) list

    /// The segmenter as an engine, which disposes it.
    val engine: segmenter: Segmenter -> Engine
