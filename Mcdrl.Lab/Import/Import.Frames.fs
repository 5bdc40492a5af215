namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// A frame that was taken into the new dataset.
type internal ImportedFrame =
    {
        Known: KnownFrame
        /// Whether no lesion is marked in it.
        Empty: bool
    }

/// Frame by frame from a published dataset to ours.
[<RequireQualifiedAccess>]
module internal ImportFrames =
    let private faultOf kind where problem =
        {
            Kind = kind
            Where = where
            Detail =
                McdrlError.flatten problem
                |> List.map (fun single ->
                    match single with
                    | McdrlError.Usage fault
                    | McdrlError.Model fault
                    | McdrlError.Data fault
                    | McdrlError.Resource fault -> fault.What
                    | McdrlError.Cancelled
                    | McdrlError.Several _ -> McdrlError.describe single)
                |> String.concat ", "
        }

    /// A map in its image file's own orientation: annotation tools show pictures upright, and few don't. None where it has another size.
    let private inFile (picture: Picture) (map: LabelMap) =
        if (map.Width, map.Height) = (picture.Width, picture.Height) then
            Some(LabelMap.inFile picture.Orientation map)
        elif
            (map.Width, map.Height) = Orientation.size picture.Orientation (picture.Width, picture.Height)
        then
            Some map
        else
            None

    let private otherSize where (width: int, height: int) (picture: Picture) =
        Error
            {
                Kind = ImportFaultKind.OtherSize
                Where = where
                Detail = $"{width} x {height}, image {picture.Width} x {picture.Height}"
            }

    /// The map of a mask file of an annotation tool.
    let private ofMaskFile (picture: Picture) path (read: unit -> Result<LabelMap, McdrlError>) =
        read ()
        |> Result.mapError (faultOf ImportFaultKind.UnclearMask path)
        |> Result.bind (fun map ->
            match inFile picture map with
            | Some map -> Ok map
            | None -> otherSize path (map.Width, map.Height) picture)

    let private drawn (item: ImportItem) (picture: Picture) annotation (numbers: Map<string, byte>) =
        let labelOf label = numbers[label]

        let limits = ImageLimits.standard

        match annotation with
        | Annotation.Shapes(size, shapes) ->
            let width, height = size |> Option.defaultValue (picture.Width, picture.Height)
            // Nothing is drawn, and so no memory taken, at a size that the picture doesn't have.
            let stored = Orientation.size picture.Orientation (picture.Width, picture.Height)

            if (width, height) = (picture.Width, picture.Height) || (width, height) = stored then
                shapes
                |> List.map (fun shape -> labelOf shape.Label, shape)
                |> AnnotationShapes.draw width height
                |> inFile picture
                |> Option.map Ok
                |> Option.defaultWith (fun () -> otherSize item.Image (width, height) picture)
            else
                otherSize item.Image (width, height) picture
        | Annotation.Coloured(path, meanings) ->
            let meanings =
                meanings
                |> List.map (fun (colour, label) ->
                    colour, label |> Option.map labelOf |> Option.defaultValue 0uy)

            ofMaskFile picture path (fun () -> Masks.readColours limits meanings path)
        | Annotation.Layers layers ->
            layers
            |> List.traverseResultM (fun (label, path) ->
                ofMaskFile picture path (fun () -> ImportMasks.read limits (MaskRule.Bright 127uy) 1 path)
                |> Result.map (fun map -> labelOf label, map))
            |> Result.map (fun layers ->
                let labels = Array.zeroCreate<byte>(picture.Width * picture.Height)

                let area (_, map: LabelMap) = map.Labels |> Array.sumBy int64

                for label, map in layers |> List.sortByDescending area do
                    for pixel in 0 .. labels.Length - 1 do
                        if map.Labels[pixel] > 0uy then
                            labels[pixel] <- label

                { snd layers.Head with Labels = labels })

    /// The item's label map in its image file's own orientation, by the source's own labels.
    let private marked (source: ImportSource) (item: ImportItem) (picture: Picture) =
        let width, height =
            Orientation.size picture.Orientation (picture.Width, picture.Height)

        match item.Mark with
        | ImportMark.Polygons polygons -> Ok(Polygons.draw width height polygons)
        | ImportMark.Drawn(annotation, numbers) -> drawn item picture annotation numbers
        | ImportMark.Mask(path, rule) ->
            ImportMasks.read ImageLimits.standard rule source.Classes.Length path
            |> Result.mapError (fun problem ->
                let kind =
                    match ImportPictures.read ImageLimits.standard path with
                    | Ok _ -> ImportFaultKind.UnclearMask
                    | Error _ -> ImportFaultKind.Unreadable

                faultOf kind path problem)
            |> Result.bind (fun map ->
                if map.Width = width && map.Height = height then
                    Ok map
                else
                    Error
                        {
                            Kind = ImportFaultKind.OtherSize
                            Where = path
                            Detail = $"{map.Width} x {map.Height}, image {width} x {height}"
                        })

    /// Reads an item and writes it into the folder in the making. The inner error concerns the item, the outer one all.
    let convert
        (made: string)
        (labelOf: ImportSource -> byte -> byte)
        (source: ImportSource, item: ImportItem)
        : Result<Result<ImportedFrame, ImportFault>, McdrlError> =
        let unreadable = faultOf ImportFaultKind.Unreadable item.Image

        match Guard.run item.Image (fun () -> ImportPictures.read ImageLimits.standard item.Image) with
        | Error problem -> Ok(Error(unreadable problem))
        | Ok image ->
            match
                Guard.run item.Image (fun () -> Ok(marked source item image.Picture))
                |> Result.mapError unreadable
                |> Result.bind id
            with
            | Error fault -> Ok(Error fault)
            | Ok map ->
                let map =
                    { map with
                        Labels =
                            let own = Array.init 256 (byte >> labelOf source)
                            map.Labels |> Array.map (fun label -> own[int label])
                    }

                let site = Path.Combine(made, FileName.ofText item.Site)
                let imagePath = Path.Combine(site, "images", item.Stem + image.Extension)
                let maskPath = Path.Combine(site, "masks", item.Stem + ".png")

                result {
                    do!
                        Files.writeManyAtomically imagePath (fun stream ->
                            stream.Write(ReadOnlySpan image.Bytes))

                    do!
                        Files.writeManyAtomically maskPath (fun stream ->
                            Png.write stream map.Width map.Height None map.Labels)

                    return
                        Ok
                            {
                                Known =
                                    {
                                        Site = item.Site
                                        Image = item.Image
                                        Fingerprint = Fingerprints.create image.Bytes image.Picture
                                    }
                                Empty = map.Labels |> Ignored.asBackground |> Array.forall ((=) 0uy)
                            }
                }
