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

let without = [ "method.training_mode=never"; "method.alpha=1"; "loss.causal=0" ]

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

let figures name site =
    [
        for seed in 1..seeds do
            let report = reportOf name site seed

            if File.Exists report then
                let json = JsonNode.Parse((File.ReadAllText report).Trim()) |> nonNull

                let number (key: string) =
                    match json[key] with
                    | null -> nan
                    | value -> value.GetValue<float>()

                [ "mean_dice"; "lesion_dice"; "invariance"; "confounding_gap" ]
                |> List.map number
    ]

let spread (values: float list) =
    let mean = List.average values

    let deviation =
        if values.Length < 2 then
            0.0
        else
            sqrt ((values |> List.sumBy (fun v -> (v - mean) ** 2.0)) / float (values.Length - 1))

    $"{100.0 * mean, 6:F1} ± {100.0 * deviation, 4:F1}"

printfn ""
printfn "variant       site                    Dice    lesion Dice     invariance            gap"

for name in chosen do
    for site in siteNames do
        match figures name site with
        | [] -> ()
        | found ->
            let column index =
                found |> List.map (List.item index) |> spread

            printfn $"{name, -12}  {site, -12}  {column 0}  {column 1}  {column 2}  {column 3}"

    match siteNames |> List.map (figures name) |> List.filter (not << List.isEmpty) with
    | [] -> ()
    | perSite ->
        let bySeed =
            [
                for seed in 0 .. (perSite |> List.map List.length |> List.min) - 1 ->
                    List.init 4 (fun index -> perSite |> List.averageBy (fun found -> found[seed][index]))
            ]

        let column index =
            bySeed |> List.map (List.item index) |> spread

        let worst = perSite |> List.map (List.averageBy List.head) |> List.min

        printfn
            $"{name, -12}  all           {column 0}  {column 1}  {column 2}  {column 3}    worst site {100.0 * worst:F1}"
