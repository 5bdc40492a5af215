namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// A format that other tools read masks in.
[<RequireQualifiedAccess>]
type MaskFormat =
    /// COCO's JSON, outlines where regions have no holes.
    | Coco
    /// COCO's JSON, packed runs throughout.
    | CocoRle
    /// CVAT for images 1.1.
    | Cvat
    /// labelme's JSON files.
    | Labelme
    /// 3D Slicer's segmentations.
    | Nrrd
    /// One TIFF file of many pages.
    | Tiff

/// Masks written in a format, whether it has one file for all pictures or one for each.
[<RequireQualifiedAccess>]
module MaskFiles =
    /// All formats by the names that the command line gives them.
    let formats =
        [
            "coco", MaskFormat.Coco
            "coco-rle", MaskFormat.CocoRle
            "cvat", MaskFormat.Cvat
            "labelme", MaskFormat.Labelme
            "nrrd", MaskFormat.Nrrd
            "tiff", MaskFormat.Tiff
        ]

    let private folderOf (path: string) =
        Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""

    /// The file of one picture, where the format has one for each.
    let private ofPicture (out: string) format (mask: NamedMask) =
        let at folder (ending: string) =
            Path.Combine(out, folder, folderOf mask.Name, Images.stem mask.Name + ending)

        match format with
        | MaskFormat.Labelme -> Some(at "labelme" ".json")
        | MaskFormat.Nrrd -> Some(at "" ".seg.nrrd")
        | _ -> None

    /// The files that `write` makes in the folder `out`: `coco.json`, `coco-rle.json`, `annotations.xml`, `masks.tif`, or a `.seg.nrrd` for each picture, or a
    /// `.json` for each in the folder `labelme`.
    let paths (out: string) (format: MaskFormat) (masks: NamedMask list) : string list =
        match format with
        | MaskFormat.Coco -> [ Path.Combine(out, "coco.json") ]
        | MaskFormat.CocoRle -> [ Path.Combine(out, "coco-rle.json") ]
        | MaskFormat.Cvat -> [ Path.Combine(out, "annotations.xml") ]
        | MaskFormat.Tiff -> [ Path.Combine(out, "masks.tif") ]
        | MaskFormat.Labelme
        | MaskFormat.Nrrd -> masks |> List.choose (ofPicture out format)

    let private each out format (masks: NamedMask list) writeOne =
        masks
        |> List.traverseResultM (fun mask ->
            Interruption.check ()
            let path = (ofPicture out format mask).Value
            mask.Read() |> Result.bind (writeOne path mask))
        |> Result.ignore

    /// No picture is replaced, and no two masks have one file.
    let private checkPlaces (files: string list) (masks: NamedMask list) =
        let twice = files |> List.countBy id |> List.tryFind (fun (_, count) -> count > 1)

        match Inputs.overwritten (masks |> List.map _.Image) files, twice with
        | (file, input) :: _, _ ->
            Error(
                McdrlError.usage
                    $"this is what is read, {input}, and would be replaced"
                    file
                    "Choose another “out”"
            )
        | [], Some(file, count) ->
            Error(
                McdrlError.usage
                    $"the masks of {count} pictures would have the same name"
                    file
                    "Write them into different folders"
            )
        | [], None -> Ok()

    /// What the picture is called from the folder of another file.
    let private seenFrom (path: string) (mask: NamedMask) =
        Path.GetRelativePath(folderOf (Path.GetFullPath path), Path.GetFullPath mask.Image)

    /// Writes the masks into files of the folder `out` (`paths`), none of which may be a picture; `classes` are the labels of the maps and
    /// their names. The first mask that can't be read ends it.
    let write
        (out: string)
        (classes: (byte * string) list)
        (masks: NamedMask list)
        (format: MaskFormat)
        : Result<unit, McdrlError> =
        result {
            let files = paths out format masks
            do! checkPlaces files masks
            let single = List.tryHead files |> Option.defaultValue out

            return!
                match format with
                | MaskFormat.Coco -> CocoFile.write false single classes masks
                | MaskFormat.CocoRle -> CocoFile.write true single classes masks
                | MaskFormat.Cvat -> CvatFile.write single classes masks
                | MaskFormat.Tiff -> TiffStack.write single masks
                | MaskFormat.Nrrd -> each out format masks (fun path _ map -> NrrdFile.write path classes map)
                | MaskFormat.Labelme ->
                    each out format masks (fun path mask map ->
                        LabelmeFile.write path classes (seenFrom path mask) map)
        }
