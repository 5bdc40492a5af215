namespace Mcdrl

/// What the cells that MTRS did not select hold when the head reads the map.
[<RequireQualifiedAccess>]
type Unselected =
    /// The dense map, untouched (paper preset).
    | Dense
    /// One learned vector.
    | Background

/// What tells one lesion class from another.
[<RequireQualifiedAccess>]
type ClassesBy =
    /// The head's K + 1 logits (paper preset).
    | Head
    /// Similarity to the class texts; lesions of any class are found by the head and by the texts together.
    | Texts

/// Where the prior P(z) comes from when its weights aren't given.
[<RequireQualifiedAccess>]
type PriorSource =
    /// The mean over the training frames of P(z | x) by CLIP's own similarity of image and text, before training.
    | Estimated
    /// Trained with the network, from uniform.
    | Learned

/// What stands in the dictionary for a condition in place of the embedding of its prompt. All are controls: a gain that one
/// of them shares does not come from what the conditions mean.
[<RequireQualifiedAccess>]
type DictionarySource =
    /// A random direction, as long as the embedding.
    | Random
    /// The embedding of another condition's prompt.
    | Shuffled
    /// The mean of all embeddings: A has as many weights, but nothing to tell conditions by.
    | Constant

/// Who words the class texts in place of the fixed prompts: a rival of the paper.
[<RequireQualifiedAccess>]
type Prompting =
    /// CoCoOp: a context that the image shifts.
    | Cocoop
    /// StyLIP: a context made of the image's style, texts of its content.
    | Stylip
    /// BiomedCoOp: one context for all images, held to descriptive prompts.
    | Biomedcoop

/// Who lets image and class texts attend to each other before they are compared: a rival that is younger than the paper.
[<RequireQualifiedAccess>]
type Fusion =
    /// MedCLIPSeg: probabilistic cross-attention, both ways.
    | Medclipseg

/// Which mirror images of a frame are answered besides the frame itself.
[<RequireQualifiedAccess>]
type Flips =
    /// Left to right: two answers a frame, twice the time.
    | Horizontal
    /// Left to right, top to bottom and both: four answers a frame, four times the time.
    | Both

/// How the dense map is read off a CLIP tower's last block.
[<RequireQualifiedAccess>]
type DenseMode =
    /// Every cell attends as CLIP's own block does.
    | Plain
    /// MaskCLIP: every cell reads itself alone.
    | Maskclip
    /// SCLIP: cells read those whose queries or keys are like theirs.
    | Sclip

/// `method` of a configuration: the network and how it intervenes.
type MethodSettings =
    {
        /// Side of the square network input in pixels.
        InputSize: int
        /// How the dense map is read off a CLIP tower; a plain ResNet has but one way.
        DenseMode: DenseMode
        /// Share of cells that MTRS keeps, (0, 1]; 1 is "without MTRS".
        Alpha: float
        /// The dictionary: words that follow "An endoscopy image with".
        Conditions: string list
        /// What stands in the dictionary for each of them; `None` for the embedding of its prompt.
        Dictionary: DictionarySource option
        /// Weight ≥ 0 of each condition; empty for uniform.
        Prior: float list
        /// What takes the place of weights in `Prior`.
        PriorSource: PriorSource option
        /// Depth L of the intervention network.
        Layers: int
        /// What the cells hold that MTRS leaves out.
        Unselected: Unselected
        /// How training intervenes once the gate is open: one of `Marginalisation.training`.
        TrainingMode: Marginalisation
        /// What `segment` and `evaluate` use unless told otherwise: one of `Marginalisation.answering`.
        Marginalisation: Marginalisation
        /// Channels inside the head.
        HeadWidth: int
        /// What tells the classes apart.
        ClassesBy: ClassesBy
        /// How many earlier tower maps the head reads, 0 for none.
        Refinements: int
        /// The rival that learns the class texts; `None` for the fixed prompts.
        Prompting: Prompting option
        /// The rival that lets the image and the fixed prompts attend to each other; `None` for none.
        Fusion: Fusion option
        /// What prompts call a class, by its name in the dataset; a class that isn't here goes by its name.
        ClassWords: Map<string, string> option
        /// Whose probabilities the answer is the mean of, besides the frame's own; `None` for the frame alone. Training and the
        /// choice of the epoch always look at the frame alone.
        Flips: Flips option
        /// How many of a plain ResNet's first parts (its stem, `layer1`, …) normalise each frame by its own statistics, which takes
        /// a frame's style out: 0 to 3. `None` keeps what the weights state, which is 0 unless they say otherwise.
        InstanceNorm: int option
        /// Regions that cover a smaller share of the frame are not marked, in answers to pictures. `None` for 0. Training and the choice
        /// of the epoch mark regions of any size.
        MinArea: float option
    }

