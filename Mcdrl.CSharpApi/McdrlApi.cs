namespace Mcdrl;

/// <summary>The entry to Mcdrl: loads models that mark lesions in endoscopic images. Not for clinical use.</summary>
/// <example><code>
/// using var model = McdrlApi.Load("run/model");
/// Segmentation found = model.Segment("frame.png");
/// found.SaveMask("frame.mask.png");
/// </code></example>
public static class McdrlApi
{
    /// <summary>Loads a model: the folder that <c>mcdrl train</c> writes. Everything in it is verified first. A blank image is
    /// segmented once, so that the first call is as fast as those after it.</summary>
    /// <param name="modelFolder">The folder that holds <c>mcdrl.json</c>, or a training run's folder.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
    /// <param name="precision">What it computes in.</param>
    /// <returns>The model; dispose it when done. One instance serves any number of threads.</returns>
    /// <exception cref="McdrlUsageException">The device is not there or can't compute in the precision, or libtorch can't be
    /// loaded.</exception>
    /// <exception cref="McdrlModelException">The model is missing, damaged or of another version.</exception>
    public static McdrlModel Load(
        string modelFolder, string device = "cpu", ComputePrecision precision = ComputePrecision.ModelDefault)
    {
        ArgumentNullException.ThrowIfNull(modelFolder);
        ArgumentNullException.ThrowIfNull(device);
        return Ready(SegmenterModule.loadIn(precision.On(device), modelFolder, device).OrThrow());
    }

    /// <summary><see cref="Load"/> for a model whose files are in memory, for instance embedded resources.</summary>
    /// <inheritdoc cref="Load"/>
    /// <param name="files">What <c>mcdrl train</c> wrote: <c>mcdrl.json</c>, <c>weights.safetensors</c>, <c>text.safetensors</c> and
    /// <c>README.md</c>, each by its name. They may change once this has returned.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
    /// <param name="precision">What it computes in.</param>
    public static McdrlModel LoadFiles(
        IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files,
        string device = "cpu",
        ComputePrecision precision = ComputePrecision.ModelDefault)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(device);
        return Ready(SegmenterModule.ofFiles(precision.On(device), "the model in memory", files, device).OrThrow());
    }

    /// <summary><see cref="Load"/> for a zip archive of a model's folder, or of a training run's, from where the stream stands to its end.
    /// What reading throws is passed on.</summary>
    /// <inheritdoc cref="Load"/>
    /// <param name="archive">The archive; left open.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
    /// <param name="precision">What it computes in.</param>
    public static McdrlModel LoadZip(
        Stream archive, string device = "cpu", ComputePrecision precision = ComputePrecision.ModelDefault)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return LoadFiles(ModelArchive.Read(archive), device, precision);
    }

    /// <inheritdoc cref="McdrlOnnx.Load(string)"/>
    public static McdrlModel LoadOnnx(string file) => McdrlOnnx.Load(file);

    /// <inheritdoc cref="McdrlOnnx.Load(string, string)"/>
    public static McdrlModel LoadOnnx(string file, string device) => McdrlOnnx.Load(file, device);

    /// <inheritdoc cref="McdrlOnnx.Load(ReadOnlyMemory{byte})"/>
    public static McdrlModel LoadOnnx(ReadOnlyMemory<byte> content) => McdrlOnnx.Load(content);

    /// <inheritdoc cref="McdrlOnnx.Load(ReadOnlyMemory{byte}, string)"/>
    public static McdrlModel LoadOnnx(ReadOnlyMemory<byte> content, string device) => McdrlOnnx.Load(content, device);

    /// <inheritdoc cref="McdrlOnnx.Load(Stream)"/>
    public static McdrlModel LoadOnnx(Stream content) => McdrlOnnx.Load(content);

    /// <inheritdoc cref="McdrlOnnx.Load(Stream, string)"/>
    public static McdrlModel LoadOnnx(Stream content, string device) => McdrlOnnx.Load(content, device);

    /// <summary>What the embedded model is, for whoever sees its answers.</summary>
    public static string EmbeddedModelNotice => EmbeddedModel.notice;

    /// <summary>Loads the model that comes with Mcdrl: polyps in still frames of colonoscopy. Its card, <c>models/polyp/README.md</c>,
    /// says how well it does in a hospital that it has never seen, and where it fails.</summary>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
    /// <returns>The model; dispose it when done.</returns>
    /// <exception cref="McdrlUsageException">The device is not there, or libtorch can't be loaded.</exception>
    /// <exception cref="McdrlModelException">The model is missing or damaged.</exception>
    public static McdrlModel LoadEmbedded(string device = "cpu") => Load(EmbeddedModel.folder().OrThrow(), device);

    /// <summary>Marks lesions in an image file with the embedded model, which is loaded at the first call and kept.</summary>
    /// <param name="path">The file (PNG, JPEG, WebP, BMP, GIF or TIFF of any size).</param>
    /// <exception cref="McdrlDataException">The file is missing, damaged or no image.</exception>
    /// <exception cref="McdrlModelException">The embedded model is missing or damaged.</exception>
    /// <seealso cref="EmbeddedModelNotice"/>
    public static Segmentation Segment(string path) => embedded.Value.Segment(path);

    private static readonly Kept<McdrlModel> embedded = new(() => LoadEmbedded());

    private static McdrlModel Ready(Segmenter segmenter) =>
        new McdrlModel(SegmenterModule.engine(segmenter), InfoOf(segmenter)).Warm();

    private static ModelInfo InfoOf(Segmenter segmenter)
    {
        var manifest = segmenter.Manifest;
        var provenance = manifest.Provenance;

        return new ModelInfo
        {
            Classes = [.. manifest.Classes],
            Conditions = [.. manifest.Settings.Method.Conditions],
            Mode = AdjustmentModes.Of(manifest.Settings.Method.Marginalisation),
            Explains = true,
            Engine = "libtorch",
            Device = segmenter.ComputesOn,
            Precision = PrecisionName.ofPrecision(segmenter.ComputesIn),
            InputSize = manifest.Preprocessing.InputSize,
            Tower = manifest.Tower,
            Provenance = new ModelProvenance
            {
                Product = provenance.Product,
                Created = DateOnly.TryParseExact(provenance.Created, "yyyy-MM-dd", out var day) ? day : null,
                Data = provenance.Data,
                DataSha256 = provenance.DataSha256,
                TrainedOn = [.. provenance.TrainedOn],
                LeftOut = provenance.LeftOut?.Value,
                WeightsSha256 = provenance.WeightsSha256,
                TrainingFrames = provenance.TrainingFrames,
                Seed = provenance.Seed,
                Epoch = provenance.Epoch,
            },
            Metrics = [.. manifest.Metrics.Select(metric => new ModelMetric(metric.Name, metric.Value, metric.Protocol))],
        };
    }
}
