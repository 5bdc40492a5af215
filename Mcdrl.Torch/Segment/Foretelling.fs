namespace Mcdrl

open TorchSharp

/// What a model foretells of a condition from a frame that doesn't show it.
[<NoComparison; NoEquality>]
type Foretold =
    {
        /// P(Y | do(F), do(condition)), [K + 1, S, S] on the CPU.
        Probabilities: Tensor
        /// How well A(F, z) foretells what the tower sees under the condition.
        Grounding: GroundingScore
    }

/// What a model says of one scene, the reference first, then under each condition. Tensors are [K + 1, S, S] on the CPU.
[<NoComparison; NoEquality>]
type SceneAnswers =
    {
        /// P(Y | do(F)) of each frame.
        Answers: Tensor list
        /// The same without intervention.
        Plain: Tensor list
        /// For the conditions that are in the model's dictionary, what A foretells of them from the reference alone; empty for
        /// a model that doesn't intervene.
        Foretold: (string * Foretold) list
    }

/// What A says of the conditions of a dictionary before any of them is shown.
[<NoComparison; NoEquality>]
type internal Foretelling =
    {
        /// The dictionary.
        Conditions: string list
        /// Where the regions lie, and what they hold unchanged.
        Reference: Observation
        /// A(F, z_m), [M, N, d].
        Regions: Tensor
        /// The answers under each condition, [M, K + 1, S, S] on the CPU.
        Answers: Tensor
    }

[<RequireQualifiedAccess>]
module internal Foretelling =
    /// Of a reference frame, with the probabilities under each condition, [M, 1, K + 1, S, S].
    let ofReference (model: Model) (reference: Observation) (answers: Tensor) : Foretelling =
        let apply = Intervention.apply model.Network.intervention
        let regions = Backdoor.underEach apply model.Texts.conditions reference.Regions

        {
            Conditions = model.Manifest.Settings.Method.Conditions
            Reference = reference
            Regions = regions.squeeze 1L
            Answers = answers.squeeze(1L).cpu()
        }

    /// Of the conditions that some frames show, and how well it is foretold, at the reference's own cells.
    let shownIn
        (shown: Observation)
        (names: string list)
        (foretelling: Foretelling)
        : (string * Foretold) list =
        let reference = foretelling.Reference

        [
            for row, name in List.indexed names do
                match List.tryFindIndex ((=) name) foretelling.Conditions with
                | None -> ()
                | Some m ->
                    let seen = Regions.gather reference.Cells (shown.Dense.narrow (0L, int64 row, 1L))

                    let agreement regions =
                        (Grounding.agreement (widened regions) (widened seen)).cpu().item<float32>()
                        |> float

                    name,
                    {
                        Probabilities = foretelling.Answers.select(0L, int64 m).clone()
                        Grounding =
                            {
                                Predicted = agreement (foretelling.Regions.narrow (0L, int64 m, 1L))
                                Unchanged = agreement reference.Regions
                            }
                    }
        ]
