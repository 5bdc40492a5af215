namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

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

    /// A path that is named, looked up.
    type private Named =
        | Image of string
        | Held of ImageFolderContents
        | Leftover of string

    let private none what path =
        Error(
            McdrlError.usage what path "Name an image, a folder of images or a pattern such as frames/*.png"
        )

    let private folderOf (path: string) =
        match Path.GetDirectoryName path with
        | null
        | "" -> "."
        | folder -> folder

    /// What a path stands for: a file, a folder, or a pattern with * or ? in its last part.
    let private lookUp (path: string) : Result<Named, McdrlError> =
        let isThere = File.Exists path || Directory.Exists path

        if isThere && Leftovers.isName (nameOf path) then
            Ok(Leftover path)
        elif File.Exists path then
            Ok(Image path)
        elif isThere then
            ImageFolder.read "*" path |> Result.map Held
        elif (nameOf path).IndexOfAny [| '*'; '?' |] < 0 then
            none "there is no such file or folder" path
        elif Directory.Exists(folderOf path) then
            ImageFolder.read (nameOf path) (folderOf path) |> Result.map Held
        else
            none "the folder does not exist" path

    /// The images that a path stands for.
    let private imagesOf (path: string) : Result<string list, McdrlError> =
        lookUp path
        |> Result.bind (fun named ->
            match named with
            | Image path -> Ok [ path ]
            | Leftover _ -> Ok []
            | Held { Images = [] } when Directory.Exists path -> none "the folder holds no image" path
            | Held { Images = [] } -> none "no image fits the pattern" path
            | Held found -> Ok found.Images)

    /// What of the paths is not segmented, a line each: files and folders in a folder that is named, and what operating systems
    /// leave.
    let leftOut (paths: string list) : string list =
        paths
        |> List.choose (fun path ->
            match lookUp path with
            | Ok(Held found) -> ImageFolder.leftOut found
            | Ok(Leftover path) -> Some $"{path}: left out, the system's own"
            | Ok(Image _)
            | Error _ -> None)

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

    /// Files that the results of an image go to, whatever is asked for, beside those of single classes and maps.
    let private filesOf (target: SegmentTarget) =
        [ target.Mask; target.Overlay; target.Report; target.Probability; target.Sheet ]

    /// Inputs that would be replaced by results: those that are in the output folder, through whatever link or mount, and those
    /// that a result would have the place of.
    let private overwritten (inputs: string list) (targets: SegmentTarget list) (out: string) =
        let inside =
            inputs
            |> List.map (fun input -> folderOf (Path.GetFullPath input))
            |> List.distinct
            |> List.exists (fun folder -> folder = Path.GetFullPath out || FileIdentity.isSame folder out)

        if inside then
            [
                McdrlError.usage "the output folder holds input images" out "Choose another “out”"
            ]
        else
            targets
            |> Seq.collect filesOf
            |> Inputs.overwritten inputs
            |> List.map (fun (file, input) ->
                McdrlError.usage $"a result would replace the input {input}" file "Choose another “out”")

    /// Every image that the paths stand for and where its results go. Everything wrong with the paths is reported at
    /// once, before any work: missing files, two images whose results would have one name, an output folder that
    /// is an input, an input that a result would replace.
    let plan (paths: string list) (out: string) : Result<SegmentTarget list, McdrlError> =
        result {
            let! found =
                paths
                |> List.map imagesOf
                |> List.sequenceResultA
                |> Result.mapError (fun faults -> McdrlError.Several(faults.Head, faults.Tail))

            let inputs = found |> List.concat |> List.distinctBy Path.GetFullPath

            do!
                if inputs.IsEmpty && not paths.IsEmpty then
                    none "nothing but what operating systems leave is named" paths.Head
                else
                    Ok()

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

            let noFolder =
                match FileIdentity.ofPath out with
                | None
                | Some { Kind = FileKind.Folder } -> []
                | Some { Kind = kind } ->
                    [
                        McdrlError.usage
                            $"this is {FileIdentity.describe kind}, not a folder"
                            out
                            "Choose another “out”"
                    ]

            match McdrlError.ofList (collisions @ noFolder @ overwritten inputs targets out) with
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

    /// Writes what an image came to, the report last. Where something can't be written nothing that it wrote before is left.
    let private write request (target: SegmentTarget) picture (segmentation: SegmentationResult) explanation =
        let written = ResizeArray()

        let file path writing =
            writing |> Result.map (fun () -> written.Add path)

        let outcome =
            result {
                let report = report target segmentation explanation

                let! report =
                    if request.Probabilities then
                        withProbabilities target segmentation report file
                    else
                        Ok report

                do! Masks.write target.Mask segmentation.Mask |> file target.Mask

                do!
                    Overlay.write target.Overlay segmentation.Classes picture segmentation.Upright None
                    |> file target.Overlay

                do! Files.writeText target.Report (RecordJson.render report)
                return report
            }

        if Result.isError outcome then
            for path in written do
                Files.attempt path (fun () -> File.Delete path) |> ignore

        outcome

    let private one engine request (target: SegmentTarget) : Result<ImageReport, McdrlError> =
        Guard.run target.Input (fun () ->
            result {
                do! nameable request target
                let! picture = Images.read request.Limits target.Input
                Interruption.check ()
                let! segmentation, explanation = answer engine request target picture
                Interruption.check ()
                return! write request target picture segmentation explanation
            })

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
    /// those before it are done, in order. A bad image does not stop the others: its error stands in its place.
    let run
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
                    (fun target -> Interruption.during progress.Cancel (fun () -> one engine request target))
                    told
                    (Array.ofList targets)
                    progress

            return! stillThere succeeded
        }
