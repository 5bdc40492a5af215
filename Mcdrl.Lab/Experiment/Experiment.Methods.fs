namespace Mcdrl

/// MCDRL, the rivals and the baseline.
[<RequireQualifiedAccess>]
module internal ExperimentMethods =
    /// What takes the intervention away.
    let withoutIntervention =
        [
            "method.training_mode=never"
            "loss.causal=0"
            "loss.grounding=0"
            "loss.invariance=0"
        ]

    let private withoutMethod = "method.alpha=1" :: withoutIntervention

    let baseline =
        ExperimentMethod.create
            "baseline"
            "Baseline"
            "Tower and head alone: no texts, no selection of regions (MTRS), no causal intervention (CDRL)."
            (withoutMethod
             @ [ "method.classes_by=head"; "loss.contrast=0"; "loss.alignment=0" ])
        |> ExperimentMethod.published "Baseline"

    let fixedPrompts =
        ExperimentMethod.create
            "fixed-prompts"
            "Fixed prompts"
            "The baseline whose classes are told apart by the similarity to \"A {class} in an endoscopic image\": what the rivals below learn to improve."
            withoutMethod

    let private rival name label note publishedLabel : ExperimentMethod =
        { ExperimentMethod.create
              name
              label
              note
              ($"method.prompting={name}" :: "loss.contrast=0" :: withoutMethod) with
            NeedsTextTower = true
            Published = publishedLabel
        }

    let private rivals =
        [
            rival
                "cocoop"
                "CoCoOp"
                "Four learned context vectors, shifted for each image by a small network of its feature (Zhou et al., CVPR 2022); its class texts enter the head as the fixed ones do."
                None
            rival
                "stylip"
                "StyLIP"
                "Prompt tokens from the image's style statistics and content from several layers (Bose et al., WACV 2024), as we read the abstract; its class texts enter the head as the fixed ones do."
                (Some "StyLIP")
            rival
                "biomedcoop"
                "BiomedCoOp"
                "Four learned context vectors, held to the mean of descriptive prompts (SCCM) and to the answers of those that are no outliers (KDSP) (Koleilat et al., CVPR 2025); its class texts enter the head as the fixed ones do."
                (Some "BiomedCoOp")
            ExperimentMethod.create
                "medclipseg"
                "MedCLIPSeg's attention"
                "Probabilistic cross-attention between the dense map's cells and the fixed class texts, both ways, without its own loss (Koleilat et al., CVPR 2026)."
                ("method.fusion=medclipseg" :: "loss.contrast=0" :: withoutMethod)
        ]

    /// The paper's method: Eq. 6 to 12 with its weights, within the shared head, budget and augmentation.
    let asPublished =
        ExperimentMethod.create
            "mcdrl-paper"
            "MCDRL (paper)"
            "As published: half of the cells selected, attention over the dictionary in training and in answering (Eq. 8), three layers, λ1 0.5, λ2 0.1, the dense map in unselected cells."
            [
                "method.alpha=0.5"
                "method.training_mode=attention"
                "method.marginalisation=attention"
                "method.unselected=dense"
                "method.layers=3"
                "loss.causal=0.5"
                "loss.contrast=0.1"
                "loss.tau=0.5"
                "loss.grounding=0"
                "loss.invariance=0"
            ]
        |> ExperimentMethod.published "MCDRL"

    let mcdrl =
        ExperimentMethod.create
            "mcdrl"
            "MCDRL"
            "Our recommended settings: the shared preset itself, with exact backdoor adjustment (Eq. 2)."
            []

    let private control source label note =
        ExperimentMethod.create $"control-{source}" label note [ $"method.dictionary={source}" ]

    /// MCDRL with a dictionary that says nothing about conditions.
    let controls =
        [
            control
                "random"
                "random dictionary"
                "MCDRL whose dictionary holds random vectors, each as long as the text in whose place it stands."
            control
                "shuffled"
                "shuffled dictionary"
                "MCDRL whose dictionary has the right texts under wrong names: no condition keeps its own."
            control
                "constant"
                "constant dictionary"
                "MCDRL whose dictionary holds the mean of its texts for every condition: z is taken away, the weights stay as many."
        ]

    let compared = baseline :: fixedPrompts :: rivals @ [ asPublished; mcdrl ]
