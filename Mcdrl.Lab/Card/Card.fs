namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// What `mcdrl card` is asked to do.
type CardRequest =
    {
        /// The model's folder, or the folder of the run that trained it. Its card and figures are replaced.
        Model: string
        /// The dataset that it is measured on.
        Data: string
        /// Sites of it; all for none.
        Sites: string list
        /// A Markdown file of the maker's own words: intended use, licences.
        About: string option
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
    }

/// Measures a model, and writes its figures and where it fails into its card.
[<RequireQualifiedAccess>]
module Card =
    /// Frames that are shown.
    let private shown = 6

    /// Pixels of their pictures' width.
    let private width = 360

    /// The worst frames of sites never seen: lesions missed first, then false alarms, largest first.
    let internal worst (evaluation: Evaluation) : ImageScore list =
        let unseen =
            evaluation.Images
            |> List.filter (fun image -> not (List.contains image.Site evaluation.Seen))
            |> List.choose (fun image -> image.Findings |> Option.map (fun findings -> image, findings))

        let missed, alarms =
            unseen
            |> List.filter (fun (_, findings) -> findings.Dice < Warning.threshold)
            |> List.partition (snd >> FrameFindings.hasLesion)

        let alarms =
            alarms
            |> List.sortByDescending (fun (_, findings) -> findings.MarkedArea)
            |> List.truncate (shown / 3)

        let missed =
            missed
            |> List.sortBy (fun (_, findings) -> findings.Dice)
            |> List.truncate (shown - alarms.Length)

        missed @ alarms |> List.map fst

    let private picture segmenter (dataset: Dataset) folder number (image: ImageScore) =
        result {
            let site = dataset.Sites |> List.find (fun site -> site.Name = image.Site)
            let item = site.Items |> Array.find (fun item -> item.Stem = image.Stem)
            let! frame, truth = Dataset.read dataset item
            let marked = (Segmenter.segment segmenter None frame).Upright
            let! drawn = PagePictures.outlined width image.Stem frame marked (Some truth)
            let file = $"card/worst-{number + 1}.jpg"

            do!
                Files.writeAtomically (Path.Combine(folder, file)) (fun stream ->
                    stream.Write(System.ReadOnlySpan drawn.Bytes))

            return
                {
                    File = file
                    Site = image.Site
                    Stem = image.Stem
                    Dice = image.Score.Dice
                    HasLesion = image.Findings |> Option.exists FrameFindings.hasLesion
                }
        }

    /// Bytes of the text about a model.
    let private largestAbout = 1_000_000L

    /// Evaluates image by image, at the frames' own size, and writes the card.
    let write (request: CardRequest) (progress: Progress) : Result<Evaluation, McdrlError> =
        result {
            let! about =
                match request.About with
                | None -> Ok None
                | Some path -> Files.readText largestAbout path |> Result.map Some

            let folder = Bundle.locate request.Model

            do!
                Inputs.keep (Option.toList request.About) (Path.Combine(folder, "README.md"))
                |> Result.mapError (fun _ ->
                    McdrlError.usage
                        "this is the card itself, which is written anew"
                        $"“about” {Option.defaultValue folder request.About}"
                        "Keep words of your own in another file")

            use! segmenter = Segmenter.load folder request.Device
            let! dataset = Dataset.load request.Data

            let! evaluation =
                Evaluator.evaluate segmenter None Protocol.Imagewise request.Data request.Sites progress

            do!
                Files.attempt folder (fun () ->
                    Directory.CreateDirectory(Path.Combine(folder, "card")) |> ignore)

            let! failures =
                worst evaluation
                |> List.indexed
                |> List.traverseResultM (fun (number, image) -> picture segmenter dataset folder number image)

            do!
                CardText.sections about evaluation failures
                |> Bundle.describe folder (CardText.metrics evaluation)

            return evaluation
        }
