namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp
open type TorchSharp.torch.nn

/// What a model makes of a frame's lesion, as one feature.
type internal FrameFeature =
    {
        Site: string
        Stem: string
        /// The class that most of the frame's lesion pixels belong to; empty for a frame without a lesion.
        Class: string
        /// Of length 1: d numbers.
        Values: float array
    }

/// The features of figure 5: what the head reads after the intervention, where the lesion is.
[<RequireQualifiedAccess>]
module internal ExperimentFeatures =
    /// The cells of an H×W grid that show a class, from 0: those of `Objective.labelsPerCell`, and for a lesion too small to
    /// cover a quarter of any cell the cell that it covers most. int64 labels [1, S, S] → bool [H, W]
    let private cellsOf classes lesion (height: int64) (width: int64) (labels: Tensor) =
        scoped (fun () ->
            let label = torch.tensor (lesion + 1L)

            let cells =
                (Objective.labelsPerCell classes height width labels).squeeze(0L).eq label

            if cells.any().item<bool>() then
                cells
            else
                let covered =
                    functional
                        .adaptive_avg_pool2d(labels.eq(label).``to`` torch.float32, [| height; width |])
                        .squeeze
                        0L

                covered.eq (covered.max ()))

    /// The feature of a frame from the map that the head reads: the mean over the cells of the class that most of its
    /// lesion pixels belong to, over all cells where it shows no lesion; of unit length. Map [H, W, d], uint8 labels [S, S]
    /// on any device → the class from 0, or −1, and d numbers.
    let pooled (classes: int) (map: Tensor) (labels: Tensor) : int64 * float array =
        use _scope = torch.NewDisposeScope()
        let lesion = Objective.classShown classes labels
        let map = map.cpu().``to`` torch.float64
        let height, width = map.shape[0], map.shape[1]

        let shown =
            if lesion < 0L then
                map.flatten (0L, 1L)
            else
                let labels = labels.cpu().``to``(torch.int64).unsqueeze 0L
                map[cellsOf classes lesion height width labels]

        lesion, (unit (shown.mean [| 0L |])).data<float>().ToArray()

    let private ofItem (segmenter: Segmenter) (dataset: Dataset) (item: DatasetItem) =
        Dataset.read dataset item
        |> Result.map (fun (picture, truth) ->
            use _scope = torch.NewDisposeScope()
            let side = segmenter.Manifest.Preprocessing.InputSize
            let frames = (Preprocessing.frame side picture).unsqueeze 0L
            let map = (Segmenter.intervenedMap segmenter frames).squeeze 0L
            let labels = Resize.nearest side side (RasterTensors.ofLabels truth)
            let lesion, values = pooled dataset.Classes.Length map labels

            {
                Site = item.Site
                Stem = item.Stem
                Class = List.tryItem (int lesion) dataset.Classes |> Option.defaultValue ""
                Values = values
            })

    /// The features of all frames of some sites (all when empty), in the dataset's order. The model must have the dataset's
    /// classes; every frame that can't be read is reported.
    let ofSites
        (segmenter: Segmenter)
        (dataset: Dataset)
        (sites: string list)
        (progress: Progress)
        : Result<FrameFeature list, McdrlError> =
        result {
            do! Evaluator.requireClasses segmenter dataset
            let! chosen = Evaluator.sitesOf dataset sites

            let! features =
                let items = chosen |> Seq.collect _.Items |> Array.ofSeq
                TorchThreads.run "features" (ofItem segmenter dataset) items progress

            return! McdrlError.complete features
        }

    let private rows (features: FrameFeature list) =
        let values = features |> Seq.collect _.Values |> Array.ofSeq
        torch.tensor(values).view(int64 features.Length, -1L)

    /// Mean silhouette of the lesion classes in the features, cosine distance; frames without a lesion, whose feature is of
    /// the whole frame, don't count. NaN for fewer than two classes.
    let silhouette (features: FrameFeature list) : float =
        match features |> List.filter (fun feature -> feature.Class <> "") with
        | [] -> nan
        | lesions ->
            use _scope = torch.NewDisposeScope()
            lesions |> List.map _.Class |> Array.ofList |> Silhouette.mean (rows lesions)

    /// Neighbours that a point of the map has: the usual number, or a third of few points.
    let private perplexity (points: int) =
        min Tsne.usual.Perplexity (float (points - 1) / 3.0)

    /// The features of a method's model in the plane, by t-SNE from their principal components, and the silhouette of their
    /// classes. From 5 to `Tsne.most` features of one length.
    let embedded (method: string) (features: FrameFeature list) : Result<EmbeddedMap, McdrlError> =
        if features.IsEmpty then
            Error(McdrlError.data "there is no feature" method "Choose sites that have frames")
        else
            use _scope = torch.NewDisposeScope()

            Tsne.embed
                { Tsne.usual with
                    Perplexity = perplexity features.Length
                }
                (rows features)
            |> Result.map (fun map ->
                let places = map.data<float>().ToArray()

                {
                    Method = method
                    Points =
                        features
                        |> List.mapi (fun row feature ->
                            {
                                X = places[2 * row]
                                Y = places[2 * row + 1]
                                Class = feature.Class
                                Site = feature.Site
                            })
                    Silhouette = silhouette features
                })
