namespace Mcdrl

/// A connected region of one class.
type Region =
    {
        /// The class, from 1.
        Label: int
        /// Pixels in the region.
        Area: int64
        /// Left-most column.
        X: int
        /// Top-most row.
        Y: int
        /// Columns from the left-most to the right-most, both included.
        Width: int
        /// Rows from the top-most to the bottom-most, both included.
        Height: int
        /// Corners (x, y) of the outer boundary, clockwise as seen on the screen. The boundary runs between the
        /// pixels: pixel (0, 0) is the square from (0, 0) to (1, 1), so the polygon encloses exactly the region's pixels.
        Outline: struct (int * int)[]
        /// Boundaries of the holes, counter-clockwise.
        Holes: struct (int * int)[] list
    }

/// Regions of a label map as polygons. Pixels belong together if they share an edge and a label.
[<RequireQualifiedAccess>]
module Contours =
    /// Right, down, left, up.
    let private steps =
        [| struct (1, 0); struct (0, 1); struct (-1, 0); struct (0, -1) |]

    /// Twice the area that a polygon encloses: positive if it runs clockwise on the screen, negative for a hole.
    let private doubledArea (polygon: struct (int * int)[]) =
        let mutable sum = 0L

        for i in 0 .. polygon.Length - 1 do
            let struct (x1, y1) = polygon[i]
            let struct (x2, y2) = polygon[(i + 1) % polygon.Length]
            sum <- sum + int64 x1 * int64 y2 - int64 x2 * int64 y1

        sum

    /// Follows the boundary from the top edge of pixel (x, y), the region on the right hand. `onTop` is told every
    /// pixel whose top edge is part of it.
    let private trace (inside: int -> int -> bool) (onTop: int -> int -> unit) startX startY =
        let corners = ResizeArray<struct (int * int)>()
        let mutable x, y, direction = startX, startY, 0
        let mutable walking = true

        while walking do
            if direction = 0 then
                onTop x y

            let struct (dx, dy) = steps[direction]
            x <- x + dx
            y <- y + dy

            /// The pixel ahead, on the right or on the left hand of the direction of travel.
            let ahead onRight =
                match direction with
                | 0 -> inside x (if onRight then y else y - 1)
                | 1 -> inside (if onRight then x - 1 else x) y
                | 2 -> inside (x - 1) (if onRight then y - 1 else y)
                | _ -> inside (if onRight then x else x - 1) (y - 1)

            let next =
                if not (ahead true) then (direction + 1) % 4
                elif ahead false then (direction + 3) % 4
                else direction

            if next <> direction then
                corners.Add(struct (x, y))

            direction <- next
            walking <- not (x = startX && y = startY && direction = 0)

        corners.ToArray()

    /// The regions of all classes (label 0 is background and has none), by label, the largest first.
    let find (map: LabelMap) : Region list =
        let width, height = map.Width, map.Height
        /// 1: pixel already in a region; 2: its top edge already in a boundary.
        let marks = Array.zeroCreate<byte> map.Labels.Length
        let queue = System.Collections.Generic.Queue<int>()

        /// The pixels of the region with none of it above them: all boundaries begin at some of these.
        let tops = ResizeArray<int>()

        /// Area, left, right, top and bottom of the region that begins at this pixel.
        let fill first =
            let label = map.Labels[first]
            let mutable area, left, right, top, bottom = 0L, width, 0, height, 0
            tops.Clear()
            marks[first] <- marks[first] ||| 1uy
            queue.Enqueue first

            while queue.Count > 0 do
                let pixel = queue.Dequeue()
                let x, y = pixel % width, pixel / width
                area <- area + 1L
                left <- min left x
                right <- max right x
                top <- min top y
                bottom <- max bottom y

                if y = 0 || map.Labels[pixel - width] <> label then
                    tops.Add pixel

                for struct (dx, dy) in steps do
                    let x, y = x + dx, y + dy

                    if x >= 0 && y >= 0 && x < width && y < height then
                        let neighbour = y * width + x

                        if map.Labels[neighbour] = label && marks[neighbour] &&& 1uy = 0uy then
                            marks[neighbour] <- marks[neighbour] ||| 1uy
                            queue.Enqueue neighbour

            struct (area, left, right, top, bottom)

        let region label (struct (area, left, right, top, bottom)) =
            let inside x y =
                x >= 0 && y >= 0 && x < width && y < height && map.Labels[y * width + x] = label

            let onTop x y =
                marks[y * width + x] <- marks[y * width + x] ||| 2uy

            let boundaries =
                [
                    for pixel in tops do
                        if marks[pixel] &&& 2uy = 0uy then
                            yield trace inside onTop (pixel % width) (pixel / width)
                ]

            let outer, holes =
                boundaries |> List.partition (fun polygon -> doubledArea polygon > 0L)

            {
                Label = int label
                Area = area
                X = left
                Y = top
                Width = right - left + 1
                Height = bottom - top + 1
                Outline = List.head outer
                Holes = holes
            }

        [
            for pixel in 0 .. map.Labels.Length - 1 do
                if map.Labels[pixel] <> 0uy && marks[pixel] &&& 1uy = 0uy then
                    yield fill pixel |> region map.Labels[pixel]
        ]
        |> List.sortBy (fun region -> region.Label, -region.Area)
