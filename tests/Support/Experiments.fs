/// Small experiments whose numbers can be worked out by hand.
module Mcdrl.Tests.Experiments

open Expecto
open Mcdrl

let facts: ExperimentFacts =
    {
        Name = "table1"
        Title = "Unseen hospitals"
        Question = "Does it help?"
        Data = "made up"
        DataSha256 = "0a1b"
        Classes = [ "polyp"; "cyst" ]
        Sites = [ "east"; "west" ]
        Tower = "ViT-B-16"
        Protocol = Protocol.describe Protocol.Imagewise
        Seeds = [ 1UL; 2UL ]
        Reference = "ours"
        Command = "mcdrl experiment table1"
        Budget = [ "five epochs" ]
        Planned = 8
    }

let image site stem dice : ImageScore =
    {
        Site = site
        Stem = stem
        Score =
            {
                Dice = dice
                Iou = dice / (2.0 - dice)
                Accuracy = 0.9
            }
        ClassDice = [ dice; nan ]
        Findings = None
    }

/// A run whose frames are a, b, … with these Dice scores.
let run key site seed (dice: float list) : RunResult =
    {
        Method = key
        Site = site
        Seed = seed
        Epoch = 5
        ValidationDice = Some 0.9
        TrainSeconds = 60.0 * float seed
        Parameters = 2_500_000L
        CausalParameters = 500_000L
        Milliseconds = 10.0 * float seed
        Version = "9.8.7"
        Images =
            dice
            |> List.mapi (fun index dice -> image site (string (char (int 'a' + index))) dice)
        Calibration = None
        Conditioned = None
    }

/// Findings of a frame with this Dice: a large lesion of 4 % of the frame, found if Dice is at least a quarter.
let findings dice group : FrameFindings =
    {
        Dice = dice
        Nsd = 1.0 - dice
        TolerancePixels = 2.5
        Pixels = 1000L
        MarkedArea = 50L
        Lesions = [ { Area = 40L; Found = dice >= 0.25 } ]
        FalsePositives = 2
        Ece = 0.1
        Brier = 0.2
        Uncertainty =
            {
                Disagreement = dice
                Entropy = 0.5
                DisagreementNearLesion = nan
                EntropyNearLesion = 0.125
            }
        Group =
            Some
                {
                    Kind = GroupKind.Patients
                    Name = group
                }
        Calibration = None
    }

/// The run with findings of its frames, each with a Dice of its own; all frames are of one patient.
let withFindings (dice: float list) (run: RunResult) : RunResult =
    { run with
        Images =
            (run.Images, dice)
            ||> List.map2 (fun image dice ->
                { image with
                    Findings = Some(findings dice $"p{run.Seed - 1UL}")
                })
        // A frame of which half is said to be lesion with P 0.75, and is.
        Calibration =
            Calibration.ofFrame (fun tell ->
                tell 0.75f true
                tell 0.0f false)
            |> Some
    }

let runs key label (runs: RunResult list) : MethodRuns =
    {
        Key = key
        Label = label
        Note = $"what {label} is"
        Published = None
        Runs = runs
    }

/// The runs of the reference.
let ours =
    runs
        "ours"
        "Ours"
        [
            run "ours" "east" 1UL [ 0.8; 0.6 ]
            run "ours" "west" 1UL [ 0.5 ]
            run "ours" "east" 2UL [ 0.9; 0.7 ]
            run "ours" "west" 2UL [ 0.3 ]
        ]

/// The runs of another method.
let rival =
    runs
        "rival"
        "Rival"
        [
            run "rival" "east" 1UL [ 0.7; 0.7 ]
            run "rival" "west" 1UL [ 0.4 ]
            run "rival" "east" 2UL [ 0.7; 0.7 ]
            run "rival" "west" 2UL [ 0.4 ]
        ]

let without site seed (runs: MethodRuns) =
    { runs with
        Runs = runs.Runs |> List.filter (fun run -> (run.Site, run.Seed) <> (site, seed))
    }

/// Both sites and both seeds; every image of a method scores `dice` plus a hundredth a seed.
let whole key label (dice: float) =
    runs
        key
        label
        [
            for site in facts.Sites do
                for seed in facts.Seeds do
                    run key site seed [ for place in 0..9 -> dice + 0.01 * float seed + 0.02 * float place ]
        ]

/// `whole` with a difference that goes either way from image to image.
let wavering key label (dice: float) =
    runs
        key
        label
        [
            for site in facts.Sites do
                for seed in facts.Seeds do
                    run
                        key
                        site
                        seed
                        [
                            for place in 0..9 ->
                                dice
                                + 0.01 * float seed
                                + 0.02 * float place
                                + (if place % 2 = 0 then 0.05 else -0.05)
                        ]
        ]

let page methods : ExperimentPage =
    {
        Report = ExperimentReport.create facts methods
        Methods = methods
        ClassAware = None
        Conditioned = []
        Curves = []
        Maps = []
        Sheet = []
    }

let near name expected (actual: float option) =
    match actual with
    | None -> failtest $"{name}: nothing"
    | Some actual -> Expect.floatClose Accuracy.high actual expected name
