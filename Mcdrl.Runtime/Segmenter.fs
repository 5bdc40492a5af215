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

    /// The network's input for a picture, [1, 3, S, S].
    let private input (segmenter: Segmenter) (picture: Picture) =
        scoped (fun () ->
            let side = segmenter.Model.Manifest.Preprocessing.InputSize
            let levels = Resize.bicubic side side (Picture.toTensor picture)

            let frame =
                levels.``to``(torch.float32).div(scalar 255.0).unsqueeze(0L).``to`` segmenter.Device

            Views.normalised segmenter.Mean segmenter.Std frame)

    let private observe (segmenter: Segmenter) picture =
        let settings = segmenter.Model.Manifest.Settings.Method

        input segmenter picture
        |> Tower.forward settings.DenseMode segmenter.Model.Tower
        |> Network.observe segmenter.Model.Network segmenter.Model.Texts settings.Alpha

    let private modeOf (segmenter: Segmenter) mode =
        mode
        |> Option.defaultValue segmenter.Model.Manifest.Settings.Method.Marginalisation

    /// The answer, and what each condition alone would have answered where the mode looks at them one by one.
    let private answer (segmenter: Segmenter) mode picture : Tensor * Tensor option =
        let model = segmenter.Model
        let side = int64 model.Manifest.Preprocessing.InputSize
        let observation = observe segmenter picture

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
        scoped (fun () -> (fst (answer segmenter (modeOf segmenter mode) picture)).squeeze(0L).cpu())

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
        let probabilities, each = answer segmenter mode picture

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
