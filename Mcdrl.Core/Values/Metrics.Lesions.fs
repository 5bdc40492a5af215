namespace Mcdrl

open System.Collections.Generic

/// A true lesion, and whether an answer found it.
type DetectedLesion =
    {
        /// In pixels.
        Area: int64
        /// Whether a component of the answer meets it by `LesionDetection.rule`.
        Found: bool
    }

/// Lesions of a frame, as counted by an answer.
type Detection =
    {
        /// The true ones, in the order of their first pixels; empty where the frame has none.
        Lesions: DetectedLesion list
        /// Components of the answer that meet no true lesion.
        FalsePositives: int
    }

/// Counts lesions rather than pixels. A lesion is a component of the foreground of all classes together, pixels being connected
/// along edges and corners (8-connectivity); none is too small to count.
[<RequireQualifiedAccess>]
module LesionDetection =
    /// When a component of the answer and a true lesion meet. Above one half no component meets two lesions and no lesion two
    /// components, so there is no assignment to choose (Kirillov et al., Panoptic Segmentation, 2019); mask IoU at this threshold is
    /// what Metrics Reloaded (Maier-Hein et al., 2024) and COCO locate by. A lesion that is marked in pieces isn't found.
    let rule = "IoU above 0.5 with a component of the answer"

    /// The component of each pixel, from 1 in the order of first pixels, 0 for background; and each component's pixels, from
    /// component 1 at index 0. Two passes with a union of equivalent labels, one number a pixel.
    let components (width: int) (mask: byte[]) : int[] * int64[] =
        let labels = Array.zeroCreate<int> mask.Length
        let parents = List<int>([ 0 ])

        let root label =
            let mutable label = label

            while parents[label] <> label do
                parents[label] <- parents[parents[label]]
                label <- parents[label]

            label

        /// The label of a pixel that had `label`, 0 for none yet, and has this neighbour.
        let meet neighbour label =
            if labels[neighbour] = 0 then
                label
            else
                let other = root labels[neighbour]

                if label = 0 || label = other then
                    other
                else
                    let first, second = min label other, max label other
                    parents[second] <- first
                    first

        for pixel in 0 .. mask.Length - 1 do
            if mask[pixel] <> 0uy then
                let x = pixel % width
                let mutable label = 0

                if x > 0 then
                    label <- meet (pixel - 1) label

                if pixel >= width then
                    label <- meet (pixel - width) label

                    if x > 0 then
                        label <- meet (pixel - width - 1) label

                    if x < width - 1 then
                        label <- meet (pixel - width + 1) label

                if label = 0 then
                    label <- parents.Count
                    parents.Add label

                labels[pixel] <- label

        let numbers = Array.zeroCreate<int> parents.Count
        let areas = List<int64>()

        for pixel in 0 .. mask.Length - 1 do
            if labels[pixel] > 0 then
                let first = root labels[pixel]

                if numbers[first] = 0 then
                    areas.Add 0L
                    numbers[first] <- areas.Count

                let number = numbers[first]
                labels[pixel] <- number
                areas[number - 1] <- areas[number - 1] + 1L

        labels, areas.ToArray()

    /// Lesions found and components too many, of an answer's mask and the true one, both of the same width. Where the truth is ignored,
    /// neither marks anything.
    let ofMasks (width: int) (marked: byte[]) (truth: byte[]) : Detection =
        let marked, truth = Ignored.without 0uy truth marked, Ignored.asBackground truth
        let markedLabels, markedAreas = components width marked
        let trueLabels, trueAreas = components width truth
        let shared = Dictionary<struct (int * int), int64>()

        for pixel in 0 .. truth.Length - 1 do
            if markedLabels[pixel] > 0 && trueLabels[pixel] > 0 then
                let pair = struct (trueLabels[pixel], markedLabels[pixel])

                shared[pair] <-
                    (match shared.TryGetValue pair with
                     | true, count -> count + 1L
                     | false, _ -> 1L)

        let found = Array.zeroCreate<bool> trueAreas.Length
        let mutable met = 0

        for KeyValue(struct (lesion, answer), both) in shared do
            // 2 · both > area + area − both: IoU above one half, in whole numbers.
            if 3L * both > trueAreas[lesion - 1] + markedAreas[answer - 1] then
                found[lesion - 1] <- true
                met <- met + 1

        {
            Lesions =
                [
                    for area, found in Array.zip trueAreas found -> { Area = area; Found = found }
                ]
            FalsePositives = markedAreas.Length - met
        }
