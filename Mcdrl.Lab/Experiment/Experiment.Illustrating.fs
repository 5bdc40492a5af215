namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// The models of an experiment's runs, looked at again for its figures.
[<RequireQualifiedAccess>]
module internal ExperimentIllustrating =
    /// Frames of each unseen site that a sweep shows to every model.
    let private sweptFrames = 16

    let private load (request: ExperimentRequest) (run: PlannedRun) =
        Segmenter.load (Bundle.ofRun (ExperimentRunning.folderOf request run)) request.Device

    let private judged (request: ExperimentRequest) =
        Dataset.load (request.Test |> Option.defaultValue request.Data)

    /// The first seed's runs that are done, by site.
    let private ofFirstSeed (request: ExperimentRequest) (runs: PlannedRun list) =
        runs
        |> List.filter (fun run -> run.Seed = 1UL && ExperimentRunning.isDone request run)
        |> List.groupBy _.Site

    /// Applies `work` to each in turn with its model, which is freed afterwards.
    let private withModels request (runs: PlannedRun list) work =
        runs
        |> List.traverseResultM (fun run ->
            load request run |> Result.map (fun segmenter -> run.Method.Label, segmenter))
        |> Result.bind (fun models ->
            try
                work models
            finally
                for _, segmenter in models do
                    (segmenter :> System.IDisposable).Dispose())

    /// Best, median and worst frame of every unseen site by the reference's Dice, as the methods of the first seed answer.
    /// Sites whose reference isn't done, or that show no lesion, have none.
    let sheet (request: ExperimentRequest) (runs: PlannedRun list) progress =
        result {
            let! dataset = judged request

            let! frames =
                ofFirstSeed request runs
                |> List.traverseResultM (fun (site, runs) ->
                    match runs |> List.tryFind (fun run -> run.Method.Key = request.Design.Reference) with
                    | None -> Ok []
                    | Some reference ->
                        result {
                            let! scores = ExperimentRunning.read request reference

                            return!
                                withModels request runs (fun models ->
                                    ExperimentSheet.frames dataset site scores.Images models progress)
                        })

            return List.concat frames
        }

    /// Class-conditional features of every site's frames, as each method's model of the first seed sees them that never saw
    /// the first site.
    let maps (request: ExperimentRequest) (runs: PlannedRun list) progress =
        match ofFirstSeed request runs with
        | [] -> Ok []
        | (_, runs) :: _ ->
            result {
                let! dataset = judged request

                return!
                    runs
                    |> List.traverseResultM (fun run ->
                        withModels request [ run ] (fun models ->
                            ExperimentFeatures.ofSites (snd models.Head) dataset [] progress
                            |> Result.bind (ExperimentFeatures.embedded run.Method.Label)))
            }

    /// A sweep, kept in a file: its frames and strengths are the same for every run.
    type private Sweep = { Dices: ConditionDice list }

    let private sweepOf request dataset (run: PlannedRun) progress =
        let path =
            Path.Combine(ExperimentRunning.folderOf request run, run.Result.Replace("result", "sweep"))

        if File.Exists path then
            RecordJson.ofFile<Sweep> path
        else
            withModels request [ run ] (fun models ->
                ExperimentRobustness.sweep
                    (snd models.Head)
                    dataset
                    run.Site
                    sweptFrames
                    (Seed.create 1UL)
                    progress
                |> Result.bind (fun dices ->
                    let sweep = { Dices = dices }
                    Files.writeText path (RecordJson.render sweep) |> Result.map (fun () -> sweep)))

    /// The mean over sites of one seed's sweeps, point by point.
    let private overSites (sweeps: Sweep list) : ConditionDice list =
        sweeps
        |> List.collect _.Dices
        |> List.groupBy (fun point -> point.Condition, point.Strength)
        |> List.map (fun ((condition, strength), points) ->
            {
                Condition = condition
                Strength = strength
                Dice = points |> List.averageBy _.Dice
            })

    /// Every method's Dice under each imaging condition at rising strength, on frames of the unseen sites; only seeds that
    /// are done at every site.
    let curves (request: ExperimentRequest) (sites: string list) (runs: PlannedRun list) progress =
        result {
            let! dataset = judged request

            let whole =
                runs
                |> List.filter (ExperimentRunning.isDone request)
                |> List.groupBy (fun run -> run.Method.Label, run.Seed)
                |> List.filter (fun (_, runs) -> runs.Length = sites.Length)

            let! swept =
                whole
                |> List.traverseResultM (fun ((label, _), runs) ->
                    runs
                    |> List.traverseResultM (fun run -> sweepOf request dataset run progress)
                    |> Result.map (fun sweeps -> label, overSites sweeps))

            return
                swept
                |> List.groupBy fst
                |> List.collect (fun (label, sweeps) ->
                    ExperimentRobustness.curves label (List.map snd sweeps))
        }
