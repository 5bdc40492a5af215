namespace Mcdrl;

/// <summary>What a model would answer had the image been taken under one condition of its dictionary.</summary>
/// <param name="Name">The condition in words.</param>
/// <param name="Weight">Its share of the adjusted answer; the shares sum to 1.</param>
/// <param name="Influence">How far this answer is from the adjusted one: mean KL divergence, in nats.</param>
/// <param name="Dice">Dice of this mask and the mask given, all classes together; 1 where both are empty.</param>
/// <param name="ChangedPixels">Pixels in which the two masks differ.</param>
/// <param name="Mask">The mask under this condition, laid out as <see cref="Segmentation.Mask"/>.</param>
public sealed record AnswerUnderCondition(
    string Name,
    double Weight,
    double Influence,
    double Dice,
    long ChangedPixels,
    ReadOnlyMemory<byte> Mask);

/// <summary>How far attention over the conditions (Eq. 8) is from backdoor adjustment on one image.</summary>
/// <param name="MeanTotalVariation">Total variation between the two answers' probabilities, mean over the pixels, 0 to 1.</param>
/// <param name="MaxTotalVariation">The largest of all pixels.</param>
/// <param name="Dice">Dice of the two masks, all classes together.</param>
/// <param name="FlippedPixels">Pixels whose class differs.</param>
/// <param name="Flips">1 for these pixels, 0 for the others, laid out as <see cref="Segmentation.Mask"/>.</param>
/// <param name="Mask">The mask that attention gives, laid out as <see cref="Segmentation.Mask"/>.</param>
public sealed record AttentionDifference(
    double MeanTotalVariation,
    double MaxTotalVariation,
    double Dice,
    long FlippedPixels,
    ReadOnlyMemory<byte> Flips,
    ReadOnlyMemory<byte> Mask);

/// <summary>Where a model looked: cells of the upright image, row by row.</summary>
/// <param name="Rows">Rows of cells.</param>
/// <param name="Columns">Columns of cells.</param>
/// <param name="Selected">1 for each cell that was selected, 0 for the others.</param>
/// <param name="Similarity">For each class: the cosine of each cell and the class's words, -1 to 1.</param>
public sealed record LookedAtRegions(
    int Rows,
    int Columns,
    ReadOnlyMemory<byte> Selected,
    IReadOnlyList<ReadOnlyMemory<float>> Similarity);

/// <summary>Why a model answers as it does. Maps have a value for each pixel of the mask, row by row, in the image file's
/// own orientation.</summary>
public sealed class ImageExplanation
{
    private readonly ExplanationResult result;
    private readonly Picture picture;
    private readonly string? path;

    internal ImageExplanation(ExplanationResult result, Picture picture, string? path)
    {
        this.result = result;
        this.picture = picture;
        this.path = path;
        Found = new Segmentation(result.Segmentation, picture, path);
        Conclusions = [.. Mcdrl.Conclusions.sentences(result)];
        MostInfluential = Mcdrl.Conclusions.mostInfluential(result)?.Value.Condition;
        Conditions = [.. result.Conditions.Select(ReadCondition)];
        MutualInformation = ReadValues(result.MutualInformation);
        GeometricDisagreement = ReadValues(result.GeometricDisagreement);
        StrongestCondition = ReadLabels(result.Strongest);
        StrongestInfluence = ReadValues(result.StrongestInfluence);
        Attention = ReadGap(result.Gap);
        Regions = ReadRegions(result.Regions);
    }

    /// <summary>The answer that is explained.</summary>
    public Segmentation Found { get; }

    /// <summary>Whether the conditions play a part: false for a baseline without intervention, and for a model kept from
    /// the epochs before it was switched on. Then <see cref="Conditions"/> is empty and all that compares conditions is 0.</summary>
    public bool Active => result.Active;

    /// <summary>What the explanation says, in plain words, one sentence each.</summary>
    public IReadOnlyList<string> Conclusions { get; }

    /// <summary>The answer under every condition, in the order of the dictionary.</summary>
    public IReadOnlyList<AnswerUnderCondition> Conditions { get; }

    /// <summary>The condition that would change the answer most; null where none would to speak of.</summary>
    public string? MostInfluential { get; }

    /// <summary>How much each pixel's answer depends on the imaging condition: mutual information in nats, at least 0.</summary>
    public ReadOnlyMemory<float> MutualInformation { get; }

    /// <summary>How far the conditions are from one answer at each pixel: -log of the normaliser of their geometric mean, in
    /// nats, at least 0.</summary>
    public ReadOnlyMemory<float> GeometricDisagreement { get; }

    /// <summary>The number, from 1, of the condition in <see cref="Conditions"/> that matters most at each pixel; 0 where none
    /// matters.</summary>
    public ReadOnlyMemory<byte> StrongestCondition { get; }

    /// <summary>How far the answer under that condition is from the adjusted one: KL divergence in nats.</summary>
    public ReadOnlyMemory<float> StrongestInfluence { get; }

