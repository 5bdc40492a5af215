module Mcdrl.Tests.RegionRunsTests

open System
open Expecto
open Mcdrl

let private random (seed: int) width height : LabelMap =
    let generator = Random seed

    {
        Width = width
        Height = height
        Labels = Array.init (width * height) (fun _ -> byte (generator.Next 3))
    }

/// The pixels that runs mark, by their place in the order of the runs.
let private marked (runs: int[]) =
    runs
    |> Array.mapi (fun index length -> Array.create length (index % 2 = 1))
    |> Array.concat

let tests =
    testList
        "RegionRuns"
        [
            test "the example of COCO's format: a text, and runs column by column" {
                let runs = [| 6; 1; 40; 4; 5; 4; 5; 4; 21 |]
                Expect.equal (RegionRuns.pack runs) "61X13mN000`0" "packed"

                let map: LabelMap =
                    {
                        Width = 3
                        Height = 2
                        Labels = [| 0uy; 1uy; 1uy; 0uy; 0uy; 1uy |]
                    }

                let region = Contours.find map |> List.exactlyOne
                Expect.equal (RegionRuns.byColumn 3 2 region) [| 2; 1; 1; 2 |] "by column"
                Expect.equal (RegionRuns.byRow region) [| 0; 2; 1; 1 |] "by row, in the box"
            }

            Property.check "runs give back each region's pixels and no others"
            <| fun (seed: int) (width: int) (height: int) ->
                let map = random seed (1 + abs width % 12) (1 + abs height % 12)

                let rows, columns =
                    Array.zeroCreate map.Labels.Length, Array.zeroCreate map.Labels.Length

                let isSound =
                    Contours.find map
                    |> List.forall (fun region ->
                        let inBox = marked (RegionRuns.byRow region)
                        let inPicture = marked (RegionRuns.byColumn map.Width map.Height region)

                        inBox
                        |> Array.iteri (fun pixel isMarked ->
                            if isMarked then
                                let x = region.X + pixel % region.Width
                                let y = region.Y + pixel / region.Width
                                rows[y * map.Width + x] <- byte region.Label)

                        inPicture
                        |> Array.iteri (fun pixel isMarked ->
                            if isMarked then
                                columns[pixel % map.Height * map.Width + pixel / map.Height] <-
                                    byte region.Label)

                        inPicture.Length = map.Labels.Length
                        && inBox |> Array.sumBy Convert.ToInt64 = region.Area
                        && inPicture |> Array.sumBy Convert.ToInt64 = region.Area)

                isSound && rows = map.Labels && columns = map.Labels
        ]
