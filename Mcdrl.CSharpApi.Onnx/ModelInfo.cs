namespace Mcdrl;

/// <summary>Where a model comes from, as far as it says so.</summary>
public sealed record ModelProvenance
{
    /// <summary>What wrote the model, with its version.</summary>
    public string? Product { get; init; }

    /// <summary>The day it was written, in UTC.</summary>
    public DateOnly? Created { get; init; }

    /// <summary>The name of the dataset that it was trained on.</summary>
    public string? Data { get; init; }

    /// <summary>Digest of that dataset's frames and masks.</summary>
    public string? DataSha256 { get; init; }

    /// <summary>The sites whose frames were trained on.</summary>
    public IReadOnlyList<string> TrainedOn { get; init; } = [];

    /// <summary>The site that was never seen, if one was left out.</summary>
    public string? LeftOut { get; init; }

    /// <summary>Digest of the weights that training began with.</summary>
    public string? WeightsSha256 { get; init; }

    /// <summary>Frames that it learned from.</summary>
    public int? TrainingFrames { get; init; }

    /// <summary>The seed of the training.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The epoch whose weights were kept, from 1.</summary>
    public int? Epoch { get; init; }
}

/// <summary>A figure that was measured of a model when it was written.</summary>
/// <param name="Name">What was measured, in words.</param>
/// <param name="Value">In the figure's own unit; overlaps are 0 to 1.</param>
/// <param name="Protocol">On which frames, and by which rules.</param>
public sealed record ModelMetric(string Name, double Value, string Protocol);

/// <summary>What a loaded model is.</summary>
public sealed record ModelInfo
{
    /// <summary>Names of the lesion classes; the first has label 1 in masks.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>The imaging conditions of its dictionary, in words; of an exported file those whose influence it can tell.</summary>
    public IReadOnlyList<string> Conditions { get; init; } = [];

    /// <summary>The mode in which it answers where none is asked for.</summary>
    public AdjustmentMode Mode { get; init; }

    /// <summary>Whether it can say what its answers depend on.</summary>
    public bool Explains { get; init; }

    /// <summary>What computes it: <c>libtorch</c> or <c>onnxruntime</c>.</summary>
    public string Engine { get; init; } = "";

    /// <summary>Where it computes: <c>cpu</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>What it computes in: <c>fp32</c> or <c>bf16</c>.</summary>
    public string Precision { get; init; } = "fp32";

    /// <summary>Side in pixels of the square that images are brought to; 0 where it is not known.</summary>
    public int InputSize { get; init; }

    /// <summary>The encoder's architecture; null where it is not known.</summary>
    public string? Tower { get; init; }

    /// <summary>Where it comes from.</summary>
    public ModelProvenance Provenance { get; init; } = new();

    /// <summary>What was measured of it when it was written.</summary>
    public IReadOnlyList<ModelMetric> Metrics { get; init; } = [];

    /// <summary>Classes, mode and where it is computed, on one line.</summary>
    public override string ToString() =>
        $"{string.Join(", ", Classes)}; {AdjustmentModes.Name(Mode)}; {Engine} on {Device} in {Precision}";
}
