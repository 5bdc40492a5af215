namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// Segmenters of random weights of the right scale: they compute as much as trained ones, and know nothing.
[<RequireQualifiedAccess>]
module RandomModel =
    /// What the size of the network depends on, as long as the page of figures measures it so.
    let private size = [ "method.layers=3"; "method.refinements=3" ]

    let private texts (width: int64) seed : Texts =
        let text part shape =
            SeedTensors.normal shape (Seed.named part seed)

        let classes, conditions =
            int64 Phantom.classes.Length, int64 Phantom.conditions.Length

        {
            classes = text "classes" [ 1L; classes; width ]
            conditions = text "conditions" [ conditions; width ]
            class_conditions = text "both" [ classes; conditions; width ]
            normal = text "normal" [ width ]
            log_prior = Backdoor.logPrior (List.replicate Phantom.conditions.Length 1.0)
        }

    let private manifest (settings: Settings) (tower: Tower) : Manifest =
        {
            Format = Manifest.format
            Classes = Phantom.classes
            Tower = Tower.name tower
            TowerFacts = Tower.facts tower
            Active = true
            Precision = Precision.Fp32
            Preprocessing = Preprocessing.ofTower settings.Method.InputSize tower
            Settings = settings
            Provenance =
                {
                    Product = $"mcdrl {Product.release}"
                    Created = ""
                    Data = "nothing: the weights are random"
                    DataSha256 = ""
                    TrainedOn = []
                    LeftOut = None
                    WeightsSha256 = ""
                    Seed = 0UL
                    Epoch = 0
                    TrainingFrames = 0
                    FineTunedFrom = None
                    HeldBack = None
                }
            Metrics = []
            Files = Map.empty
            Sha256 = None
        }

    /// A model on the named architecture (`NamedTower.names`) at its own input size, with the phantom's classes and conditions and
    /// the settings of preset `best` but for `size`. Its tensors belong to the caller.
    let create (name: string) seed : Result<Model, McdrlError> =
        result {
            use template = torch.NewDisposeScope()
            let! settings = Config.ofPreset "best" size
            let known = String.concat ", " NamedTower.names

            let! shapes =
                NamedTower.template name
                |> Result.requireSome (
                    McdrlError.usage "there is no such architecture" name $"Choose one of {known}"
                )

            let tower = FirstWeights.ofTemplate (Seed.named "tower" seed) shapes
            let texts = texts (NamedTower.textWidth tower) (Seed.named "texts" seed)

            let settings =
                { settings with
                    Method =
                        { settings.Method with
                            InputSize = int (Tower.inputSize tower)
                            Conditions = Phantom.conditions
                            Prior = []
                        }
                }

            let network =
                NetworkTemplate.create
                    settings.Method
                    (Tower.sizes tower)
                    texts
                    (Filling.Drawn(Seed.named "network" seed))

            for tensor in Tree.tensors tower @ Tree.tensors network @ Tree.tensors texts do
                template.MoveToOuter tensor |> ignore

            return
                {
                    Manifest = manifest settings tower
                    Tower = tower
                    Network = network
                    Texts = texts
                    Rival = None
                }
        }
