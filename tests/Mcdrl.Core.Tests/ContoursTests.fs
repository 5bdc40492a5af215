module Mcdrl.Tests.ContoursTests

open System
open Expecto
open Mcdrl

/// A map from rows of digits.
let private map (rows: string list) : LabelMap =
    {
        Width = rows.Head.Length
        Height = rows.Length
        Labels =
            rows
            |> String.concat ""
            |> Seq.map (fun digit -> byte digit - byte '0')
            |> Array.ofSeq
    }

let private random (seed: int) width height labels : LabelMap =
    let generator = Random seed

    {
        Width = width
        Height = height
        Labels = Array.init (width * height) (fun _ -> byte (generator.Next labels))
    }

let private corners polygon =
    polygon |> Array.map (fun struct (x, y) -> x, y) |> List.ofArray

/// Area that a polygon encloses, in pixels: half the sum of the cross products of neighbouring corners.
let private enclosed (polygon: struct (int * int)[]) =
    let crossed i =
        let struct (x1, y1) = polygon[i]
        let struct (x2, y2) = polygon[(i + 1) % polygon.Length]
        int64 (x1 * y2 - x2 * y1)

    abs (List.sumBy crossed [ 0 .. polygon.Length - 1 ]) / 2L

/// Whether the middle of pixel (x, y) lies inside a polygon: crossings of the ray to the right.
let private holds (polygon: struct (int * int)[]) x y =
    let crossings =
        Seq.init polygon.Length (fun i -> polygon[i], polygon[(i + 1) % polygon.Length])
        |> Seq.filter (fun (struct (x1, y1), struct (x2, y2)) ->
            x1 = x2 && x1 > x && min y1 y2 <= y && max y1 y2 > y)
        |> Seq.length

    crossings % 2 = 1

let tests =
    testList
        "Contours"
        [
            test "a rectangle" {
                let regions = Contours.find (map [ "00000"; "01110"; "01110"; "00000" ])
                let region = List.exactlyOne regions

                Expect.equal
                    (region.X, region.Y, region.Width, region.Height, region.Area)
                    (1, 1, 3, 2, 6L)
                    "box and area"

                Expect.equal (corners region.Outline |> List.sort) [ 1, 1; 1, 3; 4, 1; 4, 3 ] "corners only"
                Expect.isEmpty region.Holes "no hole"
            }

            test "a ring has a hole, and what lies in it is a region of its own" {
                let regions = Contours.find (map [ "11111"; "10001"; "10201"; "10001"; "11111" ])

                Expect.equal
                    (regions |> List.map (fun r -> r.Label, r.Area, r.Holes.Length))
                    [ 1, 16L, 1; 2, 1L, 0 ]
                    "two"

                Expect.equal
                    (enclosed regions.Head.Outline, enclosed regions.Head.Holes.Head)
                    (25L, 9L)
                    "areas"
            }

            test "pixels that touch at a corner only are two regions" {
                let regions = Contours.find (map [ "10"; "01" ])
                Expect.equal (regions |> List.map (fun r -> r.X, r.Y, r.Area)) [ 0, 0, 1L; 1, 1, 1L ] "two"
            }

            test "holes that touch at a corner share one boundary" {
                let region =
                    Contours.find (map [ "1111"; "1011"; "1101"; "1111" ]) |> List.exactlyOne

                Expect.equal (region.Holes |> List.map enclosed) [ 2L ] "both pixels"
            }

            test "by label, the largest first; background has no region" {
                let regions = Contours.find (map [ "2010"; "0011"; "2200" ])
                Expect.equal (regions |> List.map (fun r -> r.Label, r.Area)) [ 1, 3L; 2, 2L; 2, 1L ] "order"
                Expect.isEmpty (Contours.find (map [ "00"; "00" ])) "nothing"
            }

            Property.check "outline less holes is the area; areas add up to the map"
            <| fun (seed: int) (width: int) (height: int) ->
                let map = random seed (1 + abs width % 12) (1 + abs height % 12) 3
                let regions = Contours.find map
                let histogram = LabelMap.histogram map

                regions
                |> List.forall (fun r -> enclosed r.Outline - List.sumBy enclosed r.Holes = r.Area)
                && [ 1; 2 ]
                   |> List.forall (fun label ->
                       histogram[label] =
                           (regions |> List.filter (fun r -> r.Label = label) |> List.sumBy _.Area))

            Property.check "the polygons give back the map"
            <| fun (seed: int) (width: int) (height: int) ->
                let map = random seed (1 + abs width % 12) (1 + abs height % 12) 3
                let regions = Contours.find map

                let labelAt x y =
                    regions
                    |> List.filter (fun r ->
                        holds r.Outline x y && not (List.exists (fun hole -> holds hole x y) r.Holes))
                    |> List.map (fun r -> byte r.Label)

                List.allPairs [ 0 .. map.Width - 1 ] [ 0 .. map.Height - 1 ]
                |> List.forall (fun (x, y) ->
                    let label = map.Labels[y * map.Width + x]
                    labelAt x y = (if label = 0uy then [] else [ label ]))

            Property.check "boxes are tight around the outline, and no corner is superfluous"
            <| fun (seed: int) ->
                Contours.find (random seed 9 7 2)
                |> List.forall (fun r ->
                    let points = corners r.Outline
                    let xs, ys = List.map fst points, List.map snd points
                    let next = List.tail points @ [ List.head points ]
                    let horizontal = List.map2 (fun (_, y1) (_, y2) -> y1 = y2) points next

                    (List.min xs, List.min ys, List.max xs, List.max ys) =
                        (r.X, r.Y, r.X + r.Width, r.Y + r.Height)
                    && horizontal |> List.pairwise |> List.forall (fun (a, b) -> a <> b))

            Property.check "mirroring the map mirrors the regions"
            <| fun (seed: int) ->
                let map = random seed 8 6 3
                let mirrored = LabelMap.upright Orientation.TopRight map

                let boxes flip =
                    List.map (fun (r: Region) ->
                        r.Label, r.Area, (if flip then 8 - r.X - r.Width else r.X), r.Y, r.Holes.Length)
                    >> List.sort

                boxes true (Contours.find mirrored) = boxes false (Contours.find map)

            test "a map that is one region costs little more than its marks" {
                let map: LabelMap =
                    {
                        Width = 1500
                        Height = 1000
                        Labels = Array.create 1_500_000 1uy
                    }

                let before = System.GC.GetAllocatedBytesForCurrentThread()
                let region = Contours.find map |> List.exactlyOne
                let bytes = System.GC.GetAllocatedBytesForCurrentThread() - before
                Expect.equal (region.Area, region.Width, region.Height) (1_500_000L, 1500, 1000) "whole"
                Expect.isLessThan bytes 2_000_000L "bytes"
            }

            // With work that grows with the square of the map this would not end.
            test "every pixel of a large map of noise lies in one of its many regions" {
                let map = random 5 1500 1500 2
                let regions, histogram = Contours.find map, LabelMap.histogram map
                Expect.isGreaterThan regions.Length 1000 "many"
                Expect.equal (regions |> List.sumBy _.Area) histogram[1] "all of them"
            }
        ]
