namespace Mcdrl

open System

/// The pixels that an annotation tool's mark covers.
[<RequireQualifiedAccess>]
type internal ShapeArea =
    /// What any of these outlines surrounds, corners (x, y) in pixels: pixel (0, 0) reaches from 0 to 1.
    | Outlines of (float * float)[] list
    /// Runs of pixels of a box, unmarked and marked in turn, row by row, or column by column if `down`.
    | Runs of left: int * top: int * width: int * height: int * down: bool * lengths: int[]

/// Something that was drawn in an image.
type internal Shape =
    {
        /// As the tool calls it.
        Label: string
        /// Of two shapes that cover a pixel, the higher one is seen, and of equally high ones the smaller.
        Height: int
        Area: ShapeArea
    }

/// Draws what annotation tools say onto label maps.
[<RequireQualifiedAccess>]
module internal AnnotationShapes =
    /// Corners of one outline: more than a hand draws.
    let mostCorners = 100_000

    /// How far a corner may lie from the picture's first pixel, in pixels.
    let farthest = 1e6

    /// Why an area can't be drawn, if it can't.
    let fault (area: ShapeArea) : string option =
        match area with
        | ShapeArea.Outlines [] -> Some "it has no outline"
        | ShapeArea.Outlines outlines ->
            if outlines |> List.exists (fun corners -> corners.Length < 3) then
                Some "it has an outline of fewer than 3 corners"
            elif outlines |> List.exists (fun corners -> corners.Length > mostCorners) then
                Some $"it has an outline of more than {mostCorners} corners"
            elif
                outlines
                |> List.exists (Array.exists (fun (x, y) -> not (abs x <= farthest && abs y <= farthest)))
            then
                Some $"it has a corner farther than {farthest} pixels away"
            else
                None
        | ShapeArea.Runs(_, _, width, height, _, lengths) ->
            if
                width < 1
                || height < 1
                || lengths |> Array.exists (fun length -> length < 0)
                || lengths |> Array.sumBy int64 <> int64 width * int64 height
            then
                Some "its runs don't fill its box"
            elif int64 width * int64 height > ImageLimits.standard.MaxPixels then
                Some $"it has a box of more than {ImageLimits.standard.MaxPixels} pixels"
            else
                None

    /// The shape, or why its area can't be drawn.
    let shape (label: string) (height: int) (area: ShapeArea) : Result<Shape, string> =
        match fault area with
        | Some fault -> Error fault
        | None ->
            Ok
                {
                    Label = label
                    Height = height
                    Area = area
                }

    /// Calls `mark first last y` for the pixels of each row whose centres an outline surrounds by the even-odd rule.
    let private fill width height (corners: (float * float)[]) (mark: int -> int -> int -> unit) =
        let edges =
            corners
            |> Array.mapi (fun i corner -> corner, corners[(i + 1) % corners.Length])

        let tops = corners |> Array.map snd
        let within low high value = int (max low (min high value))
        let first = within 0.0 (float height) (floor (Array.min tops))
        let last = within -1.0 (float (height - 1)) (ceil (Array.max tops))

        for y in first..last do
            let centre = float y + 0.5

            let crossings =
                edges
                |> Array.choose (fun ((x0, y0), (x1, y1)) ->
                    if (y0 <= centre) <> (y1 <= centre) then
                        Some(x0 + (centre - y0) / (y1 - y0) * (x1 - x0))
                    else
                        None)
                |> Array.sort

            for pair in Array.chunkBySize 2 crossings do
                let from = within 0.0 (float width) (ceil (pair[0] - 0.5))
                let until = within 0.0 (float width) (ceil (pair[1] - 0.5))

                if from < until then
                    mark from (until - 1) y

    /// Twice the surrounded area of an outline, in square pixels.
    let private doubleArea (corners: (float * float)[]) =
        corners
        |> Array.mapi (fun i (x, y) ->
            let nextX, nextY = corners[(i + 1) % corners.Length]
            x * nextY - nextX * y)
        |> Array.sum
        |> abs

    let private size (area: ShapeArea) =
        match area with
        | ShapeArea.Outlines outlines -> outlines |> List.sumBy (fun corners -> doubleArea corners / 2.0)
        | ShapeArea.Runs(lengths = lengths) ->
            lengths
            |> Seq.indexed
            |> Seq.sumBy (fun (i, length) -> if i % 2 = 1 then float length else 0.0)

    let private paint width height (labels: byte[]) label (area: ShapeArea) =
        match area with
        | ShapeArea.Outlines outlines ->
            for corners in outlines do
                fill width height corners (fun first last y ->
                    Array.fill labels (y * width + first) (last - first + 1) label)
        | ShapeArea.Runs(left, top, boxWidth, boxHeight, down, lengths) ->
            let mutable at = 0

            for index, length in Seq.indexed lengths do
                if index % 2 = 1 then
                    for pixel in at .. at + length - 1 do
                        let x, y =
                            if down then
                                left + pixel / boxHeight, top + pixel % boxHeight
                            else
                                left + pixel % boxWidth, top + pixel / boxWidth

                        if x >= 0 && x < width && y >= 0 && y < height then
                            labels[y * width + x] <- label

                at <- at + length

    /// A label map of shapes without faults, each with its label: background where none is.
    let draw (width: int) (height: int) (shapes: (byte * Shape) list) : LabelMap =
        let labels = Array.zeroCreate<byte>(width * height)

        for label, shape in shapes |> List.sortBy (fun (_, shape) -> shape.Height, -(size shape.Area)) do
            paint width height labels label shape.Area

        {
            Width = width
            Height = height
            Labels = labels
        }

    /// The rectangle between two corners.
    let rectangle (left: float, top: float) (right: float, bottom: float) : ShapeArea =
        ShapeArea.Outlines [ [| left, top; right, top; right, bottom; left, bottom |] ]

    /// An ellipse that lies along the picture's sides, as a polygon of 72 corners.
    let ellipse (x: float, y: float) (alongX: float) (alongY: float) : ShapeArea =
        ShapeArea.Outlines
            [
                Array.init 72 (fun step ->
                    let turn = Math.Tau * float step / 72.0
                    x + alongX * cos turn, y + alongY * sin turn)
            ]

    /// Corners of numbers x, y, x, y, …, if they are even in number.
    let corners (numbers: float[]) : (float * float)[] option =
        if numbers.Length % 2 = 0 then
            numbers
            |> Array.chunkBySize 2
            |> Array.map (fun pair -> pair[0], pair[1])
            |> Some
        else
            None
