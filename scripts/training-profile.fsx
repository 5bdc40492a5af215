// Where a training step's time goes, and at what share of the machine's own rate it computes.
//
//   dotnet fsi scripts/training-profile.fsx DATA WEIGHTS [--text FILE | --text-weights FOLDER] [--preset NAME] [--steps N] [KEY=VALUE…]
//
// Floating-point operations are counted (`Flops`): forward once, backward twice for what is trained. Rendered conditions,
// norms, losses and the optimiser count as none.
#load "load.fsx"

open System
open System.Diagnostics
open System.IO
open Mcdrl
open TorchSharp

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

type Asked =
    {
        Places: string list
        Text: string option
        TextWeights: string option
        Preset: string
        Steps: int
        Assignments: string list
    }

let rec read (asked: Asked) (arguments: string list) : Asked =
    match arguments with
    | "--text" :: file :: rest -> read { asked with Text = Some file } rest
    | "--text-weights" :: folder :: rest -> read { asked with TextWeights = Some folder } rest
    | "--preset" :: name :: rest -> read { asked with Preset = name } rest
    | "--steps" :: count :: rest -> read { asked with Steps = int count } rest
    | (assignment: string) :: rest when assignment.Contains '=' ->
        read
            { asked with
                Assignments = asked.Assignments @ [ assignment ]
            }
            rest
    | place :: rest ->
        read
            { asked with
                Places = asked.Places @ [ place ]
            }
            rest
    | [] -> asked

let asked =
    read
        {
            Places = []
            Text = None
            TextWeights = None
            Preset = "best"
            Steps = 8
            Assignments = []
        }
        (List.ofArray (Array.skip 1 fsi.CommandLineArgs))

let data, weightsPath =
    match asked.Places with
    | [ data; weights ] -> data, weights
    | _ ->
        eprintfn
            "Usage: dotnet fsi scripts/training-profile.fsx DATA WEIGHTS [--text FILE | --text-weights FOLDER] [--preset NAME]"

        exit 2

let settings = get (Config.ofPreset asked.Preset asked.Assignments)
let seed = Seed.create 1UL
let weights = get (Weights.load weightsPath)
let dataset = get (Dataset.load data)
let m = settings.Method
let side = m.InputSize
let size = settings.Optimiser.BatchSize
let precision = Option.defaultValue Precision.Fp32 settings.Optimiser.TowerPrecision

let items =
    dataset.Sites
    |> Seq.collect _.Items
    |> Seq.truncate (size * asked.Steps)
    |> Array.ofSeq

let texts =
    get (
        PromptTable.resolve
            weights
            (get (TextSource.choose asked.Text asked.TextWeights))
            (Prompts.all dataset.Classes m.Conditions)
    )
    |> PromptTexts.ofEmbeddings dataset.Classes.Length m.Conditions.Length None

let state =
    let tower = weights.Tower

    NetworkTemplate.create m (Tower.sizes tower) texts (Filling.Drawn seed)
    |> fun network ->
        TrainState.start
            settings.Optimiser
            torch.CPU
            (Tower.isTrained settings.Optimiser.TrainedBlocks tower)
            network
            tower
            None

let mean, std = Tower.normalisation weights.Tower
let folder = Directory.CreateTempSubdirectory "mcdrl-profile"

let frames =
    get (Frames.prepare (Path.Combine(folder.FullName, "frames.bin")) "" side dataset items Progress.none)

let views: Views =
    {
        Frames = frames
        Members = Array.init items.Length id
        Settings = settings
        Seed = seed
        Mean = mean |> List.map float32 |> List.toArray
        Std = std |> List.map float32 |> List.toArray
        Device = torch.CPU
        Cache = None
    }

let taken = Collections.Generic.Dictionary<string, float list>()

/// Runs `f`, and keeps its milliseconds among those of the part `name`.
let part name f =
    let clock = Stopwatch.StartNew()
    let result = f ()

    let before =
        match taken.TryGetValue name with
        | true, before -> before
        | false, _ -> []

    taken[name] <- clock.Elapsed.TotalMilliseconds :: before
    result

let advance (loss: Tensor) =
    state.Optimiser.zero_grad ()
    part "backward" (fun () -> loss.backward ())

    part "optimiser" (fun () ->
        torch.nn.utils.clip_grad_norm_ (List.map snd state.Trained, settings.Optimiser.GradientClip)
        |> ignore

        state.Optimiser.step () |> ignore)

