namespace Mcdrl

open TorchSharp

/// How well the intervention network foretells a condition: cosine of its regions A(F(x), z_m) and of the untouched
/// regions F(x), each with what the tower sees when the condition is done to the frame, F(T_m(x)). In [−1, 1].
type GroundingScore =
    {
        /// Of A(F(x), z_m).
        Predicted: float
        /// Of F(x), with no intervention: what A must beat.
        Unchanged: float
    }

/// Grounded interventions (ours): A(F(x), z_m) should be what the tower sees when condition m is done to the frame,
/// F(T_m(x)), row by row: the regions, and what else the head reads. Nothing in the paper's losses ties the two.
[<RequireQualifiedAccess>]
module Grounding =
    /// The rows of an observation with F taken at other cells, [B, N'] → [B, N' + 0 to 2, d].
    let rowsAt (cells: Tensor) (observation: Observation) =
        scoped (fun () ->
            let first = observation.Cells.shape[1]
            let others = observation.Rows.narrow (1L, first, observation.Rows.shape[1] - first)
            torch.cat ([| Regions.gather cells observation.Dense; others |], 1L))

    /// cos of corresponding rows, mean over them. [B, N, d] and [B, N, d] → [B] in [−1, 1].
    let agreement (predicted: Tensor) (seen: Tensor) =
        scoped (fun () -> (unit predicted).mul(unit seen).sum(-1L).mean [| 1L |])

    /// 1 − agreement with the features of the transformed frame, which take no gradient; mean over the images whose
    /// `weight` is 1, and 0 when there is none. A(F(x), z_m) [B, N, d], F(T_m(x)) [B, N, d], weight [B] of 0 and 1
    /// (0: no image operation for this condition) → scalar in [0, 2].
    let loss (weight: Tensor) (seen: Tensor) (predicted: Tensor) =
        scoped (fun () ->
            let error = (agreement predicted (seen.detach ())).neg().add(scalar 1.0, unity)
            error.mul(weight).sum().div(weight.sum().maximum(scalar 1.0).``to`` error.dtype))
