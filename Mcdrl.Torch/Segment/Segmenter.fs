namespace Mcdrl

open System
open FsToolkit.ErrorHandling
open TorchSharp

[<NoComparison; NoEquality>]
type Segmenter =
    {
        Model: Model
        Device: torch.Device
        Precision: Precision
        Mean: float32 array
        Std: float32 array
        /// Every tensor of the model, in one place for disposal.
        Owned: Tensor list
    }

    member this.Manifest = this.Model.Manifest

    member this.ComputesIn = this.Precision

    member this.ComputesOn = this.Device.ToString()

    interface IDisposable with
        member this.Dispose() =
            for tensor in this.Owned do
                tensor.Dispose()

[<RequireQualifiedAccess>]
module Segmenter =
    /// Linear layers of this many weights in all go to the library that is faster on this processor; below, packing costs nothing.
    let private manyWeights = 16_000_000L

    let private prepare release (device: torch.Device) precision (model: Model) : Segmenter =
        use _noGrad = torch.no_grad ()

        let place (tree: 'T) =
            tree |> Tree.map (fun leaf -> leaf.detach().``to`` device)

        let tower, network =
            if device.``type`` = DeviceType.CPU then
                let packing =
                    {
                        Precision = precision
                        Linears = Tree.count model.Tower < manyWeights || Kernels.packedIsFaster ()
                        Release = release
                    }

                Packing.tower packing model.Tower, Packing.network packing model.Network
            else
                Packing.cast precision (place model.Tower), Packing.cast precision (place model.Network)

        let model =
            { model with
                Tower = Tree.map _.detach() tower
                Network = Tree.map _.detach() network
                Texts = place model.Texts
                Rival = place model.Rival
            }

        {
            Model = model
            Device = device
            Precision = precision
            Mean = model.Manifest.Preprocessing.Mean |> List.map float32 |> List.toArray
            Std = model.Manifest.Preprocessing.Std |> List.map float32 |> List.toArray
            Owned =
                Tree.tensors model.Tower
                @ Tree.tensors model.Network
                @ Tree.tensors model.Texts
                @ Tree.tensors model.Rival
        }

    /// What the segmenter owns lives on after the scope that it was prepared in.
    let private keepOwned (segmenter: Segmenter) =
        for tensor in segmenter.Owned do
            tensor.MoveToOuterDisposeScope() |> ignore

        segmenter

    let ofModel (device: torch.Device) precision (model: Model) : Segmenter =
        use _scope = torch.NewDisposeScope()
        prepare ignore device precision model |> keepOwned

    let private precisionOf folder (device: torch.Device) asked (manifest: Manifest) =
        let precision = asked |> Option.defaultValue manifest.Precision

        if
            precision = Precision.Bf16
            && device.``type`` = DeviceType.CPU
            && not (OneDnn.supportsBf16 ())
        then
            Error(
                McdrlError.usage
                    "this processor can't compute in bf16: it has no AVX-512"
                    folder
                    "Use “precision” fp32"
            )
        else
            Ok precision

    let private loadFrom precision place device (stated: unit -> Result<BundleFiles * Manifest, McdrlError>) =
        result {
            // Before libtorch, which may still be loading on another thread.
            let! stated = stated ()
            let! device = Device.parse device
            let! precision = precisionOf place device precision (snd stated)
            use _mapped = NativeSettings.forWeights ()
            // Frees what loading made besides.
            use _scope = torch.NewDisposeScope()
            let! model = Bundle.complete stated
            return prepare _.Dispose() device precision model |> keepOwned
        }

    let loadIn precision folder device =
        loadFrom precision folder device (fun () -> Bundle.state folder)

    let ofFiles precision place files device =
        loadFrom precision place device (fun () -> Bundle.stateIn (BundleFiles.inMemory place files))

    let load (folder: string) (device: string) : Result<Segmenter, McdrlError> = loadIn None folder device

    let features (segmenter: Segmenter) (frames: Tensor) : TowerFeatures =
        use _inference = torch.inference_mode ()

        scopedWith
            (fun (features: TowerFeatures) -> features.Dense :: features.Image :: features.Skips)
            (fun () ->
                (Preprocessing.normalised segmenter.Mean segmenter.Std (frames.``to`` segmenter.Device))
                    .``to``(Precision.dtype segmenter.Precision)
                |> Tower.forward segmenter.Model.Manifest.Settings.Method.DenseMode segmenter.Model.Tower)

    /// Frames [B, 3, S, S] in [0, 1] through the tower.
    let private observeFrames (segmenter: Segmenter) (frames: Tensor) =
        let model = segmenter.Model
        let seen = features segmenter frames
        let seen, texts = Rival.read model.Rival model.Network None seen model.Texts
        Network.observe model.Network texts model.Manifest.Settings.Method.Alpha seen

    let private flipsOf (segmenter: Segmenter) =
        segmenter.Model.Manifest.Settings.Method.Flips

    let withFlips (flips: Flips option) (segmenter: Segmenter) : Segmenter =
        let manifest = segmenter.Model.Manifest

        let settings =
            { manifest.Settings with
                Method =
                    { manifest.Settings.Method with
                        Flips = flips
                    }
            }

        { segmenter with
            Model =
                { segmenter.Model with
                    Manifest = { manifest with Settings = settings }
                }
        }

    /// What the tower sees in frames and in their mirror images, each with how it is mirrored back; the frames come first.
    let private observeImages (segmenter: Segmenter) (frames: Tensor) =
        [
            for mirror in Mirrored.images (flipsOf segmenter) ->
                mirror, observeFrames segmenter (mirror frames)
        ]

    /// The mean over the images of some maps of each.
    let private meanOver seen (maps: Observation -> Tensor) =
        seen
        |> List.map (fun (mirror, observation) -> mirror, maps observation)
        |> Mirrored.mean

    /// A picture as the only frame of a batch, [1, 3, S, S].
    let private frameOf (segmenter: Segmenter) picture =
        (Preprocessing.frame segmenter.Model.Manifest.Preprocessing.InputSize picture).unsqueeze 0L

    /// How the model intervenes where it is asked for `mode`: not at all if its gate never opened, but on pixels, which needs
    /// no A; a function that isn't there stands for nothing else.
    let private gated (segmenter: Segmenter) mode =
        match mode with
        | Marginalisation.Rendered
        | Marginalisation.Custom -> mode
        | _ -> Gate.through segmenter.Model.Manifest.Active mode

    let intervenedMap (segmenter: Segmenter) (frames: Tensor) : Tensor =
        use _inference = torch.inference_mode ()
        let model = segmenter.Model

        scoped (fun () ->
            let observation = observeFrames segmenter frames
            let mode = gated segmenter Marginalisation.FeatureMean

            Network.intervene model.Network model.Texts mode None observation.Regions
            |> Network.mapOf model.Network observation
            |> widened)

    let private modeOf (segmenter: Segmenter) mode =
        mode
        |> Option.defaultValue segmenter.Model.Manifest.Settings.Method.Marginalisation

    let private sideOf (segmenter: Segmenter) =
        int64 segmenter.Model.Manifest.Preprocessing.InputSize

    let private underEach (segmenter: Segmenter) observation =
        Network.logitsUnderEach segmenter.Model.Network segmenter.Model.Texts (sideOf segmenter) observation

    /// P(Y | do(F)) and nothing else.
    let private probabilitiesOf (segmenter: Segmenter) mode observation =
        let model = segmenter.Model

        Network.probabilities model.Network model.Texts (gated segmenter mode) (sideOf segmenter) observation

    /// The dictionary's conditions that can be done to pixels.
    let private rendering (segmenter: Segmenter) =
        Rendered.ofDictionary
            segmenter.Model.Manifest.Settings.Method.Conditions
            (Prior.weights segmenter.Model.Texts)

    let requireMode (segmenter: Segmenter) (mode: Marginalisation option) : Result<unit, McdrlError> =
        match modeOf segmenter mode, mode with
        | Marginalisation.Rendered, _ -> rendering segmenter |> Result.map ignore
        | Marginalisation.Custom, _ ->
            Error(
                McdrlError.usage
                    "a mode of one's own is a function, which no model holds"
                    "“mode” custom"
                    "Give the function to Segmenter.segmentBy or Segmenter.probabilitiesBy"
            )
        | _ -> Manifest.requireTrained segmenter.Model.Manifest mode

    /// Σ_m π_m P(Y | F(T_m(x))), whose frames are made on the CPU.
    let private rendered (segmenter: Segmenter) (frames: Tensor) =
        match rendering segmenter with
        | Error fault -> invalidArg "mode" (McdrlError.describe fault)
        | Ok conditions ->
            frames.cpu ()
            |> Rendered.answer conditions (fun frames ->
                meanOver (observeImages segmenter frames) (probabilitiesOf segmenter Marginalisation.Never))

    /// The answer about frames, and the comparison where the mode looks at the conditions of the dictionary one by one in
    /// features. `observe` gives what the tower sees in the frames and their mirror images, `each` the logits of one of these
    /// under each condition.
    let private answer (segmenter: Segmenter) mode frames observe each : Tensor * (Tensor * Tensor) option =
        let prior = segmenter.Model.Texts.log_prior

        match gated segmenter mode with
        | Marginalisation.Exact -> Explained.comparison prior None (observe ()) each
        | Marginalisation.Nwgm -> Explained.comparison prior (Some Backdoor.nwgm) (observe ()) each
        | Marginalisation.Rendered -> rendered segmenter frames, None
        | Marginalisation.FeatureMean
        | Marginalisation.Attention
        | Marginalisation.Sampled
        | Marginalisation.Never
        | Marginalisation.Custom -> meanOver (observe ()) (probabilitiesOf segmenter mode), None

    let probabilitiesOfFrames (segmenter: Segmenter) mode (frames: Tensor) : Tensor =
        use _inference = torch.inference_mode ()

        scoped (fun () ->
            match modeOf segmenter mode with
            | Marginalisation.Rendered -> rendered segmenter frames
            | mode -> meanOver (observeImages segmenter frames) (probabilitiesOf segmenter mode))

    let probabilities (segmenter: Segmenter) mode (picture: Picture) : Tensor =
        scoped (fun () ->
            (probabilitiesOfFrames segmenter mode (frameOf segmenter picture)).squeeze(0L).cpu())

    /// The answer about a picture with what it comes from, each computed once.
    let private answerAndSources (segmenter: Segmenter) mode picture =
        let frames = frameOf segmenter picture

        // The logits of every image are kept: the answer and the mean over images are made of them.
        let seen =
            [
                for mirror, observation in observeImages segmenter frames ->
                    mirror, (observation, lazy (underEach segmenter observation))
            ]

        let observations = [ for mirror, (observation, _) in seen -> mirror, observation ]

        let eachOf observation =
            seen
            |> List.pick (fun (_, (other, each)) ->
                if obj.ReferenceEquals(other, observation) then
                    Some each.Value
                else
                    None)

        let each =
            match seen with
            | _ when not segmenter.Model.Manifest.Active -> None
            | [ _, (_, each) ] -> Some each.Value
            | several ->
                several
                |> List.map (fun (mirror, (_, each)) -> mirror, each.Value.softmax 2L)
                |> Mirrored.mean
                |> fun probabilities -> probabilities.maximum(scalar 1e-12).log()
                |> Some

        let probabilities, comparison =
            answer segmenter mode frames (fun () -> observations) eachOf

        {|
            Seen = observations
            Observation = snd observations.Head
            Each = each
            Probabilities = probabilities
            Comparison = comparison
        |}

    let probabilitiesAndDisagreement (segmenter: Segmenter) mode (picture: Picture) : Tensor * Tensor option =
        use _inference = torch.inference_mode ()

        let kept (probabilities, disagreement) =
            probabilities :: Option.toList disagreement

        scopedWith (kept >> Seq.ofList) (fun () ->
            let answer = answerAndSources segmenter (modeOf segmenter mode) picture

            let information =
                answer.Each
                |> Option.map (fun each ->
                    match answer.Comparison with
                    | Some(information, _) -> information
                    | None -> Disagreement.mutualInformation segmenter.Model.Texts.log_prior each)

            answer.Probabilities.squeeze(0L).cpu(), information |> Option.map (_.squeeze(0L).cpu()))

    /// How many frames go through the network at once.
    let private together = 4

    /// What A foretells from the reference, with its mirror images; `None` for a model that doesn't intervene.
    let private foretold (segmenter: Segmenter) seen =
        let model = segmenter.Model

        if gated segmenter model.Manifest.Settings.Method.TrainingMode = Marginalisation.Never then
            None
        else
            meanOver seen (fun observation -> (underEach segmenter observation).softmax 2L)
            |> Foretelling.ofReference model (snd (List.head seen))
            |> Some

    let underConditions
        (segmenter: Segmenter)
        mode
        (reference: Tensor)
        (conditions: (string * Tensor) list)
        : SceneAnswers =
        use _inference = torch.inference_mode ()
        let mode = modeOf segmenter mode

        let kept (answers: SceneAnswers) : Tensor seq =
            answers.Answers
            @ answers.Plain
            @ (answers.Foretold |> List.map (fun (_, foretold) -> foretold.Probabilities))

        let rows (probabilities: Tensor) =
            [ for row in probabilities.cpu().unbind() -> row.clone () ]

        let answers frames seen foretold : SceneAnswers =
            let probabilities =
                if mode = Marginalisation.Rendered then
                    rendered segmenter frames
                else
                    meanOver seen (probabilitiesOf segmenter mode)

            {
                Answers = rows probabilities
                Plain = meanOver seen (probabilitiesOf segmenter Marginalisation.Never) |> rows
                Foretold = foretold
            }

        scopedWith kept (fun () ->
            let frames = reference.unsqueeze 0L
            let observed = observeImages segmenter frames
            let foretold = foretold segmenter observed

            let shown =
                conditions
                |> List.chunkBySize together
                |> List.map (fun chunk ->
                    scopedWith kept (fun () ->
                        let names, frames = List.unzip chunk
                        let frames = torch.stack (List.toArray frames)
                        let shown = observeImages segmenter frames

                        foretold
                        |> Option.map (Foretelling.shownIn (snd shown.Head) names)
                        |> Option.defaultValue []
                        |> answers frames shown))

            answers frames observed [] :: shown
            |> List.reduce (fun first next ->
                {
                    Answers = first.Answers @ next.Answers
                    Plain = first.Plain @ next.Plain
                    Foretold = first.Foretold @ next.Foretold
                }))

    let segmentWith
        (marking: Marking)
        (segmenter: Segmenter)
        (mode: Marginalisation option)
        (picture: Picture)
        : SegmentationResult =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()
        let mode = modeOf segmenter mode
        let frames = frameOf segmenter picture
        let observe () = observeImages segmenter frames

        let probabilities, comparison =
            answer segmenter mode frames observe (underEach segmenter)

        Explained.segmentation segmenter.Manifest mode marking picture probabilities comparison

    /// What `combine` makes of the frames under each condition, and I(Y; Z | F) with the influences beside it.
    let private combined combine (segmenter: Segmenter) frames =
        match Manifest.requireTrained segmenter.Model.Manifest (Some Marginalisation.Custom) with
        | Error fault -> invalidArg "segmenter" (McdrlError.describe fault)
        | Ok() ->
            Explained.comparison
                segmenter.Model.Texts.log_prior
                (Some combine)
                (observeImages segmenter frames)
                (underEach segmenter)

    let probabilitiesBy combine (segmenter: Segmenter) (picture: Picture) : Tensor =
        use _inference = torch.inference_mode ()

        scoped (fun () ->
            let probabilities, _ = combined combine segmenter (frameOf segmenter picture)
            probabilities.squeeze(0L).cpu())

    let segmentBy combine (segmenter: Segmenter) (picture: Picture) : SegmentationResult =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()

        combined combine segmenter (frameOf segmenter picture)
        ||> Explained.segmentation segmenter.Manifest Marginalisation.Custom Marking.standard picture

    let segment segmenter mode picture =
        segmentWith Marking.standard segmenter mode picture

    let explainWith
        (marking: Marking)
        (segmenter: Segmenter)
        (mode: Marginalisation option)
        (picture: Picture)
        : ExplanationResult =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()
        let mode = modeOf segmenter mode
        let answer = answerAndSources segmenter mode picture
        let regions = Explained.regionsSeen answer.Observation

        let segmentation =
            Explained.segmentation
                segmenter.Manifest
                mode
                marking
                picture
                answer.Probabilities
                answer.Comparison

        match answer.Each with
        | Some each ->
            let attention =
                meanOver answer.Seen (probabilitiesOf segmenter Marginalisation.Attention)

            Explained.active
                segmenter.Manifest.Settings.Method.Conditions
                segmenter.Model.Texts.log_prior
                picture
                segmentation
                regions
                each
                (attention.squeeze 0L)
        | None -> Explained.unconditional picture segmentation regions

    let explain segmenter mode picture =
        explainWith Marking.standard segmenter mode picture

    let engine (segmenter: Segmenter) : Engine =
        {
            Classes = segmenter.Manifest.Classes
            Segment =
                fun mode marking picture ->
                    requireMode segmenter mode
                    |> Result.map (fun () -> segmentWith marking segmenter mode picture)
            Explain =
                Some(fun mode marking picture ->
                    requireMode segmenter mode
                    |> Result.map (fun () -> explainWith marking segmenter mode picture))
            Share = TorchThreads.share
            Free = (segmenter :> IDisposable).Dispose
        }
        |> Engine.keptWhileUsed