let step (members: int array) =
    use _scope = torch.NewDisposeScope()
    let confounders = Objective.drawConfounders texts seed members.Length
    let paired = settings.Augmentation.Pairs

    let drawn =
        part "drawing" (fun () ->
            [|
                for index, m in Array.zip members (confounders.data<int64>().ToArray()) do
                    let frame, labels = Frames.read frames index
                    let seed = Seed.split index seed

                    if paired then
                        let condition = settings.Method.Conditions[int m]

                        let seen, marked, other =
                            Augmentation.pair settings.Augmentation seed condition frame labels

                        seen, marked, Option.defaultValue seen other
                    else
                        let seen, marked = Augmentation.view settings.Augmentation seed frame labels
                        seen, marked, seen
            |])

    let batchOf pick = drawn |> Array.map pick |> torch.stack

    let transformed =
        if paired then
            part "tower, conditions" (fun () ->
                Some
                    {
                        Features =
                            Views.throughTower
                                views
                                precision
                                state.Running
                                (batchOf (fun (_, _, other) -> other))
                        Weight = torch.ones (int64 members.Length)
                    })
        else
            None

    let features =
        part "tower" (fun () ->
            Views.throughTower views precision state.Running (batchOf (fun (seen, _, _) -> seen)))

    let labels = (batchOf (fun (_, labels, _) -> labels)).``to`` torch.int64

    let terms, _ =
        part "network" (fun () ->
            Objective.evaluate
                settings
                state.Network
                texts
                m.TrainingMode
                {
                    Features = features
                    Labels = labels
                    Classes = torch.zeros (int64 members.Length, dtype = torch.int64)
                    Confounders = confounders
                    Transformed = transformed
                })

    advance terms.Total

let counted =
    let visual = Flops.tower m.DenseMode weights.Tower (int64 side)

    let trained =
        match weights.Tower with
        | Tower.PlainResNet tower ->
            let stages = [ tower.layer4; tower.layer3; tower.layer2; tower.layer1 ]

            let kept =
                List.mapi (fun i stage -> if i < settings.Optimiser.TrainedBlocks then stage else []) stages

            let alone =
                Tower.PlainResNet
                    { tower with
                        layer4 = kept[0]
                        layer3 = kept[1]
                        layer2 = kept[2]
                        layer1 = kept[3]
                    }

            let nothing =
                Tower.PlainResNet
                    { tower with
                        layer4 = []
                        layer3 = []
                        layer2 = []
                        layer1 = []
                    }

            let flops tower =
                Flops.tower m.DenseMode tower (int64 side)

            flops alone - flops nothing
        | _ when settings.Optimiser.TrainedBlocks = 0 -> 0L
        | _ -> visual

    let network =
        Flops.method m m.TrainingMode weights.Tower state.Network texts (int64 side)

    let towers = if settings.Augmentation.Pairs then 2L else 1L

    [
        "towers, forward", towers * visual
        "tower, backward", towers * 2L * trained
        "network, forward", network
        "network, backward", 2L * network
    ]
    |> List.map (fun (name, flops) -> name, float (int64 size * flops) / 1e9)

let batches =
    Array.chunkBySize size [| 0 .. items.Length - 1 |]
    |> Array.filter (fun b -> b.Length = size)

let peak, each, processor =
    FlushedThread.run (fun () ->
        step batches[0]
        taken.Clear()
        let peak = MatmulPeak.measure torch.CPU Precision.Fp32
        let started = Process.GetCurrentProcess().TotalProcessorTime

        let each =
            [
                for members in batches do
                    let clock = Stopwatch.StartNew()
                    step members
                    clock.Elapsed.TotalMilliseconds
            ]
            |> List.sort

        let processor = Process.GetCurrentProcess().TotalProcessorTime - started
        peak, each, processor.TotalMilliseconds / float each.Length)

let middle = each[each.Length / 2]
let work = counted |> List.sumBy snd

printfn
    "%s, %d px, %d images a step, %d steps, %d threads"
    (Tower.name weights.Tower)
    side
    size
    each.Length
    (torch.get_num_threads ())

for KeyValue(name, milliseconds) in taken do
    let sorted = List.sort milliseconds
    printfn "  %-20s %8.1f ms, least %8.1f" name sorted[sorted.Length / 2] sorted.Head

for name, gflop in counted do
    printfn "  %-20s %8.2f GFLOP" name gflop

printfn "step: %.0f ms (%.0f to %.0f), %.0f ms of processor" middle each.Head (List.last each) processor

printfn
    "%.1f GFLOP, %.0f GFLOP/s (best step %.0f); matmul %.0f, %.0f as a convolution: %.0f %% of the matmul rate (best step %.0f %%)"
    work
    (work / middle * 1e3)
    (work / each.Head * 1e3)
    peak.Matmul
    peak.Convolution
    (100e3 * work / middle / peak.Best)
    (100e3 * work / each.Head / peak.Best)

(frames.Store :> IDisposable).Dispose()
folder.Delete true
