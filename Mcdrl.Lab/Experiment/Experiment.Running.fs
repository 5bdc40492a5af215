namespace Mcdrl

open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling
open TorchSharp

/// One run of an experiment: trained, judged, and its result kept in a file that says that it is done.
[<RequireQualifiedAccess>]
module internal ExperimentRunning =
    let folderOf (request: ExperimentRequest) (run: PlannedRun) =
        Path.Combine(ExperimentPlan.runsFolder request.Out, run.Key)

    let private resultFile request run =
        Path.Combine(folderOf request run, run.Result)

    let isDone request run = File.Exists(resultFile request run)

    /// The result of a run that is done, under the method's name in this experiment.
    let read request (run: PlannedRun) : Result<RunResult, McdrlError> =
        RecordJson.ofFile<RunResult>(resultFile request run)
        |> Result.map (fun result -> { result with Method = run.Method.Key })

    let private trainingFile folder = Path.Combine(folder, "training.json")

    /// The model of a run, trained to the end or gone on with from where an earlier attempt stopped.
    let private train (request: ExperimentRequest) (run: PlannedRun) progress =
        let folder = folderOf request run

        if File.Exists(trainingFile folder) then
            RecordJson.ofFile<TrainReport>(trainingFile folder)
        else
            result {
                let! trained =
                    Trainer.train
                        {
                            Data = request.Data
                            LeaveOut = Some run.Site
                            Tower = request.Tower
                            Weights = request.Weights
                            Text = request.Text
                            TextWeights = request.TextWeights
                            From = None
                            Settings = run.Identity.Settings
                            Out = folder
                            Prepared = Some(Path.Combine(request.Out, "prepared"))
                            Resume = File.Exists(Run.identityFile folder)
                            Seed = run.Seed
                            Device = request.Device
                            Precision = Precision.Fp32
                            Store = WeightStorage.F32
                            CheckpointMinutes = 5.0
                            KeepCheckpoint = false
                        }
                        progress

                do! Files.writeText (trainingFile folder) (RecordJson.render trained)
                return trained
            }

    /// Answers to one frame are timed this often, and the median is taken.
    let private repetitions = 11

    /// Median milliseconds of an answer to one frame of noise at the network's input size, tower included.
    let private answerTime (segmenter: Segmenter) =
        let side = int64 segmenter.Manifest.Preprocessing.InputSize

        let times =
            [|
                for _ in 0..repetitions do
                    use _scope = torch.NewDisposeScope()

                    let frame =
                        (SeedTensors.symmetric 0.5 [ 1L; 3L; side; side ] (Seed.create 1UL))
                            .add(scalar 0.5, unity)

                    let clock = Stopwatch.StartNew()
                    use _answer = Segmenter.probabilitiesOfFrames segmenter None frame
                    clock.Elapsed.TotalMilliseconds
            |]

        (Array.sort times[1..])[repetitions / 2]

    /// Every run is shown the same pixels.
    let private conditionsSeed = Seed.create 1UL |> Seed.named "conditions"

    /// A result keeps the sum of its frames' bins, not those of each.
    let private withoutBins (image: ImageScore) =
        { image with
            Findings =
                image.Findings
                |> Option.map (fun findings -> { findings with Calibration = None })
        }

    let private judge (request: ExperimentRequest) (run: PlannedRun) (trained: TrainReport) progress =
        result {
            use _scope = torch.NewDisposeScope()
            let! model = Bundle.load trained.Bundle
            let! device = Device.parse request.Device
            use segmenter = Segmenter.ofModel device Precision.Fp32 model

            let judgedOn = request.Test |> Option.defaultValue request.Data

            let! found =
                Evaluator.evaluate segmenter None request.Protocol judgedOn [ run.Site ] progress

            let! conditioned =
                request.Conditioned
                |> Option.map (fun frames ->
                    Dataset.load judgedOn
                    |> Result.bind (fun dataset ->
                        ExperimentRobustness.scores
                            segmenter
                            dataset
                            run.Site
                            frames
                            conditionsSeed
                            progress))
                |> Option.sequenceResult

            return
                {
                    Method = run.Method.Key
                    Site = run.Site
                    Seed = run.Seed
                    Epoch = trained.BestEpoch
                    ValidationDice = trained.ValidationDice
                    TrainSeconds = trained.Seconds
                    Parameters =
                        Tree.count model.Tower
                        + Tree.count model.Network
                        + (model.Rival |> Option.map Tree.count |> Option.defaultValue 0L)
                    CausalParameters = Tree.count model.Network.intervention
                    Milliseconds = answerTime segmenter
                    Version = Product.version
                    Images = found.Images |> List.map withoutBins
                    Calibration =
                        found.Images
                        |> Seq.choose _.Findings
                        |> Seq.choose _.Calibration
                        |> Calibration.sum
                        |> Some
                    Conditioned = conditioned
                }
        }

    /// Does what is still to be done of a run. The caller holds its lock.
    let complete request run progress : Result<unit, McdrlError> =
        result {
            let! trained = train request run progress
            let! result = judge request run trained progress
            return! Files.writeText (resultFile request run) (RecordJson.render result)
        }
