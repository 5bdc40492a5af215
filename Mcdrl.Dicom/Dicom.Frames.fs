namespace Mcdrl

open System.Collections.Generic
open System.IO
open FsToolkit.ErrorHandling

/// A frame of a DICOM file among the images that are segmented.
type DicomFrame =
    {
        /// The file.
        File: string
        /// Its header.
        Header: DicomHeader
        /// Which frame, from 1.
        Frame: int
    }

/// DICOM files among the images that are segmented: each frame of a file that has several is an image `name#k` of its own.
[<NoComparison; NoEquality>]
type DicomFrames =
    private
        {
            Known: IReadOnlyDictionary<string, DicomFrame>
        }

    /// Whether there is none.
    member frames.IsEmpty = frames.Known.Count = 0

    /// The frame that an image stands for, if it is one.
    member frames.TryFind(input: string) : DicomFrame option =
        match frames.Known.TryGetValue input with
        | true, found -> Some found
        | false, _ -> None

/// Finds, reads and answers them.
[<RequireQualifiedAccess>]
module DicomFrames =
    /// Frames of one file: more than a video at 30 a second has in an hour.
    let private mostFrames = 108_000

    /// The results of frame k: their names with `#k` before the ending.
    let private ofFrame (target: SegmentTarget) (frame: int) : SegmentTarget =
        let stem = Images.stem target.Input

        let numbered (path: string) =
            let folder = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""
            Path.Combine(folder, $"{stem}#{frame}{(nonNull (Path.GetFileName path)).Substring stem.Length}")

        {
            Input = numbered target.Input
            Mask = numbered target.Mask
            Overlay = numbered target.Overlay
            Report = numbered target.Report
            Probability = numbered target.Probability
            Sheet = numbered target.Sheet
            Maps = numbered target.Maps
        }

    let private expanded
        limits
        (target: SegmentTarget)
        : Result<(SegmentTarget * DicomFrame option) list, McdrlError> =
        if Images.isNamedAsImage target.Input || not (DicomHeader.isDicom target.Input) then
            Ok [ target, None ]
        else
            result {
                let! header = DicomHeader.read limits target.Input
                let! _ = TransferSyntax.reader target.Input header.TransferSyntax

                do!
                    if header.Frames > mostFrames then
                        Error(
                            McdrlError.resource
                                $"the file holds {header.Frames} frames, over the limit of {mostFrames}"
                                target.Input
                                "Split the file"
                        )
                    else
                        Ok()

                let at frame : DicomFrame =
                    {
                        File = target.Input
                        Header = header
                        Frame = frame
                    }

                return
                    if header.Frames = 1 then
                        [ target, Some(at 1) ]
                    else
                        [ for frame in 1 .. header.Frames -> ofFrame target frame, Some(at frame) ]
            }

    let private sameName (targets: SegmentTarget list) =
        targets
        |> List.countBy _.Mask
        |> List.tryFind (fun (_, count) -> count > 1)
        |> Option.map (fun (mask, _) ->
            McdrlError.usage
                "the results of two images would have the same name"
                mask
                "Segment them into different folders")

    /// The targets with a target for each frame in place of a DICOM file of several, and what is known of the frames. Files that can't be read are
    /// told all at once.
    let find
        (limits: ImageLimits)
        (targets: SegmentTarget list)
        : Result<SegmentTarget list * DicomFrames, McdrlError> =
        result {
            let! found =
                targets
                |> List.map (expanded limits)
                |> Array.ofList
                |> McdrlError.complete
                |> Result.map List.concat

            let targets = List.map fst found

            match sameName targets with
            | Some fault -> return! Error fault
            | None ->
                let known =
                    found
                    |> List.choose (fun (target, frame) ->
                        frame |> Option.map (fun frame -> target.Input, frame))

                return targets, { Known = readOnlyDict known }
        }

    /// The picture of an image, a frame or not, and how many its file holds.
    let read (frames: DicomFrames) (limits: ImageLimits) (input: string) : Result<Picture * int, McdrlError> =
        match frames.TryFind input with
        | Some found ->
            DicomPictures.read found.Header found.File found.Frame
            |> Result.map (fun picture -> picture, 1)
        | None -> Images.readFirst limits input

    /// Writes a segmentation for each DICOM file among the images that were segmented, `name.seg.dcm` beside its masks.
    let writeSegmentations
        (frames: DicomFrames)
        (algorithm: string)
        (classes: string list)
        (written: SegmentTarget list)
        : Result<unit, McdrlError> =
        written
        |> List.choose (fun target -> frames.TryFind target.Input |> Option.map (fun frame -> frame, target))
        |> List.groupBy (fun (frame, _) -> frame.File)
        |> List.traverseResultM (fun (file, found) ->
            let folder =
                Path.GetDirectoryName (snd found.Head).Mask
                |> Option.ofObj
                |> Option.defaultValue ""

            DicomSegmentation.write
                (Path.Combine(folder, Images.stem file + ".seg.dcm"))
                {
                    Header = (fst found.Head).Header
                    Classes = classes
                    Algorithm = algorithm
                    Frames =
                        [
                            for frame, target in found ->
                                frame.Frame, (fun () -> Masks.read ImageLimits.standard target.Mask)
                        ]
                })
        |> Result.ignore
