namespace Mcdrl;

/// <summary>How the answer is adjusted for imaging conditions.</summary>
public enum AdjustmentMode
{
    /// <summary>The mode that the model recommends.</summary>
    ModelDefault,

    /// <summary>Backdoor adjustment: the mean, over all conditions, of the answer under each (Eq. 2).</summary>
    Exact,

    /// <summary>The answer to the mean of the features under all conditions (Eq. 5, 7).</summary>
    FeatureMean,

    /// <summary>The normalised weighted geometric mean of the answers under all conditions.</summary>
    Nwgm,

    /// <summary>Attention over the conditions, as the paper implements it (Eq. 8).</summary>
    Attention,

    /// <summary>
    /// The mean of the answers, without intervention, to the image rendered under each condition that can be done to its pixels:
    /// a pass through the encoder for each, for research. Needs a model's folder; one without such a condition, or an exported
    /// file, throws <see cref="McdrlUsageException"/>.
    /// </summary>
    Rendered,
}

/// <summary>Options of one call.</summary>
public sealed record SegmentOptions
{
    /// <summary>How the answer is adjusted for imaging conditions.</summary>
    public AdjustmentMode Mode { get; init; }

    /// <summary>The probability of a lesion, above 0 and at most 1, at or above which a pixel is marked, as the most probable of the
    /// lesion classes; any other value throws <see cref="McdrlUsageException"/>. Null gives each pixel its most probable class,
    /// background among them: with one lesion class, a threshold of 0.5.</summary>
    public double? Threshold { get; init; }

    /// <summary>Regions of fewer pixels of the image are not marked; a number below 0 throws <see cref="McdrlUsageException"/>.</summary>
    public long MinArea { get; init; }

    /// <summary>Largest width times height in pixels; a larger image throws <see cref="McdrlResourceException"/>.</summary>
    public long MaxPixels { get; init; } = 100_000_000;

    /// <summary>Largest width and largest height in pixels.</summary>
    public int MaxSide { get; init; } = 32_768;
}
