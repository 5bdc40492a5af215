namespace Mcdrl

open System
open FsToolkit.ErrorHandling
open TorchSharp

/// What to intervene on.
type InterventionalRequest =
    {
        /// The dataset's folder. One with a `scenes.json` is rendered anew under every condition.
        Data: string
        /// All sites when empty.
        Sites: string list
        /// Strength of every condition, (0, 1]. `None`: 0.6, `Conditions.typical`, on recorded frames, 0.7 in phantom scenes.
        Strength: float option
        /// At most so many scenes of each site, drawn with the seed; all for `None`.
        Images: int option
        /// What scenes and conditions are drawn from.
        Seed: uint64
    }

/// One model's part of the report.
type InterventionalFindings =
    {
        /// The name that it was given.
        Model: string
        /// How it was asked to intervene.
        Mode: Marginalisation
        /// Whether it intervenes at all: false for a baseline, whatever its mode.
        Active: bool
        /// Sites of this evaluation that the model was trained on.
        Seen: string list
        /// What came of it.
        Report: InterventionalReport
        /// Its figures minus those of the first model; `None` for the first.
        Difference: InterventionalDifference option
    }

/// What `evaluate --interventional` found.
type InterventionalEvaluation =
    {
        /// What was done, in one line.
        Protocol: string
        /// Of every condition, (0, 1].
        Strength: float
        /// What scenes and conditions were drawn from.
        Seed: uint64
        /// Those that the scenes come from.
        Sites: string list
        /// Scenes.
        Images: int
        /// What intervals draw again, e.g. `12 patients`.
        Drawn: string
        /// Conditions of the dictionary that can't be done to these frames.
        LeftOut: string list
        /// The models in the order asked for, all on the very same frames.
        Models: InterventionalFindings list
        /// Wall-clock time of all models together.
        Seconds: float
    }

