namespace Mcdrl

open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling

/// What `mcdrl demo` is asked to do.
type DemoRequest =
    {
        /// The folder that everything goes to; what it holds under the same names is replaced.
        Out: string
        /// The model's folder.
        Model: string
        /// A dataset; the frames that come with the product for `None`.
        Data: string option
        /// How many frames of each site are shown, evenly spaced.
        Frames: int
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
    }

/// What `mcdrl demo` came to.
type DemoReport =
    {
        /// The page's file, absolute.
        Page: string
        /// The data set's name.
        Dataset: string
        /// In the order of the data set.
        Frames: DemoFrame list
        /// Wall-clock time.
        Seconds: float
    }

/// Segments and explains recorded frames whose truth is known, and shows them on a page beside it.
[<RequireQualifiedAccess>]
module Demo =
    /// The frames that come with the product: some of a hospital that no shipped model was trained on.
    let internal frames () : Result<string, McdrlError> =
        Product.folder "examples/polypgen-c6"
        |> Result.requireSome (
            McdrlError.resource
                "the frames that come with Mcdrl are not there"
                "examples/polypgen-c6"
                "Name a dataset with “data”"
        )

    /// Dice on PolypGen's c6, 88 frames, of networks trained on c1 to c5 (Ali et al., Scientific Data 10, 75, 2023).
    let private published =
        [
            "DeepLabV3+, ResNet-101", 82.0, "512 px, about 500 epochs"
            "DeepLabV3+, ResNet-50", 81.0, "512 px, about 500 epochs"
            "ResNetUNet, ResNet-34", 79.0, "512 px, about 500 epochs"
            "U-Net", 63.0, "512 px, about 500 epochs"
        ]

    let private attribution (dataset: Dataset) =
        match DatasetDescription.load dataset.Folder with
        | Ok description -> Ok(description.Licence, description.Citation)
        | Error faults -> Error(McdrlError.Several(faults.Head, faults.Tail))

    /// Pixels of a frame's longer side on the page.
    let private side = 420

    /// Pixels of a sheet's.
    let private sheetSide = 1680

    /// Some frames of a site, and where their results go.
    let private chosen (request: DemoRequest) (site: DatasetSite) =
        let items = Dataset.spaced request.Frames site.Items |> List.ofArray

        let out = Path.Combine(request.Out, "segmented", FileName.ofText site.Name)

        SegmentFiles.plan (items |> List.map _.Image) out |> Result.map (List.zip items)

    /// A frame whose results are written, with its pictures for the page.
    let private picture (dataset: Dataset) (item: DatasetItem) (target: SegmentTarget) (report: ImageReport) =
        result {
            let! picture, truth = Dataset.read dataset item
            let! mask = Masks.read ImageLimits.standard target.Mask
            let marked = LabelMap.upright picture.Orientation mask
            let frame = DemoFrame.judge item.Stem marked report.Disagreement truth

            let! image =
                PagePictures.jpeg side $"Frame {frame.Name}: {DemoFrame.said frame}" picture

            let words = report.Explanation |> Option.map _.Summary |> Option.defaultValue ""
            let! sheet = Images.read ImageLimits.standard target.Sheet

            let! sheet =
                PagePictures.jpeg sheetSide $"Explanation sheet of {frame.Name}. {words}" sheet

            return
                {
                    Frame = frame
                    Image = image
                    Truth =
                        { truth with
                            Labels = Ignored.asBackground truth.Labels
                        }
                    Marked = marked
                    Sheet = sheet, words
                }
        }

    /// Bytes of a page with a sheet of each frame.
    let private largestPage = 200_000_000L

    /// A page of somebody else's is not replaced.
    let private requireOwn (page: string) =
        if not (Path.Exists page) then
            Ok()
        else
            match Files.readText largestPage page with
            | Ok text when DemoPage.isOne text -> Ok()
            | _ ->
                Error(
                    McdrlError.usage
                        "this would be replaced, and is no page of an earlier demo"
                        page
                        "Choose another “out”"
                )

    /// Segments and explains frames as `mcdrl segment --explain` does, and writes the page.
    let run (request: DemoRequest) (progress: Progress) : Result<DemoReport, McdrlError> =
        result {
            let clock = Stopwatch.StartNew()
            let page = Path.Combine(request.Out, "index.html")
            do! requireOwn page
            let! data = request.Data |> Option.map Ok |> Option.defaultWith frames
            let! dataset = Dataset.load data
            let! licence, citation = attribution dataset
            let! shown = dataset.Sites |> List.traverseResultM (chosen request)
            let items, targets = List.unzip (List.concat shown)
            let outcomes = ResizeArray()
            use! segmenter = Segmenter.load request.Model request.Device

            do!
                SegmentFiles.run
                    (Segmenter.engine segmenter)
                    { SegmentFiles.standard with
                        Explain = true
                    }
                    targets
                    (fun _ outcome -> outcomes.Add outcome)
                    progress

            let! reports = McdrlError.complete (outcomes.ToArray())

            let! pictures =
                List.zip3 items targets reports
                |> List.traverseResultM (fun (item, target, report) -> picture dataset item target report)

            do!
                {
                    Version = Product.release
                    Provenance = segmenter.Manifest.Provenance
                    Metrics = segmenter.Manifest.Metrics
                    Published = if request.Data.IsNone then published else []
                    Folder = request.Out
                    Dataset = dataset.Name
                    Licence = licence
                    Citation = citation
                    Pictures = pictures
                    Seconds = clock.Elapsed.TotalSeconds
                }
                |> DemoPage.render
                |> Files.writeText page

            return
                {
                    Page = Path.GetFullPath page
                    Dataset = dataset.Name
                    Frames = pictures |> List.map _.Frame
                    Seconds = clock.Elapsed.TotalSeconds
                }
        }
