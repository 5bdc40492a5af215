// MCDRL against its baseline on phantom: every site left out in turn, several seeds, two runs at a time on one core
// each. What is done already is not done again, so it can be stopped and started at will.
//
//   dotnet fsi scripts/phantom-study.fsx OUT [--seeds 3] [--images 200] [--scenes 40] [--folds 5] [--at-once 2] [VARIANT...]

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open System.Threading.Tasks

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))
let command = Path.Combine(root, "bin", "mcdrl")

let args = fsi.CommandLineArgs |> List.ofArray |> List.tail

let rec parse (options: Map<string, int>) names rest =
    match rest with
    | (flag: string) :: value :: rest when flag.StartsWith "--" ->
        parse (options.Add(flag, int value)) names rest
    | name :: rest -> parse options (name :: names) rest
    | [] -> options, List.rev names

let options, names = parse Map.empty [] args

let option flag otherwise =
    options |> Map.tryFind flag |> Option.defaultValue otherwise

let out, wanted =
    match names with
    | out :: wanted -> Path.GetFullPath out, wanted
    | [] ->
        eprintfn
            "Usage: dotnet fsi scripts/phantom-study.fsx OUT [--seeds 3] [--images 200] [--scenes 40] [VARIANT...]"

        exit 2

let without =
    [
        "method.training_mode=never"
        "method.alpha=1"
        "loss.causal=0"
        "loss.grounding=0"
        "loss.invariance=0"
    ]

/// What a name stands for: changes to the preset `demo`. Tower, data, augmentation and budget are the same for all.
let variants =
    [
        "mcdrl", []
        "baseline", "method.classes_by=head" :: without
        "texts-alone", without
        "head-classes", [ "method.classes_by=head" ]
        "ungrounded", [ "loss.grounding=0" ]
        "attention", [ "method.training_mode=attention"; "method.marginalisation=attention" ]
    ]

let chosen = if wanted.IsEmpty then [ "baseline"; "mcdrl" ] else wanted

let data = Path.Combine(out, "data")
let sites = option "--folds" 5
let seeds = option "--seeds" 3

let run (arguments: string list) (log: string) =
    let start =
        ProcessStartInfo(command, RedirectStandardOutput = true, RedirectStandardError = true)

    arguments |> List.iter start.ArgumentList.Add
    start.Environment["OMP_NUM_THREADS"] <- "1"
    start.Environment["MKL_NUM_THREADS"] <- "1"
    use running = Process.Start start |> nonNull
    let errors = running.StandardError.ReadToEndAsync()
    let text = running.StandardOutput.ReadToEnd()
    running.WaitForExit()
    File.WriteAllText(log, errors.Result)

    if running.ExitCode <> 0 then
        failwith $"mcdrl {List.head arguments} ended with {running.ExitCode}; see {log}"

    text

Directory.CreateDirectory out |> ignore

if not (Directory.Exists data) then
    run
        [
            "phantom"
            "--out"
            data
            "--sites"
            "5"
            "--images"
            string (option "--images" 200)
            "--side"
            "128"
            "--seed"
            "1"
        ]
        (Path.Combine(out, "data.log"))
    |> ignore

let siteNames =
    [
        for site in
            ((File.ReadAllText(Path.Combine(data, "dataset.json"))
              |> JsonNode.Parse
              |> nonNull)["sites"]
             |> nonNull)
                .AsObject() -> site.Key
    ]
    |> List.truncate sites

let folderOf name site seed =
    Path.Combine(out, "runs", $"{name}-{site}-{seed}")

let reportOf name site seed =
    Path.Combine(out, "runs", $"{name}-{site}-{seed}.json")

let work (name: string, site: string, seed: int) =
    let folder = folderOf name site seed
    let report = reportOf name site seed

    if not (File.Exists report) then
        Directory.CreateDirectory(Path.GetDirectoryName folder |> nonNull) |> ignore
        let clock = Stopwatch.StartNew()

        if not (Directory.Exists(Path.Combine(folder, "model"))) then
            if Directory.Exists folder then
                Directory.Delete(folder, true)

            run
                ([
                    "train"
                    "--data"
                    data
                    "--leave-out"
                    site
                    "--weights"
                    Path.Combine(root, "models", "mini")
                    "--preset"
                    "demo"
                    "--out"
                    folder
                    "--seed"
                    string seed
                 ]
                 @ (snd (variants |> List.find (fst >> (=) name))
                    |> List.collect (fun change -> [ "--set"; change ])))
                (folder + ".train.log")
            |> ignore

        let trained = clock.Elapsed

        let json =
            run
                [
                    "evaluate"
                    "--interventional"
                    "--model"
                    Path.Combine(folder, "model")
                    "--data"
                    data
                    "--site"
                    site
                    "--images"
                    string (option "--scenes" 40)
                    "--seed"
                    "7"
                    "--json"
                ]
                (folder + ".evaluate.log")

        File.WriteAllText(report, json)

        printfn
            $"{name} {site} seed {seed}: trained in {trained.TotalSeconds:F0} s, all in {clock.Elapsed.TotalSeconds:F0} s"

