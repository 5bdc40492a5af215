namespace Mcdrl

open TorchSharp

/// What a rival that words the class texts trains.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type PromptLearner =
    /// A context and a meta-net.
    | Cocoop of CoCoOp
    /// Projectors of style and content.
    | Stylip of StyLIP
    /// A context.
    | Biomedcoop of BiomedCoOp

/// A rival of the paper: a way to word the class texts. Everything else is the frame of all methods.
[<NoComparison; NoEquality>]
type PromptRival =
    {
        /// What is fixed: the text tower, the class names, the first context.
        frame: PromptFrame
        /// What is trained.
        learner: PromptLearner
        /// Features of descriptive prompts [K, P, d], which only BiomedCoOp's training reads.
        ensemble: Tensor option
    }

/// Makes rivals that word the class texts, words them, and gives their own objective.
[<RequireQualifiedAccess>]
module PromptRival =
    /// The weight of a rival's own objective beside the segmentation loss. Theirs is all that they train by, so it counts
    /// in full.
    let weight = 1.0

    /// A rival before training. `channels` are those of the tower's maps, fine to coarse and then the dense map.
    let create
        (prompting: Prompting)
        (frame: PromptFrame)
        ensemble
        (channels: int64 list)
        filling
        : PromptRival =
        {
            frame = frame
            learner =
                match prompting with
                | Prompting.Cocoop -> PromptLearner.Cocoop(CoCoOp.create frame filling)
                | Prompting.Stylip -> PromptLearner.Stylip(StyLIP.create frame channels filling)
                | Prompting.Biomedcoop -> PromptLearner.Biomedcoop(BiomedCoOp.create frame)
            ensemble = ensemble
        }

    /// The class texts for a batch of images: [B, K, d], or [1, K, d] where they are the same for every image. The image
    /// feature is in the texts' space, F_vis [B, d]; the maps are the tower's own.
    let classTexts (rival: PromptRival) (features: TowerFeatures) =
        match rival.learner with
        | PromptLearner.Cocoop learner -> CoCoOp.classTexts rival.frame learner features.Image
        | PromptLearner.Stylip learner -> StyLIP.classTexts rival.frame learner features
        | PromptLearner.Biomedcoop learner -> BiomedCoOp.classTexts rival.frame learner

    /// The rival's own objective: cross-entropy of softmax over s·cos(F_vis, t_k) (Eq. 12 with its own scale) for images
    /// that show a class, and what BiomedCoOp adds. F_vis [B, d], classes int64 [B], `texts` from `classTexts`.
    let loss (rival: PromptRival) (texts: Tensor) (classes: Tensor) (image: Tensor) =
        scoped (fun () ->
            let scale = TextTower.scale rival.frame.text
            let contrast = Loss.contrast (1.0 / scale) texts classes (widened image)

            match rival.learner, rival.ensemble with
            | PromptLearner.Biomedcoop _, Some ensemble ->
                let texts = texts.squeeze 0L // [K, d]

                contrast
                |> Loss.plus BiomedCoOp.consistencyWeight (BiomedCoOp.consistency ensemble texts)
                |> Loss.plus
                    BiomedCoOp.distillationWeight
                    (BiomedCoOp.distillation scale ensemble image texts)
            | _ -> contrast)

/// A rival: what it does with texts and the tower's features before the frame of all methods sees them.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Rival =
    /// The class texts are worded anew.
    | Prompts of PromptRival
    /// The dense map's cells and the texts attend to each other.
    | Attention of MedClipSeg

/// Rivals as training and answering use them.
[<RequireQualifiedAccess>]
module Rival =
    /// Whether the leaf at `path` is trained: all but what a frame and an ensemble fix.
    let isTrained (path: string) =
        not (path.StartsWith("frame.", System.StringComparison.Ordinal))
        && path <> "ensemble"

    /// What the frame of all methods reads of a batch of images: as it is where there is no rival. Texts worded for an image
    /// are worded by its F_vis, for a tower that never saw text that of the network's learned projection. What is drawn is
    /// drawn by the seed, in training; without one nothing is.
    let read
        (rival: Rival option)
        (network: Network)
        (seed: Seed option)
        (features: TowerFeatures)
        (texts: Texts)
        : TowerFeatures * Texts =
        match rival with
        | None -> features, texts
        | Some(Rival.Prompts rival) ->
            features,
            { texts with
                classes =
                    scoped (fun () ->
                        PromptRival.classTexts
                            rival
                            { features with
                                Image = Network.aligned network features.Image
                            })
            }
        | Some(Rival.Attention learner) -> MedClipSeg.apply learner seed features texts

    /// What loading needs besides the tensors, as text, see `TextTower.facts`.
    let facts (rival: Rival option) : Map<string, string> =
        match rival with
        | Some(Rival.Prompts rival) -> TextTower.facts rival.frame.text
        | None
        | Some(Rival.Attention _) -> Map.empty

    /// What inference needs: class texts that are the same for every image are texts like others, and the rival is
    /// needed no more.
    let settled (rival: Rival option) (texts: Texts) : Texts * Rival option =
        match rival with
        | Some(Rival.Prompts rival) ->
            match rival.learner with
            | PromptLearner.Biomedcoop learner ->
                { texts with
                    classes = BiomedCoOp.classTexts rival.frame learner
                },
                None
            | PromptLearner.Cocoop _
            | PromptLearner.Stylip _ -> texts, Some(Rival.Prompts { rival with ensemble = None })
        | None
        | Some(Rival.Attention _) -> texts, rival
