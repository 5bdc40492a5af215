module Mcdrl.Tests.SettingsTests

open Expecto
open Mcdrl

let private good =
    match Config.ofPreset "paper" [] with
    | Ok settings -> settings
    | Error problem -> failwith (McdrlError.describe problem)

let private faults settings =
    match Settings.validate settings with
    | Ok _ -> []
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) 2 "usage"

        McdrlError.flatten problem
        |> List.map (fun fault -> (McdrlError.describe fault).Split(':')[0])

let private m change =
    { good with
        Method = change good.Method
    }

let private l change = { good with Loss = change good.Loss }

let private o change =
    { good with
        Optimiser = change good.Optimiser
    }

let private a change =
    { good with
        Augmentation = change good.Augmentation
    }

let private prior weights =
    m (fun m ->
        { m with
            Conditions = [ "a"; "b" ]
            Prior = weights
        })

let tests =
    testList
        "Settings"
        [
            for key, settings in
                [
                    "method.input_size", m (fun m -> { m with InputSize = 31 })
                    "method.alpha", m (fun m -> { m with Alpha = 0.0 })
                    "method.alpha", m (fun m -> { m with Alpha = 1.01 })
                    "method.alpha", m (fun m -> { m with Alpha = nan })
                    "method.conditions", m (fun m -> { m with Conditions = [] })
                    "method.conditions", m (fun m -> { m with Conditions = [ "blur"; "" ] })
                    "method.conditions", m (fun m -> { m with Conditions = [ " "; "blur" ] })
                    "method.conditions",
                    m (fun m ->
                        { m with
                            Conditions = [ "blur"; "blood"; "blur" ]
                        })
                    "method.conditions",
                    m (fun m ->
                        { m with
                            Conditions = [ "blur"; "blur " ]
                        })
                    "method.marginalisation",
                    m (fun m ->
                        { m with
                            Marginalisation = Marginalisation.Rendered
                            Conditions = [ "a close-up view"; "fog" ]
                        })
                    "method.prior", prior [ 1.0 ]
                    "method.prior", prior [ 0.0; 0.0 ]
                    "method.prior", prior [ -1.0; 2.0 ]
                    "method.prior", prior [ nan; 1.0 ]
                    "method.prior_source",
                    m (fun m ->
                        { m with
                            Prior = List.map (fun _ -> 1.0) m.Conditions
                            PriorSource = Some PriorSource.Estimated
                        })
                    "method.prior_source",
                    m (fun m ->
                        { m with
                            TrainingMode = Marginalisation.Sampled
                            PriorSource = Some PriorSource.Learned
                        })
                    "method.training_mode",
                    m (fun m ->
                        { m with
                            TrainingMode = Marginalisation.Exact
                        })
                    "method.training_mode",
                    m (fun m ->
                        { m with
                            TrainingMode = Marginalisation.Nwgm
                        })
                    "method.marginalisation",
                    m (fun m ->
                        { m with
                            Marginalisation = Marginalisation.Sampled
                        })
                    "method.marginalisation",
                    m (fun m ->
                        { m with
                            Marginalisation = Marginalisation.Never
                        })
                    "method.marginalisation",
                    m (fun m ->
                        { m with
                            Marginalisation = Marginalisation.Custom
                        })
                    "method.training_mode",
                    m (fun m ->
                        { m with
                            TrainingMode = Marginalisation.Custom
                        })
                    for source in [ DictionarySource.Shuffled; DictionarySource.Constant ] do
                        "method.dictionary",
                        m (fun m ->
                            { m with
                                Conditions = [ "blur" ]
                                Dictionary = Some source
                            })
                    "method.class_words",
                    m (fun m ->
                        { m with
                            ClassWords = Some(Map [ "polyp", "growth"; "cyst", " " ])
                        })
                    for parts in [ -1; 4 ] do
                        "method.instance_norm", m (fun m -> { m with InstanceNorm = Some parts })
                    for share in [ -0.01; 0.2; nan ] do
                        "method.min_area", m (fun m -> { m with MinArea = Some share })
                    "method.layers", m (fun m -> { m with Layers = 0 })
                    "method.head_width", m (fun m -> { m with HeadWidth = 0 })
                    "method.refinements", m (fun m -> { m with Refinements = -1 })
                    "method.prompting",
                    m (fun m ->
                        { m with
                            Prompting = Some Prompting.Cocoop
                        })
                    "method.fusion",
                    m (fun m ->
                        { m with
                            Fusion = Some Fusion.Medclipseg
                        })
                    "method.fusion",
                    m (fun m ->
                        { m with
                            Fusion = Some Fusion.Medclipseg
                            Prompting = Some Prompting.Cocoop
                            TrainingMode = Marginalisation.Never
                        })
                    "loss.causal", l (fun l -> { l with Causal = -0.1 })
                    "loss.contrast", l (fun l -> { l with Contrast = nan })
                    "loss.tau", l (fun l -> { l with Tau = 0.0 })
                    "loss.dice", l (fun l -> { l with Dice = infinity })
                    for share in [ 0.0; 2.0; nan ] do
                        "loss.dice_smoothing", l (fun l -> { l with DiceSmoothing = Some share })
                    "loss.alignment", l (fun l -> { l with Alignment = -1.0 })
                    "loss.grounding", l (fun l -> { l with Grounding = -1.0 })
                    "loss.invariance", l (fun l -> { l with Invariance = -1.0 })
                    "loss.alignment_tau", l (fun l -> { l with AlignmentTau = 0.0 })
                    "optimiser.epochs", o (fun o -> { o with Epochs = 0 })
                    "optimiser.activation_epoch", o (fun o -> { o with ActivationEpoch = -1 })
                    "optimiser.warmup_epochs", o (fun o -> { o with WarmupEpochs = -1.0 })
                    "optimiser.batch_size", o (fun o -> { o with BatchSize = 0 })
                    "optimiser.learning_rate", o (fun o -> { o with LearningRate = nan })
                    "optimiser.tower_factor", o (fun o -> { o with TowerFactor = 1.5 })
                    "optimiser.trained_blocks", o (fun o -> { o with TrainedBlocks = -1 })
                    "optimiser.weight_decay", o (fun o -> { o with WeightDecay = 2.0 })
                    "optimiser.gradient_clip", o (fun o -> { o with GradientClip = 0.0 })
                    "optimiser.averaging", o (fun o -> { o with Averaging = 1.0 })
                    "augmentation.rotation", a (fun a -> { a with Rotation = 181.0 })
                    "augmentation.scale", a (fun a -> { a with Scale = -0.1 })
                    "augmentation.shift", a (fun a -> { a with Shift = 1.1 })
                    "augmentation.colour", a (fun a -> { a with Colour = nan })
                    "augmentation.colour_exchange", a (fun a -> { a with ColourExchange = Some 1.5 })
                    "augmentation.conditions", a (fun a -> { a with Conditions = 2.0 })
                    "augmentation.views", a (fun a -> { a with Views = 65 })
                    "validation", { good with Validation = 0.0 }
                    "validation", { good with Validation = 1.0 }
                ]
                |> List.indexed
                |> List.map (fun (index, (key, settings)) -> $"{key}, case {index}", (key, settings)) do
                testCase key
                <| fun () -> Expect.equal (faults (snd settings)) [ fst settings ] "this key and no other"

            testCase "good settings are returned, weighted conditions too"
            <| fun () ->
                let rival =
                    m (fun m ->
                        { m with
                            Prompting = Some Prompting.Stylip
                            TrainingMode = Marginalisation.Never
                        })

                let fusing =
                    m (fun m ->
                        { m with
                            Fusion = Some Fusion.Medclipseg
                            TrainingMode = Marginalisation.Never
                        })

                let sources =
                    [
                        Marginalisation.Sampled, PriorSource.Estimated
                        Marginalisation.Attention, PriorSource.Learned
                        Marginalisation.FeatureMean, PriorSource.Learned
                    ]
                    |> List.map (fun (mode, source) ->
                        m (fun m ->
                            { m with
                                TrainingMode = mode
                                PriorSource = Some source
                            }))

                let dictionaries =
                    [
                        [ "blur" ], None
                        [ "blur" ], Some DictionarySource.Random
                        [ "blur"; "blood" ], Some DictionarySource.Shuffled
                        [ "blur"; "blood" ], Some DictionarySource.Constant
                    ]
                    |> List.map (fun (conditions, source) ->
                        m (fun m ->
                            { m with
                                Conditions = conditions
                                Dictionary = source
                            }))

                for settings in [ good; rival; fusing; prior [ 0.0; 3.0 ]; prior [] ] @ sources @ dictionaries do
                    Expect.equal (Settings.validate settings) (Ok settings) "as they are"

            testCase "prompts call a class by its words, or by its name where it has none"
            <| fun () ->
                let words =
                    m (fun m ->
                        { m with
                            ClassWords = Some(Map [ "cyst", "fluid-filled sac"; "tumor", "mass" ])
                        })

                Expect.equal
                    (Settings.wordsOf words.Method [ "polyp"; "cyst" ])
                    [ "polyp"; "fluid-filled sac" ]
                    "in the order of the classes"

                Expect.equal (Settings.wordsOf good.Method [ "b"; "a" ]) [ "b"; "a" ] "names"

            testCase "grounding and invariance ask for views in pairs, drawn once or not"
            <| fun () ->
                for loss in [ { good.Loss with Grounding = 1.0 }; { good.Loss with Invariance = 1.0 } ] do
                    let settings =
                        { a (fun a -> { a with Views = 4; Pairs = true }) with
                            Loss = loss
                        }

                    Expect.equal (Settings.validate settings) (Ok settings) "as they are"

                    Expect.equal
                        (faults
                            { settings with
                                Augmentation =
                                    { settings.Augmentation with
                                        Pairs = false
                                    }
                            })
                        [ "augmentation.pairs" ]
                        "nothing to compare"

            testCase "all faults at once"
            <| fun () ->
                let settings =
                    { m (fun m -> { m with Alpha = 2.0 }) with
                        Validation = nan
                        Loss = { good.Loss with Tau = -1.0 }
                    }

                Expect.equal (faults settings) [ "method.alpha"; "loss.tau"; "validation" ] "three"
        ]
