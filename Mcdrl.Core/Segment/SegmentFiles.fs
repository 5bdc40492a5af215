namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// A connected region in an image's report; coordinates are pixels of the mask file.
type RegionReport =
    {
        /// Pixels.
        Area: int64
        /// P(class), mean over the region's pixels, 0 to 1.
        MeanProbability: float
        /// P(class), the largest of the region's pixels.
        MaxProbability: float
        /// Left, top, width, height.
        Box: int list
        /// Corners [x, y] of the outer boundary.
        Outline: int list list
        /// Corners [x, y] of the boundary of each hole.
        Holes: int list list list
    }

/// A class in one image.
type ClassReport =
    {
        /// Its name in the model.
        Name: string
        /// The value in the mask.
        Label: int
        /// How sure the model is that the image shows it anywhere: P(class), the largest of all pixels, marked or not.
        Score: float
        /// Pixels of all regions.
        Area: int64
        /// Share of the image, 0 to 1.
        Share: float
        /// Its connected regions.
        Regions: RegionReport list
        /// The file of P(class), beside the report; only if asked for, and only where there are several classes.
        Probability: string option
    }

/// What `segment` writes beside the mask of an image.
type ImageReport =
    {
        /// Path of the image, as it was found.
        Image: string
        /// Of the image as stored, in pixels; the mask has the same.
        Width: int
        /// Of the image as stored, in pixels.
        Height: int
        /// How the model was asked to intervene.
        Mode: Marginalisation
        /// P(lesion) at or above which pixels were marked; absent where each has its most probable class.
        Threshold: float option
        /// Regions of fewer pixels were not marked.
        MinArea: int64
        /// Every class of the model, label 1 first, whether the image shows it or not.
        Classes: ClassReport list
        /// How far the answer under each condition alone is from the adjusted one: mean KL divergence in nats.
        Conditions: Map<string, float>
        /// How much the answer depends on the imaging condition: I(Y; Z | F), mean over pixels in nats.
        Disagreement: float option
        /// The mask's file, beside the report.
        Mask: string
        /// The overlay's file, beside the report.
        Overlay: string
        /// The file of P(lesion), beside the report; only if asked for.
        Probability: string option
        /// What the answer depends on; only if asked for.
        Explanation: ExplanationReport option
        /// That this is no medical device; in every report.
        Notice: string
    }

