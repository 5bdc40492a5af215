namespace Mcdrl

/// Which pixels are marked, given the probabilities of their classes.
type Marking =
    {
        /// P(lesion) at or above which a pixel is marked, as the most probable of the lesion classes. `None` gives each pixel its most
        /// probable class, background among them; with one lesion class that is a threshold of 0.5, but for ties, which are not marked.
        Threshold: float option
        /// Regions of fewer pixels of the picture are not marked; 0 leaves it to the model, see `Marking.inPicture`.
        MinArea: int64
    }

/// A stretch of one row whose pixels have one label, from 1.
[<Struct>]
type PixelRun =
    {
        /// Row of the map.
        Row: int
        /// Its first column.
        First: int
        /// The column after its last.
        After: int
        /// The number of its region, from 0, in the order in which regions begin, row by row.
        Region: int
    }

/// Connected regions, as `Contours` has them, as stretches of rows: which pixels a region has.
[<RequireQualifiedAccess>]
module PixelRun =
    /// The stretches of all regions, row by row from left to right. Pixels belong together if they share an edge and a label.
    let find (map: LabelMap) : PixelRun array =
        let parents = ResizeArray<int>()
        let runs = ResizeArray<PixelRun>()

        let rec root run =
            if parents[run] = run then
                run
            else
                parents[run] <- parents[parents[run]]
                root parents[run]

        let join one other =
            let one, other = root one, root other
            parents[max one other] <- min one other

        let labelAt row column = map.Labels[row * map.Width + column]
        let mutable above, current = 0, 0

        for row in 0 .. map.Height - 1 do
            let before = current
            current <- runs.Count
            let mutable column = 0

            while column < map.Width do
                let label = labelAt row column
                let first = column

                while column < map.Width && labelAt row column = label do
                    column <- column + 1

                if label <> 0uy then
                    parents.Add runs.Count

                    runs.Add
                        {
                            Row = row
                            First = first
                            After = column
                            Region = 0
                        }

            above <- before

            for run in current .. runs.Count - 1 do
                let own = runs[run]

                while above < current && runs[above].After <= own.First do
                    above <- above + 1

                let mutable other = above

                while other < current && runs[other].First < own.After do
                    if labelAt (row - 1) runs[other].First = labelAt row own.First then
                        join run other

                    other <- other + 1

        // A root is the first stretch of its region, so numbers follow the order in which regions begin.
        let numbers = Array.zeroCreate<int> runs.Count
        let mutable regions = 0

        runs.ToArray()
        |> Array.mapi (fun run own ->
            if root run = run then
                numbers[run] <- regions
                regions <- regions + 1

            { own with Region = numbers[root run] })

/// Ways to mark, and what they make of probabilities.
[<RequireQualifiedAccess>]
module Marking =
    /// The most probable class of each pixel, regions of the size that the model marks.
    let standard = { Threshold = None; MinArea = 0L }

    /// A way to mark; what is out of range is a `Usage` error, all of it at once.
    let create (threshold: float option) (minArea: int64) : Result<Marking, McdrlError> =
        let isProbability value = value > 0.0 && value <= 1.0

        [
            match threshold with
            | Some value when not (isProbability value) ->
                McdrlError.usage
                    $"{value} is no probability at which pixels can be marked"
                    "“threshold”"
                    "Give a number above 0, at most 1, or none for the most probable class of each pixel"
            | _ -> ()

            if minArea < 0L then
                McdrlError.usage
                    $"{minArea} is no number of pixels"
                    "“min_area”"
                    "Give 0 for what the model says, 1 for regions of any size, or the number of pixels that a region needs to be marked"
        ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (
            Ok
                {
                    Threshold = threshold
                    MinArea = minArea
                }
        )

    /// The marking of a picture of this size: where no smallest region is asked for, the model's own, a share of the picture.
    let inPicture (share: float option) (height: int) (width: int) (marking: Marking) : Marking =
        match share with
        | Some share when marking.MinArea = 0L ->
            { marking with
                MinArea = int64 (ceil (share * float height * float width))
            }
        | _ -> marking

    /// The map without regions of fewer than `minArea` pixels.
    let withoutSmall (minArea: int64) (map: LabelMap) : LabelMap =
        if minArea <= 1L then
            map
        else
            let runs = PixelRun.find map
            let areas = Array.zeroCreate<int64> runs.Length

            for run in runs do
                areas[run.Region] <- areas[run.Region] + int64 (run.After - run.First)

            let isSmall (run: PixelRun) = areas[run.Region] < minArea

            if Array.exists isSmall runs then
                let labels = Array.copy map.Labels

                for run in runs do
                    if isSmall run then
                        System.Array.Clear(labels, run.Row * map.Width + run.First, run.After - run.First)

                { map with Labels = labels }
            else
                map

    /// The labels of a picture. Probabilities [classes, side, side], row by row.
    let labels (marking: Marking) height width side (probabilities: float32 array) : LabelMap =
        match marking.Threshold with
        | None -> Resampling.labels height width side probabilities
        | Some threshold -> Resampling.labelsFrom threshold height width side probabilities
        |> withoutSmall marking.MinArea