/// `loss` of a configuration: weights and temperatures of the objective.
type LossSettings =
    {
        /// λ1 of Eq. 9.
        Causal: float
        /// λ2 of Eq. 9.
        Contrast: float
        /// τ of Eq. 12.
        Tau: float
        /// Weight of the Dice loss; 0 in the paper.
        Dice: float
        /// What is added to the Dice loss's sums, as a share of the frame: the larger, the more a mark in a frame without a lesion costs.
        /// `None` for one pixel.
        DiceSmoothing: float option
        /// Weight of the cell-text alignment.
        Alignment: float
        /// τ of the alignment, > 0.
        AlignmentTau: float
        /// λ3 of grounded interventions: how strongly A(F(x), z_m) is held to F(T_m(x)); 0 in the paper.
        Grounding: float
        /// How strongly the answers to x and to T_m(x) are held to be the same; 0 in the paper.
        Invariance: float
    }

/// `optimiser` of a configuration: AdamW, its schedule, and what it trains.
type OptimiserSettings =
    {
        /// Passes over the training frames, at least 1.
        Epochs: int
        /// The intervention is off for this many epochs.
        ActivationEpoch: int
        /// Epochs, or a part of one, in which the learning rate rises in a straight line; it falls as a cosine to 0 after them.
        WarmupEpochs: float
        /// Frames a step.
        BatchSize: int
        /// The highest one, in [0, 10].
        LearningRate: float
        /// The tower's learning rate as a share of `LearningRate`.
        TowerFactor: float
        /// Upper tower blocks that are trained; 0 freezes the tower. Of a ResNet these are stages, and its stem never is. Batch
        /// normalisations keep their stored statistics in trained blocks too, whose γ and β are trained; so batches may be small.
        TrainedBlocks: int
        /// What training steps compute a plain ResNet in: bf16 keeps fp32 weights, takes about half the time on a processor with
        /// AVX512-BF16 or AMX, and validation stays fp32. `None` for fp32.
        TowerPrecision: Precision option
        /// AdamW's decoupled decay, in [0, 1].
        WeightDecay: float
        /// Largest norm of the whole gradient.
        GradientClip: float
        /// Decay of the running average of the trained weights, step by step: what is validated, chosen by and kept as the model. 0
        /// keeps the last weights. The average is warmed up: its decay is at most (1 + step) / (10 + step).
        Averaging: float
    }

/// `augmentation` of a configuration: how views of a frame are drawn.
type AugmentationSettings =
    {
        /// Mirror half of the views left to right, and half top to bottom.
        Flips: bool
        /// Turn by a multiple of 90°, each as likely.
        QuarterTurns: bool
        /// Largest rotation in degrees.
        Rotation: float
        /// Scale is drawn from [1 / (1 + s), 1 + s], as often below 1 as above: 1 for half to twice the size.
        Scale: float
        /// Largest shift as a share of the side.
        Shift: float
        /// Strength of brightness, contrast, saturation and tint changes, 0 for none.
        Colour: float
        /// Probability that a frame takes over the colours of a training frame of another site: mean and deviation of L*, a* and
        /// b*. `None` for 0.
        ColourExchange: float option
        /// Probability that an imaging condition is rendered onto the frame.
        Conditions: float
        /// Whether each view is seen in a pair with the same view under a condition drawn from π, where that is an operation on
        /// pixels. Both are learned from, and grounding and invariance compare them.
        Pairs: bool
        /// Views of each frame that are drawn once and used in turn; 0 draws a new one every time. With a frozen
        /// tower, features of the views are computed once and kept, with those of their pairs.
        Views: int
    }

