using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>One image of a batch: what was found, or why it failed.</summary>
/// <param name="Path">The image file.</param>
/// <param name="Found">What was found; null if the image failed.</param>
/// <param name="Error">Why it failed; null if it did not.</param>
public sealed record BatchItem(string Path, Segmentation? Found, McdrlException? Error);

/// <summary>A loaded model. Any number of threads may use one instance at the same time; <see cref="Dispose"/> waits for
/// none of them: calls under way end normally, later ones throw <see cref="ObjectDisposedException"/>.</summary>
public sealed class McdrlModel : IDisposable
{
    private readonly Engine engine;
    private readonly Lock gate = new();
    private int calls;
    private bool disposed;

    internal McdrlModel(Engine engine)
    {
        this.engine = engine;
        Classes = [.. engine.Classes];
    }

    /// <summary>Names of the lesion classes; the first has label 1 in masks.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Marks lesions in an image file (PNG, JPEG, WebP, BMP or GIF of any size).</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    /// <exception cref="McdrlDataException">The file is missing, damaged or no image.</exception>
    /// <exception cref="McdrlResourceException">The image is larger than the options allow.</exception>
    /// <exception cref="McdrlUsageException">The model can't answer in the mode, or an option is out of range.</exception>
    /// <exception cref="McdrlModelException">The model's answer holds a NaN or an infinity.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Segmentation Segment(string path, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Run(limits => () => Images.read(limits, path), options, cancellationToken);
    }

    /// <inheritdoc cref="Segment(string, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(string path) => Segment(path, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an image read from a stream, from where it stands to its end.</summary>
    /// <inheritdoc cref="Segment(string, SegmentOptions, CancellationToken)"/>
    /// <param name="image">An encoded image.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Segmentation Segment(Stream image, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Run(limits => Decoded(limits, "the stream", image), options, cancellationToken);
    }

    /// <inheritdoc cref="Segment(Stream, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(Stream image) => Segment(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an encoded image in memory.</summary>
    /// <inheritdoc cref="Segment(string, SegmentOptions, CancellationToken)"/>
    /// <param name="image">The bytes of an image file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Segmentation Segment(ReadOnlyMemory<byte> image, SegmentOptions options, CancellationToken cancellationToken) =>
        Run(limits => () => Images.decode(limits, "the image in memory", image.ToArray()), options, cancellationToken);

    /// <inheritdoc cref="Segment(ReadOnlyMemory{byte}, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(ReadOnlyMemory<byte> image) => Segment(image, new SegmentOptions(), CancellationToken.None);

    /// <summary><see cref="Segment(string, SegmentOptions, CancellationToken)"/> on a thread of the pool.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Task<Segmentation> SegmentAsync(string path, SegmentOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Segment(path, options ?? new SegmentOptions(), cancellationToken), cancellationToken);

    /// <summary>Marks lesions in an image file, as <see cref="Segment(string, SegmentOptions, CancellationToken)"/> does,
    /// and says what the answer depends on. A model of <see cref="McdrlOnnx.Load"/> can't.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    /// <exception cref="McdrlUsageException">The model is an exported one.</exception>
    /// <exception cref="McdrlDataException">The file is missing, damaged or no image.</exception>
    /// <exception cref="McdrlResourceException">The image is larger than the options allow.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public ImageExplanation Explain(string path, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        return RunExplain(limits => () => Images.read(limits, path), Path.GetFileName(path), options, cancellationToken);
    }

    /// <inheritdoc cref="Explain(string, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(string path) => Explain(path, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an image read from a stream, from where it stands to its end.</summary>
    /// <inheritdoc cref="Explain(string, SegmentOptions, CancellationToken)"/>
    /// <param name="image">An encoded image.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public ImageExplanation Explain(Stream image, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        return RunExplain(limits => Decoded(limits, "the stream", image), "image", options, cancellationToken);
    }

    /// <inheritdoc cref="Explain(Stream, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(Stream image) => Explain(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an encoded image in memory.</summary>
    /// <inheritdoc cref="Explain(string, SegmentOptions, CancellationToken)"/>
    /// <param name="image">The bytes of an image file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public ImageExplanation Explain(ReadOnlyMemory<byte> image, SegmentOptions options, CancellationToken cancellationToken) =>
        RunExplain(limits => () => Images.decode(limits, "the image in memory", image.ToArray()), "image", options, cancellationToken);

    /// <inheritdoc cref="Explain(ReadOnlyMemory{byte}, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(ReadOnlyMemory<byte> image) => Explain(image, new SegmentOptions(), CancellationToken.None);

    /// <summary><see cref="Explain(string, SegmentOptions, CancellationToken)"/> on a thread of the pool.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Task<ImageExplanation> ExplainAsync(string path, SegmentOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Explain(path, options ?? new SegmentOptions(), cancellationToken), cancellationToken);

    /// <summary>Marks lesions in many files, one a processor at a time. A file that fails does not stop the others. For
    /// more files than fit in memory decoded, use
    /// <see cref="SegmentEach(IReadOnlyList{string}, Action{BatchItem}, SegmentOptions, CancellationToken)"/>.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="progress">Told the number of files done, after each.</param>
    /// <param name="cancellationToken">Stops at once, in the middle of a file too.</param>
    /// <returns>One item per file, in the order given.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public IReadOnlyList<BatchItem> SegmentBatch(
        IReadOnlyList<string> paths,
        SegmentOptions? options = null,
        IProgress<int>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var items = new List<BatchItem>(paths.Count);

        SegmentEach(
            paths,
            item =>
            {
                items.Add(item);
                progress?.Report(items.Count);
            },
            options,
            cancellationToken);

        return items;
    }

    /// <summary>Marks lesions in any number of files, one a processor at a time, and hands each on as soon as it and those
    /// before it are done: in the order given, one at a time, from a thread of its own. A few files at most are in memory.
    /// A file that fails does not stop the others.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="finished">Called for each file. What it throws stops the rest.</param>
    /// <param name="options">Mode and limits.</param>
    /// <param name="cancellationToken">Stops at once, in the middle of a file too.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void SegmentEach(
        IReadOnlyList<string> paths,
        Action<BatchItem> finished,
        SegmentOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(finished);
        options ??= new SegmentOptions();
        cancellationToken.ThrowIfCancellationRequested();
        Enter();

        try
        {
            EngineModule.inOrder(
                engine,
                "",
                FuncConvert.FromFunc<string, BatchItem>(path => SegmentItem(path, options, cancellationToken)),
                FuncConvert.FromAction<string, BatchItem>((_, item) => finished(item)),
                [.. paths],
                ProgressModule.until(cancellationToken)).OrThrow();
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Does once what the first call would otherwise do first: decodes, computes and outlines a blank image.</summary>
    internal McdrlModel Warm()
    {
        try
        {
            _ = Segment(Pictures.Blank.Value);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private BatchItem SegmentItem(string path, SegmentOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return new BatchItem(path, Segment(path, options, cancellationToken), null);
        }
        catch (McdrlException problem)
        {
            return new BatchItem(path, null, problem);
        }
    }

    /// <summary>Frees the model's memory, once the last call under way has ended.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
            FreeIfIdle();
        }
    }

    private Segmentation Run(
        Func<ImageLimits, Func<FSharpResult<Picture, McdrlError>>> open,
        SegmentOptions options,
        CancellationToken cancellationToken) =>
        OnPicture(
            open,
            options,
            picture => new Segmentation(EngineModule.segment(engine, ModeOf(options.Mode), MarkingOf(options), picture).OrThrow(), picture),
            cancellationToken);

    private ImageExplanation RunExplain(
        Func<ImageLimits, Func<FSharpResult<Picture, McdrlError>>> open,
        string name,
        SegmentOptions options,
        CancellationToken cancellationToken) =>
        OnPicture(
            open,
            options,
            picture => new ImageExplanation(EngineModule.explain(engine, ModeOf(options.Mode), MarkingOf(options), picture).OrThrow(), picture, name),
            cancellationToken);

    private T OnPicture<T>(
        Func<ImageLimits, Func<FSharpResult<Picture, McdrlError>>> open,
        SegmentOptions options,
        Func<Picture, T> work,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var limits = new ImageLimits(options.MaxPixels, options.MaxSide, ImageLimitsModule.standard.MaxBytes);
        cancellationToken.ThrowIfCancellationRequested();
        Enter();
        Func<FSharpResult<Picture, McdrlError>> read;

        try
        {
            read = open(limits);
        }
        catch
        {
            Leave();
            throw;
        }

        return Interruption.during(cancellationToken, FuncConvert.FromFunc(Worked));

        // It may go on after this has thrown, so it leaves the model itself.
        T Worked()
        {
            try
            {
                var picture = read().OrThrow();
                Interruption.check();
                return work(picture);
            }
            finally
            {
                Leave();
            }
        }
    }

    /// <summary>A caller's stream is read to its end by the thread that called: whoever cancels may close it at once.</summary>
    private static Func<FSharpResult<Picture, McdrlError>> Decoded(ImageLimits limits, string name, Stream image)
    {
        var bytes = Images.bytesOf(limits, name, image).OrThrow();
        return () => Images.decode(limits, name, bytes);
    }

    private static FSharpOption<Marginalisation>? ModeOf(AdjustmentMode mode) => mode switch
    {
        AdjustmentMode.ModelDefault => null,
        AdjustmentMode.Exact => FSharpOption<Marginalisation>.Some(Marginalisation.Exact),
        AdjustmentMode.FeatureMean => FSharpOption<Marginalisation>.Some(Marginalisation.FeatureMean),
        AdjustmentMode.Nwgm => FSharpOption<Marginalisation>.Some(Marginalisation.Nwgm),
        AdjustmentMode.Attention => FSharpOption<Marginalisation>.Some(Marginalisation.Attention),
        AdjustmentMode.Rendered => FSharpOption<Marginalisation>.Some(Marginalisation.Rendered),
        _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "There is no such mode."),
    };

    private static Marking MarkingOf(SegmentOptions options) =>
        MarkingModule.create(
            options.Threshold is { } threshold ? FSharpOption<double>.Some(threshold) : null,
            options.MinArea).OrThrow();

    private void Enter()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            calls++;
        }
    }

    private void Leave()
    {
        lock (gate)
        {
            calls--;
            FreeIfIdle();
        }
    }

    private void FreeIfIdle()
    {
        if (disposed && calls == 0)
        {
            ((IDisposable)engine).Dispose();
        }
    }
}
