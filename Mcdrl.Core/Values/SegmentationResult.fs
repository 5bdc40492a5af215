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
        /// For each condition of the dictionary: how far the answer under this condition alone is from the adjusted
        /// one, mean KL divergence in nats. Empty for modes that never look at a single condition.
        Influence: (string * float) list
        /// I(Y; Z | F), mean over pixels in nats: how much the answer depends on the imaging condition.
        Disagreement: float option
    }

/// A lesion class of a model, and where an image shows it.
type ClassFinding =
    {
        /// As the model names it.
        Name: string
        /// Its value in the mask, from 1.
        Label: int
        /// Pixels of all its regions.
        Area: int64
        /// Share of the image, 0 to 1.
        Share: float
        /// Connected pieces in the mask, the largest first.
        Regions: Region list
    }

/// What can be read off a result.
[<RequireQualifiedAccess>]
module SegmentationResult =
    /// Every class of the model, label 1 first, with what the mask holds of it.
    let findings (segmentation: SegmentationResult) : ClassFinding list =
        let regions = Contours.find segmentation.Mask
        let pixels = float (segmentation.Mask.Width * segmentation.Mask.Height)

        segmentation.Classes
        |> List.mapi (fun index name ->
            let own = regions |> List.filter (fun region -> region.Label = index + 1)
            let area = own |> List.sumBy _.Area

            {
                Name = name
                Label = index + 1
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
