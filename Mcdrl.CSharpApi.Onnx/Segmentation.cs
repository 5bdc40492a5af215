using System.Globalization;
using Microsoft.FSharp.Collections;
using SkiaSharp;

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

    /// <summary>Where it is, how large it is and how sure the model is of it.</summary>
    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Area} pixels at ({Left}, {Top}), {Width} x {Height}, probability {MeanProbability:F2}, at most {MaxProbability:F2}");
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

    /// <summary>Its name, how much of the image it covers, in how many regions, and how sure the model is that it is there.</summary>
    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Name} {100 * Share:F1} % in {Regions.Count} {(Regions.Count == 1 ? "region" : "regions")}, score {Score:F2}");
}

/// <summary>An imaging condition and how much it matters for this image.</summary>
/// <param name="Name">The condition in words.</param>
/// <param name="Influence">How far the answer under this condition alone is from the adjusted answer, in nats.</param>
public sealed record ConditionInfluence(string Name, double Influence);

/// <summary>What a model found in one image.</summary>
public sealed class Segmentation
{
    private readonly LabelMap mask;
    private readonly Picture picture;
    private readonly SegmentationResult result;
    private readonly string? path;
    private readonly Lazy<ReadOnlyMemory<float>> probability;

    internal Segmentation(SegmentationResult result, Picture picture, string? path)
    {
        this.picture = picture;
        this.result = result;
        this.path = path;
        probability = new(() => InFile(SegmentationResultModule.lesionProbability(result)));
        mask = result.Mask;
        Classes = [.. SegmentationResultModule.findings(result).Select(ReadClass)];
        Conditions = [.. result.Influence.Select(pair => new ConditionInfluence(pair.Item1, pair.Item2))];
        Disagreement = result.Disagreement is { } found ? found.Value : null;
    }

    /// <summary>An answer without a model, for the tests of an application: it has what any answer has, each pixel's class with a
    /// probability of 1, less sharp at outlines where the image is no square, and says nothing of conditions.</summary>
    /// <param name="classes">Names of the lesion classes, label 1 first.</param>
    /// <param name="width">Width of the image, in pixels.</param>
    /// <param name="height">Height of the image, in pixels.</param>
    /// <param name="mask">One label a pixel, row by row: 0 background, k the k-th class.</param>
    /// <exception cref="ArgumentException">The mask has not a label for each pixel, or one that no class has.</exception>
    public static Segmentation Create(IReadOnlyList<string> classes, int width, int height, ReadOnlySpan<byte> mask)
    {
        ArgumentNullException.ThrowIfNull(classes);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        var pixels = (long)width * height;

        if (mask.Length != pixels)
        {
            throw new ArgumentException($"{width} x {height} pixels need {pixels} labels, and there are {mask.Length}.", nameof(mask));
        }

        if (mask.ContainsAnyExceptInRange((byte)0, (byte)Math.Min(classes.Count, 255)))
        {
            throw new ArgumentException($"A label is above {classes.Count}, the number of classes.", nameof(mask));
        }

        var map = new LabelMap(width, height, mask.ToArray());
        var side = Math.Max(width, height);
        var square = LabelMapModule.resized(side, side, map).Labels;
        var probabilities = new float[(classes.Count + 1) * square.Length];

        for (var cell = 0; cell < square.Length; cell++)
        {
            probabilities[(square[cell] * square.Length) + cell] = 1;
        }

        var result = new SegmentationResult(
            mask: map,
            upright: map,
            classes: ListModule.OfSeq(classes),
            mode: Marginalisation.Exact,
            marking: MarkingModule.standard,
            probabilities: probabilities,
            side: side,
            orientation: Orientation.TopLeft,
            influence: [],
            disagreement: null);

        return new Segmentation(result, new Picture(width, height, new byte[pixels * 3], Orientation.TopLeft), null);
    }

    /// <summary>Width of the mask, which is the image file's, in pixels.</summary>
    public int Width => mask.Width;

    /// <summary>Height of the mask, which is the image file's, in pixels.</summary>
    public int Height => mask.Height;

    /// <summary>The mode that was answered in.</summary>
    public AdjustmentMode Mode => AdjustmentModes.Of(result.Mode);

    /// <summary>The probability of a lesion at or above which pixels were marked; null where each has its most probable class.</summary>
    public double? Threshold => result.Marking.Threshold is { } threshold ? threshold.Value : null;

