namespace Mcdrl

open System
open TorchSharp
open type TorchSharp.torch.nn

/// A CLIP: an image tower and a text tower that share a space.
[<NoComparison; NoEquality>]
type internal Clip = { visual: Tower; text: ClipText }

/// The image towers that pretraining can make.
[<RequireQualifiedAccess>]
type ImageTower =
    /// A modified ResNet of two stages: 8 pixels a cell.
    | Resnet
    /// A vision transformer of 8-pixel patches.
    | Vit

/// Everything that decides what pretraining does, besides the seed.
type PretrainingSettings =
    {
        /// Which kind of image tower.
        Tower: ImageTower
        /// Channels after the stem, or of the transformer.
        Width: int
        /// Blocks of each stage; for a transformer one number, its depth.
        Blocks: int list
        /// Side of the square input in pixels, a multiple of 8.
        InputSize: int
        /// Joint width d.
        Embed: int
        /// Channels of the text tower.
        TextWidth: int
        /// Blocks of the text tower.
        TextLayers: int
        /// The most tokens that a text may have.
        Context: int
        /// Steps of the optimiser.
        Steps: int
        /// Share of the steps over which the learning rate rises.
        Warmup: float
        /// Frames a step.
        BatchSize: int
        /// Captions of each frame.
        Captions: int
        /// The highest one; it rises and then falls as a cosine.
        LearningRate: float
        /// AdamW's decoupled decay.
        WeightDecay: float
        /// Largest norm of the whole gradient.
        GradientClip: float
        /// Weight of the cell-text alignment (`Alignment.loss`); 0 for image and caption alone.
        Alignment: float
        /// τ of the alignment, > 0.
        AlignmentTau: float
        /// Share of the frames without a lesion.
        Normal: float
        /// Share of the frames without a condition.
        Plain: float
    }

/// What pretraining may be asked, and the defaults.
[<RequireQualifiedAccess>]
module PretrainingSettings =
    /// Every value that is out of range, each with its key; the settings themselves when there is none.
    let validate (settings: PretrainingSettings) : Result<PretrainingSettings, McdrlError> =
        let s = settings
        let within low high value = value >= low && value <= high

        let stages =
            match s.Tower with
            | ImageTower.Resnet -> 2
            | ImageTower.Vit -> 1

        [
            "width", within 8 1024 s.Width && s.Width % 2 = 0, "must be even and lie between 8 and 1024"
            "blocks",
            s.Blocks.Length = stages && List.forall (within 1 24) s.Blocks,
            $"must be {stages} numbers between 1 and 24"
            "input_size",
            within 32 512 s.InputSize && s.InputSize % 8 = 0,
            "must be a multiple of 8 from 32 to 512"
            "embed", within 8 1024 s.Embed, "must lie between 8 and 1024"
            "text_width", within 8 1024 s.TextWidth, "must lie between 8 and 1024"
            "text_layers", within 1 24 s.TextLayers, "must lie between 1 and 24"
            "context", within 8 77 s.Context, "must lie between 8 and 77"
            "steps", within 1 10_000_000 s.Steps, "must be at least 1"
            "warmup", within 0.0 1.0 s.Warmup, "must lie between 0 and 1"
            "batch_size", within 2 4096 s.BatchSize, "must lie between 2 and 4096"
            "captions", within 1 16 s.Captions, "must lie between 1 and 16"
            "learning_rate", within 0.0 1.0 s.LearningRate, "must lie between 0 and 1"
            "weight_decay", within 0.0 10.0 s.WeightDecay, "must lie between 0 and 10"
            "gradient_clip", within 1e-6 1e6 s.GradientClip, "must be positive"
            "alignment", within 0.0 1e6 s.Alignment, "must be at least 0"
            "alignment_tau", within 1e-4 1e4 s.AlignmentTau, "must be positive"
            "normal", within 0.0 0.9 s.Normal, "must lie between 0 and 0.9"
            "plain", within 0.0 0.9 s.Plain, "must lie between 0 and 0.9"
        ]
        |> List.choose (fun (key, holds, what) ->
            if holds then
                None
            else
                Some(McdrlError.usage what key "Correct the value with “set”"))
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok settings)

/// What one step of pretraining sees.
[<NoComparison; NoEquality>]
type internal PretrainingBatch =
    {
        /// Normalised, [B, 3, S, S].
        Images: Tensor
        /// int64 [n, context]
        Captions: Tensor
        /// Which caption is true of which frame, float32 [B, n].
        Truth: Tensor
        /// The prompts of normal mucosa and of the K classes, int64 [K + 1, context].
        Prompts: Tensor
        /// int64 [B, S, S], 0 background, k class k.
        Labels: Tensor
    }

