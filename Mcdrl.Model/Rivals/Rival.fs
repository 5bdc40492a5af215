namespace Mcdrl

open TorchSharp

/// What a rival trains. Leaves below `learner.` are trained, no others.
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
type Rival =
    {
        /// What is fixed: the text tower, the class names, the first context.
        frame: PromptFrame
        /// What is trained.
        learner: PromptLearner
        /// Features of descriptive prompts [K, P, d], which only BiomedCoOp's training reads.
        ensemble: Tensor option
    }

/// Makes rivals, words the class texts by them, and gives their own objective.
[<RequireQualifiedAccess>]
module Rival =
    /// The weight of a rival's own objective beside the segmentation loss. Theirs is all that they train by, so it counts
    /// in full.
    let weight = 1.0

    /// Whether the leaf at `path` is trained.
    let isTrained (path: string) =
        path.StartsWith("learner.", System.StringComparison.Ordinal)

    /// A rival before training. `channels` are those of the tower's maps, fine to coarse and then the dense map.
    let create (prompting: Prompting) (frame: PromptFrame) ensemble (channels: int64 list) filling : Rival =
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
    let classTexts (rival: Rival) (features: TowerFeatures) =
        match rival.learner with
        | PromptLearner.Cocoop learner -> CoCoOp.classTexts rival.frame learner features.Image
        | PromptLearner.Stylip learner -> StyLIP.classTexts rival.frame learner features
        | PromptLearner.Biomedcoop learner -> BiomedCoOp.classTexts rival.frame learner

    /// The texts for a batch of images, in the rival's words where there is one. For a tower that never saw text F_vis
    /// comes from the network's learned projection.
    let texts (rival: Rival option) (network: Network) (features: TowerFeatures) (texts: Texts) : Texts =
        match rival with
        | Some rival ->
            { texts with
                classes =
                    scoped (fun () ->
                        classTexts
                            rival
                            { features with
                                Image = Network.aligned network features.Image
                            })
            }
        | None -> texts

    /// What inference needs: class texts that are the same for every image are texts like others, and the rival is
    /// needed no more.
    let settled (rival: Rival option) (texts: Texts) : Texts * Rival option =
        match rival with
        | None -> texts, None
        | Some rival ->
            match rival.learner with
            | PromptLearner.Biomedcoop learner ->
                { texts with
                    classes = BiomedCoOp.classTexts rival.frame learner
                },
                None
            | PromptLearner.Cocoop _
            | PromptLearner.Stylip _ -> texts, Some { rival with ensemble = None }

    /// The rival's own objective: cross-entropy of softmax over s·cos(F_vis, t_k) (Eq. 12 with its own scale) for images
    /// that show a class, and what BiomedCoOp adds. F_vis [B, d], classes int64 [B], `texts` from `classTexts`.
    let loss (rival: Rival) (texts: Tensor) (classes: Tensor) (image: Tensor) =
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
