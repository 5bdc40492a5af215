namespace Mcdrl

open System
open System.IO

/// The frames of one site, in natural order of their names.
type DatasetSite =
    {
        /// As `dataset.json` calls it.
        Name: string
        /// Label (from 1) of the one class that the site's lesions belong to, where the dataset declares it.
        Class: int option
        /// Its frames that have a mask, in the order of their names.
        Items: DatasetItem[]
        /// The patient or the sequence of each of its frames, by stem; empty where the dataset doesn't say.
        Groups: Map<string, FrameGroup>
    }

/// A dataset whose description is valid and whose frames all have exactly one mask.
type Dataset =
    {
        /// As its makers call it.
        Name: string
        /// The dataset's folder, absolute, symbolic links resolved.
        Folder: string
        /// Lesion classes; label k of a map is the k-th class (from 1), label 0 is background.
        Classes: string list
        /// The label of each of the 256 mask values, where one is declared; `Ignored.label` for what counts nowhere.
        LabelOf: byte option[]
        /// The label of each mask colour, red, green and blue; empty where masks hold values.
        Colours: ((byte * byte * byte) * byte) list
        /// Brightness above which a mask's pixel counts as the higher of the two declared values.
        Threshold: byte option
        /// What masks were drawn on, where `dataset.json` says so; `Stored` where not.
        MaskOrientation: MaskOrientation option
        /// In the order of `dataset.json`.
        Sites: DatasetSite list
    }

