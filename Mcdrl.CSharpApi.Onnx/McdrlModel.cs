using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>One image of a batch: what was found, or why it failed.</summary>
/// <param name="Path">The image file; empty where there was none.</param>
/// <param name="Found">What was found; null if the image failed.</param>
/// <param name="Error">Why it failed; null if it did not.</param>
public sealed record BatchItem(string Path, Segmentation? Found, McdrlException? Error)
{
    /// <summary>The path, and what was found or why it failed.</summary>
    public override string ToString() => Error is null ? $"{Path}: {Found}" : Error.Message;
}

/// <summary>A loaded model. Any number of threads may use one instance at the same time; <see cref="Dispose"/> waits for
/// none of them: calls under way end normally, later ones throw <see cref="ObjectDisposedException"/>.</summary>
public sealed class McdrlModel : IMcdrlModel
{
    private readonly Engine engine;
    private readonly Lock gate = new();
    private int calls;
    private bool disposed;

    internal McdrlModel(Engine engine, ModelInfo info)
    {
        this.engine = engine;
        Info = info;
    }

    /// <inheritdoc/>
    public ModelInfo Info { get; }

    /// <summary>Names of the lesion classes; the first has label 1 in masks.</summary>
    public IReadOnlyList<string> Classes => Info.Classes;

    /// <summary>Marks lesions in an image.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    /// <exception cref="McdrlDataException">The image is missing, damaged or none.</exception>
    /// <exception cref="McdrlResourceException">The image is larger than the options allow.</exception>
    /// <exception cref="McdrlUsageException">The model can't answer in the mode, or an option is out of range.</exception>
    /// <exception cref="McdrlModelException">The model's answer holds a NaN or an infinity.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Segmentation Segment(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
        Run("segment", image, options, Segmented(image, options), cancellationToken);

    /// <inheritdoc cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <summary>Marks lesions in an image without blocking: streams are read asynchronously, and what reading them throws is passed on;
    /// the rest is done on a thread of the pool.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Task<Segmentation> SegmentAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
        RunAsync("segment", image, options, Segmented(image, options), cancellationToken);

