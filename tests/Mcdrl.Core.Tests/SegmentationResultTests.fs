module Mcdrl.Tests.SegmentationResultTests

open System
open Expecto
open Mcdrl

/// A result of these probabilities [K + 1, side, side] for a picture of this size and orientation.
let private result orientation width height side (probabilities: float32 array) : SegmentationResult =
    let upright = Resampling.labels height width side probabilities

    {
        Mask = LabelMap.inFile orientation upright
        Upright = upright
        Classes = [ for k in 1 .. probabilities.Length / (side * side) - 1 -> $"class {k}" ]
        Mode = Marginalisation.Exact
        Marking = Marking.standard
        Probabilities = probabilities
        Side = side
        Orientation = orientation
        Influence = []
        Disagreement = None
    }

/// Probabilities of a side of 3 pixels: background, and two classes that are marked in a corner each.
let private corners =
    [|
        [| 0.1; 0.8; 0.8; 0.8; 0.8; 0.8; 0.8; 0.8; 0.3 |]
        [| 0.7; 0.1; 0.1; 0.1; 0.1; 0.1; 0.1; 0.1; 0.1 |]
        [| 0.2; 0.1; 0.1; 0.1; 0.1; 0.1; 0.1; 0.1; 0.6 |]
    |]
    |> Array.concat
    |> Array.map float32

let private close (found: float) expected what =
    Expect.floatClose Accuracy.medium found expected what

let tests =
    testList
        "SegmentationResult"
        [
            test "regions and classes carry the probabilities of their pixels" {
                let found = SegmentationResult.findings (result Orientation.TopLeft 3 3 3 corners)
                let first, second = found[0], found[1]
                Expect.equal (first.Area, second.Area) (1L, 1L) "a pixel each"
                close first.Score 0.7 "the largest of the class"
                close second.Score 0.6 "the largest of the class"
                close first.Regions.Head.MeanProbability 0.7 "mean of the region"
                close second.Regions.Head.MaxProbability 0.6 "its largest"
            }

            test "the score is of all pixels, marked or not" {
                let hidden = [| 0.6f; 0.9f; 0.8f; 0.7f; 0.4f; 0.1f; 0.2f; 0.3f |]
                let found = SegmentationResult.findings (result Orientation.TopLeft 2 2 2 hidden)
                Expect.equal found.Head.Area 0L "nothing is marked"
                Expect.isEmpty found.Head.Regions "nothing is marked"
                close found.Head.Score 0.4 "the most probable pixel"
            }

            test "P(lesion) is what background leaves" {
                let found = result Orientation.TopLeft 3 3 3 corners
                let lesion = SegmentationResult.lesionProbability found
                Expect.equal lesion.Values[0] 0.9f "both classes together"
                Expect.equal (SegmentationResult.probability 2 found).Values[8] 0.6f "one class"
            }

            testProperty
                "mean, largest and score of every region, in every orientation, are those of the maps"
            <| fun (seed: int) (turn: uint16) ->
                let generator = Random seed
                let side, width, height = 4, 1 + generator.Next 20, 1 + generator.Next 20

                let raw =
                    Array.init (3 * side * side) (fun _ -> float32 (generator.NextDouble()) + 0.01f)

                let probabilities =
                    raw
                    |> Array.mapi (fun index value ->
                        let pixel = index % (side * side)
                        value / Array.sum [| for k in 0..2 -> raw[k * side * side + pixel] |])

                let orientation = Orientation.all[int turn % 8]
                let found = result orientation width height side probabilities
                let near (a: float) (b: float) = abs (a - b) < 1e-5

                SegmentationResult.findings found
                |> List.forall (fun lesion ->
                    let map =
                        SegmentationResult.probability lesion.Label found |> ValueMap.inFile orientation

                    /// The pixels of a region's label in its box, which are its own if they are as many as it has.
                    let inside (region: Region) =
                        [
                            for y in region.Y .. region.Y + region.Height - 1 do
                                for x in region.X .. region.X + region.Width - 1 do
                                    let pixel = y * map.Width + x

                                    if int found.Mask.Labels[pixel] = region.Label then
                                        float map.Values[pixel]
                        ]

                    near lesion.Score (float (Array.max map.Values))
                    && lesion.Regions
                       |> List.forall (fun region ->
                           region.MeanProbability <= region.MaxProbability + 1e-6
                           && region.MaxProbability <= lesion.Score + 1e-6
                           && (let pixels = inside region.Region

                               int64 pixels.Length <> region.Region.Area
                               || near region.MeanProbability (List.average pixels)
                                  && near region.MaxProbability (List.max pixels))))
        ]
