namespace Mcdrl

open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling

/// What the models came to, kept in `scores.json`.
type internal StudyJudgement =
    {
        Scenes: int
        Mcdrl: StudyScores
        Baseline: StudyScores
    }

/// What the stages took, kept in `stages.json`.
type internal StudyStages = { Stages: StudyStage list }

/// What `mcdrl study` came to.
type StudyReport =
    {
        /// The page's file, absolute.
        Page: string
        /// The site that neither model was trained on.
        LeftOut: string
        /// Scenes of that site, each seen under every condition.
        Scenes: int
        /// The model that intervenes.
        Mcdrl: StudyScores
        /// The same network, trained without intervention.
        Baseline: StudyScores
        /// In the order in which they were done.
        Stages: StudyStage list
        /// Wall-clock time of this call.
        Seconds: float
    }

/// Renders hospitals, trains MCDRL and its baseline on all but one, judges both there, and tells it on a page.
[<RequireQualifiedAccess>]
module Study =
    let private stages =
        [
            "rendering five sites"
            "training MCDRL"
            "training the baseline"
            "judging both under every condition"
            "segmenting and explaining frames"
        ]

    /// How long each stage took, over all runs on this folder.
    let private timesOf folder =
        let path = Path.Combine(folder, "stages.json")

        if File.Exists path then
            RecordJson.ofFile<StudyStages> path |> Result.map _.Stages
        else
            Ok []

    /// Runs a stage, or reads what an earlier run kept of it.
    let private stage folder number kept (work: Progress -> Result<'T, McdrlError>) (progress: Progress) =
        let name: string = List.item number stages
        let title = $"{number + 1}/{stages.Length} {name}"

        let told (step: ProgressStep) =
            let note = [ step.Stage; step.Note ] |> List.filter ((<>) "") |> String.concat ", "

            progress.Tell { step with Stage = title; Note = note }

        match kept with
        | Some reading ->
            progress.Tell
                {
                    Stage = title
                    Done = 1
                    Total = 1
                    Note = "kept from an earlier run"
                }

            reading ()
        | None ->
            result {
                let clock = Stopwatch.StartNew()
                let! found = work { progress with Tell = told }
                let! times = timesOf folder

                let others = times |> List.filter (fun time -> time.Stage <> name)

                do!
                    Files.writeText
                        (Path.Combine(folder, "stages.json"))
                        (RecordJson.render
                            {
                                Stages =
                                    others
                                    @ [
                                        {
                                            Stage = name
                                            Seconds = clock.Elapsed.TotalSeconds
                                        }
                                    ]
                            })

                return found
            }

    /// What is left of a stage that was done: how to read it.
    let private keptAt path (reading: unit -> 'T) =
        if File.Exists path then Some reading else None

    let private render (plan: StudyPlan) data progress =
        PhantomDataset.write
            {
                Out = data
                Sites = Phantom.sites.Length
                Images = plan.Images
                Seed = plan.Seed
                Side = plan.Side
                Confounded = true
                Force = true
            }
            progress

    /// Trains one model; its report beside it says that it is whole.
    let private train (plan: StudyPlan) data weights settings folder progress =
        result {
            let! found =
                Trainer.train
                    {
                        Data = data
                        LeaveOut = Some plan.LeftOut
                        Tower = None
                        From = None
                        Weights = weights
                        Text = None
                        TextWeights = None
                        Settings = settings
                        Out = folder
                        Resume = File.Exists(Run.identityFile folder)
                        Seed = plan.Seed
                        Device = "cpu"
                        Precision = Precision.Fp32
                        Store = WeightStorage.F32
                        Prepared = None
                        CheckpointMinutes = 1.0
                        KeepCheckpoint = false
                    }
                    progress

            return found
        }

    let private judge (plan: StudyPlan) data (mcdrl, mcdrlReport) (baseline, baselineReport) out progress =
        result {
            let! found =
                InterventionalEvaluator.evaluate
                    [ "MCDRL", mcdrl; "baseline", baseline ]
                    None
                    {
                        Data = data
                        Sites = [ plan.LeftOut ]
                        Strength = Some plan.Strength
                        Images = Some plan.Scenes
                        Seed = plan.Seed
                    }
                    progress

            let scores training (findings: InterventionalFindings) =
                StudyScores.ofReport findings.Model findings.Report training

            let judgement: StudyJudgement =
                {
                    Scenes = found.Images
                    Mcdrl = scores mcdrlReport found.Models[0]
                    Baseline = scores baselineReport found.Models[1]
                }

            do! Files.writeText out (RecordJson.render judgement)
            return judgement
        }

    /// For each condition, the share of each class's frames at the training sites that was taken under it.
    let internal habits (leftOut: string) (frames: PhantomFrame list) =
        let training = frames |> List.filter (fun frame -> frame.Site <> leftOut)

        let count lesion condition =
            training
            |> List.filter (fun frame -> frame.Lesion = Some lesion && condition frame)
            |> List.length

        Phantom.conditions
        |> List.map (fun condition ->
            condition,
            [
                for lesion in Phantom.classes ->
                    float (count lesion (fun frame -> frame.Condition = condition))
                    / float (max 1 (count lesion (fun _ -> true)))
            ])

    let private show
        plan
        folder
        data
        out
        (scenes: PhantomScenes)
        mcdrl
        baseline
        (judgement: StudyJudgement)
        page
        progress
        =
        result {
            let! contact = StudyPictures.contact plan
            let! scene, views = StudyPictures.views plan scenes mcdrl baseline progress
            let! sheets = StudyPictures.sheets plan scenes data out mcdrl progress

            return
                fun times ->
                    {
                        Version = plan.Version
                        Folder = folder
                        Seed = plan.Seed
                        Classes = Phantom.classes
                        LeftOut = plan.LeftOut
                        Sites = Phantom.sites |> List.map _.Name
                        Habits = habits plan.LeftOut scenes.Frames
                        Contact = contact
                        Scenes = judgement.Scenes
                        Strength = plan.Strength
                        Mcdrl = judgement.Mcdrl
                        Baseline = judgement.Baseline
                        Scene = scene
                        Views = views
                        Sheets = sheets
                        Stages = times
                    }
                    |> StudyPage.render
                    |> Files.writeText page
        }

    /// The whole study. What an earlier run with the same arguments finished in the folder is kept; a model that was being
    /// trained is trained on.
    let run (request: StudyRequest) (progress: Progress) : Result<StudyReport, McdrlError> =
        result {
            let clock = Stopwatch.StartNew()
            let at (name: string) = Path.Combine(request.Out, name)
            let data, page = at "data", at "index.html"
            let! plan = StudyPlan.create request
            let! weights = StudyPlan.weights request
            let! _ = Weights.locate weights |> Result.bind Safetensors.shapes
            do! StudyPlan.enter request.Out request.Replace plan

            let stage number kept work =
                stage request.Out number kept work progress

            let! scenes =
                stage
                    0
                    (keptAt (Path.Combine(data, "dataset.json")) (fun () -> PhantomDataset.scenes data))
                    (fun progress -> render plan data progress)

            let training number name settings =
                let folder = at name
                let kept = Run.reportFile folder

                stage number (keptAt kept (fun () -> RecordJson.ofFile<TrainReport> kept)) (fun progress ->
                    train plan data weights settings folder progress)

            let! mcdrlReport = training 1 "mcdrl" plan.Mcdrl
            let! baselineReport = training 2 "baseline" plan.Baseline
            use! mcdrl = Segmenter.load (Bundle.ofRun (at "mcdrl")) "cpu"
            use! baseline = Segmenter.load (Bundle.ofRun (at "baseline")) "cpu"
            let kept = at "scores.json"

            let! judgement =
                stage 3 (keptAt kept (fun () -> RecordJson.ofFile<StudyJudgement> kept)) (fun progress ->
                    judge plan data (mcdrl, mcdrlReport) (baseline, baselineReport) kept progress)

            let! write =
                stage 4 None (fun progress ->
                    show plan request.Out data (at "segmented") scenes mcdrl baseline judgement page progress)

            let! times = timesOf request.Out
            do! write times

            return
                {
                    Page = Path.GetFullPath page
                    LeftOut = plan.LeftOut
                    Scenes = judgement.Scenes
                    Mcdrl = judgement.Mcdrl
                    Baseline = judgement.Baseline
                    Stages = times
                    Seconds = clock.Elapsed.TotalSeconds
                }
        }
