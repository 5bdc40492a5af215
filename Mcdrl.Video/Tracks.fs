namespace Mcdrl

/// A rectangle of pixels.
[<Struct>]
type TrackBox =
    {
        /// Left edge.
        X: float
        /// Top edge.
        Y: float
        /// From the left edge to the right one.
        Width: float
        /// From the top edge to the bottom one.
        Height: float
    }

/// A region as a frame shows it.
type TrackedRegion =
    {
        /// Its class, from 1.
        Label: int
        /// The rectangle around it.
        Box: TrackBox
        /// Pixels.
        Area: int64
        /// P(class), the largest of its pixels.
        Probability: float
    }

/// A number that changes steadily: where it is, how fast it changes a second, and how uncertain both are.
type SteadyNumber =
    {
        /// What it is.
        Value: float
        /// How fast it changes, a second.
        Speed: float
        /// Variance of the value, covariance, and variance of the speed.
        Spread: struct (float * float * float)
    }

/// A Kalman filter of one number under white noise of its acceleration.
[<RequireQualifiedAccess>]
module internal SteadyNumber =
    /// Standard deviations, as shares of the lesion's size: of what is measured, of the speed at first, and of the acceleration.
    let private measured, private firstSpeed, private acceleration = 0.05, 1.0, 2.0

    let first size value =
        {
            Value = value
            Speed = 0.0
            Spread = struct ((measured * size) ** 2.0, 0.0, (firstSpeed * size) ** 2.0)
        }

    let after (seconds: float) (size: float) (number: SteadyNumber) =
        let struct (value, both, speed) = number.Spread
        let noise = (acceleration * size) ** 2.0

        { number with
            Value = number.Value + seconds * number.Speed
            Spread =
                struct (value
                        + 2.0 * seconds * both
                        + seconds * seconds * speed
                        + noise * seconds ** 3.0 / 3.0,
                        both + seconds * speed + noise * seconds * seconds / 2.0,
                        speed + noise * seconds)
        }

    let corrected (size: float) (found: float) (number: SteadyNumber) =
        let struct (value, both, speed) = number.Spread
        let total = value + (measured * size) ** 2.0
        let gain, speedGain = value / total, both / total
        let surprise = found - number.Value

        {
            Value = number.Value + gain * surprise
            Speed = number.Speed + speedGain * surprise
            Spread = struct ((1.0 - gain) * value, (1.0 - gain) * both, speed - speedGain * both)
        }

/// One lesion, as long as it is seen.
type Track =
    {
        /// From 1, in the order in which tracks are sure; none until it has been seen often enough.
        Number: int option
        /// Its class, from 1.
        Label: int
        /// Time of the first frame that shows it, seconds.
        First: float
        /// Time of the last frame so far that shows it, seconds.
        Last: float
        /// Frames that show it.
        Seen: int
        /// The largest probability of its pixels in any frame.
        Probability: float
        /// Pixels in the frame that shows most of it.
        Area: int64
        /// When that was, seconds.
        LargestAt: float
        /// The rectangle around it there.
        LargestBox: TrackBox
        /// Middle and size, from left to right and from top to bottom.
        Motion: SteadyNumber list
        /// Which of all that ever began it is.
        Birth: int
    }

/// How lesions are followed.
type TrackSettings =
    {
        /// Least overlap (intersection over union) of a region's rectangle and the one foretold.
        MinOverlap: float
        /// Seconds that a lesion may be out of sight and be the same when it is seen again; one that hasn't been seen in `MinSeen` frames may
        /// be missed for two frames.
        Patience: float
        /// Frames in which a lesion must be seen to be told of.
        MinSeen: int
    }

/// The lesions of a clip so far.
type Tracking =
    {
        /// Those that may be seen again, the oldest first.
        Live: Track list
        /// Those that are over and were seen often enough, in the order in which they ended.
        Over: Track list
        /// How many have a number.
        Numbered: int
        /// How many ever began.
        Born: int
        /// Time of the frame before, seconds.
        Time: float option
    }

