namespace Mcdrl

open System

/// How bright a frame is, in few pixels.
type GreyFrame =
    {
        /// Pixels a row, at most `BlockMotion.widest`.
        Width: int
        /// Rows.
        Height: int
        /// Pixels of the frame, a side, that each pixel stands for.
        Factor: int
        /// Luma, 0 to 255, row by row.
        Levels: byte[]
    }

/// How what a frame shows has moved since the frame before: one shift for each block of `BlockMotion.block` pixels of the grey frames, the
/// rest of a side with the last.
type Motion =
    {
        /// Blocks a row.
        Columns: int
        /// Rows of blocks.
        Rows: int
        /// What a block shows was so many columns further right in the frame before, as a share of the frame's width.
        X: float32[]
        /// The same downward, as a share of the frame's height.
        Y: float32[]
        /// Mean difference to where it was, in levels of grey.
        Residual: float32[]
        /// Share of the frame's width that a block has; of its height in `BlockHeight`.
        BlockWidth: float32
        /// Share of the frame's height that a block has.
        BlockHeight: float32
    }

/// Optical flow by block matching: each block of the frame is looked for, whole pixel by whole pixel, in the frame before, and the place
/// is refined by a parabola. It sees shifts of up to `reach` pixels of the grey frames, no turning and no zoom within a block, and no more
/// than noise where nothing has an edge.
[<RequireQualifiedAccess>]
module BlockMotion =
    /// Pixels a row of a grey frame, at most.
    let widest = 160

    /// Pixels a side of a block.
    let block = 8

    /// Pixels that a block is looked for in each direction.
    let reach = 8

    /// The mean brightness of each square of pixels, of which every other row and column is looked at where it is large.
    let grey (picture: Picture) : GreyFrame =
        let factor = max 1 ((max picture.Width picture.Height + widest - 1) / widest)
        let width, height = max 1 (picture.Width / factor), max 1 (picture.Height / factor)
        let step = if factor >= 4 then 2 else 1

        let level x y =
            let mutable sum, count = 0, 0

            for row in y * factor .. step .. min picture.Height ((y + 1) * factor) - 1 do
                for column in x * factor .. step .. min picture.Width ((x + 1) * factor) - 1 do
                    let at = (row * picture.Width + column) * 3
                    // 299, 587 and 114 thousandths in 1024ths.
                    sum <-
                        sum
                        + 306 * int picture.Rgb[at]
                        + 601 * int picture.Rgb[at + 1]
                        + 117 * int picture.Rgb[at + 2]

                    count <- count + 1

            byte (sum / (1024 * count))

        {
            Width = width
            Height = height
            Factor = factor
            Levels = Array.init (width * height) (fun at -> level (at % width) (at / width))
        }

    /// Shifts within reach, the nearest first.
    let private shifts =
        [|
            for dy in -reach .. reach do
                for dx in -reach .. reach do
                    struct (dx, dy)
        |]
        |> Array.sortBy (fun (struct (dx, dy)) -> dx * dx + dy * dy)

    /// Sum of differences of a block and where it may have been; the rest is left out as soon as it is more than `most`.
    let private difference (now: GreyFrame) (before: GreyFrame) left top right bottom dx dy most =
        let mutable sum = 0
        let mutable row = top

        while row < bottom && sum < most do
            let from = row * now.Width
            let other = (row + dy) * now.Width + dx

            for column in left .. right - 1 do
                sum <- sum + abs (int now.Levels[from + column] - int before.Levels[other + column])

            row <- row + 1

        sum

    /// Where between its neighbours the least of three lies, in −½ to ½.
    let private between (low: int) (least: int) (high: int) =
        let bend = low + high - 2 * least

        if bend <= 0 then
            0f
        else
            0.5f * float32 (low - high) / float32 bend

    /// How the frame has moved since the one before, of the same size.
    let find (before: GreyFrame) (now: GreyFrame) : Motion =
        let columns, rows = max 1 (now.Width / block), max 1 (now.Height / block)
        let x, y = Array.zeroCreate (columns * rows), Array.zeroCreate (columns * rows)
        let residual = Array.zeroCreate (columns * rows)

        for blockY in 0 .. rows - 1 do
            for blockX in 0 .. columns - 1 do
                let left, top = blockX * block, blockY * block
                let right = if blockX = columns - 1 then now.Width else left + block
                let bottom = if blockY = rows - 1 then now.Height else top + block

                let isInside dx dy =
                    left + dx >= 0
                    && right + dx <= now.Width
                    && top + dy >= 0
                    && bottom + dy <= now.Height

                let cost dx dy most =
                    if isInside dx dy then
                        difference now before left top right bottom dx dy most
                    else
                        Int32.MaxValue

                let mutable bestX, bestY, least = 0, 0, cost 0 0 Int32.MaxValue

                for struct (dx, dy) in shifts do
                    let found = cost dx dy least

                    if found < least then
                        bestX <- dx
                        bestY <- dy
                        least <- found

                let refined low high =
                    if low = Int32.MaxValue || high = Int32.MaxValue then
                        0f
                    else
                        between low least high

                let whole dx dy =
                    cost (bestX + dx) (bestY + dy) Int32.MaxValue

                let index = blockY * columns + blockX
                x[index] <- (float32 bestX + refined (whole -1 0) (whole 1 0)) / float32 now.Width
                y[index] <- (float32 bestY + refined (whole 0 -1) (whole 0 1)) / float32 now.Height
                residual[index] <- float32 least / float32 ((right - left) * (bottom - top))

        {
            Columns = columns
            Rows = rows
            X = x
            Y = y
            Residual = residual
            BlockWidth = float32 block / float32 now.Width
            BlockHeight = float32 block / float32 now.Height
        }

    /// The block of each of so many places across the frame, and of each down it.
    let internal blocksOf (motion: Motion) (width: int) (height: int) =
        let along count size places =
            Array.init places (fun place ->
                let share = (float32 place + 0.5f) / float32 places
                min (count - 1) (int (share / size)))

        along motion.Columns motion.BlockWidth width, along motion.Rows motion.BlockHeight height
