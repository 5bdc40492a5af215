namespace Mcdrl

open System
open System.Globalization
open FsToolkit.ErrorHandling
open TorchSharp

/// The bundle that a training run ends with.
[<RequireQualifiedAccess>]
module internal TrainedModel =
    /// A model as what another was fine-tuned from, with its own ancestors behind it.
    let private ancestors (identity: RunIdentity) (start: StartingModel) : Ancestor list =
        let provenance = start.Model.Manifest.Provenance

        {
            Sha256 = identity.WeightsSha256
            Data = provenance.Data
            DataSha256 = provenance.DataSha256
            TrainedOn = provenance.TrainedOn
        }
        :: Option.defaultValue [] provenance.FineTunedFrom

    let private manifestOf
        (identity: RunIdentity)
        (start: StartingModel option)
        (dataset: Dataset)
        sites
        (loop: TrainingLoop)
        tower
        rival
        (epoch, dice)
        : Manifest =
        let settings = identity.Settings

        {
            Format = Manifest.format
            Classes = dataset.Classes
            Tower = Tower.name tower
            TowerFacts = Map.foldBack Map.add (Rival.facts rival) (Tower.facts tower)
            Active = Schedule.mode settings (epoch - 1) <> Marginalisation.Never
            Precision = loop.Request.Precision
            Preprocessing = Preprocessing.ofTower settings.Method.InputSize tower
            Settings = settings
            Provenance =
                {
                    Product = $"mcdrl {Product.release}"
                    Created = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
                    Data = dataset.Name
                    DataSha256 = identity.DataSha256
                    TrainedOn = sites |> List.map (fun (site: DatasetSite) -> site.Name)
                    LeftOut = identity.LeaveOut
                    WeightsSha256 =
                        match start with
                        | Some start -> start.Model.Manifest.Provenance.WeightsSha256
                        | None -> identity.WeightsSha256
                    Seed = identity.Seed
                    Epoch = epoch
                    TrainingFrames = loop.Frames
                    HeldBack = Some(loop.Validation |> Option.map _.Members.Length |> Option.defaultValue 0)
                    FineTunedFrom = Option.map (ancestors identity) start
                }
            Metrics =
                [
                    if loop.Validation.IsSome then
                        {
                            Name = "mean Dice, held-back source frames"
                            Value = dice
                            Protocol =
                                $"image-wise foreground Dice at {settings.Method.InputSize} px, empty-empty 1; used to choose the epoch"
                        }
                ]
            Files = Map.empty
            Sha256 = None
        }

    let private priorOf (settings: MethodSettings) (texts: Texts) =
        settings.PriorSource
        |> Option.map (fun _ -> Seq.zip settings.Conditions (Prior.weights texts) |> Map.ofSeq)

    /// Writes the weights of the best epoch as a bundle, whose epoch, Dice and prior it returns.
    let write identity start dataset sites (loop: TrainingLoop) (state: TrainState) =
        result {
            let folder = loop.Request.Out

            let! best =
                state.Best
                |> Result.requireSome (
                    McdrlError.model "no epoch was ever validated" folder "Set optimiser.epochs to at least 1"
                )

            let! facts, leaves = Checkpoint.read (Run.bestFile folder)
            do! Run.requireOwn (Run.bestFile folder) identity facts
            let network, tower, rival = TrainState.withLeaves leaves state
            use _noGrad = torch.no_grad ()
            let network, texts = Prior.settled network loop.Texts
            let texts, rival = Rival.settled rival texts

            do!
                Bundle.writeStored
                    loop.Request.Store
                    (Bundle.ofRun folder)
                    {
                        Manifest = manifestOf identity start dataset sites loop tower rival best
                        Tower = tower
                        Network = network
                        Texts = texts
                        Rival = rival
                    }

            return best, priorOf identity.Settings.Method texts
        }