/// Follows lesions from frame to frame: what a region is, is decided by the overlap with where each lesion is foretold to be, a
/// Kalman filter with constant velocity. Causal, and fit for frames at intervals that differ.
[<RequireQualifiedAccess>]
module Tracks =
    /// An overlap of 0.2, a second of patience, three frames.
    let standard =
        {
            MinOverlap = 0.2
            Patience = 1.0
            MinSeen = 3
        }

    /// No lesion yet.
    let none =
        {
            Live = []
            Over = []
            Numbered = 0
            Born = 0
            Time = None
        }

    /// Intervals between frames after which a lesion may be seen again, however long they are.
    let private missed = 3.0

    let private shared (one: TrackBox) (other: TrackBox) =
        let along low size low' size' =
            max 0.0 (min (low + size) (low' + size') - max low low')

        along one.X one.Width other.X other.Width
        * along one.Y one.Height other.Y other.Height

    let private area (box: TrackBox) = box.Width * box.Height

    /// Intersection over union.
    let overlap (one: TrackBox) (other: TrackBox) : float =
        let both = shared one other
        both / max 1e-9 (area one + area other - both)

    /// Share of the smaller one that the other covers.
    let private covered one other =
        shared one other / max 1e-9 (min (area one) (area other))

    let private boxOf (motion: SteadyNumber list) : TrackBox =
        match motion |> List.map _.Value with
        | [ x; y; width; height ] ->
            let width, height = max 1.0 width, max 1.0 height

            {
                X = x - width / 2.0
                Y = y - height / 2.0
                Width = width
                Height = height
            }
        | _ ->
            {
                X = 0.0
                Y = 0.0
                Width = 1.0
                Height = 1.0
            }

    let private numbersOf (box: TrackBox) =
        [ box.X + box.Width / 2.0; box.Y + box.Height / 2.0; box.Width; box.Height ]

    let private sizeOf (box: TrackBox) = sqrt (box.Width * box.Height)

    let private begun birth time (region: TrackedRegion) : Track =
        {
            Number = None
            Label = region.Label
            First = time
            Last = time
            Seen = 1
            Probability = region.Probability
            Area = region.Area
            LargestAt = time
            LargestBox = region.Box
            Motion = numbersOf region.Box |> List.map (SteadyNumber.first (sizeOf region.Box))
            Birth = birth
        }

    let private foretold (seconds: float) (track: Track) =
        let size = sizeOf (boxOf track.Motion)

        { track with
            Motion = track.Motion |> List.map (SteadyNumber.after seconds size)
        }

    let private seenAt time (region: TrackedRegion) (track: Track) =
        let size = sizeOf region.Box
        let isLargest = region.Area > track.Area

        { track with
            Last = time
            Seen = track.Seen + 1
            Probability = max track.Probability region.Probability
            Area = max track.Area region.Area
            LargestAt = if isLargest then time else track.LargestAt
            LargestBox = if isLargest then region.Box else track.LargestBox
            Motion = List.map2 (SteadyNumber.corrected size) (numbersOf region.Box) track.Motion
        }

    /// Pairs of tracks and regions of one class, each at most once, the best first: what overlaps enough by `score`.
    let private paired score least (tracks: Track list) (regions: (int * TrackedRegion) list) =
        let candidates =
            [
                for track in tracks do
                    for index, region in regions do
                        if track.Label = region.Label then
                            let found: float = score (boxOf track.Motion) region.Box

                            if found >= least then
                                found, track.Birth, index
            ]
            |> List.sortBy (fun (found, birth, index) -> -found, birth, index)

        (([], Set.empty, Set.empty), candidates)
        ||> List.fold (fun (pairs, tracks, regions) (_, birth, index) ->
            if Set.contains birth tracks || Set.contains index regions then
                pairs, tracks, regions
            else
                (index, birth) :: pairs, Set.add birth tracks, Set.add index regions)
        |> fun (pairs, _, _) -> Map.ofList pairs

    let private unpaired (pairs: Map<int, int>) (tracks: Track list) (regions: (int * TrackedRegion) list) =
        let taken = pairs |> Map.toList |> List.map snd |> Set

        tracks |> List.filter (fun track -> not (taken.Contains track.Birth)),
        regions |> List.filter (fun (index, _) -> not (pairs.ContainsKey index))

    /// Gives numbers to those that have been seen often enough.
    let private numbered settings (tracking: Tracking) =
        let live, count =
            (tracking.Numbered, tracking.Live)
            ||> List.mapFold (fun count track ->
                if track.Number.IsNone && track.Seen >= settings.MinSeen then
                    { track with Number = Some(count + 1) }, count + 1
                else
                    track, count)

        { tracking with
            Live = live
            Numbered = count
        }

    /// The lesions after a frame, and which each of its regions belongs to, by number; none for those that aren't sure yet.
    /// Times must rise.
    let step
        (settings: TrackSettings)
        (time: float)
        (regions: TrackedRegion list)
        (tracking: Tracking)
        : Tracking * int option list =
        let passed =
            tracking.Time
            |> Option.map (fun before -> max 0.0 (time - before))
            |> Option.defaultValue 0.0

        // What isn't sure yet may be missed for a frame or two, and not for as long as what is.
        let patience (track: Track) =
            if track.Number.IsSome then
                max settings.Patience (missed * passed)
            else
                missed * passed

        let waiting, lost =
            tracking.Live
            |> List.partition (fun track -> time - track.Last <= patience track)

        let waiting = waiting |> List.map (foretold passed)
        let indexed = List.indexed regions
        let near = paired overlap settings.MinOverlap waiting indexed
        let tracks, rest = unpaired near waiting indexed
        // A region that shrinks to a piece of itself overlaps little, and lies within.
        let within = paired covered 0.5 tracks rest
        let own = Map.fold (fun all index birth -> Map.add index birth all) near within

        let live =
            waiting
            |> List.map (fun track ->
                match own |> Map.tryFindKey (fun _ birth -> birth = track.Birth) with
                | Some index -> seenAt time regions[index] track
                | None -> track)

        // Pieces of a lesion that is seen are no lesions of their own.
        let pieceOf (region: TrackedRegion) =
            let isPiece (_, birth) =
                waiting
                |> List.exists (fun track ->
                    track.Birth = birth
                    && track.Label = region.Label
                    && covered (boxOf track.Motion) region.Box >= 0.5)

            own |> Map.toList |> List.tryFind isPiece |> Option.map snd

        let assigned, newcomers =
            (([], []), indexed)
            ||> List.fold (fun (assigned, newcomers) (index, region) ->
                match Map.tryFind index own |> Option.orElseWith (fun () -> pieceOf region) with
                | Some birth -> birth :: assigned, newcomers
                | None ->
                    let birth = tracking.Born + List.length newcomers
                    birth :: assigned, begun birth time region :: newcomers)

        let next =
            numbered
                settings
                {
                    Live = live @ List.rev newcomers
                    Over = tracking.Over @ (lost |> List.filter _.Number.IsSome)
                    Numbered = tracking.Numbered
                    Born = tracking.Born + newcomers.Length
                    Time = Some time
                }

        next,
        List.rev assigned
        |> List.map (fun birth ->
            next.Live
            |> List.tryFind (fun track -> track.Birth = birth)
            |> Option.bind _.Number)

    /// All lesions that were seen often enough, by their numbers.
    let all (tracking: Tracking) : Track list =
        tracking.Over @ (tracking.Live |> List.filter _.Number.IsSome)
        |> List.sortBy _.Number
