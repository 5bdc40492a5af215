namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// How much colours change across the outlines of a mask, read in the two ways that a frame which is stored turned allows: mean
/// over the outline, in levels of all three channels.
type OutlineSteps =
    {
        /// As the dataset's `mask_orientation` has it.
        AsRead: float
        /// As the other way has it.
        Otherwise: float
    }

/// A frame that is stored turned.
type TurnedFrame =
    {
        /// The frame and its mask.
        Item: DatasetItem
        /// How its file's rows and columns lie.
        Orientation: Orientation
        /// What its outlines say; none where nothing is marked, or only one of the two ways has the frame's size.
        Steps: OutlineSteps option
    }

/// Frames that are stored turned, of which masks may follow what the file stores or what is seen: what the dataset says, and
/// what the pictures say.
[<RequireQualifiedAccess>]
module TurnedFrames =
    /// Mean change of colour across the borders between labels, from one point a little on the one side to one on the other.
    let private step (picture: Picture) (map: LabelMap) : float option =
        let width, height = map.Width, map.Height
        let reach = max 1 (max width height / 200)
        let mutable sum, count = 0L, 0L

        let compare x1 y1 x2 y2 =
            let at x y =
                3 * (Math.Clamp(y, 0, height - 1) * width + Math.Clamp(x, 0, width - 1))

            let one, other = at x1 y1, at x2 y2

            for channel in 0..2 do
                sum <-
                    sum
                    + int64 (abs (int picture.Rgb[one + channel] - int picture.Rgb[other + channel]))

            count <- count + 1L

        for y in 0 .. height - 1 do
            for x in 0 .. width - 1 do
                let label = map.Labels[y * width + x]

                let differs other =
                    other <> label && other <> Ignored.label && label <> Ignored.label

                if x + 1 < width && differs map.Labels[y * width + x + 1] then
                    compare (x - reach) y (x + 1 + reach) y

                if y + 1 < height && differs map.Labels[(y + 1) * width + x] then
                    compare x (y - reach) x (y + 1 + reach)

        if count = 0L then None else Some(float sum / float count)

    /// A frame as it was read, if it is stored turned.
    let ofFrame
        (dataset: Dataset)
        (item: DatasetItem)
        (picture: Picture, map: LabelMap)
        : TurnedFrame option =
        match picture.Orientation with
        | Orientation.TopLeft -> None
        | turned ->
            let otherwise =
                if dataset.MaskOrientation = Some MaskOrientation.Upright then
                    LabelMap.upright turned map
                else
                    LabelMap.inFile turned map

            let fits = (otherwise.Width, otherwise.Height) = (map.Width, map.Height)

            Some
                {
                    Item = item
                    Orientation = turned
                    Steps =
                        if fits then
                            Option.map2
                                (fun asRead otherwise ->
                                    {
                                        AsRead = asRead
                                        Otherwise = otherwise
                                    })
                                (step picture map)
                                (step picture otherwise)
                        else
                            None
                }

    /// How much clearer the other way must be, over all frames together. Of polyps and vocal folds, one frame is told wrongly in 1 of 20
    /// at 1.15, four in none of 2000.
    let private clearly frames = if frames < 4 then 1.5 else 1.15

    /// The means over the frames, where the outlines follow the pictures clearly better in the other way.
    let private better (frames: TurnedFrame list) : OutlineSteps option =
        match frames |> List.choose _.Steps with
        | [] -> None
        | steps ->
            let mean = steps |> List.averageBy _.AsRead
            let other = steps |> List.averageBy _.Otherwise
            let votes = steps |> List.filter (fun each -> each.Otherwise > each.AsRead)

            if other > clearly steps.Length * mean && 3 * votes.Length >= 2 * steps.Length then
                Some { AsRead = mean; Otherwise = other }
            else
                None

    let private ways (dataset: Dataset) =
        let stored, upright =
            "as the frames' files store their pixels", "as drawn on the upright pictures"

        if dataset.MaskOrientation = Some MaskOrientation.Upright then
            upright, stored, "stored"
        else
            stored, upright, "upright"

    /// A line for each site and orientation: how many of its frames are stored turned, and how their masks are read.
    let notices (dataset: Dataset) (frames: TurnedFrame list) : string list =
        let asRead, _, _ = ways dataset

        let say =
            if dataset.MaskOrientation.IsNone then
                "; declare \"mask_orientation\" in dataset.json to say which holds"
            else
                ""

        frames
        |> List.countBy (fun frame -> frame.Item.Site, frame.Orientation)
        |> List.map (fun ((site, orientation), count) ->
            let frames = if count = 1 then "1 frame is" else $"{count} frames are"

            $"{site}: {frames} stored turned (EXIF orientation {Orientation.exif orientation}), and masks are read {asRead}{say}")

    /// The fault of a dataset whose masks were likely drawn on what `mask_orientation` does not say.
    let likelyOther (dataset: Dataset) (frames: TurnedFrame list) : McdrlError option =
        better frames
        |> Option.map (fun steps ->
            let asRead, otherwise, key = ways dataset
            let example = frames |> List.find _.Steps.IsSome

            McdrlError.data
                $"frames are stored turned, and the outlines of their masks follow the pictures better read {otherwise} (colours change by {steps.Otherwise:F0} levels across them) than {asRead} ({steps.AsRead:F0})"
                (Path.Combine(dataset.Folder, "dataset.json"))
                $"Look at {example.Item.Site}/{example.Item.Stem}; if that is so, declare \"mask_orientation\": \"{key}\"")

    /// Frames whose pixels are read for a warning, at most.
    let private looked = 8

    /// What to tell who trains or evaluates on sites of a dataset: that frames are stored turned and how masks are read, where the
    /// dataset doesn't say which way, or the pictures say the other. Reads all frames' headers and a few frames.
    let warnings (dataset: Dataset) (sites: DatasetSite list) : Result<string list, McdrlError> =
        let orientationOf (item: DatasetItem) =
            Images.orientation ImageLimits.standard item.Image
            |> Result.map (fun orientation ->
                {
                    Item = item
                    Orientation = orientation
                    Steps = None
                })

        result {
            let! all =
                sites
                |> Seq.collect _.Items
                |> Array.ofSeq
                |> Array.Parallel.map orientationOf
                |> List.ofArray
                |> List.sequenceResultM

            let turned =
                all |> List.filter (fun frame -> frame.Orientation <> Orientation.TopLeft)

            let! read =
                turned
                |> Array.ofList
                |> Dataset.spaced looked
                |> List.ofArray
                |> List.traverseResultM (fun frame ->
                    Dataset.read dataset frame.Item |> Result.map (ofFrame dataset frame.Item))

            return
                [
                    if dataset.MaskOrientation.IsNone then
                        yield! notices dataset turned

                    match likelyOther dataset (List.choose id read) with
                    | Some fault -> McdrlError.describe fault
                    | None -> ()
                ]
        }
