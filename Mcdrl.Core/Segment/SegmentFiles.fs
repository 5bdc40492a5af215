namespace Mcdrl

open System.IO
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling

/// What is asked of an engine about images.
type SegmentRequest =
    {
        /// How to intervene; `None` for the model's own way.
        Mode: Marginalisation option
        /// Which pixels to mark.
        Marking: Marking
        /// Also write what each answer depends on.
        Explain: bool
        /// Also write P(lesion) of every pixel and, where there are several classes, P(class) of each.
        Probabilities: bool
        /// What images may be read.
        Limits: ImageLimits
    }

/// Segments image files into masks, overlays and reports.
[<RequireQualifiedAccess>]
module SegmentFiles =
    /// The model's own way, the most probable class of each pixel, and no files but mask, overlay and report.
    let standard: SegmentRequest =
        {
            Mode = None
            Marking = Marking.standard
            Explain = false
            Probabilities = false
            Limits = ImageLimits.standard
        }

    /// Every image that the paths stand for and where its results go (`SegmentTargets.plan`); folders in folders are not searched.
    let plan (paths: string list) (out: string) : Result<SegmentTarget list, McdrlError> =
        SegmentTargets.plan false paths out

    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    let private folderOf (path: string) =
        match Path.GetDirectoryName path with
        | null
        | "" -> "."
        | folder -> folder

    let private points boundary =
        [ for struct (x, y) in OutlineSimplification.simplified boundary -> [ x; y ] ]

    /// Where P(class) goes where there are several classes, by the class's value in the mask.
    let private probabilityOf (target: SegmentTarget) (label: int) =
        nonNull (Path.ChangeExtension(target.Probability, $".{label}.png"))

    let private regionReport (found: RegionFinding) : RegionReport =
        let region = found.Region

        {
            Area = region.Area
            MeanProbability = found.MeanProbability
            MaxProbability = found.MaxProbability
            Box = [ region.X; region.Y; region.Width; region.Height ]
            Outline = points region.Outline
            Holes = List.map points region.Holes
        }

    let private classReport (found: ClassFinding) : ClassReport =
        {
            Name = found.Name
            Label = found.Label
            Score = found.Score
            Area = found.Area
            Share = found.Share
            Regions = List.map regionReport found.Regions
            Probability = None
        }

    /// The report of a segmentation whose files go to `target`.
    let report
        (target: SegmentTarget)
        (segmentation: SegmentationResult)
        (explanation: ExplanationReport option)
        : ImageReport =
        {
            Image = target.Input
            Width = segmentation.Mask.Width
            Height = segmentation.Mask.Height
            Pictures = 1
            Orientation = segmentation.Orientation
            Mode = segmentation.Mode
            Threshold = segmentation.Marking.Threshold
            MinArea = segmentation.Marking.MinArea
            Classes = SegmentationResult.findings segmentation |> List.map classReport
            Conditions = Map.ofList segmentation.Influence
            Disagreement = segmentation.Disagreement
            Mask = nameOf target.Mask
            Overlay = nameOf target.Overlay
            Probability = None
            Explanation = explanation
            Notice = Product.notice
        }

    /// P(lesion), and P(class) where there are several classes, written; the report tells where.
    let private withProbabilities
        (target: SegmentTarget)
        (segmentation: SegmentationResult)
        (report: ImageReport)
        (file: string -> Result<unit, McdrlError> -> Result<unit, McdrlError>)
        =
        let named path written =
            file path written |> Result.map (fun () -> Some(nameOf path))

        result {
            let! lesion =
                ProbabilityMaps.writeLesion target.Probability segmentation
                |> named target.Probability

            let! classes =
                if report.Classes.Length = 1 then
                    Ok report.Classes
                else
                    report.Classes
                    |> List.traverseResultM (fun found ->
                        let path = probabilityOf target found.Label

                        ProbabilityMaps.writeClass path found.Label segmentation
                        |> named path
                        |> Result.map (fun file -> { found with Probability = file }))

            return
                { report with
                    Probability = lesion
                    Classes = classes
                }
        }

    /// What an engine says about a picture whose results go to a target, and its explanation, if asked for, written.
    let private answer engine request (target: SegmentTarget) (picture: Picture) =
        let ofImage answer =
            answer
            |> Result.mapError (McdrlError.mapWhere (fun where -> $"{target.Input}: {where}"))

        if request.Explain then
            result {
                let! found = Engine.explain engine request.Mode request.Marking picture |> ofImage

                let! report =
                    ExplanationFiles.write target.Maps target.Sheet (nameOf target.Input) picture found

                return found.Segmentation, Some report
            }
        else
            Engine.segment engine request.Mode request.Marking picture
            |> ofImage
            |> Result.map (fun segmentation -> segmentation, None)

    /// An image whose results the file system can't name is refused before it is read.
    let private nameable request (target: SegmentTarget) =
        let limit = NameLimit.inFolder (folderOf target.Mask)

        let longest =
            [
                target.Overlay
                if request.Probabilities then
                    probabilityOf target 255
                if request.Explain then
                    target.Sheet
            ]
            |> List.map NameLimit.length
            |> List.max

        if longest <= limit then
            Ok()
        else
            Error(
                McdrlError.usage
                    $"its results would have names of up to {longest} bytes, and the file system takes {limit}"
                    target.Input
                    "Give the image a shorter name"
            )

    /// The report's text, each point of an outline on one line.
    let text (report: ImageReport) : string =
        Regex.Replace(RecordJson.render report, @"\[\s+([\d.]+),\s+([\d.]+)\s+\]", "[$1, $2]")

    /// Writes what an image came to, the report last. Where something can't be written nothing that it wrote before is left.
    let private write
        request
        (target: SegmentTarget)
        pictures
        picture
        (segmentation: SegmentationResult)
        explanation
        =
        let written = ResizeArray()

        let file path writing =
            writing |> Result.map (fun () -> written.Add path)

        let outcome =
            result {
                let report =
                    { report target segmentation explanation with
                        Pictures = pictures
                    }

                let! report =
                    if request.Probabilities then
                        withProbabilities target segmentation report file
                    else
                        Ok report

                do! Masks.write target.Mask segmentation.Mask |> file target.Mask

                do!
                    Overlay.write target.Overlay segmentation.Classes picture segmentation.Upright None
                    |> file target.Overlay

                do! Files.writeText target.Report (text report)
                return report
            }

        if Result.isError outcome then
            for path in written do
                Files.attempt path (fun () -> File.Delete path) |> ignore

        outcome

    /// Segments one target, whose picture and how many its file holds `read` gives. Its report is written last.
    let one
        (read: ImageLimits -> string -> Result<Picture * int, McdrlError>)
        engine
        (request: SegmentRequest)
        (target: SegmentTarget)
        : Result<ImageReport, McdrlError> =
        Guard.run target.Input (fun () ->
            result {
                do! nameable request target
                let! picture, pictures = read request.Limits target.Input
                Interruption.check ()
                let! segmentation, explanation = answer engine request target picture
                Interruption.check ()
                return! write request target pictures picture segmentation explanation
            })

    /// Whether all that is written of an image is there.
    let areWritten (request: SegmentRequest) (target: SegmentTarget) : bool =
        [
            target.Report
            target.Mask
            target.Overlay
            if request.Probabilities then
                target.Probability
            if request.Explain then
                target.Sheet
        ]
        |> List.forall File.Exists

    let private makeFolders (targets: SegmentTarget list) =
        targets
        |> List.map (fun target -> folderOf target.Mask)
        |> List.distinct
        |> List.traverseResultM (fun folder ->
            Files.attempt folder (fun () -> Directory.CreateDirectory folder |> ignore))

    /// Results that were written must still be there when the work ends: another process may have removed their folder.
    let private stillThere (targets: SegmentTarget seq) =
        let gone =
            targets
            |> Seq.filter (fun target -> not (File.Exists target.Mask && File.Exists target.Report))
            |> List.ofSeq

        match gone with
        | [] -> Ok()
        | first :: _ ->
            Error(
                McdrlError.resource
                    $"the results of {gone.Length} images were written and are gone: their folder was removed or replaced meanwhile"
                    (folderOf first.Mask)
                    "Segment again, into a folder that stays"
            )

    /// Segments all targets, one a processor at a time. Each target is handed to `finished` with its report as soon as it and
    /// those before it are done, in order. A bad image does not stop the others: its error stands in its place. `read` gives the picture
    /// of a target's input, and how many its file holds.
    let runReading
        (read: ImageLimits -> string -> Result<Picture * int, McdrlError>)
        engine
        (request: SegmentRequest)
        (targets: SegmentTarget list)
        (finished: SegmentTarget -> Result<ImageReport, McdrlError> -> unit)
        (progress: Progress)
        : Result<unit, McdrlError> =
        let succeeded = ResizeArray()

        let told target outcome =
            match outcome with
            | Error McdrlError.Cancelled -> ()
            | Error _ -> finished target outcome
            | Ok _ ->
                succeeded.Add target
                finished target outcome

        result {
            let! _ = makeFolders targets

            do!
                Engine.inOrder
                    engine
                    "segmenting"
                    // A large picture takes longer than whoever stops the work would wait.
                    (fun target ->
                        Interruption.during progress.Cancel (fun () -> one read engine request target))
                    told
                    (Array.ofList targets)
                    progress

            return! stillThere succeeded
        }

    /// `runReading` for image files.
    let run engine request targets finished progress =
        runReading Images.readFirst engine request targets finished progress
