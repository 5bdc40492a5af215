namespace Mcdrl

open System
open TorchSharp
open TorchSharp.Modules

/// AdamW's step in an optimiser's own moments, to the bit as TorchSharp takes it. TorchSharp's makes a `Scalar` for every
/// factor, which the collector may free while libtorch still reads it, as soon as another thread allocates; batches are
/// drawn on another thread. Here each is held until its operation is done.
[<RequireQualifiedAccess>]
module AdamWStep =
    let private value what (option: Nullable<'number>) =
        if option.HasValue then
            option.Value
        else
            invalidArg what "the optimiser's option is not set"

    let private update (options: AdamW.Options) (moments: AdamW.State) (leaf: Parameter) (gradient: Tensor) =
        moments.step <- moments.step + 1L
        let rate = value "lr" options.LearningRate
        let first, second = value "beta1" options.beta1, value "beta2" options.beta2

        let correction (beta: float) =
            1.0 - Math.Pow(beta, float moments.step)

        let held =
            [|
                1.0 - rate * value "weight_decay" options.weight_decay
                first
                1.0 - first
                second
                1.0 - second
                sqrt (correction second)
                value "eps" options.eps
                -(rate / correction first)
            |]
            |> Array.map (fun factor -> factor.ToScalar())

        leaf.mul_ held[0] |> ignore
        moments.exp_avg.mul_(held[1]).add_(gradient, held[2]) |> ignore

        moments.exp_avg_sq.mul_(held[3]).addcmul_(gradient, gradient, held[4]) |> ignore

        let spread = moments.exp_avg_sq.sqrt().div(held[5]).add_(held[6], unity)
        leaf.addcdiv_ (moments.exp_avg, spread, held[7]) |> ignore
        GC.KeepAlive held

    /// A copy of a leaf that can be trained.
    let parameter (leaf: Tensor) : Parameter =
        new Parameter(leaf.detach().clone(), true)

    /// Of some leaves, those that are trained.
    let parameters (leaves: (string * Tensor) list) : (string * Parameter) list =
        leaves
        |> List.choose (fun (name, leaf) ->
            match leaf with
            | :? Parameter as parameter -> Some(name, parameter)
            | _ -> None)

    /// Leaves that share a weight decay, as an optimiser takes them.
    let group (decay: float) (leaves: Parameter list) : AdamW.ParamGroup =
        AdamW.ParamGroup(Array.ofList leaves, AdamW.Options(weight_decay = Nullable decay))

    /// One step on the gradients that the optimiser's parameters have; those without any stay as they are. Neither amsgrad nor
    /// maximising.
    let take (optimiser: AdamW) : unit =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        // Group by group, as the groups list their parameters.
        let moments = optimiser.state_dict().State
        let mutable position = 0

        for group in optimiser.ParamGroups do
            match group with
            | :? AdamW.ParamGroup as group ->
                for leaf in group.Parameters do
                    match leaf.grad, moments[position] with
                    | null, _ -> ()
                    | gradient, (:? AdamW.State as moments) -> update group.Options moments leaf gradient
                    | _, other -> invalidOp $"no moments of AdamW: {other}"

                    position <- position + 1
            | other -> invalidOp $"no parameter group of AdamW: {other}"

    /// One step down a loss: its gradients, clipped to this norm over the leaves together, and `take`.
    let descend (optimiser: AdamW) (clip: float) (leaves: Parameter seq) (loss: Tensor) : unit =
        optimiser.zero_grad ()
        loss.backward ()
        torch.nn.utils.clip_grad_norm_ (leaves, clip) |> ignore
        take optimiser
