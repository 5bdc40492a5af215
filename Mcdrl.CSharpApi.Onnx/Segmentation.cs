namespace Mcdrl;

/// <summary>A point between pixels: pixel (0, 0) is the square from (0, 0) to (1, 1).</summary>
/// <param name="X">Columns from the left edge.</param>
/// <param name="Y">Rows from the top edge.</param>
public readonly record struct ContourPoint(int X, int Y);

/// <summary>A connected region of one class, in pixels of the mask.</summary>
/// <param name="Area">Pixels.</param>
/// <param name="Left">Left-most column.</param>
/// <param name="Top">Top-most row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="Outline">Corners of the outer boundary, clockwise as seen on the screen.</param>
/// <param name="Holes">Boundaries of the holes.</param>
public sealed record LesionRegion(
    long Area,
    int Left,
    int Top,
    int Width,
    int Height,
    IReadOnlyList<ContourPoint> Outline,
    IReadOnlyList<IReadOnlyList<ContourPoint>> Holes)
{
    /// <summary>The probability of its class, mean over its pixels, 0 to 1.</summary>
    public double MeanProbability { get; init; }

    /// <summary>The probability of its class, the largest of its pixels, 0 to 1.</summary>
    public double MaxProbability { get; init; }
}

/// <summary>One lesion class of a model and where it was found.</summary>
/// <param name="Label">Its value in the mask, from 1.</param>
/// <param name="Name">Its name.</param>
/// <param name="Area">Pixels of all its regions.</param>
/// <param name="Share">Share of the image, 0 to 1.</param>
/// <param name="Regions">Its regions, the largest first.</param>
public sealed record LesionClass(int Label, string Name, long Area, double Share, IReadOnlyList<LesionRegion> Regions)
{
    /// <summary>How sure the model is that the image shows the class anywhere, 0 to 1: the largest probability of all pixels, marked
    /// or not.</summary>
    public double Score { get; init; }
}

/// <summary>An imaging condition and how much it matters for this image.</summary>
/// <param name="Name">The condition in words.</param>
/// <param name="Influence">How far the answer under this condition alone is from the adjusted answer, in nats.</param>
public sealed record ConditionInfluence(string Name, double Influence);

/// <summary>What a model found in one image.</summary>
public sealed class Segmentation
{
    private readonly LabelMap mask;
    private readonly LabelMap upright;
    private readonly Picture picture;
    private readonly SegmentationResult result;
    private readonly Lazy<ReadOnlyMemory<float>> probability;
    private readonly Microsoft.FSharp.Collections.FSharpList<string> names;

    internal Segmentation(SegmentationResult result, Picture picture)
    {
        this.picture = picture;
        this.result = result;
        probability = new(() => InFile(SegmentationResultModule.lesionProbability(result)));
        mask = result.Mask;
        upright = result.Upright;
        names = result.Classes;
        Classes = [.. SegmentationResultModule.findings(result).Select(ReadClass)];
        Conditions = [.. result.Influence.Select(pair => new ConditionInfluence(pair.Item1, pair.Item2))];
        Disagreement = result.Disagreement is { } found ? found.Value : null;
    }

    /// <summary>Width of the mask, which is the image file's, in pixels.</summary>
    public int Width => mask.Width;

    /// <summary>Height of the mask, which is the image file's, in pixels.</summary>
    public int Height => mask.Height;

    /// <summary>One label a pixel, row by row, in the image file's own orientation: 0 background, k the class with
    /// label k.</summary>
    public ReadOnlyMemory<byte> Mask => mask.Labels;

    /// <summary>The probability of a lesion, of whatever class, at each pixel, 0 to 1, laid out as <see cref="Mask"/>. Made when it is first
    /// asked for.</summary>
    public ReadOnlyMemory<float> Probability => probability.Value;

    /// <summary>The probability of one class at each pixel, 0 to 1, laid out as <see cref="Mask"/>. Made anew by each call.</summary>
    /// <param name="label">The class's label; 0 is background.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model has no class of this label.</exception>
    public ReadOnlyMemory<float> ProbabilityOf(int label)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(label);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(label, Classes.Count);
        return InFile(SegmentationResultModule.probability(label, result));
    }

    /// <summary>Every lesion class of the model, found or not.</summary>
    public IReadOnlyList<LesionClass> Classes { get; }

    /// <summary>The conditions of the model's dictionary. Empty for modes that never look at a single condition.</summary>
    public IReadOnlyList<ConditionInfluence> Conditions { get; }

    /// <summary>How much the answer depends on the imaging condition: mutual information, mean over the pixels, in nats.
    /// Null for modes that never look at a single condition.</summary>
    public double? Disagreement { get; }

    /// <summary>Writes the mask as an 8-bit palette PNG: the index of a pixel is its label, shown in the colour of its class.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveMask(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        Masks.write(path, mask).OrThrow();
    }

    /// <summary>Writes <see cref="Probability"/> as a 16-bit grey PNG whose value 65535 is 1.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveProbability(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        ProbabilityMaps.writeLesion(path, result).OrThrow();
    }

    /// <summary>Writes the upright image with the regions outlined and a legend, as PNG.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveOverlay(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        Overlay.write(path, names, picture, upright, null).OrThrow();
    }

    /// <summary>Classes, regions, their probabilities, conditions and disagreement as JSON.</summary>
    public string ToJson() => Json.Render(new { Width, Height, Classes, Conditions, Disagreement });

    private ReadOnlyMemory<float> InFile(ValueMap map) => ValueMapModule.inFile(picture.Orientation, map).Values;

    private static LesionClass ReadClass(ClassFinding found) =>
        new(found.Label, found.Name, found.Area, found.Share, [.. found.Regions.Select(ReadRegion)]) { Score = found.Score };

    private static LesionRegion ReadRegion(RegionFinding found) => new(
        found.Region.Area,
        found.Region.X,
        found.Region.Y,
        found.Region.Width,
        found.Region.Height,
        Points(found.Region.Outline),
        [.. found.Region.Holes.Select(Points)])
    {
        MeanProbability = found.MeanProbability,
        MaxProbability = found.MaxProbability,
    };

    private static IReadOnlyList<ContourPoint> Points(ValueTuple<int, int>[] corners) =>
        [.. corners.Select(corner => new ContourPoint(corner.Item1, corner.Item2))];
}
