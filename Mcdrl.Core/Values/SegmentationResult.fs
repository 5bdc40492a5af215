namespace Mcdrl

/// What a model says about one image.
type SegmentationResult =
    {
        /// One label a pixel in the file's own orientation: 0 background, k the k-th of `Classes`.
        Mask: LabelMap
        /// The same, upright as the picture is seen.
        Upright: LabelMap
        /// Lesion classes of the model, label 1 first.
        Classes: string list
        /// How the model was asked to intervene.
        Mode: Marginalisation
        /// Which pixels were marked.
        Marking: Marking
        /// P(Y | do(F)) as the network gives it, [K + 1, S, S] row by row, background first, of the upright picture.
        Probabilities: float32 array
        /// S, the side of the network's input in pixels.
        Side: int
        /// How the file's rows and columns lie with respect to the upright picture.
        Orientation: Orientation
        /// For each condition of the dictionary: how far the answer under this condition alone is from the adjusted
        /// one, mean KL divergence in nats. Empty for modes that never look at a single condition.
        Influence: (string * float) list
        /// I(Y; Z | F), mean over pixels in nats: how much the answer depends on the imaging condition.
        Disagreement: float option
    }

/// A region, and how sure the model is of it.
type RegionFinding =
    {
        /// In the mask.
        Region: Region
        /// P(class), mean over the region's pixels, 0 to 1.
        MeanProbability: float
        /// P(class), the largest of the region's pixels.
        MaxProbability: float
    }

/// A lesion class of a model, and where an image shows it.
type ClassFinding =
    {
        /// As the model names it.
        Name: string
        /// Its value in the mask, from 1.
        Label: int
        /// How sure the model is that the image shows it anywhere: P(class), the largest of all pixels, marked or not.
        Score: float
        /// Pixels of all its regions.
        Area: int64
        /// Share of the image, 0 to 1.
        Share: float
        /// Connected pieces in the mask, the largest first.
        Regions: RegionFinding list
    }

/// What can be read off a result.
[<RequireQualifiedAccess>]
module SegmentationResult =
    /// The error of an answer that holds a NaN or an infinity: nothing can be read off it, least of all that nothing is there.
    let notFinite =
        McdrlError.model
            "it holds a NaN or an infinity, so it says nothing"
            "the model's answer"
            "Use another model; weights like these can't be trusted with other images either"

    /// The result, if its numbers are numbers; `notFinite` if not.
    let requireFinite (segmentation: SegmentationResult) : Result<SegmentationResult, McdrlError> =
        if
            Array.forall System.Single.IsFinite segmentation.Probabilities
            && List.forall (snd >> System.Double.IsFinite) segmentation.Influence
            && Option.forall System.Double.IsFinite segmentation.Disagreement
        then
            Ok segmentation
        else
            Error notFinite

    /// The network's map of one class, [S, S].
    let private mapOf (segmentation: SegmentationResult) label =
        let area = segmentation.Side * segmentation.Side
        Array.sub segmentation.Probabilities (label * area) area

    let private enlarged (segmentation: SegmentationResult) map =
        let upright = segmentation.Upright
        Resampling.values upright.Height upright.Width segmentation.Side map

    /// P(class) of every pixel, upright; label 0 is background.
    let probability (label: int) (segmentation: SegmentationResult) : ValueMap =
        mapOf segmentation label |> enlarged segmentation

    /// P(lesion) = 1 − P(background) of every pixel, upright: that it belongs to a lesion of any class.
    let lesionProbability (segmentation: SegmentationResult) : ValueMap =
        let background = probability 0 segmentation

        { background with
            Values = background.Values |> Array.map (fun value -> 1.0f - value)
        }

    /// Calls `visit y row` with P(class) of each row of the mask, in the file's own orientation; label 0 is background. One array is used
    /// for all rows.
    let overRows (segmentation: SegmentationResult) label visit =
        let upright = segmentation.Upright

        Resampling.overFileRows
            segmentation.Orientation
            upright.Height
            upright.Width
            segmentation.Side
            (mapOf segmentation label)
            visit

    /// The pixel at which a region begins, row by row.
    let private firstPixel (region: Region) =
        let top = region.Outline |> Array.filter (fun struct (_, y) -> y = region.Y)
        region.Y, (top |> Array.map (fun struct (x, _) -> x) |> Array.min)

    /// Every class of the model, label 1 first, with what the mask holds of it.
    let findings (segmentation: SegmentationResult) : ClassFinding list =
        let mask = segmentation.Mask
        let regions = Contours.find mask
        let runs = PixelRun.find mask
        let begins = runs |> Seq.map (fun run -> (run.Row, run.First), run.Region) |> dict

        let sums, highest =
            Array.zeroCreate<float> runs.Length, Array.zeroCreate<float32> runs.Length

        let pixels = float mask.Width * float mask.Height

        segmentation.Classes
        |> List.mapi (fun index name ->
            let label = index + 1
            let mutable next = 0
            let mutable score = 0.0f

            overRows segmentation label (fun y row ->
                score <- max score (Array.max row)

                while next < runs.Length && runs[next].Row = y do
                    let run = runs[next]

                    if int mask.Labels[y * mask.Width + run.First] = label then
                        for x in run.First .. run.After - 1 do
                            sums[run.Region] <- sums[run.Region] + float row[x]
                            highest[run.Region] <- max highest[run.Region] row[x]

                    next <- next + 1)

            let own =
                [
                    for region in regions do
                        if region.Label = label then
                            let number = begins[firstPixel region]

                            {
                                Region = region
                                MeanProbability = sums[number] / float region.Area
                                MaxProbability = float highest[number]
                            }
                ]

            let area = own |> List.sumBy _.Region.Area

            {
                Name = name
                Label = label
                Score = float score
                Area = area
                Share = float area / pixels
                Regions = own
            })

