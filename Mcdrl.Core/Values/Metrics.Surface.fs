namespace Mcdrl

/// Normalised surface distance (NSD) of two masks: the share of both outlines that lies within a tolerance of the other outline, 0
/// to 1. (|{a ∈ ∂A : d(a, ∂B) ≤ τ}| + |{b ∈ ∂B : d(b, ∂A) ≤ τ}|) / (|∂A| + |∂B|), as in Nikolov et al., 2018, "surface Dice at
/// tolerance", and Metrics Reloaded (Maier-Hein et al., 2024).
///
/// Tools disagree about the outline. Here ∂A is the set of pixels of A with a pixel outside A on one of their four sides, what lies
/// beyond the image being outside; each counts once, both directions together; d is Euclidean between pixel centres. So do MONAI's
/// masks' edges; Nikolov's own tool weighs pieces of contour by their length instead.
[<RequireQualifiedAccess>]
module SurfaceDistance =
    /// The tolerance τ as a share of the image's diagonal. It has no unit that depends on how a frame was scaled; nothing better,
    /// the disagreement of several readers, is known of the datasets here.
    let tolerance = 0.01

    /// τ in pixels of an image.
    let tolerancePixels (width: int) (height: int) =
        tolerance * sqrt (float width * float width + float height * float height)

    /// Columns and rows, the last ones included.
    [<Struct>]
    type private Box =
        {
            Left: int
            Top: int
            Right: int
            Bottom: int
        }

    /// The smallest box around the foreground of both masks, which holds both outlines.
    let private boxOf width (one: byte[]) (other: byte[]) =
        let mutable left, top, right, bottom = System.Int32.MaxValue, -1, -1, -1

        for pixel in 0 .. one.Length - 1 do
            if one[pixel] <> 0uy || other[pixel] <> 0uy then
                let x, y = pixel % width, pixel / width
                left <- min left x
                right <- max right x
                bottom <- y

                if top < 0 then
                    top <- y

        {
            Left = left
            Top = top
            Right = right
            Bottom = bottom
        }

    let private onOutline width (mask: byte[]) x y =
        let pixel = y * width + x

        mask[pixel] <> 0uy
        && (x = 0
            || x = width - 1
            || pixel < width
            || pixel + width >= mask.Length
            || mask[pixel - 1] = 0uy
            || mask[pixel + 1] = 0uy
            || mask[pixel - width] = 0uy
            || mask[pixel + width] = 0uy)

    /// Of each pixel of the box, row by row, how many rows lie between it and the outline in its column; as much as the box's width
    /// and height together where the column has none. [height · width of the box].
    let private columnDistances box width mask =
        let columns, rows = box.Right - box.Left + 1, box.Bottom - box.Top + 1
        let far = columns + rows
        let distances = Array.create (columns * rows) far

        for y in 0 .. rows - 1 do
            for x in 0 .. columns - 1 do
                let place = y * columns + x

                if onOutline width mask (box.Left + x) (box.Top + y) then
                    distances[place] <- 0
                elif y > 0 then
                    distances[place] <- min far (distances[place - columns] + 1)

        for y in rows - 2 .. -1 .. 0 do
            for x in 0 .. columns - 1 do
                let place = y * columns + x
                distances[place] <- min distances[place] (distances[place + columns] + 1)

        distances

    /// Tells `visit` the squared Euclidean distance from each pixel of the box, x and y of the image, to the nearest pixel of the
    /// mask's outline, which isn't empty. Exact and in linear time: the lower envelope of parabolas, row by row (Meijster, Roerdink
    /// and Hesselink, 2000; Felzenszwalb and Huttenlocher, 2012). Holds one number a pixel of the box.
    let private eachDistance box width mask (visit: int -> int -> int64 -> unit) =
        let columns, rows = box.Right - box.Left + 1, box.Bottom - box.Top + 1
        let vertical = columnDistances box width mask
        let site, from = Array.zeroCreate<int> columns, Array.zeroCreate<int> columns

        for y in 0 .. rows - 1 do
            let square x =
                let distance = int64 vertical[y * columns + x] in distance * distance

            let along x site =
                let apart = int64 (x - site) in apart * apart + square site

            let mutable last = 0
            site[0] <- 0
            from[0] <- 0

            for next in 1 .. columns - 1 do
                while last >= 0 && along from[last] site[last] > along from[last] next do
                    last <- last - 1

                if last < 0 then
                    last <- 0
                    site[0] <- next
                    from[0] <- 0
                else
                    let before, after = int64 site[last], int64 next

                    let crossing =
                        (after * after - before * before + square next - square site[last])
                        / (2L * (after - before))

                    if crossing + 1L < int64 columns then
                        last <- last + 1
                        site[last] <- next
                        from[last] <- int crossing + 1

            for x in columns - 1 .. -1 .. 0 do
                visit (box.Left + x) (box.Top + y) (along x site[last])

                if x = from[last] then
                    last <- last - 1

    /// Pixels of the outline of `mask`, and those of them that lie within √`limit` pixels of the outline of `other`.
    let private near limit box width mask other =
        let farther, nearer = 0, 1
        let counts = Array.zeroCreate<int64> 2

        eachDistance box width other (fun x y squared ->
            if onOutline width mask x y then
                let place = if squared <= limit then nearer else farther
                counts[place] <- counts[place] + 1L)

        struct (Array.sum counts, counts[nearer])

    /// NSD of two masks of the same size, row by row, with a tolerance of at least 0 in pixels. Foreground is all that isn't 0: of
    /// several classes the outer outline counts. Neither mask marks anything: 1; one of them does: 0.
    let normalised (tolerance: float) (width: int) (one: byte[]) (other: byte[]) : float =
        match Array.exists ((<>) 0uy) one, Array.exists ((<>) 0uy) other with
        | false, false -> 1.0
        | true, false
        | false, true -> 0.0
        | true, true ->
            let box = boxOf width one other
            // Distances are roots of whole numbers: what rounding takes from a tolerance's square must not cost one of them.
            let limit = int64 (floor (tolerance * tolerance + 1e-9))
            let struct (ones, onesNear) = near limit box width one other
            let struct (others, othersNear) = near limit box width other one
            float (onesNear + othersNear) / float (ones + others)