/// Contrastive pretraining of a small CLIP as pure functions of weights and batch.
[<RequireQualifiedAccess>]
module internal Pretraining =
    /// Pixels a cell of the dense map.
    let private cell = 8L

    let private towerTemplate (settings: PretrainingSettings) =
        let width, grid = int64 settings.Width, int64 settings.InputSize / cell

        match settings.Tower with
        | ImageTower.Resnet ->
            Tower.ClipResNet(
                ModifiedResNet.template
                    {
                        Width = width
                        Blocks = settings.Blocks
                        Grid = grid
                        Embed = int64 settings.Embed
                    }
            )
        | ImageTower.Vit ->
            Tower.ViT(
                VisionTransformer.template
                    {
                        Width = width
                        Layers = List.sum settings.Blocks
                        Patch = cell
                        Grid = grid
                        Hidden = 4L * width
                        Embed = int64 settings.Embed
                    }
            )

    /// The weights that a run starts from.
    let create (settings: PretrainingSettings) (vocabulary: int) seed : Clip =
        scopedWith (Tree.tensors >> Seq.ofList) (fun () ->
            FirstWeights.ofTemplate
                seed
                {
                    visual = towerTemplate settings
                    text =
                        ClipText.template
                            {
                                Context = int64 settings.Context
                                Vocabulary = int64 vocabulary
                                Width = int64 settings.TextWidth
                                Layers = settings.TextLayers
                                Hidden = 4L * int64 settings.TextWidth
                                Embed = int64 settings.Embed
                            }
                })

    /// The names of OpenAI's files: the image tower below `visual.`, the text tower beside it.
    let named (clip: Clip) : (string * Tensor) list =
        [
            for path, leaf in Tree.leaves clip.visual do
                $"visual.{path}", leaf
            yield! Tree.leaves clip.text
        ]

    /// The learning rate of 0-based `step`: linear over the warm-up, then a cosine to 0.
    let rate (settings: PretrainingSettings) (step: int) =
        let warmup = max 1.0 (settings.Warmup * float settings.Steps)
        let at = float step + 1.0

        if at <= warmup then
            settings.LearningRate * at / warmup
        else
            let progress = (at - warmup) / max 1.0 (float settings.Steps - warmup)
            0.5 * settings.LearningRate * (1.0 + cos (Math.PI * min 1.0 progress))

    /// Cross-entropy of each row's softmax against a uniform distribution over its true columns, mean over rows.
    let private rows (logits: Tensor) (truth: Tensor) =
        let targets = truth.div (truth.sum (1L, keepdim = true))
        logits.log_softmax(1L).mul(targets).sum(1L).mean().neg()

    /// CLIP's symmetric loss with several positives: in each row (frame) and each column (caption) the target is uniform
    /// over all that is true. `logScale` is the log of the factor on the cosines, at most ln 100.
    /// Images [B, d], texts [n, d], truth [B, n] with a 1 in every row and column → a scalar ≥ 0.
    let contrast (logScale: Tensor) (truth: Tensor) (images: Tensor) (texts: Tensor) =
        scoped (fun () ->
            let scale =
                logScale.minimum(torch.tensor (float32 (log 100.0), device = logScale.device)).exp()

            let logits = (unit images).matmul((unit texts).t()).mul scale
            let both = (rows logits truth).add(rows (logits.t ()) (truth.t ()), unity)
            both.mul(scalar 0.5).``to`` both.dtype)

    /// Contrast of frames and captions, plus the alignment of cells with the class prompts.
    let loss (settings: PretrainingSettings) (clip: Clip) (batch: PretrainingBatch) =
        scoped (fun () ->
            let features = Tower.forwardByBatch DenseMode.Maskclip clip.visual batch.Images
            let sentences = batch.Captions.shape[0]

            let texts =
                ClipText.forward clip.text (torch.cat ([| batch.Captions; batch.Prompts |], 0L))

            let captions = texts.narrow (0L, 0L, sentences)
            let prompts = texts.narrow (0L, sentences, texts.shape[0] - sentences)
            let contrast = contrast clip.text.logit_scale batch.Truth features.Image captions

            if settings.Alignment > 0.0 then
                let classes = int prompts.shape[0] - 1
                let grid = features.Dense.shape

                let cells = Objective.labelsPerCell classes grid[1] grid[2] batch.Labels

                let alignment =
                    Alignment.loss settings.AlignmentTau (prompts.unsqueeze 0L) cells features.Dense

                contrast.add (alignment.mul(scalar settings.Alignment).``to`` contrast.dtype, unity)
            else
                contrast)

    /// The running statistics that batch normalisation needs after pretraining: the mean over several batches of what
    /// `Tower.batchStatistics` found, in order. The other leaves are kept.
    let withStatistics (batches: (string * float32[]) list list) (clip: Clip) : Clip =
        let means =
            batches
            |> List.concat
            |> List.groupBy fst
            |> List.map (fun (path, values) ->
                let columns = values |> List.map snd |> List.toArray |> Array.transpose
                path, columns |> Array.map Array.average)
            |> Map.ofList

        { clip with
            visual =
                clip.visual
                |> Tree.mapi (fun path leaf ->
                    match means.TryFind path with
                    | Some values -> torch.tensor(values).``to`` leaf.device
                    | None -> leaf)
        }

/// A frame to learn from.
type PretrainingFrame =
    {
        /// The frame.
        Picture: Picture
        /// 0 background, k + 1 class k.
        Truth: LabelMap
        /// Its words; `None` for a plain frame.
        Condition: string option
    }

/// Where pretraining's frames come from.
[<NoComparison; NoEquality>]
type PretrainingWorld =
    {
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The dictionary.
        Conditions: string list
        /// A square frame of so many pixels a side.
        Frame: int -> Seed -> PretrainingFrame
    }
