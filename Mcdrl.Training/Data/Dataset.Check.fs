namespace Mcdrl

open System
open System.Threading
open System.Threading.Tasks

/// How often a class occurs in a site.
type ClassOccurrence =
    {
        /// As the data set names it.
        Class: string
        /// Frames that hold it.
        Frames: int
        /// Its pixels in all of them.
        Pixels: int64
    }

/// What a site holds.
type SiteOccurrence =
    {
        /// The site's name.
        Site: string
        /// Frames that have a mask.
        Frames: int
        /// Of these, the ones whose frame and mask can be read and fit together.
        Usable: int
        /// Usable frames without a lesion.
        Empty: int
        /// Usable frames that are marked to the last pixel.
        Whole: int
        /// Usable frames of which some pixels are ignored.
        Ignoring: int
        /// Of these, the ones of which all are.
        Ignored: int
        /// In the order of the dataset's classes, counted over the usable frames.
        Classes: ClassOccurrence list
    }

/// What a dataset holds and everything that is wrong with it.
type DatasetReport =
    {
        /// As the data set's makers call it.
        Name: string
        /// The folder that was checked.
        Folder: string
        /// In the order of `dataset.json`.
        Sites: SiteOccurrence list
        /// Structure first, then file by file in the order of the sites; empty for a sound dataset.
        Problems: McdrlError list
        /// What is no fault and may be a mistake all the same, a line each: classes that occur nowhere, masks that mark every pixel,
        /// frames that are stored turned.
        Notices: string list
        /// Frames that occur in several sites, where that was asked for.
        Duplicates: DuplicateReport option
    }