/// What a model would answer had the image been taken under one condition of its dictionary.
type ConditionAnswer =
    {
        /// Its words in the dictionary.
        Condition: string
        /// π_m, its share of the adjusted answer; the shares sum to 1.
        Weight: float
        /// How far this answer is from the adjusted one: mean KL divergence in nats.
        Influence: float
        /// The mask under do(condition), upright.
        Mask: LabelMap
        /// Dice of this mask and the one given, all lesion classes together; 1 where both are empty.
        Dice: float
        /// Pixels in which the two differ.
        Changed: int64
    }

/// How far Eq. 8, attention over the conditions, is from backdoor adjustment on one image.
type AttentionGap =
    {
        /// ½ Σ_k |p − q| of the two answers, mean over the pixels of the network's input, in [0, 1].
        MeanTotalVariation: float
        /// The same, the largest of all pixels.
        MaxTotalVariation: float
        /// Dice of the two masks, all lesion classes together; 1 where both are empty.
        Dice: float
        /// Pixels of the picture whose class differs.
        Flips: int64
        /// 1 for these pixels, 0 for the others.
        FlipMap: LabelMap
        /// The mask that attention gives.
        Mask: LabelMap
    }

/// Where the model looked.
type RegionsSeen =
    {
        /// 1 for each cell of the tower's map that MTRS selected (Eq. 6), 0 for the others.
        Selected: LabelMap
        /// For each class: the cosine of each cell and the class's words, in [−1, 1].
        Similarity: ValueMap list
    }

/// Why a model answers as it does. All maps are upright and, but for `Regions`, of the picture's size.
type ExplanationResult =
    {
        /// The answer that is explained.
        Segmentation: SegmentationResult
        /// The conditions play a part: false for a baseline without intervention, and for a model kept from the epochs before
        /// it was switched on.
        /// Then `Conditions` is empty, and all that compares conditions is 0.
        Active: bool
        /// The answer under every condition, in the order of the dictionary.
        Conditions: ConditionAnswer list
        /// I(Y; Z | F) of each pixel in nats, in [0, log(min(M, K + 1))].
        MutualInformation: ValueMap
        /// −log Z_geo of each pixel in nats, ≥ 0.
        GeometricDisagreement: ValueMap
        /// m for pixels that the m-th condition (from 1) would change most; 0 where none would change anything.
        Strongest: LabelMap
        /// KL divergence of the answer under that condition from the adjusted one, in nats.
        StrongestInfluence: ValueMap
        /// Pixels whose class changes under at least one condition that has weight.
        Unstable: int64
        /// From exact adjustment to attention, whatever the mode of the answer.
        Gap: AttentionGap
        /// The cells that the answer was read from.
        Regions: RegionsSeen
    }
