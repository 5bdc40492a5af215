namespace Mcdrl

open System
open FsToolkit.ErrorHandling
open TorchSharp

/// The scores of one frame.
type ImageScore =
    {
        /// The frame's site.
        Site: string
        /// The name that frame and mask share.
        Stem: string
        /// All lesion classes together, by the protocol.
        Score: Score
        /// Dice of each lesion class, NaN where neither mask shows it.
        ClassDice: float list
        /// What else there is to say of the answer; `None` in results of experiments that were judged before it was measured.
        Findings: FrameFindings option
    }

/// One way of answering, over all sites: the model, or a trivial answer to compare with.
type AnswerScores =
    {
        /// The way's name.
        Name: string
        /// What the protocol makes of all frames together.
        All: SiteSummary
        /// In the order of the data set.
        Sites: SiteSummary list
        /// The site of the lowest mean Dice, the first of equals.
        Worst: SiteSummary option
    }

/// What `evaluate` found.
type Evaluation =
    {
        /// How the numbers were computed.
        Protocol: Protocol
        /// How the model was asked to intervene.
        Mode: Marginalisation
        /// The mirror images that answers are averaged over, besides the frame itself.
        Flips: Flips option
        /// Which pixels the model's masks mark; soft maps are what they are.
        Marking: Marking
        /// Regions that cover a smaller share of a frame are not marked, where no smallest region was asked for; `None` for 0.
        MinAreaShare: float option
        /// The model first, then the trivial answers.
        Answers: AnswerScores list
        /// Mean Dice of each lesion class over the frames that show it.
        Classes: (string * Spread) list
        /// The model's scores, frame by frame.
        Images: ImageScore list
        /// What a reader needs besides: of each site, and of all where there are several. Of the model's foreground at its own
        /// threshold, whatever the protocol.
        Findings: SiteFindings list
        /// How well that warns of frames of low Dice, whatever the protocol: of each site, and of all where there are several.
        Warning: SiteWarning list
        /// Sites of this evaluation that the model was trained on.
        Seen: string list
        /// Wall-clock time.
        Seconds: float
    }

