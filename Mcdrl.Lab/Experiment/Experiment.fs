namespace Mcdrl

open System.IO
open System.Threading
open FsToolkit.ErrorHandling

/// What an experiment has come to so far.
type ExperimentState =
    {
        /// What it is about.
        Facts: ExperimentFacts
        /// The runs that are done, method by method.
        Methods: MethodRuns list
        /// The plan, done or not.
        Runs: PlannedRun list
        /// Labels of methods that the tower can't run, each with the reason.
        LeftOut: string list
        /// Runs that failed in this call, each with what went wrong.
        Failed: string list
    }

/// Runs an experiment's plan. What is done is never done again, and several processes may work on one folder: each takes
/// runs that no other holds.
[<RequireQualifiedAccess>]
module Experiment =
    /// An experiment with everything that its plan depends on known.
    [<NoComparison; NoEquality>]
    type private Prepared =
        {
            Request: ExperimentRequest
            Facts: ExperimentFacts
            Methods: ExperimentMethod list
            LeftOut: string list
            Runs: PlannedRun list
        }

    let private budget (request: ExperimentRequest) (settings: Settings) =
        let views =
            match settings.Augmentation.Views with
            | 0 -> "new views in every epoch"
            | count -> $"{count} views of each frame, drawn once"

        let tower =
            match settings.Optimiser.TrainedBlocks with
            | 0 -> "frozen"
            | count -> $"its last {count} blocks trained"

        request.Budget
        @ [
            $"{settings.Optimiser.Epochs} epochs of batches of {settings.Optimiser.BatchSize}; tower {tower}; input {settings.Method.InputSize} px"
            $"augmentation the same for all: {views}, an imaging condition on {100.0 * settings.Augmentation.Conditions:F0} %% of them"
            $"the epoch is chosen by mean Dice on {100.0 * settings.Validation:F0} %% of the training sites' frames, held back; the unseen site has no say"
            "one trial for each method, site and seed; no method's settings were searched in this experiment"
        ]

    let private prepare
        (request: ExperimentRequest)
        (cancel: CancellationToken)
        : Result<Prepared, McdrlError> =
        result {
            let! _ = Native.load ()
            let! source = TextSource.choose request.Text request.TextWeights
            let! dataset = Dataset.load request.Data

            do!
                if dataset.Sites.Length < 2 then
                    Error(
                        McdrlError.data
                            "it has a single site, so none can be left out"
                            request.Data
                            "Use a dataset with several sites"
                    )
                else
                    Ok()

            let! test = request.Test |> Option.map Dataset.load |> Option.sequenceResult
            let names (dataset: Dataset) = dataset.Sites |> List.map _.Name

            do!
                match test with
                | Some test when names test <> names dataset || test.Classes <> dataset.Classes ->
                    Error(
                        McdrlError.data
                            "its sites or classes are not those of “data”"
                            test.Folder
                            "Judge on a dataset with the same sites and classes in the same order"
                    )
                | _ -> Ok()

            let! weightsFile = Weights.locate request.Weights
            let! weightsSha256 = Files.sha256 weightsFile
            let! textSha256 = TextSource.sha256 source
            let! dataSha256 = DatasetDigest.whole dataset cancel

            let! testSha256 =
                match test with
                | Some test -> DatasetDigest.whole test cancel
                | None -> Ok dataSha256

            use _scope = TorchSharp.torch.NewDisposeScope()
            let! weights = Weights.load request.Weights
            do! TextSource.check weights source
            let hasClip = weights.Text.IsSome

            let! possible, withoutTexts =
                ExperimentPlan.methods (hasClip || TextSource.hasTower source) request

            let methods, withoutClip =
                possible
                |> List.partition (fun (_, settings) ->
                    hasClip || settings.Method.PriorSource <> Some PriorSource.Estimated)

            let! shared = request.SettingsWith []

            let runs =
                ExperimentPlan.runs
                    request
                    methods
                    dataset.Classes
                    (names dataset)
                    (dataSha256, testSha256, weightsSha256, textSha256)

            return
                {
                    Request = request
                    Methods = List.map fst methods
                    LeftOut =
                        [
                            for method in withoutTexts do
                                $"{method.Label}: needs a text tower, which {Tower.name weights.Tower} has not"

                            for method, _ in withoutClip do
                                $"{method.Label}: needs a CLIP, which {Tower.name weights.Tower} is not"
                        ]
                    Runs = runs
                    Facts =
                        {
                            Name = request.Design.Name
                            Title = request.Design.Title
                            Question = request.Design.Question
                            Data =
                                match test with
                                | Some test -> $"{dataset.Name}; judged on {test.Name}"
                                | None -> dataset.Name
                            DataSha256 = dataSha256
                            Classes = dataset.Classes
                            Sites = names dataset
                            Tower = Tower.name weights.Tower
                            Protocol =
                                $"{Protocol.name request.Protocol}: {Protocol.describe request.Protocol}"
                            Seeds = [ for seed in 1 .. request.Seeds -> uint64 seed ]
                            Reference = request.Design.Reference
                            Command = request.Command
                            Budget = budget request shared
                            Planned = runs |> List.distinctBy (fun run -> run.Key, run.Result) |> List.length
                        }
                }
        }

    /// How often a process looks again at runs that others hold.
    let private pause = 2000

    /// What holds a run for one process.
    let internal leaseOf request (run: PlannedRun) =
        ExperimentRunning.folderOf request run + ".lease"

    /// Whether a run belongs to the part that is asked for. Runs that differ in how they are judged alone belong to one.
    let isOwn (request: ExperimentRequest) (run: PlannedRun) : bool =
        request.Part |> Option.forall (fun part -> Part.holds part run.Key)

    /// Works on the part's runs until none is left that isn't done, failed, or held by nobody.
    let private work (prepared: Prepared) (progress: Progress) =
        let request = prepared.Request
        let watch = LeaseWatch Lease.standard

        let all =
            prepared.Runs
            |> List.distinctBy (fun run -> run.Key, run.Result)
            |> List.filter (isOwn request)

        let told finished (run: PlannedRun) (step: ProgressStep) =
            progress.Tell
                {
                    Stage = $"{request.Design.Name}: {all.Length} runs"
                    Done = finished
                    Total = all.Length
                    Note =
                        $"{run.Method.Key}, {run.Site} unseen, seed {run.Seed}: {step.Stage} {step.Done}/{step.Total}"
                }

        let attempt (run: PlannedRun) =
            Lease.tryTake watch (leaseOf request run)
            |> Result.bind (fun taken ->
                match taken with
                | Error _ -> Ok false
                | Ok lease ->
                    use lease = lease

                    if ExperimentRunning.isDone request run then
                        Ok true
                    else
                        let finished = all |> List.filter (ExperimentRunning.isDone request) |> List.length

                        Guard.run run.Key (fun () ->
                            Lease.working
                                lease
                                { progress with
                                    Tell = told finished run
                                }
                                (ExperimentRunning.complete request run))
                        |> Result.map _.IsSome)

        let rec pass (failed: (PlannedRun * McdrlError) list) =
            let isOpen run =
                not (ExperimentRunning.isDone request run)
                && failed |> List.forall (fun (other, _) -> other.Key <> run.Key)

            let rec each waiting failed runs =
                match runs with
                | [] -> Ok(waiting, failed)
                | _ when progress.IsCancelled -> Error McdrlError.Cancelled
                | run :: rest ->
                    match attempt run with
                    | Ok true -> each waiting failed rest
                    | Ok false -> each (waiting + 1) failed rest
                    | Error McdrlError.Cancelled -> Error McdrlError.Cancelled
                    | Error fault -> each waiting ((run, fault) :: failed) rest

            match each 0 failed (List.filter isOpen all) with
            | Error fault -> Error fault
            | Ok(0, failed) -> Ok failed
            | Ok(_, failed) ->
                if progress.Cancel.WaitHandle.WaitOne pause then
                    Error McdrlError.Cancelled
                else
                    pass failed

        pass []

    let private gather (prepared: Prepared) failed : Result<ExperimentState, McdrlError> =
        prepared.Runs
        |> List.filter (ExperimentRunning.isDone prepared.Request)
        |> List.traverseResultM (ExperimentRunning.read prepared.Request)
        |> Result.map (fun results ->
            {
                Facts = prepared.Facts
                Methods =
                    prepared.Methods
                    |> List.map (fun method ->
                        {
                            Key = method.Key
                            Label = method.Label
                            Note = method.Note
                            Published = method.Published
                            Runs = results |> List.filter (fun result -> result.Method = method.Key)
                        })
                Runs = prepared.Runs
                LeftOut = prepared.LeftOut
                Failed =
                    failed
                    |> List.map (fun (run: PlannedRun, fault) ->
                        $"{run.Method.Label}, {run.Site} unseen, seed {run.Seed}: {McdrlError.describe fault}")
            })

    /// Does every run of the part that isn't done, or with `readOnly` none, and gathers what there is.
    let run (request: ExperimentRequest) readOnly (progress: Progress) =
        result {
            let! prepared = prepare request progress.Cancel
            let! failed = if readOnly then Ok [] else work prepared progress
            return! gather prepared failed
        }