/// Everything that decides what training does, besides the data and the seed.
type Settings =
    {
        /// `method`: the network.
        Method: MethodSettings
        /// `loss`: the objective.
        Loss: LossSettings
        /// `optimiser`: the steps.
        Optimiser: OptimiserSettings
        /// `augmentation`: the views.
        Augmentation: AugmentationSettings
        /// Share of the source frames that is held back for choosing the epoch, per site.
        Validation: float
    }

/// Checks settings, and reads the classes' words off them.
[<RequireQualifiedAccess>]
module Settings =
    /// What prompts call the classes of a dataset, in their order.
    let wordsOf (settings: MethodSettings) (classes: string list) =
        let words = settings.ClassWords |> Option.defaultValue Map.empty
        classes |> List.map (fun name -> words.TryFind name |> Option.defaultValue name)

    /// Every value that is out of range, each with its key; the settings themselves when there is none.
    let validate (settings: Settings) : Result<Settings, McdrlError> =
        let check key holds what =
            if holds then
                []
            else
                [
                    McdrlError.usage what key "Correct the value in the configuration or with “set”"
                ]

        let oneOf key modes mode =
            check key (List.contains mode modes) $"must be one of {Marginalisation.names modes}"

        let within low high value = value >= low && value <= high

        let m, l, o, a =
            settings.Method, settings.Loss, settings.Optimiser, settings.Augmentation

        List.concat
            [
                check
                    "method.input_size"
                    (ModelLimits.sideFaults m.InputSize).IsEmpty
                    $"must lie between {ModelLimits.smallestSide} and {ModelLimits.largestSide}"
                check "method.alpha" (m.Alpha > 0.0 && m.Alpha <= 1.0) "must lie in (0, 1]"
                check "method.conditions" (not m.Conditions.IsEmpty) "must name at least one condition"
                check
                    "method.conditions"
                    (m.Conditions.IsEmpty || (ModelLimits.conditionFaults m.Conditions).IsEmpty)
                    (ModelLimits.conditionFaults m.Conditions
                     |> String.concat "; "
                     |> sprintf "must be up to 256 names, each given once: %s")
                check
                    "method.dictionary"
                    (m.Conditions.Length > 1
                     || m.Dictionary.IsNone
                     || m.Dictionary = Some DictionarySource.Random)
                    "shuffled and constant need at least two conditions"
                oneOf "method.training_mode" Marginalisation.training m.TrainingMode
                oneOf "method.marginalisation" Marginalisation.answering m.Marginalisation
                check
                    "method.marginalisation"
                    (m.Marginalisation <> Marginalisation.Rendered
                     || List.exists Rendered.isPossible m.Conditions)
                    $"rendered needs a condition that can be done to pixels: one of {Rendered.possible}"
                check
                    "method.prior"
                    (m.Prior.IsEmpty
                     || m.Prior.Length = m.Conditions.Length
                        && List.forall (within 0.0 1e9) m.Prior
                        && List.sum m.Prior > 0.0)
                    "must be empty or give each condition a weight of at least 0, not all 0"
                check
                    "method.prior_source"
                    (m.PriorSource.IsNone || m.Prior.IsEmpty)
                    "takes the place of weights in method.prior, which must be empty"
                check
                    "method.prior_source"
                    (m.PriorSource <> Some PriorSource.Learned
                     || m.TrainingMode = Marginalisation.Attention
                     || m.TrainingMode = Marginalisation.FeatureMean)
                    "learned needs method.training_mode attention or feature-mean, through which a prior is taught"
                check
                    "method.class_words"
                    (m.ClassWords
                     |> Option.forall (Map.forall (fun _ words -> words.Trim() <> "" && words.Length <= 1000)))
                    "must give each class that it names at least a word, and at most 1000 characters"
                check "method.layers" (within 1 64 m.Layers) "must lie between 1 and 64"
                check "method.head_width" (within 1 4096 m.HeadWidth) "must lie between 1 and 4096"
                check "method.refinements" (within 0 16 m.Refinements) "must lie between 0 and 16"
                check
                    "method.prompting"
                    (m.Prompting.IsNone || m.TrainingMode = Marginalisation.Never)
                    "needs method.training_mode never: the rivals don't intervene"
                check
                    "method.fusion"
                    (m.Fusion.IsNone || m.TrainingMode = Marginalisation.Never && m.Prompting.IsNone)
                    "needs method.training_mode never and no method.prompting: it is a rival of its own"
                check
                    "method.instance_norm"
                    (m.InstanceNorm |> Option.forall (within 0 3))
                    "must lie between 0 and 3"
                check
                    "method.min_area"
                    (m.MinArea |> Option.forall (within 0.0 0.1))
                    "must lie between 0 and 0.1, a share of the frame"
                check "loss.causal" (within 0.0 1e6 l.Causal) "must be at least 0"
                check "loss.contrast" (within 0.0 1e6 l.Contrast) "must be at least 0"
                check "loss.tau" (within 1e-4 1e4 l.Tau) "must be positive"
                check "loss.dice" (within 0.0 1e6 l.Dice) "must be at least 0"
                check
                    "loss.dice_smoothing"
                    (l.DiceSmoothing |> Option.forall (within 1e-6 1.0))
                    "must lie between 0.000001 and 1, a share of the frame"
                check "loss.alignment" (within 0.0 1e6 l.Alignment) "must be at least 0"
                check "loss.grounding" (within 0.0 1e6 l.Grounding) "must be at least 0"
                check "loss.invariance" (within 0.0 1e6 l.Invariance) "must be at least 0"
                check
                    "augmentation.pairs"
                    (a.Pairs || not (l.Grounding > 0.0 || l.Invariance > 0.0))
                    "must be true for loss.grounding and loss.invariance, which compare the two of a pair"
                check "loss.alignment_tau" (within 1e-4 1e4 l.AlignmentTau) "must be positive"
                check "optimiser.epochs" (within 1 100000 o.Epochs) "must be at least 1"
                check
                    "optimiser.activation_epoch"
                    (within 0 1_000_000 o.ActivationEpoch)
                    "must lie between 0 and 1000000"
                check "optimiser.warmup_epochs" (within 0.0 1e5 o.WarmupEpochs) "must be at least 0"
                check "optimiser.batch_size" (within 1 4096 o.BatchSize) "must lie between 1 and 4096"
                check "optimiser.learning_rate" (within 0.0 10.0 o.LearningRate) "must lie between 0 and 10"
                check "optimiser.tower_factor" (within 0.0 1.0 o.TowerFactor) "must lie between 0 and 1"
                check "optimiser.trained_blocks" (within 0 1000 o.TrainedBlocks) "must lie between 0 and 1000"
                check "optimiser.weight_decay" (within 0.0 1.0 o.WeightDecay) "must lie between 0 and 1"
                check "optimiser.gradient_clip" (within 1e-6 1e6 o.GradientClip) "must be positive"
                check "optimiser.averaging" (o.Averaging >= 0.0 && o.Averaging < 1.0) "must lie in [0, 1)"
                check "augmentation.rotation" (within 0.0 180.0 a.Rotation) "must lie between 0 and 180"
                check "augmentation.scale" (within 0.0 4.0 a.Scale) "must lie between 0 and 4"
                check "augmentation.shift" (within 0.0 1.0 a.Shift) "must lie between 0 and 1"
                check "augmentation.colour" (within 0.0 1.0 a.Colour) "must lie between 0 and 1"
                check
                    "augmentation.colour_exchange"
                    (a.ColourExchange |> Option.forall (within 0.0 1.0))
                    "must lie between 0 and 1"
                check "augmentation.conditions" (within 0.0 1.0 a.Conditions) "must lie between 0 and 1"
                check "augmentation.views" (within 0 64 a.Views) "must lie between 0 and 64"
                check
                    "validation"
                    (settings.Validation > 0.0 && settings.Validation < 1.0)
                    "must lie in (0, 1)"
            ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok settings)
