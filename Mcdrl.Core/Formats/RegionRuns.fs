namespace Mcdrl

open System.Text

/// The pixels of a region as lengths of runs, unmarked and marked in turn.
[<RequireQualifiedAccess>]
module RegionRuns =
    /// Whether each pixel of the region's box belongs to it, row by row.
    let box (region: Region) : bool[] =
        let marked = Array.zeroCreate<bool>(region.Width * region.Height)

        // To the right of a vertical edge what was outside is inside, and the other way round.
        for boundary in region.Outline :: region.Holes do
            for i in 0 .. boundary.Length - 1 do
                let struct (x, y) = boundary[i]
                let struct (nextX, nextY) = boundary[(i + 1) % boundary.Length]

                if x = nextX && x < region.X + region.Width then
                    for row in min y nextY - region.Y .. max y nextY - region.Y - 1 do
                        let pixel = row * region.Width + x - region.X
                        marked[pixel] <- not marked[pixel]

        for row in 0 .. region.Height - 1 do
            for pixel in row * region.Width + 1 .. (row + 1) * region.Width - 1 do
                marked[pixel] <- marked[pixel] <> marked[pixel - 1]

        marked

    let private lengths count (isMarked: int -> bool) =
        let runs = ResizeArray [ 0 ]

        for pixel in 0 .. count - 1 do
            if isMarked pixel <> (runs.Count % 2 = 0) then
                runs.Add 0

            runs[runs.Count - 1] <- runs[runs.Count - 1] + 1

        runs

    /// Runs of the region's box, row by row.
    let byRow (region: Region) : int[] =
        let marked = box region
        (lengths marked.Length (Array.get marked)).ToArray()

    /// Runs of a whole picture of this size, column by column.
    let byColumn (width: int) (height: int) (region: Region) : int[] =
        let marked = box region

        let isMarked pixel =
            let x, y = pixel / height, pixel % height - region.Y
            y >= 0 && y < region.Height && marked[y * region.Width + x]

        let runs = lengths (region.Width * height) isMarked
        runs[0] <- runs[0] + region.X * height

        match (width - region.X - region.Width) * height with
        | 0 -> ()
        | after when runs.Count % 2 = 1 -> runs[runs.Count - 1] <- runs[runs.Count - 1] + after
        | after -> runs.Add after

        runs.ToArray()

    /// Runs as COCO's tools pack them into a text: from the fourth on the difference to the one before the last, groups of five bits from the
    /// lowest, a sixth that says whether more follow, 48 added.
    let pack (runs: int[]) : string =
        let text = StringBuilder()

        let rec add value =
            let rest = value >>> 5
            let isLast = rest = (if value &&& 16 = 0 then 0 else -1)
            text.Append(char (48 + (value &&& 31) + (if isLast then 0 else 32))) |> ignore

            if not isLast then
                add rest

        runs
        |> Array.iteri (fun index length -> add (if index > 2 then length - runs[index - 2] else length))

        text.ToString()
