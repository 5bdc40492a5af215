namespace Mcdrl

/// A connected region in an image's report; coordinates are pixels of the mask file.
type RegionReport =
    {
        /// Pixels.
        Area: int64
        /// P(class), mean over the region's pixels, 0 to 1.
        MeanProbability: float
        /// P(class), the largest of the region's pixels.
        MaxProbability: float
        /// Left, top, width, height.
        Box: int list
        /// Corners [x, y] of the outer boundary, less than half a pixel from the mask's own (`OutlineSimplification`): whole and half pixels.
        Outline: float list list
        /// Corners [x, y] of the boundary of each hole, as near.
        Holes: float list list list
    }

/// A class in one image.
type ClassReport =
    {
        /// Its name in the model.
        Name: string
        /// The value in the mask.
        Label: int
        /// How sure the model is that the image shows it anywhere: P(class), the largest of all pixels, marked or not.
        Score: float
        /// Pixels of all regions.
        Area: int64
        /// Share of the image, 0 to 1.
        Share: float
        /// Its connected regions.
        Regions: RegionReport list
        /// The file of P(class), beside the report; only if asked for, and only where there are several classes.
        Probability: string option
    }

/// What `segment` writes beside the mask of an image.
type ImageReport =
    {
        /// Path of the image, as it was found.
        Image: string
        /// Of the image as stored, in pixels; the mask has the same.
        Width: int
        /// Of the image as stored, in pixels.
        Height: int
        /// How many pictures the image's file holds, frames of an animation or pages; the first is what was segmented.
        Pictures: int
        /// How the rows and columns of the image's file lie, and with them those of the mask, the probabilities and all coordinates here:
        /// `top-left` where the picture is stored upright. The overlay is upright always.
        Orientation: Orientation
        /// How the model was asked to intervene.
        Mode: Marginalisation
        /// P(lesion) at or above which pixels were marked; absent where each has its most probable class.
        Threshold: float option
        /// Regions of fewer pixels were not marked.
        MinArea: int64
        /// Every class of the model, label 1 first, whether the image shows it or not.
        Classes: ClassReport list
        /// How far the answer under each condition alone is from the adjusted one: mean KL divergence in nats.
        Conditions: Map<string, float>
        /// How much the answer depends on the imaging condition: I(Y; Z | F), mean over pixels in nats.
        Disagreement: float option
        /// The mask's file, beside the report.
        Mask: string
        /// The overlay's file, beside the report.
        Overlay: string
        /// The file of P(lesion), beside the report; only if asked for.
        Probability: string option
        /// What the answer depends on; only if asked for.
        Explanation: ExplanationReport option
        /// That this is no medical device; in every report.
        Notice: string
    }