    /// <summary>Regions of fewer pixels were not marked.</summary>
    public long MinArea => result.Marking.MinArea;

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

    /// <summary>The mask as a PNG file, as <see cref="SaveMask(string)"/> writes it.</summary>
    public byte[] EncodeMask() => Pictures.Encoded(file => Png.write(file, mask.Width, mask.Height, null, mask.Labels));

    /// <summary>Writes the mask into a stream, as <see cref="SaveMask(string)"/> does. What writing throws is passed on.</summary>
    /// <param name="stream">Left open.</param>
    public void SaveMask(Stream stream) => Pictures.WriteTo(stream, EncodeMask());

    /// <summary><see cref="SaveMask(Stream)"/> without blocking.</summary>
    /// <param name="stream">Left open.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public Task SaveMaskAsync(Stream stream, CancellationToken cancellationToken = default) =>
        Pictures.WriteToAsync(stream, EncodeMask, cancellationToken);

    /// <summary>The mask as a bitmap of 8-bit grey whose values are the labels. Dispose it when done.</summary>
    public SKBitmap ToMaskBitmap()
    {
        var bitmap = new SKBitmap(new SKImageInfo(Width, Height, SKColorType.Gray8, SKAlphaType.Opaque));
        var rows = bitmap.GetPixelSpan();

        for (var y = 0; y < Height; y++)
        {
            mask.Labels.AsSpan(y * Width, Width).CopyTo(rows[(y * bitmap.RowBytes)..]);
        }

        return bitmap;
    }

    /// <summary>Writes <see cref="Probability"/> as a 16-bit grey PNG whose value 65535 is 1.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveProbability(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        ProbabilityMaps.writeLesion(path, result).OrThrow();
    }

    /// <summary><see cref="Probability"/> as a PNG file, as <see cref="SaveProbability(string)"/> writes it.</summary>
    public byte[] EncodeProbability() => Pictures.Encoded(file => ProbabilityMaps.lesionTo(file, result));

    /// <summary>Writes <see cref="Probability"/> into a stream, as <see cref="SaveProbability(string)"/> does. What writing throws is
    /// passed on.</summary>
    /// <param name="stream">Left open.</param>
    public void SaveProbability(Stream stream) => Pictures.WriteTo(stream, EncodeProbability());

    /// <summary><see cref="SaveProbability(Stream)"/> without blocking.</summary>
    /// <param name="stream">Left open.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public Task SaveProbabilityAsync(Stream stream, CancellationToken cancellationToken = default) =>
        Pictures.WriteToAsync(stream, EncodeProbability, cancellationToken);

    /// <summary>Writes the upright image with the regions outlined and a legend, as PNG.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveOverlay(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        Overlay.write(path, result.Classes, picture, result.Upright, null).OrThrow();
    }

    /// <summary>The overlay as a PNG file, as <see cref="SaveOverlay(string)"/> writes it.</summary>
    public byte[] EncodeOverlay() => Overlay.png(result.Classes, picture, result.Upright, null).OrThrow();

    /// <summary>Writes the overlay into a stream, as <see cref="SaveOverlay(string)"/> does. What writing throws is passed on.</summary>
    /// <param name="stream">Left open.</param>
    public void SaveOverlay(Stream stream) => Pictures.WriteTo(stream, EncodeOverlay());

    /// <summary><see cref="SaveOverlay(Stream)"/> without blocking.</summary>
    /// <param name="stream">Left open.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public Task SaveOverlayAsync(Stream stream, CancellationToken cancellationToken = default) =>
        Pictures.WriteToAsync(stream, EncodeOverlay, cancellationToken);

    /// <summary>The overlay as a bitmap. Dispose it when done.</summary>
    public SKBitmap ToOverlayBitmap() => SKBitmap.Decode(EncodeOverlay());

    /// <summary>What was found as JSON on one line: the report that <c>mcdrl segment</c> writes of the image, field by field, without
    /// the names of its files.</summary>
    public string ToJson() => Json.Render(Json.Report(result, path));

    /// <summary>What was found, in words.</summary>
    public override string ToString()
    {
        var found = Classes.Where(lesion => lesion.Area > 0).ToArray();

        return found.Length > 0
            ? string.Join("; ", found.Select(lesion => lesion.ToString()))
            : "nothing marked, scores: "
                + string.Join(", ", Classes.Select(lesion => FormattableString.Invariant($"{lesion.Name} {lesion.Score:F2}")));
    }

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
