namespace Mcdrl

open System
open System.Collections.Generic
open System.Globalization
open TorchSharp
open TorchSharp.Modules

/// Where a training run stands. The optimiser is the one thing that writes into tensors: into the leaves of
/// `Network`, of the trained tower blocks and of a rival's learner, and into its own moments.
[<NoComparison; NoEquality>]
type TrainState =
    {
        /// The trained part of the model.
        Network: Network
        /// The whole tower; only the trained blocks change.
        Tower: Tower
        /// The same tower as it is run: on the processor with its frozen part packed. The trained leaves are those of `Tower`.
        Running: Tower
        /// Who words the class texts in place of the fixed prompts.
        Rival: Rival option
        /// Every trained leaf by its name, `network.…`, `tower.…` or `prompts.…`.
        Trained: (string * Parameter) list
        /// The running average of the trained leaves, in the same order; empty without averaging.
        Average: Tensor list
        /// AdamW over the trained leaves.
        Optimiser: AdamW
        /// The share of the learning rate that each of the optimiser's parameter groups gets, in their order.
        Shares: float list
        /// Optimiser steps done.
        Step: int
        /// The epoch whose weights are kept, and its validation Dice; the last and 0 where nothing is held back to choose it.
        Best: (int * float) option
    }

/// Training states: the first, the next, and saved ones.
[<RequireQualifiedAccess>]
module TrainState =
    /// Leaves that decay towards zero: weights of matrices and kernels, not norms, biases and embeddings.
    let private decays (leaf: Tensor) = leaf.dim () > 1L

    /// The optimiser over the trained leaves, and the share of the learning rate of each of its groups.
    let private optimiser (settings: OptimiserSettings) (trained: (string * Parameter) list) =
        let group isTower decay =
            let members =
                [
                    for name, leaf in trained do
                        if name.StartsWith "tower." = isTower && decays leaf = decay then
                            leaf
                ]

            if members.IsEmpty then
                None
            else
                Some(
                    AdamWStep.group (if decay then settings.WeightDecay else 0.0) members,
                    (if isTower then settings.TowerFactor else 1.0)
                )

        let groups, shares =
            [ group false true; group false false; group true true; group true false ]
            |> List.choose id
            |> List.unzip

        torch.optim.AdamW(
            List.toArray groups,
            lr = settings.LearningRate,
            weight_decay = settings.WeightDecay
        ),
        shares

    /// A run that has done nothing yet. `trains` says which tower leaves are trained.
    let start
        (settings: OptimiserSettings)
        (device: torch.Device)
        trains
        (network: Network)
        (tower: Tower)
        (rival: Rival option)
        : TrainState =
        let network =
            network |> Tree.map (fun leaf -> AdamWStep.parameter (leaf.``to`` device))

        let tower =
            tower
            |> Tree.mapi (fun path leaf ->
                let leaf = leaf.``to`` device
                if trains path then AdamWStep.parameter leaf else leaf)

        let rival =
            rival
            |> Tree.mapi (fun path leaf ->
                let leaf = leaf.``to`` device

                if Rival.isTrained path then
                    AdamWStep.parameter leaf
                else
                    leaf)

        let trained =
            [
                for path, leaf in Tree.leaves network do
                    $"network.{path}", leaf
                for path, leaf in Tree.leaves tower do
                    $"tower.{path}", leaf
                for path, leaf in Tree.leaves rival do
                    $"prompts.{path}", leaf
            ]
            |> AdamWStep.parameters

        let optimiser, shares = optimiser settings trained

        {
            Network = network
            Tower = tower
            Running =
                if device.``type`` = DeviceType.CPU then
                    FrozenTower.packed settings.TrainedBlocks tower
                else
                    tower
            Rival = rival
            Trained = trained
            Average =
                if settings.Averaging > 0.0 then
                    trained |> List.map (fun (_, leaf) -> leaf.detach().clone())
                else
                    []
            Optimiser = optimiser
            Shares = shares
            Step = 0
            Best = None
        }

    /// The learning rates of this step, then one step of AdamW on clipped gradients, then the running average.
    let advance (settings: OptimiserSettings) stepsPerEpoch (state: TrainState) (loss: Tensor) : TrainState =
        let rate = Schedule.rate settings stepsPerEpoch state.Step

        for group, share in Seq.zip state.Optimiser.ParamGroups state.Shares do
            group.LearningRate <- rate * share

        AdamWStep.descend state.Optimiser settings.GradientClip (List.map snd state.Trained) loss

        if not state.Average.IsEmpty then
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()
            let step = float state.Step
            let kept = min settings.Averaging ((1.0 + step) / (10.0 + step))

            for average, (_, leaf) in List.zip state.Average state.Trained do
                average.mul_(scalar kept).add_(leaf.mul (scalar (1.0 - kept)), unity) |> ignore

        { state with Step = state.Step + 1 }

    /// The trained leaves as they would be kept now: the running average, or the weights themselves.
    let kept (state: TrainState) : (string * Tensor) list =
        if state.Average.IsEmpty then
            state.Trained |> List.map (fun (name, leaf) -> name, leaf :> Tensor)
        else
            List.map2 (fun (name, _) average -> name, average) state.Trained state.Average

    let private replaced (leaves: IReadOnlyDictionary<string, Tensor>) prefix (tree: 'T) =
        tree
        |> Tree.mapi (fun path leaf ->
            match leaves.TryGetValue $"{prefix}.{path}" with
            | true, found -> found.``to`` leaf.device
            | false, _ -> leaf)

    /// Network, tower and rival with the given trained leaves in place of the state's own.
    let withLeaves (leaves: IReadOnlyDictionary<string, Tensor>) (state: TrainState) =
        replaced leaves "network" state.Network,
        replaced leaves "tower" state.Tower,
        replaced leaves "prompts" state.Rival

    /// As `withLeaves`, the tower as it is run.
    let runningWith (leaves: IReadOnlyDictionary<string, Tensor>) (state: TrainState) =
        replaced leaves "network" state.Network,
        replaced leaves "tower" state.Running,
        replaced leaves "prompts" state.Rival

    let private moments (state: TrainState) =
        let states = state.Optimiser.state_dict().State

        // The optimiser lists its states group by group, not in the order of `Trained`.
        let parameters = List.ofSeq (state.Optimiser.parameters ())

        state.Trained
        |> List.map (fun (name, leaf) ->
            let position =
                parameters |> List.findIndex (fun other -> obj.ReferenceEquals(other, leaf))

            name, states[position] :?> AdamW.State)

    /// Everything that the rest of the run depends on, and the run that it is of.
    let save path (identity: RunIdentity) (state: TrainState) : Result<unit, McdrlError> =
        use _scope = torch.NewDisposeScope()

        let tensors =
            [
                for name, leaf in state.Trained do
                    name, leaf :> Tensor
                for (name, _), average in
                    List.zip (if state.Average.IsEmpty then [] else state.Trained) state.Average do
                    $"average.{name}", average
                for name, moment in moments state do
                    $"exp_avg.{name}", moment.exp_avg
                    $"exp_avg_sq.{name}", moment.exp_avg_sq
                    $"steps.{name}", torch.tensor moment.step
            ]

        let best =
            state.Best
            |> Option.map (fun (epoch, dice) ->
                [
                    "best_epoch", string epoch
                    "best_dice", dice.ToString("R", CultureInfo.InvariantCulture)
                ])
            |> Option.defaultValue []

        let facts =
            List.fold
                (fun (facts: Map<string, string>) (key, value) -> facts.Add(key, value))
                (Run.facts identity)
                (("step", string state.Step) :: best)

        Checkpoint.write path facts tensors

    /// Steps of a run.
    let private mostSteps = 1e12

    /// The numbers that a checkpoint states: the steps done, and the epoch that is kept with its Dice.
    let private numbers path (facts: Map<string, string>) : Result<int * (int * float) option, McdrlError> =
        let number (key: string) (least: float) (most: float) =
            match facts.TryFind key with
            | None -> Ok None
            | Some text ->
                match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
                | true, value when value >= least && value <= most -> Ok(Some value)
                | _ ->
                    Error(
                        McdrlError.model
                            $"its {key} is {text}, and must lie between {least} and {most}"
                            path
                            "Start the run afresh in another folder"
                    )

        match
            number "step" 0.0 (float Int32.MaxValue), number "best_epoch" 1.0 1e6, number "best_dice" 0.0 1e6
        with
        | Ok step, Ok epoch, Ok dice ->
            Ok(
                step |> Option.map int |> Option.defaultValue 0,
                Option.map2 (fun epoch dice -> int epoch, dice) epoch dice
            )
        | Error fault, _, _
        | _, Error fault, _
        | _, _, Error fault -> Error fault

    /// Puts a saved state of this run into a freshly started one.
    let restore path (identity: RunIdentity) (state: TrainState) : Result<TrainState, McdrlError> =
        Checkpoint.read path
        |> Result.bind (fun (facts, tensors) ->
            Run.requireOwn path identity facts
            |> Result.bind (fun () -> numbers path facts)
            |> Result.map (fun found -> found, tensors))
        |> Result.bind (fun ((step, best), tensors) ->
            let wanted =
                [
                    for name, leaf in state.Trained do
                        name, leaf :> Tensor
                        $"exp_avg.{name}", leaf
                        $"exp_avg_sq.{name}", leaf
                        $"steps.{name}", torch.zeros (0L)
                    if not state.Average.IsEmpty then
                        for name, leaf in state.Trained do
                            $"average.{name}", leaf
                ]

            let fits (name: string, leaf: Tensor) =
                match tensors.TryFind name with
                | Some found when name.StartsWith "steps." ->
                    found.dtype = torch.int64
                    && found.numel () = 1L
                    && found.item<int64>() >= 0L
                    && float (found.item<int64>()) <= mostSteps
                | Some found -> found.shape = leaf.shape && found.is_floating_point ()
                | None -> false

            match List.filter (fits >> not) wanted with
            | (name, _) :: _ ->
                Error(
                    McdrlError.model
                        $"the tensor {name} is missing or of another shape"
                        path
                        "Start the run afresh"
                )
            | [] ->
                use _noGrad = torch.no_grad ()
                let copy (target: Tensor) name = target.copy_ tensors[name] |> ignore

                for name, leaf in state.Trained do
                    copy leaf name

                for (name, _), average in
                    List.zip (if state.Average.IsEmpty then [] else state.Trained) state.Average do
                    copy average $"average.{name}"

                for name, moment in moments state do
                    copy moment.exp_avg $"exp_avg.{name}"
                    copy moment.exp_avg_sq $"exp_avg_sq.{name}"
                    moment.step <- tensors[$"steps.{name}"].item<int64>()

                Ok { state with Step = step; Best = best })