/// Scores a model on a dataset with masks.
[<RequireQualifiedAccess>]
module Evaluator =
    /// What is known about one frame under one answer.
    type private Judged =
        {
            Counts: Counts
            Score: Score
            Nsd: float
        }

    let private rule = EmptyTruth.Counted

    /// The score of a label map (and, where the protocol asks for it, its soft map) against the truth.
    let private judge protocol nsd (marked: byte[]) (soft: float32[]) (truth: byte[]) =
        let counts = Counts.ofForeground marked truth
        let score = Metrics.score rule counts

        {
            Counts = counts
            Nsd = nsd
            Score =
                match protocol with
                | Protocol.Imagewise
                | Protocol.Micro -> score
                | Protocol.BackgroundForeground -> Metrics.backgroundForeground rule counts
                | Protocol.PraNet256 when truth |> Array.forall ((=) Ignored.label) -> score
                | Protocol.PraNet256 ->
                    let cuts =
                        Ignored.counted truth truth
                        |> Array.map (fun label -> label > 0uy)
                        |> PraNet256.score (Ignored.counted truth soft)

                    { score with
                        Dice = cuts.MeanDice
                        Iou = cuts.MeanIou
                    }
        }

    let private summarise protocol site (judged: Judged list) : SiteSummary =
        match protocol with
        | Protocol.Micro ->
            let together = judged |> List.map _.Counts |> List.fold (+) Counts.zero

            { Summary.ofSite site [ Metrics.score rule together ] (judged |> List.map _.Nsd) with
                Images = judged.Length
            }
        | Protocol.Imagewise
        | Protocol.PraNet256
        | Protocol.BackgroundForeground ->
            Summary.ofSite site (judged |> List.map _.Score) (judged |> List.map _.Nsd)

    let private answerScores protocol name (judged: (string * Judged) list) : AnswerScores =
        let sites =
            judged
            |> List.groupBy fst
            |> List.map (fun (site, members) -> summarise protocol site (List.map snd members))

        {
            Name = name
            All = summarise protocol "all" (List.map snd judged)
            Sites = sites
            Worst = Summary.worst sites
        }

    /// Side of the mean mask in pixels.
    let private meanSide = 128

    /// The mean foreground of some masks, [128, 128], and the threshold at which it scores the best mean Dice on them.
    let private meanMask (dataset: Dataset) (items: DatasetItem array) progress =
        let small (item: DatasetItem) =
            Dataset.labels dataset item
            |> Result.map (fun labels ->
                use _scope = torch.NewDisposeScope()
                let resized = Resize.nearest meanSide meanSide (RasterTensors.ofLabels labels)
                (RasterTensors.toLabels resized).Labels)

        result {
            let! read = TorchThreads.run "reading training masks" small items progress
            let! masks = read |> List.ofArray |> List.sequenceResultM

            let mean =
                Array.init (meanSide * meanSide) (fun pixel ->
                    masks
                    |> List.averageBy (fun mask ->
                        if mask[pixel] > 0uy && mask[pixel] <> Ignored.label then
                            1.0f
                        else
                            0.0f))

            let diceAt threshold =
                let marked =
                    mean |> Array.map (fun share -> if share >= threshold then 1uy else 0uy)

                masks
                |> List.averageBy (fun mask -> Metrics.dice rule (Counts.ofForeground marked mask))

            return mean, [ 0.05f..0.05f..0.95f ] |> List.maxBy diceAt
        }

    /// A map at the frame's own size, where the protocol reads soft maps.
    let private soft protocol height width (map: Tensor) =
        match protocol with
        | Protocol.PraNet256 -> Upsampling.values height width map
        | Protocol.Imagewise
        | Protocol.Micro
        | Protocol.BackgroundForeground -> [||]

    let private nsdOf (truth: LabelMap) marked =
        let tolerance = SurfaceDistance.tolerancePixels truth.Width truth.Height

        SurfaceDistance.normalised
            tolerance
            truth.Width
            (Ignored.without 0uy truth.Labels marked)
            (Ignored.asBackground truth.Labels)

    let private judgeMean protocol (mean: float32 array, threshold: float32) (truth: LabelMap) =
        use _scope = torch.NewDisposeScope()
        let map = torch.tensor(mean).view(int64 meanSide, int64 meanSide)
        let shares = Upsampling.values truth.Height truth.Width map

        let marked =
            shares |> Array.map (fun share -> if share >= threshold then 1uy else 0uy)

        judge protocol (nsdOf truth marked) marked shares truth.Labels

    /// P(lesion) of every pixel of the frame against its truth. Map [S, S]; enlarged band by band, and no pixel is kept.
    let private calibrationOf (truth: LabelMap) (lesion: Tensor) =
        Calibration.ofFrame (fun tell ->
            Upsampling.overBands truth.Height truth.Width (lesion.unsqueeze 0L) (fun first values ->
                let band = values.cpu().contiguous().data<float32>().ToArray()

                for pixel in 0 .. band.Length - 1 do
                    let label = truth.Labels[first * truth.Width + pixel]

                    if label <> Ignored.label then
                        tell band[pixel] (label > 0uy)))

    let private judgeItem
        protocol
        segmenter
        mode
        marking
        (dataset: Dataset)
        mean
        (groups: Map<_, FrameGroup>)
        (item: DatasetItem)
        =
        let place = McdrlError.mapWhere (fun where -> $"{item.Image}, {where}")

        let answerTo picture =
            let probabilities, disagreement =
                Segmenter.probabilitiesAndDisagreement segmenter mode picture

            if probabilities.isfinite().all().item<bool>() then
                Ok(probabilities, disagreement)
            else
                Error(place SegmentationResult.notFinite)

        result {
            use _scope = torch.NewDisposeScope()
            let! picture, truth = Dataset.read dataset item
            let! probabilities, disagreement = answerTo picture

            let marking =
                Marking.inPicture
                    segmenter.Manifest.Settings.Method.MinArea
                    picture.Height
                    picture.Width
                    marking

            let marked =
                (Upsampling.marked marking picture.Height picture.Width probabilities).Labels

            let lesion = probabilities.narrow(0L, 1L, probabilities.shape[0] - 1L).sum 0L
            let nothing = Array.zeroCreate<byte> truth.Labels.Length

            let findings =
                FrameFindings.create
                    truth.Width
                    marked
                    truth.Labels
                    (calibrationOf truth lesion)
                    (FrameUncertainty.ofAnswer probabilities disagreement)
                    (groups.TryFind item.Stem)

            let answers =
                [
                    "model",
                    judge
                        protocol
                        findings.Nsd
                        marked
                        (soft protocol truth.Height truth.Width lesion)
                        truth.Labels
                    "nothing marked",
                    judge
                        protocol
                        (nsdOf truth nothing)
                        nothing
                        (Array.zeroCreate truth.Labels.Length)
                        truth.Labels

                    match mean with
                    | Some mean -> "mean training mask", judgeMean protocol mean truth
                    | None -> ()
                ]

            let classDice =
                [
                    for label in 1 .. dataset.Classes.Length ->
                        Metrics.dice
                            EmptyTruth.UndefinedIfRight
                            (Counts.ofLabel (byte label) marked truth.Labels)
                ]

            return item, answers, classDice, findings
        }

    /// What `make` says of each site and, where there are several, of all.
    let private siteBySite
        (frames: (string * FrameFindings) list)
        (make: string -> FrameFindings list list -> 'summary)
        : 'summary list =
        let sites =
            frames
            |> List.groupBy fst
            |> List.map (fun (site, frames) -> site, List.map snd frames)

        [
            for site, frames in sites do
                make site [ frames ]

            if sites.Length > 1 then
                make "all" (List.map snd sites)
        ]

    let private findings site (frames: FrameFindings list list) =
        SiteFindings.create site (frames |> List.map Seq.ofList)

    let private warning site (frames: FrameFindings list list) =
        frames
        |> List.map (
            FrameFindings.drawnTogether _.Group
            >> Array.map (Array.map (fun frame -> frame.Dice, frame.Uncertainty))
        )
        |> Warning.ofSites site

    /// The sites of these names, all for none.
    let sitesOf (dataset: Dataset) (wanted: string list) =
        let names = dataset.Sites |> List.map _.Name

        match wanted |> List.filter (fun site -> not (List.contains site names)) with
        | [] when wanted.IsEmpty -> Ok dataset.Sites
        | [] -> Ok(dataset.Sites |> List.filter (fun site -> List.contains site.Name wanted))
        | unknown :: _ ->
            let listed = String.concat ", " names

            Error(
                McdrlError.usage "the dataset has no such site" $"“site” {unknown}" $"Choose one of {listed}"
            )

    /// A model's labels mean something on a dataset only if both have the same classes in the same order.
    let requireClasses (segmenter: Segmenter) (dataset: Dataset) =
        if segmenter.Manifest.Classes = dataset.Classes then
            Ok()
        else
            let listed = String.concat ", "

            Error(
                McdrlError.data
                    $"its classes are {listed dataset.Classes}, the model's are {listed segmenter.Manifest.Classes}"
                    dataset.Name
                    "Evaluate on a dataset with the model's classes in the model's order"
            )

    /// Scores the model's masks, marked as told, on `sites` (all when empty), next to two trivial answers: nothing marked, and the mean mask of
    /// the model's training sites where the dataset has them.
    let evaluateWith
        marking
        segmenter
        mode
        protocol
        (data: string)
        (sites: string list)
        progress
        : Result<Evaluation, McdrlError> =
        result {
            let clock = Diagnostics.Stopwatch.StartNew()
            let! dataset = Dataset.load data
            do! requireClasses segmenter dataset
            do! Segmenter.requireMode segmenter mode
            let! chosen = sitesOf dataset sites
            let seenNames = Manifest.seen segmenter.Manifest
            let isSeen (site: DatasetSite) = List.contains site.Name seenNames
            let items = chosen |> Seq.collect _.Items |> Array.ofSeq

            let training =
                dataset.Sites |> Seq.filter isSeen |> Seq.collect _.Items |> Array.ofSeq

            let! mean =
                if training.Length = 0 then
                    Ok None
                else
                    meanMask dataset training progress |> Result.map Some

            let groupsOf = chosen |> List.map (fun site -> site.Name, site.Groups) |> Map.ofList

            let judgeOne (item: DatasetItem) =
                Guard.run item.Image (fun () ->
                    judgeItem protocol segmenter mode marking dataset mean groupsOf[item.Site] item)

            let! judged = TorchThreads.run "evaluating" judgeOne items progress

            let! judged = McdrlError.complete judged

            let names =
                match judged with
                | (_, answers, _, _) :: _ -> List.map fst answers
                | [] -> []

            let frames = [ for item, _, _, findings in judged -> item.Site, findings ]

            return
                {
                    Protocol = protocol
                    Mode = mode |> Option.defaultValue segmenter.Manifest.Settings.Method.Marginalisation
                    Flips = segmenter.Manifest.Settings.Method.Flips
                    Marking = marking
                    MinAreaShare = segmenter.Manifest.Settings.Method.MinArea
                    Answers =
                        [
                            for name in names ->
                                judged
                                |> List.map (fun (item, answers, _, _) ->
                                    item.Site, answers |> List.find (fst >> (=) name) |> snd)
                                |> answerScores protocol name
                        ]
                    Classes =
                        dataset.Classes
                        |> List.mapi (fun index lesion ->
                            lesion, judged |> List.map (fun (_, _, dice, _) -> dice[index]) |> Summary.spread)
                    Images =
                        [
                            for item, answers, classDice, findings in judged ->
                                {
                                    Site = item.Site
                                    Stem = item.Stem
                                    Score = (snd answers.Head).Score
                                    ClassDice = classDice
                                    Findings = Some findings
                                }
                        ]
                    Findings = siteBySite frames findings
                    Warning = siteBySite frames warning
                    Seen = chosen |> List.filter isSeen |> List.map _.Name
                    Seconds = clock.Elapsed.TotalSeconds
                }
        }

    /// `evaluateWith` the most probable class of each pixel.
    let evaluate segmenter mode protocol data sites progress =
        evaluateWith Marking.standard segmenter mode protocol data sites progress