/// Loads data sets, and reads their frames with their masks as labels.
[<RequireQualifiedAccess>]
module Dataset =
    let private labelTable (values: (byte * byte) list) =
        let table = Array.create 256 None

        for value, label in values do
            table[int value] <- Some label

        table

    /// A frame that two sites claim would leak from training into the test site.
    let private claimedTwice (sites: DatasetSite list) =
        sites
        |> List.collect (fun site -> List.ofArray site.Items)
        |> List.groupBy _.Image
        |> List.choose (fun (image, claims) ->
            if claims.Length < 2 then
                None
            else
                let names = claims |> List.map _.Site |> String.concat ", "

                Some(
                    McdrlError.data
                        $"the frame belongs to several sites: {names}"
                        image
                        "Give each site its own folder or prefix"
                ))

    /// The description and whatever pairs could be found, together with every structural fault.
    let internal survey (path: string) : Result<Dataset * McdrlError list, McdrlError> =
        DatasetPairs.root path
        |> Result.bind (fun folder ->
            match DatasetDescription.load folder with
            | Error faults ->
                McdrlError.ofList faults
                |> Option.defaultValue (
                    McdrlError.data "the description can't be read" folder "Correct dataset.json"
                )
                |> Error
            | Ok description ->
                let found =
                    description.Sites
                    |> List.map (fun site ->
                        let items, faults = DatasetPairs.find folder site
                        let groups, groupFaults = FrameGroup.ofSite folder site (items |> List.map _.Stem)

                        let label =
                            site.Class
                            |> Option.bind (fun name -> List.tryFindIndex ((=) name) description.Classes)
                            |> Option.map ((+) 1)

                        {
                            Name = site.Site
                            Class = label
                            Items = Array.ofList items
                            Groups = groups
                        },
                        faults @ groupFaults)

                let sites = List.map fst found

                let dataset =
                    {
                        Name = description.Name
                        Folder = folder
                        Classes = description.Classes
                        LabelOf = labelTable description.Values
                        Colours = description.Colours
                        Threshold = description.Threshold
                        MaskOrientation = description.MaskOrientation
                        Sites = sites
                    }

                Ok(dataset, List.collect snd found @ claimedTwice sites))

    /// Loads a dataset: `path` is its folder or the `dataset.json` in it. Every structural fault is reported at
    /// once; the pixels are read later, by `read` and `labels`.
    let load (path: string) : Result<Dataset, McdrlError> =
        survey path
        |> Result.bind (fun (dataset, faults) ->
            match McdrlError.ofList faults with
            | None -> Ok dataset
            | Some error -> Error error)

    let private valuesText (dataset: Dataset) =
        [
            for value in 0..255 do
                match dataset.LabelOf[value] with
                | Some _ -> yield string value
                | None -> ()
        ]
        |> String.concat ", "

    /// What is wrong with a mask's values, and the likely cause.
    let private unknownValues (dataset: Dataset) where (counts: int64[]) =
        let unknown =
            [
                for value in 0..255 do
                    if counts[value] > 0L && dataset.LabelOf[value].IsNone then
                        yield value
            ]

        if unknown.IsEmpty then
            None
        else
            let listed =
                unknown
                |> List.truncate 10
                |> List.map (fun value -> $"{value} ({counts[value]} pixels)")
                |> String.concat ", "

            let more =
                if unknown.Length > 10 then
                    $" and {unknown.Length - 10} more"
                else
                    ""

            let hint =
                match unknown with
                | [ 255 ] when dataset.Classes.Length = 1 ->
                    $"If 255 means {dataset.Classes.Head}, declare \"masks\": {{ \"0\": \"background\", \"255\": \"{dataset.Classes.Head}\" }} in dataset.json (a label map 0=0,255=1)"
                | _ when unknown.Length > 2 && dataset.Classes.Length = 1 ->
                    "If the mask has soft edges, declare a \"threshold\" in dataset.json (128 is usual for JPEG masks)"
                | _ -> "Declare these values under \"masks\" in dataset.json, or correct the mask"

            let declared =
                match valuesText dataset with
                | "" -> "none is declared"
                | values -> $"only {values} are declared"

            Some(McdrlError.data $"the mask holds the values {listed}{more}, but {declared}" where hint)

    /// The mask as a label map in the frame file's own orientation, by its colours.
    let private ofColours limits (dataset: Dataset) (item: DatasetItem) =
        Masks.readColours limits dataset.Colours item.Mask

    /// The same by its values, together with the faults of these.
    let private ofValues limits (dataset: Dataset) (item: DatasetItem) =
        let raw =
            match dataset.Threshold with
            | None -> Masks.read limits item.Mask
            | Some threshold ->
                let values =
                    [|
                        for value in 0..255 do
                            if dataset.LabelOf[value].IsSome then
                                yield byte value
                    |]

                Masks.readThreshold limits threshold (Array.head values, Array.last values) item.Mask

        raw
        |> Result.bind (fun map ->
            match unknownValues dataset item.Mask (LabelMap.histogram map) with
            | Some fault -> Error fault
            | None ->
                Ok
                    { map with
                        Labels =
                            map.Labels
                            |> Array.map (fun value -> Option.defaultValue 0uy dataset.LabelOf[int value])
                    })

    let private stored limits (dataset: Dataset) item =
        if dataset.Colours.IsEmpty then
            ofValues limits dataset item
        else
            ofColours limits dataset item

    /// Whether masks were drawn on upright pictures.
    let private isUpright (dataset: Dataset) =
        dataset.MaskOrientation = Some MaskOrientation.Upright

    /// What helps if a mask hasn't the size of its frame.
    let private otherSize (dataset: Dataset) orientation (map: LabelMap) upright stored =
        let turned =
            $"the frame is stored turned (EXIF orientation {Orientation.exif orientation})"

        let key = "\"mask_orientation\": "

        match (map.Width, map.Height) with
        | size when size = upright && not (isUpright dataset) ->
            $"This is the size of the upright picture: {turned}. If masks were drawn on upright pictures, declare {key}\"upright\" in dataset.json"
        | size when size = stored && isUpright dataset ->
            $"This is the size of the picture as its file stores it: {turned}. If masks were drawn on that, declare {key}\"stored\" in dataset.json"
        | width, height when (height, width) = stored && width <> height ->
            "Width and height are exchanged: one of the two was turned by a quarter when it was saved, as programs do that apply a frame's EXIF orientation and drop it. Turn it back, or export frame and mask with the same program"
        | _ -> "Give a mask of the frame's own size; masks are never resized silently"

    /// A mask belongs to its frame's file as it is stored, or to the upright picture, whichever the dataset states: same size, and
    /// turned upright together with the file.
    let private fitted (dataset: Dataset) (item: DatasetItem) orientation upright (map: LabelMap) =
        let stored = Orientation.size orientation upright
        let width, height = if isUpright dataset then upright else stored

        if (map.Width, map.Height) <> (width, height) then
            Error(
                McdrlError.data
                    $"the mask is {map.Width} x {map.Height} pixels, its frame {Path.GetFileName item.Image} is {width} x {height}"
                    item.Mask
                    (otherSize dataset orientation map upright stored)
            )
        elif isUpright dataset then
            Ok map
        else
            Ok(LabelMap.upright orientation map)

    /// The upright label map of a frame: 0 is background, k the k-th class, `Ignored.label` what counts nowhere. Unknown mask values and a size other
    /// than the frame's are errors. Of the frame only the header is read.
    let labels (dataset: Dataset) (item: DatasetItem) : Result<LabelMap, McdrlError> =
        let limits = ImageLimits.standard

        Images.header limits item.Image
        |> Result.bind (fun header ->
            stored limits dataset item
            |> Result.bind (fitted dataset item header.Orientation (header.Width, header.Height)))

    /// A frame and its label map, both upright and of the same size. The faults of both files are reported
    /// together.
    let read (dataset: Dataset) (item: DatasetItem) : Result<Picture * LabelMap, McdrlError> =
        let limits = ImageLimits.standard

        match Images.read limits item.Image, stored limits dataset item with
        | Ok picture, Ok map ->
            fitted dataset item picture.Orientation (picture.Width, picture.Height) map
            |> Result.map (fun map -> picture, map)
        | Error first, Error second -> Error(McdrlError.Several(first, [ second ]))
        | Error error, Ok _
        | Ok _, Error error -> Error error

    /// So many of some frames, evenly spaced from the first on; all if there are no more.
    let spaced (count: int) (items: 'item array) : 'item array =
        let count = min count items.Length
        Array.init count (fun index -> items[int (int64 index * int64 items.Length / int64 count)])
