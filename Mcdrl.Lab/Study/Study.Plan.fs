namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// What `mcdrl study` is asked to do.
type StudyRequest =
    {
        /// The folder that everything goes to.
        Out: string
        /// What everything is drawn from.
        Seed: uint64
        /// The site that neither model is trained on; the last one for `None`.
        LeftOut: string option
        /// The weights of the tower; those that come with the product for `None`.
        Weights: string option
        /// Few frames and epochs: everything runs, and the numbers mean nothing.
        Quick: bool
        /// Start over where the folder holds a study made with other arguments.
        Replace: bool
    }

/// All that decides what the study shows. Kept in its folder: results are gone on with only if it is the same.
type internal StudyPlan =
    {
        Version: string
        Seed: uint64
        LeftOut: string
        /// Frames of each site.
        Images: int
        /// Their side in pixels.
        Side: int
        /// Scenes of the left-out site that the models are judged on.
        Scenes: int
        /// Strength of the conditions they are judged under.
        Strength: float
        WeightsSha256: string
        Mcdrl: Settings
        Baseline: Settings
    }

[<RequireQualifiedAccess>]
module internal StudyPlan =
    let private sites = Phantom.sites |> List.map _.Name

    /// The folder or file of the tower's weights.
    let weights (request: StudyRequest) =
        match request.Weights with
        | Some path -> Ok path
        | None -> MiniWeights.folder ()

    /// The same tower, kind of head, losses, augmentation and budget, without texts and without intervention.
    let baseline (settings: Settings) : Settings =
        { settings with
            Method =
                { settings.Method with
                    TrainingMode = Marginalisation.Never
                    Alpha = 1.0
                    ClassesBy = ClassesBy.Head
                }
            Loss =
                { settings.Loss with
                    Causal = 0.0
                    Grounding = 0.0
                    Invariance = 0.0
                }
        }

    let private quickened (settings: Settings) : Settings =
        { settings with
            Optimiser =
                { settings.Optimiser with
                    Epochs = 2
                    ActivationEpoch = 1
                    WarmupEpochs = 0.5
                }
        }

    let private siteOf (request: StudyRequest) =
        match request.LeftOut with
        | None -> Ok(List.last sites)
        | Some site when List.contains site sites -> Ok site
        | Some site ->
            let listed = String.concat ", " sites
            Error(McdrlError.usage "there is no such site" $"“left_out” {site}" $"Choose one of {listed}")

    /// What the request comes to.
    let create (request: StudyRequest) : Result<StudyPlan, McdrlError> =
        result {
            let! leftOut = siteOf request

            let! weights =
                weights request |> Result.bind Weights.locate |> Result.bind Files.sha256

            let! settings = Config.ofPreset "demo" []
            let settings = if request.Quick then quickened settings else settings

            return
                {
                    Version = Product.release
                    Seed = request.Seed
                    LeftOut = leftOut
                    Images = (if request.Quick then 8 else 200)
                    Side = settings.Method.InputSize
                    Scenes = (if request.Quick then 2 else 120)
                    Strength = 0.7
                    WeightsSha256 = weights
                    Mcdrl = settings
                    Baseline = baseline settings
                }
        }

    /// All that a study leaves in its folder, besides the plan.
    let private leavings =
        [
            "data"
            "mcdrl"
            "baseline"
            "segmented"
            "scores.json"
            "stages.json"
            "index.html"
        ]

    let private clear (folder: string) =
        Files.attempt folder (fun () ->
            for name in leavings do
                let path = Path.Combine(folder, name)

                if Directory.Exists path then
                    Directory.Delete(path, true)
                else
                    File.Delete path)

    let private isOccupied (folder: string) =
        Directory.Exists folder
        && not (Seq.isEmpty (Directory.EnumerateFileSystemEntries folder))

    /// Makes the folder this plan's, or checks that it is. `replace` clears a folder that is another plan's.
    let enter (folder: string) (replace: bool) (plan: StudyPlan) : Result<unit, McdrlError> =
        let path = Path.Combine(folder, "study.json")
        let text = RecordJson.render plan

        result {
            let! earlier =
                if File.Exists path then
                    Files.readText RecordJson.largest path |> Result.map Some
                else
                    Ok None

            match earlier with
            | Some earlier when earlier = text -> ()
            | Some _ when replace ->
                do! clear folder
                do! Files.writeText path text
            | Some _ ->
                return!
                    Error(
                        McdrlError.usage
                            "the folder holds a study made with other arguments or another version"
                            folder
                            "Choose another “out”, or add “replace” to start over"
                    )
            | None when isOccupied folder ->
                return!
                    Error(
                        McdrlError.usage
                            "the folder is not empty, and holds no study"
                            folder
                            "Choose another “out”"
                    )
            | None -> do! Files.writeText path text
        }
