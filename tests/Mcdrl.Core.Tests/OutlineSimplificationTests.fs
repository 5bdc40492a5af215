module Mcdrl.Tests.OutlineSimplificationTests

open System
open Expecto
open Mcdrl

let private boundaries (map: LabelMap) =
    Contours.find map |> List.collect (fun region -> region.Outline :: region.Holes)

/// Labels of a picture of overlapping discs, some of them cut out again.
let private discs (seed: int) width height : LabelMap =
    let generator = Random seed

    let drawn =
        List.init (1 + generator.Next 6) (fun _ ->
            generator.NextDouble() * float width,
            generator.NextDouble() * float height,
            1.0 + generator.NextDouble() * float (min width height) / 2.0,
            byte (generator.Next 3))

    {
        Width = width
        Height = height
        Labels =
            Array.init (width * height) (fun pixel ->
                let x, y = float (pixel % width) + 0.5, float (pixel / width) + 0.5

                drawn
                |> List.tryFindBack (fun (cx, cy, radius, _) ->
                    (x - cx) ** 2.0 + (y - cy) ** 2.0 < radius ** 2.0)
                |> Option.map (fun (_, _, _, label) -> label)
                |> Option.defaultValue 0uy)
    }

let private noise (seed: int) width height : LabelMap =
    let generator = Random seed

    {
        Width = width
        Height = height
        Labels = Array.init (width * height) (fun _ -> byte (generator.Next 3))
    }

let private edges (polygon: struct (float * float)[]) =
    Array.init polygon.Length (fun i -> polygon[i], polygon[(i + 1) % polygon.Length])

/// How far a point is from a closed polygon.
let private distance (polygon: struct (float * float)[]) (x, y) =
    edges polygon
    |> Array.map (fun (struct (x1, y1), struct (x2, y2)) ->
        let dx, dy = x2 - x1, y2 - y1

        let along =
            Math.Clamp(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy), 0.0, 1.0)

        sqrt ((x - x1 - along * dx) ** 2.0 + (y - y1 - along * dy) ** 2.0))
    |> Array.min

/// Points along a closed polygon, an eighth of a pixel apart at most.
let private along (polygon: struct (float * float)[]) =
    edges polygon
    |> Array.collect (fun (struct (x1, y1), struct (x2, y2)) ->
        let steps = 1 + int (8.0 * (abs (x2 - x1) + abs (y2 - y1)))

        Array.init steps (fun step ->
            let share = float step / float steps
            x1 + share * (x2 - x1), y1 + share * (y2 - y1)))

let private area (polygon: struct (float * float)[]) =
    edges polygon
    |> Array.sumBy (fun (struct (x1, y1), struct (x2, y2)) -> 0.5 * (x1 * y2 - x2 * y1))

let private exact (boundary: struct (int * int)[]) =
    boundary |> Array.map (fun struct (x, y) -> struct (float x, float y))

let private isFaithful (boundary: struct (int * int)[]) =
    let exact, found = exact boundary, OutlineSimplification.simplified boundary
    let isNear polygon point = distance polygon point <= 0.5

    found.Length <= exact.Length
    && Array.forall (isNear exact) (along found)
    && Array.forall (isNear found) (along exact)
    && abs (area found - area exact) <= 0.05 * abs (area exact)

let tests =
    testList
        "OutlineSimplification"
        [
            Property.check "no point of either outline is more than half a pixel from the other: discs"
            <| fun (seed: int) (width: int) (height: int) ->
                discs seed (1 + abs width % 60) (1 + abs height % 60)
                |> boundaries
                |> List.forall isFaithful

            Property.check "no point of either outline is more than half a pixel from the other: noise"
            <| fun (seed: int) (width: int) (height: int) ->
                noise seed (1 + abs width % 12) (1 + abs height % 12)
                |> boundaries
                |> List.forall isFaithful

            test "a rectangle keeps its corners" {
                for width, height in [ 1, 1; 2, 2; 30, 2; 1, 9; 40, 30 ] do
                    let map: LabelMap =
                        {
                            Width = width
                            Height = height
                            Labels = Array.create (width * height) 1uy
                        }

                    let boundary = boundaries map |> List.exactlyOne

                    Expect.equal
                        (OutlineSimplification.simplified boundary)
                        (exact boundary)
                        $"{width} x {height}"
            }

            test "a slope is one line" {
                let map: LabelMap =
                    {
                        Width = 200
                        Height = 100
                        Labels =
                            Array.init 20_000 (fun pixel ->
                                if pixel % 200 / 2 <= pixel / 200 then 1uy else 0uy)
                    }

                let boundary = boundaries map |> List.exactlyOne
                Expect.isGreaterThan boundary.Length 200 "stairs"
                Expect.isLessThan (OutlineSimplification.simplified boundary).Length 8 "a triangle"
            }

            test "a disc has a third of its corners" {
                let map: LabelMap =
                    {
                        Width = 400
                        Height = 400
                        Labels =
                            Array.init 160_000 (fun pixel ->
                                let x, y = pixel % 400 - 200, pixel / 400 - 200
                                if x * x + y * y < 150 * 150 then 1uy else 0uy)
                    }

                let boundary = boundaries map |> List.exactlyOne
                let found = OutlineSimplification.simplified boundary
                Expect.isTrue (isFaithful boundary) "near"
                Expect.isLessThan (3 * found.Length) boundary.Length $"{found.Length} of {boundary.Length}"
            }
        ]
