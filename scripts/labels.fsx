// How much labels are worth that are chosen by what a model is unsure of: a model that has never seen a hospital goes on with 20, 50 and 100 of
// its frames, chosen by disagreement, by entropy (`mcdrl rank`) and at random, and is judged on frames of other sequences of that hospital.
// The start model of a seed is trained on c1, c2 and c6 with a frozen ResNet-50 for 3 epochs, and goes on with the labels alone for about 24 steps of
// 16 frames. What is judged is Dice of the foreground, image by image, at the frames' own size; differences to random are paired by frame, their
// 95 % intervals over sequences. What is done is kept in OUT and not done again.
//
//   dotnet fsi scripts/labels.fsx DATA HOSPITAL WEIGHTS TEXT OUT [SEEDS]
#load "load.fsx"

open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Mcdrl

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let data, hospital, weights, text, out, seeds =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [ data; hospital; weights; text; out ] -> data, hospital, weights, text, out, 3
    | [ data; hospital; weights; text; out; seeds ] -> data, hospital, weights, text, out, int seeds
    | _ ->
        eprintfn "Usage: dotnet fsi scripts/labels.fsx DATA HOSPITAL WEIGHTS TEXT OUT [SEEDS]"
        exit 2

let sources = [ "c1"; "c2"; "c6" ]
/// How many labels, and how many epochs on them: about 24 steps of 16 frames for all.
let budgets = [ 20, 12; 50, 8; 100, 4 ]

let startSettings =
    [
        "optimiser.trained_blocks=0"
        "optimiser.epochs=3"
        "optimiser.activation_epoch=1"
        "augmentation.views=1"
    ]

let labelSettings epochs =
    [
        $"optimiser.epochs={epochs}"
        "optimiser.averaging=0.9"
        "augmentation.pairs=false"
        "loss.grounding=0"
        "loss.invariance=0"
    ]

let dataset = get (Dataset.load data)

let itemsOf site =
    (dataset.Sites |> List.find (fun other -> other.Name = site)).Items
    |> List.ofArray

/// Frames in a folder of their own, as a dataset; masks keep their values.
let written (name: string) (items: DatasetItem list) =
    let folder = Path.Combine(out, name)
    let description = get (DatasetDescription.load data |> Result.mapError List.head)

    if not (Directory.Exists folder) then
        let made = folder + ".made"

        for item in items do
            for kind, file in [ "images", item.Image; "masks", item.Mask ] do
                let place = Path.Combine(made, item.Site, kind)
                Directory.CreateDirectory place |> ignore
                File.Copy(file, Path.Combine(place, nonNull (Path.GetFileName file)), true)

        let plain =
            items
            |> List.map _.Site
            |> List.distinct
            |> DatasetDescription.ofSites description.Name description.Classes

        { plain with
            Values = description.Values
        }
        |> DatasetDescription.render
        |> Files.writeText (Path.Combine(made, "dataset.json"))
        |> get

        Directory.Move(made, folder)

    folder

/// The run of this name, done once; where its model is.
let trained (name: string) (request: string -> TrainRequest) =
    let folder = Path.Combine(out, name)

    if not (Directory.Exists folder) then
        let made = folder + ".made"

        if Directory.Exists made then
            Directory.Delete(made, true)

        get (Trainer.train (request made) Progress.none) |> ignore
        Directory.Move(made, folder)

    Path.Combine(folder, "model")

/// The number that a frame's name begins or ends with, which at the hospitals of PolypGen is that of a sequence, or a place in one.
let sequence (item: DatasetItem) =
    Regex.Match(item.Stem, @"^\d+(?=_)").Value

/// Every third sequence is for the test; a hospital whose names tell none is cut after two thirds of its frames.
let pool, test =
    let items = itemsOf hospital

    let sequences =
        items
        |> List.map sequence
        |> List.distinct
        |> List.filter ((<>) "")
        |> List.sortBy int

    if sequences.Length > 2 then
        let held =
            sequences
            |> List.indexed
            |> List.filter (fun (index, _) -> index % 3 = 2)
            |> List.map snd
            |> Set

        items |> List.partition (fun item -> not (held.Contains(sequence item)))
    else
        items |> List.splitAt (items.Length * 2 / 3)

let groupOf (item: DatasetItem) =
    match sequence item with
    | "" -> item.Stem
    | sequence -> sequence

let source = written "source" (List.collect itemsOf sources)
let testData = written $"{hospital}-test" test

let diceOf model =
    use segmenter = get (Segmenter.load model "cpu")
    let judged = (get (Dataset.load testData)).Sites |> Seq.collect _.Items

    [
        for item in judged do
            let picture, truth = get (Dataset.read dataset item)
            let found = Segmenter.segment segmenter None picture
            item.Stem, Metrics.dice EmptyTruth.Counted (Counts.ofForeground found.Upright.Labels truth.Labels)
    ]

