namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// A frame that was taken into the new dataset.
type internal ImportedFrame =
    {
        Known: KnownFrame
        /// Whether no pixel of it is marked.
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

    /// The item's label map in its image file's own orientation, by the source's own labels.
    let private marked (source: ImportSource) (item: ImportItem) (picture: Picture) =
        let width, height =
            Orientation.size picture.Orientation (picture.Width, picture.Height)

        match item.Mark with
        | ImportMark.Polygons polygons -> Ok(Polygons.draw width height polygons)
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
                        Labels = Array.map (labelOf source) map.Labels
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
                                Empty = map.Labels |> Array.forall ((=) 0uy)
                            }
                }
