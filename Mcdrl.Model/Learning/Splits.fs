namespace Mcdrl

/// Who is trained on, who chooses the epoch, who is never seen.
[<RequireQualifiedAccess>]
module Splits =
    /// Takes `share` of each site's items for validation, by a seeded permutation; every site keeps at least one item
    /// for training and, when it has two, gives at least one for validation. Order is kept.
    let holdOut (share: float) seed (site: 'item -> string) (items: 'item list) : 'item list * 'item list =
        let heldBack =
            items
            |> List.indexed
            |> List.groupBy (fun (_, item) -> site item)
            |> List.collect (fun (name, members) ->
                let count = members.Length
                let wanted = int (round (share * float count)) |> max 1 |> min (count - 1)
                let order = seed |> Seed.named name |> Seed.permutation count
                [ for position in Array.truncate wanted order -> fst members[position] ])
            |> Set.ofList

        let validation, training =
            items
            |> List.indexed
            |> List.partition (fun (index, _) -> heldBack.Contains index)

        List.map snd training, List.map snd validation

/// Learning rates and the gate, as functions of the step and of the epoch.
[<RequireQualifiedAccess>]
module Schedule =
    /// The learning rate of 0-based `step`: linear from 1e-5 over the warm-up, then a cosine to 0 at the end of the run. A run that is
    /// made longer goes on along the cosine of its new length, from what that has at the step where it stands, without another warm-up.
    let rate (settings: OptimiserSettings) (stepsPerEpoch: int) (step: int) =
        let warmup = settings.WarmupEpochs * float stepsPerEpoch
        let total = float (settings.Epochs * stepsPerEpoch)
        let at = float step
        let first = min 1e-5 settings.LearningRate

        if at < warmup then
            first + (settings.LearningRate - first) * at / warmup
        else
            let progress = (at - warmup) / max 1.0 (total - warmup)
            0.5 * settings.LearningRate * (1.0 + cos (System.Math.PI * min 1.0 progress))

    /// How training intervenes in 0-based `epoch`.
    let mode (settings: Settings) (epoch: int) =
        settings.Method.TrainingMode
        |> Gate.inEpoch settings.Optimiser.ActivationEpoch epoch