/// What a computation of this name came to, kept as JSON.
let kept (name: string) (compute: unit -> 'a) : 'a =
    let file = Path.Combine(out, name + ".json")

    if not (File.Exists file) then
        get (Files.writeText file (JsonSerializer.Serialize(compute ())))

    JsonSerializer.Deserialize<'a>(File.ReadAllText file) |> nonNull

let shuffled seed (items: DatasetItem list) =
    let items = Array.ofList items

    Seed.create seed
    |> Seed.named "labels"
    |> Seed.permutation items.Length
    |> Seq.map (fun index -> items[index].Stem)
    |> List.ofSeq

let byStem = pool |> List.map (fun item -> item.Stem, item) |> Map

let all = [ 1UL .. uint64 seeds ]

let start seed =
    trained $"start-{seed}" (fun folder ->
        { TrainRequest.create (get (Config.ofPreset "best" startSettings)) source weights folder with
            Text = Some text
            Seed = seed
        })

let kinds = [ "disagreement"; "entropy" ]

/// The pool by each way to choose, the first to be labelled first.
let orders seed =
    kept $"{hospital}-{seed}-orders" (fun () ->
        use segmenter = get (Segmenter.load (start seed) "cpu")

        let frames =
            Ranking.score
                (Ranking.uncertainty segmenter)
                false
                (pool |> List.map _.Image)
                (fun _ fault -> failwith (McdrlError.describe fault))
                Progress.none
            |> get

        [
            "random", shuffled seed pool
            for kind in kinds do
                kind,
                [
                    for frame in Ranking.order (get (Ranking.kind kind)) false pool.Length frames ->
                        nonNull (Path.GetFileNameWithoutExtension frame.Image)
                ]
        ]
        |> dict
        |> Dictionary)

let dice seed name model : Dictionary<string, float> =
    kept $"{hospital}-{seed}-{name}" (fun () -> Dictionary(dict (diceOf (model ()))))

/// What the start model of a seed comes to with so many labels.
let labelled seed (budget, epochs) kind =
    let name = $"{kind}-{budget}"

    let folder rest =
        Path.Combine(out, $"{hospital}-{seed}-{name}-{rest}")

    dice seed name (fun () ->
        let labels =
            (orders seed)[kind]
            |> List.truncate budget
            |> List.map (fun stem -> byStem[stem])
            |> written $"{hospital}-{seed}-{name}-labels"

        trained $"{hospital}-{seed}-{name}-run" (fun folder ->
            let start = start seed
            let settings = FineTuning.settings (get (Bundle.manifest start))

            { TrainRequest.create
                  (get (Config.ofSettings settings (labelSettings epochs)))
                  labels
                  start
                  folder with
                From = Some start
                Seed = seed
            }))
    |> ignore

    for rest in [ "labels"; "run" ] do
        if Directory.Exists(folder rest) then
            Directory.Delete(folder rest, true)

    printfn "%s, seed %d, %s" hospital seed name

for seed in all do
    dice seed "none" (fun () -> start seed) |> ignore

for budget in budgets do
    for seed in all do
        for kind in "random" :: kinds do
            labelled seed budget kind

let diceFor seed name =
    let found = dice seed name (fun () -> failwith name)
    test |> List.map (fun item -> 100.0 * found[item.Stem])

let spread name =
    let means = all |> List.map (fun seed -> List.average (diceFor seed name))
    let found = Summary.spread means
    $"{found.Mean:F1} ± {found.StandardDeviation:F1}"

printfn
    "%s: %d frames to choose from, %d to judge on, %d seeds; without labels %s"
    hospital
    pool.Length
    test.Length
    seeds
    (spread "none")

for budget, _ in budgets do
    printfn "%d labels, random: %s" budget (spread $"random-{budget}")

    for kind in kinds do
        let differences =
            test
            |> List.mapi (fun index item ->
                groupOf item,
                all
                |> List.averageBy (fun seed ->
                    (diceFor seed $"{kind}-{budget}")[index]
                    - (diceFor seed $"random-{budget}")[index]))
            |> List.groupBy fst
            |> List.map (snd >> List.map snd >> Array.ofList)
            |> Array.ofList

        let interval =
            Bootstrap.stratifiedGroups
                Bootstrap.resamples
                (Seed.create 1UL |> Seed.named kind)
                [ differences ]

        printfn
            "%d labels, %s: %s, minus random %+.1f (%.1f to %.1f)"
            budget
            kind
            (spread $"{kind}-{budget}")
            interval.Estimate
            interval.Low
            interval.High
