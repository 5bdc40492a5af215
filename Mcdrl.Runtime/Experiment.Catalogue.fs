namespace Mcdrl

/// A method that an experiment compares: changes to the settings that all of them share.
type ExperimentMethod =
    {
        /// E.g. `mcdrl`; unique within an experiment.
        Key: string
        Label: string
        /// What it is, in a sentence.
        Note: string
        /// The label of its row in the published table.
        Published: string option
        /// Whether it runs the text tower on prompts of its own.
        NeedsTextTower: bool
        /// Assignments `key=value` on top of the shared settings.
        Changes: string list
    }

/// What an experiment shows besides its tables.
[<RequireQualifiedAccess>]
type ExperimentFigure =
    /// The unseen frames of best, median and worst Dice.
    | Sheet
    /// Class-conditional features in the plane.
    | Features
    /// Dice under each imaging condition at rising strength.
    | Robustness

/// An experiment: a question, the methods that answer it, and the one that the others are compared with.
type ExperimentDesign =
    {
        Name: string
        Title: string
        Question: string
        Methods: ExperimentMethod list
        /// A key of `Methods`.
        Reference: string
        Figures: ExperimentFigure list
    }

/// The paper's experiments and ours.
[<RequireQualifiedAccess>]
module ExperimentCatalogue =
    let private method key label note changes : ExperimentMethod =
        {
            Key = key
            Label = label
            Note = note
            Published = None
            NeedsTextTower = false
            Changes = changes
        }

    let private published label (method: ExperimentMethod) = { method with Published = Some label }

    let private withoutIntervention =
        [ "method.training_mode=never"; "loss.causal=0"; "loss.grounding=0" ]

    let private withoutMethod = "method.alpha=1" :: withoutIntervention

    let private baseline =
        method
            "baseline"
            "Baseline"
            "Tower and head alone: no texts, no selection of regions (MTRS), no causal intervention (CDRL)."
            (withoutMethod
             @ [ "method.classes_by=head"; "loss.contrast=0"; "loss.alignment=0" ])
        |> published "Baseline"

    let private fixedPrompts =
        method
            "fixed-prompts"
            "Fixed prompts"
            "The baseline whose classes are told apart by the similarity to \"A {class} in an endoscopic image\": what the rivals below learn to improve."
            withoutMethod

    let private rival name label note publishedLabel : ExperimentMethod =
        { method name label note ($"method.prompting={name}" :: "loss.contrast=0" :: withoutMethod) with
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
        ]

    /// The paper's method: Eq. 6 to 12 with its weights, within the shared head, budget and augmentation.
    let private asPublished =
        method
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
            ]
        |> published "MCDRL"

    let private mcdrl =
        method
            "mcdrl"
            "MCDRL"
            "Our recommended settings: the shared preset itself, with exact backdoor adjustment (Eq. 2)."
            []

    let private compared = baseline :: fixedPrompts :: rivals @ [ asPublished; mcdrl ]

    /// The order in which dictionaries of fewer conditions are filled: one of each category first.
    let private byImportance =
        [
            "blur"
            "dim lighting"
            "narrow-band imaging"
            "a close-up view"
            "mucus"
            "artifacts"
            "bright lighting"
            "white-light imaging"
            "reflection"
            "a distant view"
            "uneven lighting"
            "blood"
        ]

    /// A dictionary of m conditions, in the order of the whole one; more than twelve take the extra ones.
    let dictionary (m: int) : string list =
        let whole = Prompts.conditions |> List.map _.Name
        let extra = Prompts.extraConditions |> List.map _.Name
        let kept = List.truncate m byImportance |> Set.ofList

        (whole |> List.filter kept.Contains)
        @ List.truncate (max 0 (m - whole.Length)) extra

    let private listed (words: string list) =
        words |> List.map (fun word -> $"\"{word}\"") |> String.concat ","

    let private named (condition: string list) =
        $"method.conditions=[{listed condition}]"

    let private ablation =
        [
            { baseline with Label = "Baseline" }
            method "without-mtrs" "w/o MTRS" "Every cell is intervened on (α = 1)." [ "method.alpha=1" ]
            |> published "w/o MTRS"
            method
                "without-cdrl"
                "w/o CDRL"
                "Regions are selected, but never intervened on."
                withoutIntervention
            |> published "w/o CDRL"
            mcdrl |> published "MCDRL"
        ]

    let private ofSize m =
        if m = 12 then
            { mcdrl with
                Label = "M = 12"
                Note = "The whole dictionary: MCDRL as it is."
            }
        else
            let words = dictionary m

            method $"m{m}" $"M = {m}" $"""A dictionary of {m}: {String.concat ", " words}.""" [ named words ]
        |> published (string m)

    let private ofDepth layers =
        method
            $"l{layers}"
            $"L = {layers}"
            $"An intervention network of {layers} layers."
            [ $"method.layers={layers}" ]
        |> published (string layers)

    let private ours =
        let modes =
            [
                "attention", "Trained and asked by attention (Eq. 8)."
                "feature-mean", "Trained and asked by the mean of intervened features (Eq. 7)."
            ]
            |> List.map (fun (mode, note) ->
                method
                    mode
                    $"{mode} throughout"
                    note
                    [ $"method.training_mode={mode}"; $"method.marginalisation={mode}" ])

        let asked =
            [ "attention"; "feature-mean"; "nwgm" ]
            |> List.map (fun mode ->
                method
                    $"asked-{mode}"
                    $"asked by {mode}"
                    $"MCDRL trained as it is, but validated and asked by {mode}."
                    [ $"method.marginalisation={mode}" ])

        let ungrounded = "loss.grounding=0"

        [
            yield mcdrl
            for share in [ 0.25; 0.75 ] do
                let text = share.ToString(System.Globalization.CultureInfo.InvariantCulture)

                yield
                    method
                        $"alpha-{text}"
                        $"α = {text}"
                        $"MTRS keeps {text} of the cells."
                        [ $"method.alpha={text}" ]
            yield method "alpha-1" "α = 1" "Without MTRS." [ "method.alpha=1" ]
            yield! modes
            yield! asked
            yield method "ungrounded" "not grounded" "Without grounded interventions (λ3 = 0)." [ ungrounded ]
            yield
                method
                    "dense"
                    "dense unselected"
                    "Cells that MTRS didn't select hold the dense map."
                    [ "method.unselected=dense" ]
            yield
                method
                    "background"
                    "background unselected"
                    "Cells that MTRS didn't select hold one learned vector."
                    [ "method.unselected=background" ]
            yield
                method
                    "paraphrased"
                    "paraphrased"
                    "The dictionary in other words, not grounded; to be read beside `not grounded`."
                    [
                        ungrounded
                        named
                            [
                                "an out-of-focus picture"
                                "compression noise"
                                "too much light"
                                "too little light"
                                "patchy light"
                                "blue and green light"
                                "ordinary light"
                                "the lesion near the lens"
                                "the lesion far away"
                                "slime"
                                "bleeding"
                                "shiny spots"
                            ]
                    ]
            yield
                method
                    "gibberish"
                    "gibberish"
                    "A dictionary of words without meaning, not grounded; to be read beside `not grounded`."
                    [
                        ungrounded
                        named
                            [
                                "florp"
                                "quindle"
                                "brasket"
                                "zomb ull"
                                "tervin"
                                "kloost"
                                "wexary"
                                "pliddow"
                                "snargle"
                                "ombrith"
                                "dacken"
                                "vulisp"
                            ]
                    ]
            yield
                method
                    "prior-skewed"
                    "prior of a dim hospital"
                    "A prior that gives dim lighting half of the weight."
                    [ "method.prior=[1,1,1,11,1,1,1,1,1,1,1,1]" ]
            yield
                method
                    "active-at-once"
                    "active from the start"
                    "No progressive training: the intervention is on in every epoch."
                    [ "optimiser.activation_epoch=0" ]
        ]

    let private design name title question methods reference figures : ExperimentDesign =
        {
            Name = name
            Title = title
            Question = question
            Methods = methods
            Reference = reference
            Figures = figures
        }

    /// Every experiment, in the order of `mcdrl experiment --help`.
    let all: ExperimentDesign list =
        [
            design
                "table1"
                "Table 1: every site unseen in turn"
                "Does MCDRL segment better than its rivals in a hospital that no training has seen?"
                compared
                "mcdrl"
                [ ExperimentFigure.Sheet ]
            design
                "table2"
                "Table 2: by type of lesion"
                "On which types of lesion does MCDRL gain over its rivals?"
                compared
                "mcdrl"
                []
            design
                "table3"
                "Table 3: without its parts"
                "What do the selection of regions (MTRS) and the causal intervention (CDRL) each bring?"
                ablation
                "mcdrl"
                []
            design
                "table4"
                "Table 4: size of the confounder dictionary"
                "How many imaging conditions does the dictionary need?"
                (List.map ofSize [ 3; 6; 9; 12; 15 ])
                "mcdrl"
                []
            design
                "table5"
                "Table 5: depth of the causal intervention network"
                "How many layers does the intervention network need, and what do they cost?"
                (List.map ofDepth [ 1..5 ])
                "l3"
                []
            design
                "figure4"
                "Figure 4: what the methods mark"
                "How do the answers look where MCDRL does best, middling and worst?"
                compared
                "mcdrl"
                [ ExperimentFigure.Sheet ]
            design
                "figure5"
                "Figure 5: features by class"
                "Does the intervention pull the features of one class together across sites?"
                [ baseline; fixedPrompts; asPublished; mcdrl ]
                "mcdrl"
                [ ExperimentFigure.Features ]
            design
                "robustness"
                "Robustness: imaging conditions at rising strength"
                "How much Dice does each imaging condition cost, method by method?"
                compared
                "mcdrl"
                [ ExperimentFigure.Robustness ]
            design "ablations" "Ablations of our own" "Which of our choices matter?" ours "mcdrl" []
        ]

    /// The experiment of a name.
    let find (name: string) : Result<ExperimentDesign, McdrlError> =
        match all |> List.tryFind (fun design -> design.Name = name) with
        | Some design -> Ok design
        | None ->
            let known = all |> List.map _.Name |> String.concat ", "

            Error(
                McdrlError.usage $"there is no experiment {name}" "mcdrl experiment" $"Choose one of {known}"
            )