    /// <summary>Marks lesions in an image, as <see cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/> does, and says
    /// what the answer depends on. A model of <see cref="McdrlOnnx"/> can't.</summary>
    /// <inheritdoc cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <exception cref="McdrlUsageException">The model is an exported one.</exception>
    public ImageExplanation Explain(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
        Run("explain", image, options, Explained(image, options), cancellationToken);

    /// <inheritdoc cref="Explain(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <summary><see cref="Explain(ImageSource, SegmentOptions, CancellationToken)"/> without blocking.</summary>
    public Task<ImageExplanation> ExplainAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
        RunAsync("explain", image, options, Explained(image, options), cancellationToken);

    /// <summary>Marks lesions in an image file (PNG, JPEG, WebP, BMP or GIF of any size).</summary>
    /// <inheritdoc cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Segmentation Segment(string path, SegmentOptions options, CancellationToken cancellationToken) =>
        Segment(ImageSource.FromFile(path), options, cancellationToken);

    /// <inheritdoc cref="Segment(string, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(string path) => Segment(path, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an image read from a stream, from where it stands to its end.</summary>
    /// <inheritdoc cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="image">An encoded image.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Segmentation Segment(Stream image, SegmentOptions options, CancellationToken cancellationToken) =>
        Segment(ImageSource.FromStream(image), options, cancellationToken);

    /// <inheritdoc cref="Segment(Stream, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(Stream image) => Segment(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an encoded image in memory.</summary>
    /// <inheritdoc cref="Segment(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="image">The bytes of an image file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Segmentation Segment(ReadOnlyMemory<byte> image, SegmentOptions options, CancellationToken cancellationToken) =>
        Segment(ImageSource.FromBytes(image), options, cancellationToken);

    /// <inheritdoc cref="Segment(ReadOnlyMemory{byte}, SegmentOptions, CancellationToken)"/>
    public Segmentation Segment(ReadOnlyMemory<byte> image) => Segment(image, new SegmentOptions(), CancellationToken.None);

    /// <summary><see cref="Segment(string, SegmentOptions, CancellationToken)"/> on a thread of the pool.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Task<Segmentation> SegmentAsync(string path, SegmentOptions? options, CancellationToken cancellationToken) =>
        SegmentAsync(ImageSource.FromFile(path), options ?? new SegmentOptions(), cancellationToken);

    /// <summary>Explains the answer for an image file.</summary>
    /// <inheritdoc cref="Explain(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public ImageExplanation Explain(string path, SegmentOptions options, CancellationToken cancellationToken) =>
        Explain(ImageSource.FromFile(path), options, cancellationToken);

    /// <inheritdoc cref="Explain(string, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(string path) => Explain(path, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an image read from a stream, from where it stands to its end.</summary>
    /// <inheritdoc cref="Explain(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="image">An encoded image.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public ImageExplanation Explain(Stream image, SegmentOptions options, CancellationToken cancellationToken) =>
        Explain(ImageSource.FromStream(image), options, cancellationToken);

    /// <inheritdoc cref="Explain(Stream, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(Stream image) => Explain(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an encoded image in memory.</summary>
    /// <inheritdoc cref="Explain(ImageSource, SegmentOptions, CancellationToken)"/>
    /// <param name="image">The bytes of an image file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public ImageExplanation Explain(ReadOnlyMemory<byte> image, SegmentOptions options, CancellationToken cancellationToken) =>
        Explain(ImageSource.FromBytes(image), options, cancellationToken);

    /// <inheritdoc cref="Explain(ReadOnlyMemory{byte}, SegmentOptions, CancellationToken)"/>
    public ImageExplanation Explain(ReadOnlyMemory<byte> image) => Explain(image, new SegmentOptions(), CancellationToken.None);

    /// <summary><see cref="Explain(string, SegmentOptions, CancellationToken)"/> on a thread of the pool.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public Task<ImageExplanation> ExplainAsync(string path, SegmentOptions? options, CancellationToken cancellationToken) =>
        ExplainAsync(ImageSource.FromFile(path), options ?? new SegmentOptions(), cancellationToken);

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
                FuncConvert.FromFunc<int, BatchItem>(index => SegmentItem(paths[index], index, options, cancellationToken)),
                FuncConvert.FromAction<int, BatchItem>((_, item) => finished(item)),
                [.. Enumerable.Range(0, paths.Count)],
                ProgressModule.until(cancellationToken)).OrThrow();
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Marks lesions in any number of files, one a processor at a time, and hands each on as soon as it and those before it
    /// are done. It goes no more than a few files ahead of whoever asks for them, and stops when they stop asking. A file that
    /// fails does not stop the others.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, in the middle of a file too.</param>
    /// <returns>One item per file, in the order given.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public IAsyncEnumerable<BatchItem> SegmentBatchAsync(
        IReadOnlyList<string> paths, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(options);
        return Items(paths, options, cancellationToken);
    }

    private async IAsyncEnumerable<BatchItem> Items(
        IReadOnlyList<string> paths, SegmentOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var items = Channel.CreateBounded<BatchItem>(1);

        var work = Task.Run(
            () =>
            {
                Exception? ended = null;

                try
                {
                    SegmentEach(paths, item => items.Writer.WriteAsync(item, stop.Token).AsTask().GetAwaiter().GetResult(), options, stop.Token);
                }
                catch (Exception problem)
                {
                    ended = problem;
                }

                items.Writer.Complete(ended);
            },
            CancellationToken.None);

        try
        {
            await foreach (var item in items.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return item;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
        }
    }

    /// <summary>Does once what the first call would otherwise do first: decodes, computes and looks at a blank image.</summary>
    internal McdrlModel Warm()
    {
        try
        {
            var blank = ImageSource.FromBytes(Pictures.Blank.Value).Open(ImageLimitsModule.standard)().OrThrow();
            var found = EngineModule.segment(engine, null, MarkingModule.standard, blank).OrThrow();
            _ = new Segmentation(found, blank, null);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private BatchItem SegmentItem(string? path, int index, SegmentOptions options, CancellationToken cancellationToken)
    {
        if (path is null)
        {
            return new BatchItem("", null, new McdrlUsageException([$"paths[{index}]: it is null. Give the path of an image file."]));
        }

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

    private Func<Picture, Segmentation> Segmented(ImageSource image, SegmentOptions options) => picture =>
    {
        var found = EngineModule.segment(engine, AdjustmentModes.Asked(options.Mode), MarkingOf(options), picture).OrThrow();
        return new Segmentation(found, picture, image.Path);
    };

    private Func<Picture, ImageExplanation> Explained(ImageSource image, SegmentOptions options) => picture =>
    {
        var found = EngineModule.explain(engine, AdjustmentModes.Asked(options.Mode), MarkingOf(options), picture).OrThrow();
        return new ImageExplanation(found, picture, image.Path);
    };

    private T Run<T>(
        string name, ImageSource image, SegmentOptions options, Func<Picture, T> work, CancellationToken cancellationToken)
    {
        using var operation = Begin(name, image, options, cancellationToken);

        try
        {
            var read = Opened(() => image.Open(LimitsOf(options)));
            return Worked(operation, read, work, cancellationToken);
        }
        catch (Exception problem)
        {
            operation.Failed(problem);
            throw;
        }
    }

    private async Task<T> RunAsync<T>(
        string name, ImageSource image, SegmentOptions options, Func<Picture, T> work, CancellationToken cancellationToken)
    {
        using var operation = Begin(name, image, options, cancellationToken);

        try
        {
            Func<FSharpResult<Picture, McdrlError>> read;

            try
            {
                read = await image.OpenAsync(LimitsOf(options), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                Leave();
                throw;
            }

            return await Task.Run(() => Worked(operation, read, work, cancellationToken), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception problem)
        {
            operation.Failed(problem);
            throw;
        }
    }

    private McdrlTelemetry.Operation Begin(
        string name, ImageSource image, SegmentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(options);
        _ = AdjustmentModes.Asked(options.Mode);
        cancellationToken.ThrowIfCancellationRequested();
        Enter();
        return new McdrlTelemetry.Operation(name, options.Mode, Info);
    }

    private T Opened<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch
        {
            Leave();
            throw;
        }
    }

    /// <summary>The work may go on after this has thrown, so it leaves the model itself.</summary>
    private T Worked<T>(
        McdrlTelemetry.Operation operation,
        Func<FSharpResult<Picture, McdrlError>> read,
        Func<Picture, T> work,
        CancellationToken cancellationToken)
    {
        return Interruption.during(cancellationToken, FuncConvert.FromFunc(Work));

        T Work()
        {
            try
            {
                var picture = read().OrThrow();
                operation.Opened(picture);
                Interruption.check();
                return work(picture);
            }
            finally
            {
                Leave();
            }
        }
    }

    private static ImageLimits LimitsOf(SegmentOptions options) =>
        new(options.MaxPixels, options.MaxSide, ImageLimitsModule.standard.MaxBytes);

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
