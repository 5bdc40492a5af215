namespace Mcdrl

/// How restless the marks of a clip are: means over its pairs of neighbouring frames.
type FlickerReport =
    {
        /// Share of pixels whose class is another than in the frame before.
        Changed: float
        /// Share of pixels whose class is another than where they were in the frame before, by the blocks' motion: what the motion doesn't
        /// explain.
        Beyond: float
    }

/// Sums of changes over pairs of frames.
type internal FlickerSum =
    {
        Pairs: int
        Changed: float
        Beyond: float
    }

/// Counts pixels that change their class.
[<RequireQualifiedAccess>]
module Flicker =
    let internal none =
        {
            Pairs = 0
            Changed = 0.0
            Beyond = 0.0
        }

    /// Shares of pixels that change their class between two maps of one size, and that do so beyond the motion. What came into view from
    /// outside the frame is left out of the second.
    let between (motion: Motion) (before: LabelMap) (now: LabelMap) : struct (float * float) =
        let width, height = now.Width, now.Height
        let columns, rows = BlockMotion.blocksOf motion width height

        let shift (shares: float32[]) size =
            shares |> Array.map (fun share -> int (round (share * float32 size)))

        let shiftX, shiftY = shift motion.X width, shift motion.Y height
        let mutable changed, beyond, seen = 0, 0, 0

        for y in 0 .. height - 1 do
            let row = rows[y] * motion.Columns

            for x in 0 .. width - 1 do
                let label = now.Labels[y * width + x]
                let block = row + columns[x]
                let fromX, fromY = x + shiftX[block], y + shiftY[block]

                if before.Labels[y * width + x] <> label then
                    changed <- changed + 1

                if fromX >= 0 && fromY >= 0 && fromX < width && fromY < height then
                    seen <- seen + 1

                    if before.Labels[fromY * width + fromX] <> label then
                        beyond <- beyond + 1

        struct (float changed / float (width * height), float beyond / float (max 1 seen))

    let internal add motion before now (sum: FlickerSum) : FlickerSum =
        let struct (changed, beyond) = between motion before now

        {
            Pairs = sum.Pairs + 1
            Changed = sum.Changed + changed
            Beyond = sum.Beyond + beyond
        }

    /// The means; none of a single frame.
    let internal report (sum: FlickerSum) : FlickerReport option =
        if sum.Pairs = 0 then
            None
        else
            Some
                {
                    Changed = sum.Changed / float sum.Pairs
                    Beyond = sum.Beyond / float sum.Pairs
                }