let queue =
    ConcurrentQueue
        [
            for seed in 1..seeds do
                for site in siteNames do
                    for name in chosen do
                        name, site, seed
        ]

[|
    for _ in 1 .. option "--at-once" 2 ->
        Task.Run(fun () ->
            let mutable go = true

            while go do
                match queue.TryDequeue() with
                | true, job -> work job
                | false, _ -> go <- false)
|]
|> Task.WaitAll

let measures =
    [ "mean_dice"; "lesion_dice"; "invariance"; "confounding_gap"; "adjusted_gap" ]

let number (node: JsonNode | null) =
    match node with
    | null -> nan
    | value -> value.GetValue<float>()

/// The reports of a variant, seed by seed, then site by site; only whole seeds.
let reports name =
    [
        for seed in 1..seeds do
            let paths = siteNames |> List.map (fun site -> reportOf name site seed)

            if List.forall File.Exists paths then
                paths |> List.map (File.ReadAllText >> JsonNode.Parse >> nonNull)
    ]

let mean values = List.average values

let deviation (values: float list) =
    if values.Length < 2 then
        0.0
    else
        sqrt (
            (values |> List.sumBy (fun value -> (value - mean values) ** 2.0))
            / float (values.Length - 1)
        )

let percent value = $"{100.0 * value:F1}"

/// Mean over seeds ± their standard deviation.
let spread values =
    $"{percent (mean values)} ± {percent (deviation values)}"

let found = chosen |> List.map (fun name -> name, reports name)

printfn ""
printfn "| variant | seeds | Dice | lesion Dice | invariance | gap | adjusted gap | worst site |"
printfn "|---|---|---|---|---|---|---|---|"

for name, reports in found do
    let site index =
        reports
        |> List.map (fun (perSite: JsonNode list) -> number (perSite[index]["mean_dice"]))
        |> mean

    let worst = [ 0 .. siteNames.Length - 1 ] |> List.minBy site

    let columns =
        [
            for measure in measures ->
                reports
                |> List.map (List.map (fun report -> number (report[measure])) >> mean)
                |> spread
        ]

    let joined = String.Join(" | ", columns)
    printfn $"| {name} | {reports.Length} | {joined} | {siteNames[worst]} {percent (site worst)} |"

printfn ""
printfn "| Dice, site unseen |%s" (siteNames |> List.map (fun site -> $" {site} |") |> String.concat "")
printfn "|---|%s" (siteNames |> List.map (fun _ -> "---|") |> String.concat "")

for name, reports in found do
    let cells =
        [
            for index in 0 .. siteNames.Length - 1 ->
                reports
                |> List.map (fun (perSite: JsonNode list) -> number (perSite[index]["mean_dice"]))
                |> spread
        ]

    let joined = String.Join(" | ", cells)
    printfn $"| {name} | {joined} |"

for name, reports in found do
    match List.concat reports with
    | [] -> ()
    | all ->
        printfn ""
        printfn $"| {name} | Dice | unchanged | foretold |"
        printfn "|---|---|---|---|"

        for condition in (nonNull all.Head["per_condition"]).AsObject() |> Seq.map _.Key do
            let row =
                all
                |> List.map (fun report ->
                    let conditions = nonNull report["per_condition"]
                    nonNull conditions[condition])

            let dice = row |> List.map (fun report -> number (report["dice"])) |> mean

            let cosine (which: string) =
                match row |> List.choose (fun report -> report["grounding"] |> Option.ofObj) with
                | [] -> ""
                | scores -> $"{scores |> List.map (fun score -> number (score[which])) |> mean:F2}"

            printfn $"""| {condition} | {percent dice} | {cosine "unchanged"} | {cosine "predicted"} |"""