/// Shows models the same scenes under every imaging condition.
[<RequireQualifiedAccess>]
module InterventionalEvaluator =
    /// The mean probability of the true class over the pixels of the lesion, but those that are ignored. Probabilities [K + 1, S, S].
    let private truthProbability (truth: LabelMap) (probabilities: Tensor) =
        use _scope = torch.NewDisposeScope()
        let height, width = int probabilities.shape[1], int probabilities.shape[2]

        let labels =
            { truth with
                Labels = Ignored.asBackground truth.Labels
            }
            |> RasterTensors.ofLabels
            |> Resize.nearest height width
            |> _.``to``(torch.int64)

        let ofTruth = probabilities.gather(0L, labels.unsqueeze 0L).squeeze 0L
        let lesion = labels.gt(scalar 0.0).``to`` torch.float32
        // NaN where the lesion has no pixel.
        ofTruth.mul(lesion).sum().div(lesion.sum ()).item<float32>() |> float

    /// The scores of one model on a scene; `shown` are the reference and the scene under each condition.
    let private score mode (scene: IntervenedScene) reference shown segmenter =
        use _scope = torch.NewDisposeScope()
        let manifest = (segmenter: Segmenter).Manifest

        let frame (shown: ShownScene) =
            shown.Frame manifest.Preprocessing.InputSize

        let answers =
            Segmenter.underConditions
                segmenter
                mode
                (frame reference)
                (shown |> List.map (fun (name, shown) -> name, frame shown))

        let marked (shown: ShownScene) (probabilities: Tensor) =
            Upsampling.labels shown.Truth.Height shown.Truth.Width probabilities

        let unchanged = (marked reference answers.Plain.Head).Labels

        let view condition (shown: ShownScene) (probabilities, plain) : InterventionalView =
            let predicted = marked shown probabilities

            let foretold =
                condition
                |> Option.filter (fun _ -> shown.Still)
                |> Option.bind (fun name -> List.tryFind (fst >> (=) name) answers.Foretold)
                |> Option.map snd

            {
                Predicted = predicted.Labels
                Truth = shown.Truth.Labels
                InReference = shown.InReference predicted
                TruthProbability = truthProbability shown.Truth probabilities
                Usual = condition |> Option.bind scene.Usual
                Grounding = foretold |> Option.map _.Grounding
                DoMasks =
                    foretold
                    |> Option.map (fun foretold ->
                        {
                            Foretold = (marked reference foretold.Probabilities).Labels
                            Unchanged = unchanged
                            Shown = (marked shown plain).Labels
                        })
            }

        let each = List.zip answers.Answers answers.Plain
        let isFinite (answer: Tensor) = answer.isfinite().all().item<bool>()

        if List.forall (fun (answer, plain) -> isFinite answer && isFinite plain) each then
            Interventional.scene
                manifest.Classes.Length
                (view None reference each.Head)
                (List.map2 (fun (name, shown) answer -> name, view (Some name) shown answer) shown each.Tail)
            |> Ok
        else
            Error SegmentationResult.notFinite

    let private ofScene segmenters mode (interventions: Interventions) (scene: IntervenedScene) =
        scene.Open()
        |> Result.bind (fun show ->
            let shown =
                interventions.Conditions |> List.map (fun name -> name, show (Some name))

            segmenters |> List.traverseResultM (score mode scene (show None) shown))

    /// At most `images` of a site's items, drawn with the seed, in their order.
    let private some images (seed: Seed) (site: DatasetSite) =
        match images with
        | Some images when images < site.Items.Length ->
            Seed.permutation site.Items.Length (Seed.named site.Name seed)
            |> Array.truncate images
            |> Array.sort
            |> Array.map (fun index -> site.Items[index])
        | _ -> site.Items

    let private checkedRequest (request: InterventionalRequest) =
        match request.Strength with
        | Some strength when not (strength > 0.0 && strength <= 1.0) ->
            Error(
                McdrlError.usage
                    "a condition's strength lies above 0 and is at most 1"
                    $"“strength” {strength}"
                    "Leave it out for 0.6 on recorded frames, 0.7 in phantom scenes"
            )
        | _ when request.Images |> Option.exists (fun images -> images < 1) ->
            Error(McdrlError.usage "no image to evaluate on" "“images”" "Give a number of at least 1")
        | _ -> Ok()

    /// The report for each of the models, given with their names. `mode` overrides their own marginalisation.
    let evaluate
        (models: (string * Segmenter) list)
        mode
        (request: InterventionalRequest)
        (progress: Progress)
        : Result<InterventionalEvaluation, McdrlError> =
        result {
            let clock = Diagnostics.Stopwatch.StartNew()
            do! checkedRequest request
            let! dataset = Dataset.load request.Data

            for _, segmenter in models do
                do! Evaluator.requireClasses segmenter dataset
                do! Segmenter.requireMode segmenter mode

            let! chosen = Evaluator.sitesOf dataset request.Sites
            let seed = Seed.create request.Seed

            let items =
                chosen
                |> Seq.collect (some request.Images (Seed.named "images" seed))
                |> Array.ofSeq

            let! interventions = Interventions.ofDataset request.Strength seed dataset items
            let segmenters = List.map snd models

            let! scored =
                TorchThreads.run
                    "intervening"
                    (ofScene segmenters mode interventions)
                    interventions.Scenes
                    progress

            let! scored = McdrlError.complete scored

            let groups =
                let known = chosen |> List.map (fun site -> site.Name, site.Groups) |> Map.ofList

                [
                    for item in items ->
                        known[item.Site].TryFind item.Stem |> Option.map (fun group -> item.Site, group)
                ]

            let scored =
                List.map2
                    (fun group -> List.map (fun (scene: SceneScore) -> { scene with Group = group }))
                    groups
                    scored

            let resampled = Seed.named "bootstrap" seed
            let ofModel index = scored |> List.map (List.item index)

            return
                {
                    Protocol = interventions.Description
                    Strength = interventions.Strength
                    Seed = request.Seed
                    Sites = chosen |> List.map _.Name
                    Images = scored.Length
                    Drawn =
                        groups
                        |> FrameFindings.drawnTogether id
                        |> Seq.map (fun together -> together[0] |> Option.map snd)
                        |> FrameGroup.describe
                    LeftOut = interventions.LeftOut
                    Models =
                        models
                        |> List.mapi (fun index (name, segmenter) ->
                            let manifest = segmenter.Manifest

                            {
                                Model = name
                                Mode = mode |> Option.defaultValue manifest.Settings.Method.Marginalisation
                                Active = manifest.Active
                                Seen =
                                    chosen
                                    |> List.map _.Name
                                    |> List.filter (fun site ->
                                        List.contains site manifest.Provenance.TrainedOn)
                                Report = ofModel index |> Interventional.report resampled
                                Difference =
                                    if index = 0 then
                                        None
                                    else
                                        Some(Interventional.difference resampled (ofModel index) (ofModel 0))
                            })
                    Seconds = clock.Elapsed.TotalSeconds
                }
        }
