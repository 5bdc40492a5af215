// How a model's smallest region changes its answers on the frames of its training sites that were held back from training: mean Dice,
// and the share of frames without a lesion on which something is marked. For choosing `method.min_area`; unseen sites stay unseen.
//
//   dotnet fsi scripts/min-area.fsx MODEL DATA
#load "load.fsx"

open System
open Mcdrl
open TorchSharp

let get outcome =
    outcome
    |> Result.defaultWith (fun problem ->
        eprintfn "%s" (McdrlError.describe problem)
        exit (McdrlError.exitCode problem))

let folder, data =
    match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
    | [ folder; data ] -> folder, data
    | _ ->
        eprintfn "Usage: dotnet fsi scripts/min-area.fsx MODEL DATA"
        exit 2

let segmenter = get (Segmenter.load folder "cpu")
let manifest = segmenter.Manifest
let dataset = get (Dataset.load data)

let trainedOn =
    dataset.Sites
    |> List.filter (fun site -> List.contains site.Name manifest.Provenance.TrainedOn)
    |> List.collect (fun site -> List.ofArray site.Items)

let _, heldBack =
    trainedOn
    |> Splits.holdOut
        manifest.Settings.Validation
        (Seed.create manifest.Provenance.Seed |> Seed.named "validation")
        _.Site

let answers =
    [
        for item in heldBack do
            use _scope = torch.NewDisposeScope()
            let picture, truth = get (Dataset.read dataset item)
            let probabilities = Segmenter.probabilities segmenter None picture
            Upsampling.labels picture.Height picture.Width probabilities, truth
    ]

printfn "%d held-back frames of %s" answers.Length (String.Join(", ", manifest.Provenance.TrainedOn))
printfn "%10s%10s%22s" "min_area" "Dice %" "marked without lesion"

for share in [ 0.0; 0.0005; 0.001; 0.0015; 0.002; 0.003; 0.004; 0.005; 0.0075; 0.01 ] do
    let judged =
        [
            for map, truth in answers do
                let marking = Marking.inPicture (Some share) map.Height map.Width Marking.standard
                let marked = Marking.withoutSmall marking.MinArea map

                Array.exists ((<) 0uy) truth.Labels,
                Array.exists ((<) 0uy) marked.Labels,
                Metrics.dice EmptyTruth.Counted (Counts.ofForeground marked.Labels truth.Labels)
        ]

    let empty = judged |> List.filter (fun (lesion, _, _) -> not lesion)
    let alarms = empty |> List.filter (fun (_, marked, _) -> marked)
    let dice = 100.0 * (judged |> List.averageBy (fun (_, _, dice) -> dice))
    printfn "%10g%10.1f%14d of %d" share dice alarms.Length empty.Length
