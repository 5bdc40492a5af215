namespace Mcdrl

open System
open TorchSharp

/// What a model says about one image.
type SegmentationResult =
    {
        /// One label a pixel in the file's own orientation: 0 background, k the k-th of `Classes`.
        Mask: LabelMap
        /// The same, upright as the picture is seen.
        Upright: LabelMap
        /// Lesion classes of the model, label 1 first.
        Classes: string list
        Mode: Marginalisation
        /// For each condition of the dictionary: how far the answer under this condition alone is from the adjusted
        /// one, mean KL divergence in nats. Empty for modes that never look at a single condition.
        Influence: (string * float) list
        /// I(Y; Z | F), mean over pixels in nats: how much the answer depends on the imaging condition.
        Disagreement: float option
    }

/// A loaded model on a device. One instance serves any number of threads.
[<NoComparison; NoEquality>]
type Segmenter =
    private
        {
            Model: Model
            Device: torch.Device
            Mean: float32 array
            Std: float32 array
            /// Every tensor of the model, in one place for disposal.
            Owned: Tensor list
        }

    member this.Manifest = this.Model.Manifest

    interface IDisposable with
        member this.Dispose() =
            for tensor in this.Owned do
                tensor.Dispose()

[<RequireQualifiedAccess>]
module Segmenter =
    /// Prepares a model that is already in memory.
    let ofModel (device: torch.Device) (model: Model) : Segmenter =
        use _noGrad = torch.no_grad ()

        let place (tree: 'T) =
            tree |> Tree.map (fun leaf -> leaf.detach().``to`` device)

        let model =
            { model with
                Tower = place model.Tower
                Network = place model.Network
                Texts = place model.Texts
            }

        {
            Model = model
            Device = device
            Mean = model.Manifest.Preprocessing.Mean |> List.map float32 |> List.toArray
            Std = model.Manifest.Preprocessing.Std |> List.map float32 |> List.toArray
            Owned = Tree.tensors model.Tower @ Tree.tensors model.Network @ Tree.tensors model.Texts
        }

    /// Loads a bundle onto a device (`cpu`, `cuda`, `cuda:N`, `auto`).
    let load (folder: string) (device: string) : Result<Segmenter, McdrlError> =
        Native.load ()
        |> Result.bind (fun _ -> Device.parse device)
        |> Result.bind (fun device ->
            // Frees what loading made besides; the file's tensors share memory with those that the segmenter owns.
            use _scope = torch.NewDisposeScope()

            Bundle.load folder
            |> Result.map (fun model ->
                let segmenter = ofModel device model

                for tensor in segmenter.Owned do
                    tensor.MoveToOuterDisposeScope() |> ignore

                segmenter))

    /// A picture as a network of this input size takes it, [3, side, side] in [0, 1].
    let frame (side: int) (picture: Picture) : Tensor =
        scoped (fun () ->
            let levels = Resize.bicubic side side (Picture.toTensor picture)
            levels.``to``(torch.float32).div(scalar 255.0))

    /// Frames [B, 3, S, S] in [0, 1] through the tower.
    let private observeFrames (segmenter: Segmenter) (frames: Tensor) =
        let settings = segmenter.Model.Manifest.Settings.Method

        Views.normalised segmenter.Mean segmenter.Std (frames.``to`` segmenter.Device)
        |> Tower.forward settings.DenseMode segmenter.Model.Tower
        |> Network.observe segmenter.Model.Network segmenter.Model.Texts settings.Alpha

    let private observe (segmenter: Segmenter) picture =
        (frame segmenter.Model.Manifest.Preprocessing.InputSize picture).unsqueeze 0L
        |> observeFrames segmenter

    let private modeOf (segmenter: Segmenter) mode =
        mode
        |> Option.defaultValue segmenter.Model.Manifest.Settings.Method.Marginalisation

    /// The answer, and what each condition alone would have answered where the mode looks at them one by one.
    let private answer (segmenter: Segmenter) mode observation : Tensor * Tensor option =
        let model = segmenter.Model
        let side = int64 model.Manifest.Preprocessing.InputSize

        let each () =
            Network.logitsUnderEach model.Network model.Texts side observation

        match mode, model.Manifest.Active with
        | Marginalisation.Exact, true ->
            let each = each ()
            Backdoor.exact model.Texts.log_prior each, Some each
        | Marginalisation.Nwgm, true ->
            let each = each ()
            Backdoor.nwgm model.Texts.log_prior each, Some each
        | _, active -> Network.probabilities model.Network model.Texts mode active side observation, None

    /// P(Y | do(F)) at the network's input size, [K + 1, S, S] on the CPU. The caller disposes it.
    let probabilities (segmenter: Segmenter) mode (picture: Picture) : Tensor =
        use _inference = torch.inference_mode ()

        scoped (fun () ->
            let observation = observe segmenter picture
            (fst (answer segmenter (modeOf segmenter mode) observation)).squeeze(0L).cpu())

    /// How many frames go through the network at once.
    let private together = 4

    /// A(F, z_m) for every condition of the dictionary, [M, N, d], if the model intervenes at all.
    let private foretold (segmenter: Segmenter) (reference: Observation) =
        let model = segmenter.Model
        let settings = model.Manifest.Settings.Method

        if model.Manifest.Active && settings.TrainingMode <> TrainingMode.Never then
            let apply = Intervention.apply model.Network.intervention

            Some((Backdoor.underEach apply model.Texts.conditions reference.Regions).squeeze 1L)
        else
            None

    /// How well A foretells the conditions that some frames show, at the reference's own cells.
    let private grounding
        (segmenter: Segmenter)
        (reference: Observation)
        foretold
        names
        (shown: Observation)
        =
        let dictionary = segmenter.Manifest.Settings.Method.Conditions

        match foretold with
        | None -> []
        | Some(foretold: Tensor) ->
            [
                for row, name in List.indexed names do
                    match List.tryFindIndex ((=) name) dictionary with
                    | None -> ()
                    | Some m ->
                        let seen = Regions.gather reference.Cells (shown.Dense.narrow (0L, int64 row, 1L))

                        let agreement regions =
                            (Grounding.agreement regions seen).cpu().item<float32>() |> float

                        name,
                        {
                            Predicted = agreement (foretold.narrow (0L, int64 m, 1L))
                            Unchanged = agreement reference.Regions
                        }
            ]

    /// One scene under no condition and under some: frames [3, S, S] in [0, 1], see `frame`. P(Y | do(F)) of the
    /// reference and of each condition, [K + 1, S, S] on the CPU, which the caller disposes; and for the conditions
    /// that are in the model's dictionary how well A foretells them from the reference alone.
    let underConditions
        (segmenter: Segmenter)
        mode
        (reference: Tensor)
        (conditions: (string * Tensor) list)
        : Tensor list * (string * GroundingScore) list =
        use _inference = torch.inference_mode ()
        let mode = modeOf segmenter mode
        let kept (probabilities, _) : Tensor seq = probabilities

        let probabilities observation =
            (fst (answer segmenter mode observation)).cpu().unbind() |> List.ofArray

        scopedWith kept (fun () ->
            let observed = observeFrames segmenter (reference.unsqueeze 0L)
            let foretold = foretold segmenter observed

            let rest, groundings =
                conditions
                |> List.chunkBySize together
                |> List.map (fun chunk ->
                    scopedWith kept (fun () ->
                        let names, frames = List.unzip chunk
                        let shown = observeFrames segmenter (torch.stack (List.toArray frames))
                        probabilities shown, grounding segmenter observed foretold names shown))
                |> List.unzip

            probabilities observed @ List.concat rest, List.concat groundings)

    /// Segments a picture of any size. `mode` overrides the model's own marginalisation.
    let segment
        (segmenter: Segmenter)
        (mode: Marginalisation option)
        (picture: Picture)
        : SegmentationResult =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()
        let manifest = segmenter.Model.Manifest
        let mode = modeOf segmenter mode
        let prior = segmenter.Model.Texts.log_prior
        let probabilities, each = answer segmenter mode (observe segmenter picture)

        let upright =
            Upsampling.labels picture.Height picture.Width (probabilities.squeeze 0L)

        {
            Mask = LabelMap.inFile picture.Orientation upright
            Upright = upright
            Classes = manifest.Classes
            Mode = mode
            Influence =
                each
                |> Option.map (fun each ->
                    (Backdoor.influence prior each).flatten().cpu().data<float32>()
                    |> Seq.map float
                    |> Seq.zip manifest.Settings.Method.Conditions
                    |> List.ofSeq)
                |> Option.defaultValue []
            Disagreement =
                each
                |> Option.map (fun each ->
                    (Backdoor.disagreement prior each).mean().cpu().item<float32>() |> float)
        }
