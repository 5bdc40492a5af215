namespace Mcdrl

/// Boundaries of regions with fewer corners: stairs of pixels become the slopes that they stand for.
[<RequireQualifiedAccess>]
module OutlineSimplification =
    /// How much of the area that a boundary encloses may be lost or won.
    let private areaLost = 0.05

    /// A point that a simplified boundary may go through, in half pixels. It lies at corner `Place / 2` of the boundary or, where `Place` is odd, on
    /// the edge behind that corner.
    [<Struct>]
    type private Candidate = { X: int; Y: int; Place: int }

    /// Edges longer than this have candidates at both ends, where what is curved may begin.
    let private longEdge = 4

    /// Corners between two edges longer than a pixel, and of edges that end at another corner the middle, of long ones also the middle of their
    /// first and last pixel. From one to the next the boundary is always nearer than half a pixel.
    let private candidates (corners: struct (int * int)[]) =
        let count = corners.Length
        let corner i = corners[(i + count) % count]

        let length i =
            let struct (x1, y1), struct (x2, y2) = corner i, corner (i + 1)
            abs (x2 - x1) + abs (y2 - y1)

        let isSharp i = length (i - 1) > 1 && length i > 1

        [|
            for i in 0 .. count - 1 do
                let struct (x1, y1), struct (x2, y2) = corner i, corner (i + 1)
                let dx, dy = sign (x2 - x1), sign (y2 - y1)

                if isSharp i then
                    {
                        X = 2 * x1
                        Y = 2 * y1
                        Place = 2 * i
                    }

                if not (isSharp i && isSharp (i + 1)) then
                    let halves = length i

                    for along in
                        (if halves > longEdge then
                             [ 1; halves; 2 * halves - 1 ]
                         else
                             [ halves ]) do
                        {
                            X = 2 * x1 + dx * along
                            Y = 2 * y1 + dy * along
                            Place = 2 * i + 1
                        }
        |]

    /// Square of the distance of a point from the line between two others.
    let private squaredDistance (fromX, fromY) (toX, toY) (x, y) =
        let dx, dy = toX - fromX, toY - fromY
        let squared = dx * dx + dy * dy

        let along =
            if squared = 0.0 then
                0.0
            else
                max 0.0 (min 1.0 (((x - fromX) * dx + (y - fromY) * dy) / squared))

        let offX, offY = x - fromX - along * dx, y - fromY - along * dy
        offX * offX + offY * offY

    let private area (polygon: struct (float * float)[]) =
        let mutable sum = 0.0

        for i in 0 .. polygon.Length - 1 do
            let struct (x1, y1), struct (x2, y2) = polygon[i], polygon[(i + 1) % polygon.Length]
            sum <- sum + x1 * y2 - x2 * y1

        0.5 * sum

    /// Candidates looked at behind one that can't be gone to.
    let private lookAhead = 12

    let private slopes (corners: struct (int * int)[]) =
        let points = candidates corners

        let at index =
            points[index % points.Length], index / points.Length * 2 * corners.Length

        /// Whether all corners between two candidates are nearer than half a pixel to the line between them.
        let isNear first last =
            let a, turned = at first
            let b, turnedLast = at last
            let ends (point: Candidate) = float point.X, float point.Y

            Seq.forall
                (fun index ->
                    let struct (x, y) = corners[index % corners.Length]
                    squaredDistance (ends a) (ends b) (2.0 * float x, 2.0 * float y) < 1.0)
                (seq { (a.Place + turned) / 2 + 1 .. (b.Place + turnedLast + 1) / 2 - 1 })

        /// A candidate far ahead, up to the first one's return, that can be gone to at once: found by steps that double, then halve, then by a
        /// look at the next few, as one that is near may stand behind one that is not.
        let farthest first =
            let mutable reached, step = first + 1, 1

            let isReached index =
                index <= points.Length && isNear first index

            while isReached (reached + step) do
                reached <- reached + step
                step <- 2 * step

            while step > 0 do
                if isReached (reached + step) then
                    reached <- reached + step

                step <- step / 2

            let mutable ahead = 1

            while ahead <= lookAhead do
                if isReached (reached + ahead) then
                    reached <- reached + ahead
                    ahead <- 1
                else
                    ahead <- ahead + 1

            reached

        0
        |> Array.unfold (fun index ->
            if index >= points.Length then
                None
            else
                let point = points[index]
                Some(struct (0.5 * float point.X, 0.5 * float point.Y), farthest index))

    /// A boundary of `Contours` with fewer corners, which are whole or half pixels: no point of either is half a pixel or more from the other, and
    /// they enclose the same area to 5 %. One that would enclose less or more, as of a few pixels or a thread, stays as it is.
    let simplified (boundary: struct (int * int)[]) : struct (float * float)[] =
        let exact = boundary |> Array.map (fun struct (x, y) -> struct (float x, float y))

        let found = slopes boundary

        if
            found.Length < exact.Length
            && abs (area found - area exact) <= areaLost * abs (area exact)
        then
            found
        else
            exact