    /// <summary>Pixels whose class changes under at least one condition.</summary>
    public long UnstablePixels => result.Unstable;

    /// <summary>Attention against backdoor adjustment.</summary>
    public AttentionDifference Attention { get; }

    /// <summary>Where the model looked.</summary>
    public LookedAtRegions Regions { get; }

    /// <summary>The mask had the image been taken under a condition, laid out as <see cref="Segmentation.Mask"/>.</summary>
    /// <param name="condition">One of the names in <see cref="Conditions"/>.</param>
    /// <exception cref="ArgumentException">There is no such condition.</exception>
    public ReadOnlyMemory<byte> MaskUnder(string condition)
    {
        ArgumentNullException.ThrowIfNull(condition);

        return Conditions.FirstOrDefault(answer => answer.Name == condition)?.Mask
            ?? throw new ArgumentException(
                $"There is no condition \"{condition}\". Choose one of: {string.Join(", ", Conditions.Select(answer => answer.Name))}.",
                nameof(condition));
    }

    /// <summary>Writes one picture that shows all of this to a person, as PNG.</summary>
    /// <param name="path">The file; an old one is replaced, whole or not at all.</param>
    /// <exception cref="McdrlResourceException">The file can't be written.</exception>
    public void SaveSheet(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        Sheet.write(path, Name, picture, result).OrThrow();
    }

    /// <summary>The sheet as a PNG file, as <see cref="SaveSheet(string)"/> writes it.</summary>
    public byte[] EncodeSheet() => Sheet.png(Name, picture, result).OrThrow();

    /// <summary>Writes the sheet into a stream, as <see cref="SaveSheet(string)"/> does. What writing throws is passed on.</summary>
    /// <param name="stream">Left open.</param>
    public void SaveSheet(Stream stream) => Pictures.WriteTo(stream, EncodeSheet());

    /// <summary><see cref="SaveSheet(Stream)"/> without blocking.</summary>
    /// <param name="stream">Left open.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public Task SaveSheetAsync(Stream stream, CancellationToken cancellationToken = default) =>
        Pictures.WriteToAsync(stream, EncodeSheet, cancellationToken);

    /// <summary>Everything but the maps as JSON on one line: the report that <c>mcdrl segment --explain</c> writes of the image, field
    /// by field, without the names of its files.</summary>
    public string ToJson()
    {
        var report = Json.Report(result.Segmentation, path);
        var similarity = ExplanationFiles.similarity(picture.Width, picture.Height, result.Regions);

        report["explanation"] = Json.Node(new
        {
            Active,
            Summary = string.Join(" ", Conclusions),
            MostInfluential,
            Conditions = Conditions.Select(answer =>
                new { Condition = answer.Name, answer.Weight, answer.Influence, answer.Dice, answer.ChangedPixels }),
            MutualInformation = Told(result.MutualInformation),
            GeometricDisagreement = Told(result.GeometricDisagreement),
            StrongestInfluence = Told(result.StrongestInfluence),
            UnstablePixels,
            Attention = new { Attention.MeanTotalVariation, Attention.MaxTotalVariation, Attention.Dice, Attention.FlippedPixels },
            Regions = new
            {
                Regions.Rows,
                Regions.Columns,
                SelectedCells = Regions.Selected.Span.Count((byte)1),
                Similarity = Told(similarity),
            },
        });

        return Json.Render(report);
    }

    /// <summary>What is concluded, in words.</summary>
    public override string ToString() => string.Join(" ", Conclusions);

    private string Name => path is null ? "image" : Path.GetFileName(path);

    /// <summary>What the report says of a map.</summary>
    private static object Told(ValueMap map) =>
        new { Mean = map.Values.Average(value => (double)value), Max = (double)map.Values.Max() };

    private ReadOnlyMemory<byte> ReadLabels(LabelMap upright) => LabelMapModule.inFile(picture.Orientation, upright).Labels;

    private ReadOnlyMemory<float> ReadValues(ValueMap upright) => ValueMapModule.inFile(picture.Orientation, upright).Values;

    private AnswerUnderCondition ReadCondition(ConditionAnswer answer) => new(
        answer.Condition,
        answer.Weight,
        answer.Influence,
        answer.Dice,
        answer.Changed,
        ReadLabels(answer.Mask));

    private AttentionDifference ReadGap(AttentionGap gap) => new(
        gap.MeanTotalVariation,
        gap.MaxTotalVariation,
        gap.Dice,
        gap.Flips,
        ReadLabels(gap.FlipMap),
        ReadLabels(gap.Mask));

    private static LookedAtRegions ReadRegions(RegionsSeen seen) => new(
        seen.Selected.Height,
        seen.Selected.Width,
        seen.Selected.Labels,
        [.. seen.Similarity.Select(map => new ReadOnlyMemory<float>(map.Values))]);
}
