// What exact backdoor adjustment costs and changes against attention, Eq. 8, for one model on some frames.
//
//   dotnet fsi scripts/marginalisation-cost.fsx MODEL FRAMES [COUNT]
#load "load.fsx"

open System.Diagnostics
open System.IO
open Mcdrl

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let model, frames, count =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [ model; frames ] -> model, frames, 40
    | [ model; frames; count ] -> model, frames, int count
    | _ ->
        eprintfn "Usage: dotnet fsi scripts/marginalisation-cost.fsx MODEL FRAMES [COUNT]"
        exit 2

let pictures =
    Directory.GetFiles frames
    |> Array.sort
    |> Array.truncate count
    |> Array.map (Images.read ImageLimits.standard >> get)

let modes =
    [
        "attention", Marginalisation.Attention
        "exact", Marginalisation.Exact
        "feature-mean", Marginalisation.FeatureMean
        "nwgm", Marginalisation.Nwgm
    ]

let segmenter = get (Segmenter.load model "cpu")

let seconds mode =
    let clock = Stopwatch.StartNew()

    for picture in pictures do
        use probabilities = Segmenter.probabilities segmenter (Some mode) picture
        probabilities.numel () |> ignore

    clock.Elapsed.TotalSeconds

let median (values: float list) = (List.sort values)[values.Length / 2]

for _, mode in modes do
    seconds mode |> ignore

let rounds =
    [
        for _ in 1..7 -> modes |> List.map (fun (name, mode) -> name, seconds mode) |> Map.ofList
    ]

let conditions = segmenter.Manifest.Settings.Method.Conditions.Length
printfn $"{pictures.Length} frames, {conditions} conditions, whole answers (tower and head too), 7 rounds"

for name, _ in modes do
    let ratios = rounds |> List.map (fun round -> round[name] / round["attention"])

    let each =
        median (rounds |> List.map (fun round -> 1000.0 * round[name] / float pictures.Length))

    printfn
        $"{name, -14}{each, 6:F1} ms a frame, {median ratios:F2} times attention ({List.min ratios:F2} to {List.max ratios:F2})"

let gaps =
    pictures
    |> Array.map (fun picture -> (Segmenter.explain segmenter None picture).Gap)

let pixels =
    pictures
    |> Array.averageBy (fun picture -> float (picture.Width * picture.Height))

printfn
    "exact and attention: total variation %.4f (largest of a pixel %.3f), Dice of their masks %.3f, %.2f %% of the pixels flip"
    (gaps |> Array.averageBy _.MeanTotalVariation)
    (gaps |> Array.map _.MaxTotalVariation |> Array.max)
    (gaps |> Array.averageBy _.Dice)
    (100.0 * (gaps |> Array.averageBy (fun gap -> float gap.Flips)) / pixels)
