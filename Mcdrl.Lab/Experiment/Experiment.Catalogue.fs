namespace Mcdrl

/// The paper's experiments and ours.
[<RequireQualifiedAccess>]
module ExperimentCatalogue =
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
                ExperimentMethods.compared
                "mcdrl"
                [ ExperimentFigure.Sheet ]
            design
                "table2"
                "Table 2: by type of lesion"
                "On which types of lesion does MCDRL gain over its rivals?"
                ExperimentMethods.compared
                "mcdrl"
                []
            design
                "table3"
                "Table 3: without its parts"
                "What do the selection of regions (MTRS) and the causal intervention (CDRL) each bring?"
                ExperimentAblations.parts
                "mcdrl"
                []
            design
                "table4"
                "Table 4: size of the confounder dictionary"
                "How many imaging conditions does the dictionary need?"
                (List.map ExperimentAblations.ofSize [ 3; 6; 9; 12; 15 ])
                "mcdrl"
                []
            design
                "table5"
                "Table 5: depth of the causal intervention network"
                "How many layers does the intervention network need, and what do they cost?"
                (List.map ExperimentAblations.ofDepth [ 1..5 ])
                "l3"
                []
            design
                "controls"
                "Controls: dictionaries that say nothing"
                "Is the gain of MCDRL causal, or does a dictionary that says nothing about conditions share it?"
                ExperimentAblations.controlled
                "mcdrl"
                []
            design
                "figure4"
                "Figure 4: what the methods mark"
                "How do the answers look where MCDRL does best, middling and worst?"
                ExperimentMethods.compared
                "mcdrl"
                [ ExperimentFigure.Sheet ]
            design
                "figure5"
                "Figure 5: features by class"
                "Does the intervention pull the features of one class together across sites?"
                [
                    ExperimentMethods.baseline
                    ExperimentMethods.fixedPrompts
                    ExperimentMethods.asPublished
                    ExperimentMethods.mcdrl
                ]
                "mcdrl"
                [ ExperimentFigure.Features ]
            design
                "robustness"
                "Robustness: imaging conditions at rising strength"
                "How much Dice does each imaging condition cost, method by method?"
                ExperimentMethods.compared
                "mcdrl"
                [ ExperimentFigure.Robustness ]
            design
                "ablations"
                "Ablations of our own"
                "Which of our choices matter?"
                ExperimentAblations.ours
                "mcdrl"
                []
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