/// Reads a dataset to its last pixel before hours of training depend on it.
[<RequireQualifiedAccess>]
module DatasetCheck =
    let private occurrences (dataset: Dataset) (site: DatasetSite) (histograms: int64[] option[]) =
        let usable = histograms |> Array.choose id
        let ignored (counts: int64[]) = counts[int Ignored.label]

        let lesions (counts: int64[]) =
            Array.sum counts - counts[0] - ignored counts

        let count holds =
            usable |> Array.filter holds |> Array.length

        {
            Site = site.Name
            Frames = site.Items.Length
            Usable = usable.Length
            Empty = count (fun counts -> lesions counts = 0L)
            Whole = count (fun counts -> lesions counts = Array.sum counts)
            Ignoring = count (fun counts -> ignored counts > 0L)
            Ignored = count (fun counts -> ignored counts = Array.sum counts)
            Classes =
                dataset.Classes
                |> List.mapi (fun k name ->
                    {
                        Class = name
                        Frames = count (fun counts -> counts[k + 1] > 0L)
                        Pixels = usable |> Array.sumBy (fun counts -> counts[k + 1])
                    })
        }

    /// A class that the site declares as its only one must be the only one in its masks.
    let private otherClasses (dataset: Dataset) (site: DatasetSite) (item: DatasetItem) (counts: int64[]) =
        match site.Class with
        | None -> None
        | Some own ->
            let others =
                dataset.Classes
                |> List.mapi (fun k name -> k + 1, name)
                |> List.filter (fun (label, _) -> label <> own && counts[label] > 0L)
                |> List.map snd

            if others.IsEmpty then
                None
            else
                let names = String.concat ", " others

                Some(
                    McdrlError.data
                        $"the mask holds {names}, but its site {site.Name} declares the class {dataset.Classes[own - 1]}"
                        item.Mask
                        "Correct the mask, or remove class from the site in dataset.json"
                )

    /// Counts of a frame's labels and, where asked for, what it is recognised by.
    let private examine dataset duplicates (item: DatasetItem) =
        Dataset.read dataset item
        |> Result.bind (fun (picture, map) ->
            let turned = TurnedFrames.ofFrame dataset item (picture, map)

            if duplicates then
                Files.sha256 item.Image
                |> Result.map (fun digest ->
                    LabelMap.histogram map,
                    turned,
                    Some
                        {
                            Site = item.Site
                            Image = item.Image
                            Fingerprint =
                                {
                                    Digest = digest
                                    Look = Fingerprints.look picture
                                }
                        })
            else
                Ok(LabelMap.histogram map, turned, None))

    /// Classes that no usable frame holds, masks that mark every pixel, and what is ignored.
    let private notices (dataset: Dataset) (sites: SiteOccurrence list) =
        [
            if sites |> List.exists (fun site -> site.Usable > 0) then
                for k, name in List.indexed dataset.Classes do
                    if sites |> List.forall (fun site -> site.Classes[k].Frames = 0) then
                        $"the class {name} occurs in no mask: 0 frames; it can be neither learned nor measured"

            for site in sites do
                if site.Whole > 0 then
                    let masks =
                        if site.Whole = 1 then
                            "1 mask marks"
                        else
                            $"{site.Whole} masks mark"

                    $"{site.Site}: {masks} every pixel of the frame, the whole picture"

                if site.Ignoring > 0 then
                    let frames =
                        if site.Ignoring = 1 then
                            "1 frame"
                        else
                            $"{site.Ignoring} frames"

                    let all =
                        if site.Ignored > 0 then
                            $", and of {site.Ignored} all of them, which teach and measure nothing"
                        else
                            ""

                    $"{site.Site}: pixels of {frames} are ignored{all}"
        ]

    /// Frames whose masks are read side by side.
    let private together = 32

    /// The classes that no frame of some sites holds. Masks are read, from all over the sites, until every class has been seen; one that can't
    /// be read holds none.
    let absentClasses (dataset: Dataset) (cancel: CancellationToken) (sites: DatasetSite list) : string list =
        let held (item: DatasetItem) =
            match Guard.run item.Mask (fun () -> Dataset.labels dataset item) with
            | Ok map ->
                let counts = LabelMap.histogram map

                set
                    [
                        for label in 1 .. dataset.Classes.Length do
                            if counts[label] > 0L then
                                label
                    ]
            | Error _ -> Set.empty

        let rec rest missing (batches: DatasetItem[] list) =
            match batches with
            | batch :: later when not (Set.isEmpty missing || cancel.IsCancellationRequested) ->
                rest (missing - (batch |> Array.Parallel.map held |> Set.unionMany)) later
            | _ -> missing

        let items = sites |> Seq.collect _.Items |> Array.ofSeq
        let steps = max 1 (items.Length / together)

        // Every so many-th of all, then those after them: what one site has, is met in the first few.
        let spread =
            [
                for first in 0 .. steps - 1 ->
                    [| for index in first..steps .. items.Length - 1 -> items[index] |]
            ]

        let missing = rest (set [ 1 .. dataset.Classes.Length ]) spread

        if cancel.IsCancellationRequested then
            []
        else
            [ for label in missing -> dataset.Classes[label - 1] ]

    /// Reads every frame and mask, in parallel, one frame a processor in memory at a time; with `duplicates`, also looks
    /// for frames that occur in several sites. `Error` only where the description itself can't be used, or on
    /// cancellation; all other faults are in the report.
    let run (path: string) (duplicates: bool) (progress: Progress) : Result<DatasetReport, McdrlError> =
        Dataset.survey path
        |> Result.bind (fun (dataset, structure) ->
            let items =
                dataset.Sites
                |> List.collect (fun site ->
                    site.Items |> Array.map (fun item -> site, item) |> List.ofArray)
                |> Array.ofList

            let outcomes: Result<int64[] * TurnedFrame option * KnownFrame option, McdrlError>[] =
                Array.create items.Length (Error McdrlError.Cancelled)

            let turn = obj ()
            let mutable finished = 0

            let check index =
                if not progress.IsCancelled then
                    let item = snd items[index]
                    outcomes[index] <- Guard.run item.Image (fun () -> examine dataset duplicates item)

                    lock turn (fun () ->
                        finished <- finished + 1

                        progress.Tell
                            {
                                Stage = "checking"
                                Done = finished
                                Total = items.Length
                                Note = (fst items[index]).Name
                            })

            Parallel.For(
                0,
                items.Length,
                ParallelOptions(MaxDegreeOfParallelism = Environment.ProcessorCount),
                check
            )
            |> ignore

            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                let contents =
                    [
                        for index in 0 .. items.Length - 1 do
                            match outcomes[index] with
                            | Error fault -> yield! McdrlError.flatten fault
                            | Ok(counts, _, _) ->
                                let site, item = items[index]
                                yield! otherClasses dataset site item counts |> Option.toList
                    ]

                let bySite =
                    Array.zip items outcomes
                    |> Array.map (fun ((site, _), outcome) ->
                        site.Name, outcome |> Result.toOption |> Option.map (fun (counts, _, _) -> counts))
                    |> Array.groupBy fst
                    |> Array.map (fun (site, found) -> site, Array.map snd found)
                    |> Map.ofArray

                let sites =
                    dataset.Sites
                    |> List.map (fun site ->
                        Map.tryFind site.Name bySite
                        |> Option.defaultValue [||]
                        |> occurrences dataset site)

                let turned =
                    [
                        for outcome in outcomes do
                            match outcome with
                            | Ok(_, Some turned, _) -> turned
                            | Ok(_, None, _)
                            | Error _ -> ()
                    ]

                Ok
                    {
                        Name = dataset.Name
                        Folder = dataset.Folder
                        Sites = sites
                        Problems =
                            List.collect McdrlError.flatten structure
                            @ contents
                            @ Option.toList (TurnedFrames.likelyOther dataset turned)
                        Notices = notices dataset sites @ TurnedFrames.notices dataset turned
                        Duplicates =
                            if duplicates then
                                outcomes
                                |> Array.choose (Result.toOption >> Option.bind (fun (_, _, known) -> known))
                                |> Duplicates.find
                                |> Some
                            else
                                None
                    })