/// Where the results of one image go.
type SegmentTarget =
    {
        /// The image.
        Input: string
        /// Where its mask goes, a palette PNG.
        Mask: string
        /// Where its overlay goes: the image with the regions drawn in, a PNG.
        Overlay: string
        /// Where its `ImageReport` goes, as JSON.
        Report: string
        /// Where P(lesion) goes, a 16-bit grey PNG whose value 65535 is 1.
        Probability: string
        /// The picture sheet of an explanation.
        Sheet: string
        /// The folder of an explanation's maps.
        Maps: string
    }

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

    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    let private imagesIn (folder: string) pattern =
        Files.attempt folder (fun () ->
            Directory.EnumerateFiles(folder, pattern)
            |> Seq.filter Images.isNamedAsImage
            |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b))
            |> List.ofSeq)

    /// The images that a path stands for: a file, the images of a folder, or a pattern with * or ? in its last part.
    let private imagesOf (path: string) : Result<string list, McdrlError> =
        let none what =
            Error(
                McdrlError.usage
                    what
                    path
                    "Name an image, a folder of images or a pattern such as frames/*.png"
            )

        if File.Exists path then
            Ok [ path ]
        elif Directory.Exists path then
            imagesIn path "*"
            |> Result.bind (fun found ->
                if found.IsEmpty then
                    none "the folder holds no image"
                else
                    Ok found)
        elif (nameOf path).IndexOfAny [| '*'; '?' |] >= 0 then
            let folder =
                match Path.GetDirectoryName path with
                | null
                | "" -> "."
                | folder -> folder

            if Directory.Exists folder then
                imagesIn folder (nameOf path)
                |> Result.bind (fun found ->
                    if found.IsEmpty then
                        none "no image fits the pattern"
                    else
                        Ok found)
            else
                none "the folder does not exist"
        else
            none "there is no such file or folder"

    let private target (out: string) (input: string) : SegmentTarget =
        let at ending =
            Path.Combine(out, nonNull (Path.GetFileNameWithoutExtension input) + ending)

        {
            Input = input
            Mask = at ".mask.png"
            Overlay = at ".overlay.png"
            Report = at ".json"
            Probability = at ".probability.png"
            Sheet = at ".explained.png"
            Maps = at ".explained"
        }

    /// Every image that the paths stand for and where its results go. Everything wrong with the paths is reported at
    /// once, before any work: missing files, two images whose results would have one name, an output folder that
    /// is an input.
    let plan (paths: string list) (out: string) : Result<SegmentTarget list, McdrlError> =
        result {
            let! found =
                paths
                |> List.map imagesOf
                |> List.sequenceResultA
                |> Result.mapError (fun faults -> McdrlError.Several(faults.Head, faults.Tail))

            let inputs = found |> List.concat |> List.distinctBy Path.GetFullPath
            let targets = inputs |> List.map (target out)

            let collisions =
                targets
                |> List.groupBy _.Mask
                |> List.filter (fun (_, members) -> members.Length > 1)
                |> List.map (fun (mask, members) ->
                    let names = members |> List.map _.Input |> String.concat ", "

                    McdrlError.usage
                        $"the results of {names} would have the same name"
                        mask
                        "Segment them into different folders")

            let full = Path.GetFullPath out

            let inside =
                if
                    inputs
                    |> List.exists (fun input -> Path.GetDirectoryName(Path.GetFullPath input) = full)
                then
                    [
                        McdrlError.usage "the output folder holds input images" out "Choose another “out”"
                    ]
                else
                    []

            match McdrlError.ofList (collisions @ inside) with
            | Some faults -> return! Error faults
            | None -> return targets
        }

    let private points (polygon: struct (int * int) array) =
        [ for struct (x, y) in polygon -> [ x; y ] ]

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
        =
        let write path map =
            ValueMap.inFile segmentation.Orientation map
            |> ProbabilityMaps.write path
            |> Result.map (fun () -> Some(nameOf path))

        result {
            let! lesion =
                SegmentationResult.lesionProbability segmentation |> write target.Probability

            let! classes =
                if report.Classes.Length = 1 then
                    Ok report.Classes
                else
                    report.Classes
                    |> List.traverseResultM (fun found ->
                        SegmentationResult.probability found.Label segmentation
                        |> write (probabilityOf target found.Label)
                        |> Result.map (fun file -> { found with Probability = file }))

            return
                { report with
                    Probability = lesion
                    Classes = classes
                }
        }

    /// What an engine says about a picture whose results go to a target, and its explanation, if asked for, written.
    let private answer engine request (target: SegmentTarget) (picture: Picture) =
        if request.Explain then
            result {
                let! found = Engine.explain engine request.Mode request.Marking picture

                let! report =
                    ExplanationFiles.write target.Maps target.Sheet (nameOf target.Input) picture found

                return found.Segmentation, Some report
            }
        else
            Engine.segment engine request.Mode request.Marking picture
            |> Result.map (fun segmentation -> segmentation, None)

    /// An answer that is none is a fault of this image.
    let private ofImage (target: SegmentTarget) error =
        match error with
        | McdrlError.Model _ -> McdrlError.mapWhere (fun where -> $"{target.Input}, {where}") error
        | other -> other

    let private one engine request (target: SegmentTarget) : Result<ImageReport, McdrlError> =
        result {
            let! picture = Images.read request.Limits target.Input

            let! segmentation, explanation =
                answer engine request target picture |> Result.mapError (ofImage target)

            let report = report target segmentation explanation

            let! report =
                if request.Probabilities then
                    withProbabilities target segmentation report
                else
                    Ok report

            do! Masks.write target.Mask segmentation.Mask
            do! Overlay.write target.Overlay segmentation.Classes picture segmentation.Upright None
            do! Files.writeText target.Report (RecordJson.render report)
            return report
        }

    let private makeFolders (targets: SegmentTarget list) =
        targets
        |> List.map (fun target ->
            Path.GetDirectoryName target.Mask |> Option.ofObj |> Option.defaultValue ".")
        |> List.distinct
        |> List.traverseResultM (fun folder ->
            Files.attempt folder (fun () -> Directory.CreateDirectory folder |> ignore))

    /// Segments all targets, one a processor at a time. Each target is handed to `finished` with its report as soon as it and
    /// those before it are done, in order. A bad image does not stop the others: its error stands in its place.
    let run
        engine
        (request: SegmentRequest)
        (targets: SegmentTarget list)
        (finished: SegmentTarget -> Result<ImageReport, McdrlError> -> unit)
        (progress: Progress)
        : Result<unit, McdrlError> =
        makeFolders targets
        |> Result.bind (fun _ ->
            Engine.inOrder engine "segmenting" (one engine request) finished (Array.ofList targets) progress)
