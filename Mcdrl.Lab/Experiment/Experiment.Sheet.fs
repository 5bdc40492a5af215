namespace Mcdrl

open System
open FsToolkit.ErrorHandling

/// The qualitative sheet of figure 4: frames that nobody picked by eye, and what several models make of them.
[<RequireQualifiedAccess>]
module internal ExperimentSheet =
    /// Width of a picture in pixels.
    let width = 320

    /// Best, median (the lower of two) and worst of some frames by Dice, those with an undefined one left out; frames of equal
    /// Dice in the order given. Fewer than three frames are not shown twice.
    let ranked (scores: ImageScore list) : (string * ImageScore) list =
        let ordered =
            scores
            |> List.filter (fun image -> not (Double.IsNaN image.Score.Dice))
            |> List.sortBy (fun image -> -image.Score.Dice)

        [ 0, "best"; ordered.Length - 1, "worst"; ordered.Length / 2, "median" ]
        |> List.filter (fun (place, _) -> place < ordered.Length && place >= 0)
        |> List.distinctBy fst
        |> List.sortBy fst
        |> List.map (fun (place, rank) -> rank, ordered[place])

    let private itemOf (site: DatasetSite) (image: ImageScore) =
        site.Items
        |> Array.tryFind (fun item -> item.Stem = image.Stem)
        |> Result.requireSome (
            McdrlError.data
                $"the site has no frame {image.Stem}"
                site.Name
                "Score the models on this dataset first"
        )

    /// The scored frames of a site that show a lesion.
    let private showing dataset (site: DatasetSite) (scores: ImageScore list) progress =
        result {
            let! candidates =
                scores
                |> List.filter (fun image -> image.Site = site.Name)
                |> List.traverseResultM (fun image ->
                    itemOf site image |> Result.map (fun item -> image, item))

            let lesion (image: ImageScore, item) =
                Dataset.labels dataset item
                |> Result.map (fun map ->
                    image, map.Labels |> Ignored.asBackground |> Array.exists ((<>) 0uy))

            let! read =
                TorchThreads.run "reading masks" lesion (Array.ofList candidates) progress

            let! read = McdrlError.complete read
            return read |> List.filter snd |> List.map fst
        }

    let private answer (picture: Picture) (truth: LabelMap) (label: string, segmenter) =
        let marked = (Segmenter.segment segmenter None picture).Upright

        let dice =
            Counts.ofForeground marked.Labels truth.Labels
            |> Metrics.dice EmptyTruth.Counted

        PagePictures.outlined
            width
            $"The outline of {label}, Dice {Page.short dice}, and the true one dashed"
            picture
            marked
            (Some truth)
        |> Result.map (fun image -> label, dice, image)

    let private frame dataset (site: DatasetSite) segmenters (rank, image: ImageScore) =
        result {
            let! item = itemOf site image
            let! picture, truth = Dataset.read dataset item

            let! alone =
                PagePictures.outlined
                    width
                    $"Frame {item.Stem} of {site.Name} with the true outline"
                    picture
                    truth
                    None

            let! answers = segmenters |> List.traverseResultM (answer picture truth)

            return
                {
                    Site = site.Name
                    Stem = item.Stem
                    Rank = rank
                    Truth = alone
                    Answers = answers
                }
        }

    /// The best, the median and the worst frame of a site by the reference method's scores, among the frames that show a
    /// lesion, under the outlines of several models, by their labels: JPEGs of `width`, and each model's foreground Dice at the
    /// frame's own size, empty-empty 1. Scores of other sites don't count. The models must have the dataset's classes and
    /// at least one scored frame a lesion.
    let frames
        (dataset: Dataset)
        (site: string)
        (reference: ImageScore list)
        (segmenters: (string * Segmenter) list)
        (progress: Progress)
        : Result<SheetFrame list, McdrlError> =
        result {
            for _, segmenter in segmenters do
                do! Evaluator.requireClasses segmenter dataset

            let! found = Evaluator.sitesOf dataset [ site ]
            let site = found.Head
            let! shown = showing dataset site reference progress

            do!
                not shown.IsEmpty
                |> Result.requireTrue (
                    McdrlError.data "no scored frame shows a lesion" site.Name "Choose another site"
                )

            let! drawn =
                let frames = Array.ofList (ranked shown)
                TorchThreads.run "drawing the sheet" (frame dataset site segmenters) frames progress

            return! McdrlError.complete drawn
        }
