using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Mcdrl.Hosting;

/// <summary>A model that logs what it is asked and what comes of it, in the category <c>Mcdrl</c>. What was found is told at the level
/// Debug alone.</summary>
internal sealed partial class LoggedModel : IMcdrlModel
{
    private readonly IMcdrlModel model;
    private readonly ILogger logger;

    internal LoggedModel(IMcdrlModel model, ILogger logger, TimeSpan loading)
    {
        this.model = model;
        this.logger = logger;
        Loaded(logger, model.Info, (long)loading.TotalMilliseconds);
    }

    public ModelInfo Info => model.Info;

    public Segmentation Segment(ImageSource image, SegmentOptions options, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();

        try
        {
            return Told(image, began, model.Segment(image, options, cancellationToken));
        }
        catch (McdrlException problem)
        {
            Failed(logger, image.Name, problem.Message, problem.GetType().Name);
            throw;
        }
    }

    public async Task<Segmentation> SegmentAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();

        try
        {
            return Told(image, began, await model.SegmentAsync(image, options, cancellationToken).ConfigureAwait(false));
        }
        catch (McdrlException problem)
        {
            Failed(logger, image.Name, problem.Message, problem.GetType().Name);
            throw;
        }
    }

    public ImageExplanation Explain(ImageSource image, SegmentOptions options, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();

        try
        {
            var explained = model.Explain(image, options, cancellationToken);
            _ = Told(image, began, explained.Found);
            return explained;
        }
        catch (McdrlException problem)
        {
            Failed(logger, image.Name, problem.Message, problem.GetType().Name);
            throw;
        }
    }

    public async Task<ImageExplanation> ExplainAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();

        try
        {
            var explained = await model.ExplainAsync(image, options, cancellationToken).ConfigureAwait(false);
            _ = Told(image, began, explained.Found);
            return explained;
        }
        catch (McdrlException problem)
        {
            Failed(logger, image.Name, problem.Message, problem.GetType().Name);
            throw;
        }
    }

    public IAsyncEnumerable<BatchItem> SegmentBatchAsync(
        IReadOnlyList<string> paths, SegmentOptions options, CancellationToken cancellationToken) =>
        Items(model.SegmentBatchAsync(paths, options, cancellationToken), cancellationToken);

    public void Dispose() => model.Dispose();

    private async IAsyncEnumerable<BatchItem> Items(
        IAsyncEnumerable<BatchItem> items, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();

        await foreach (var item in items.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (item.Found is { } found)
            {
                _ = Told(item.Path, began, found);
            }
            else if (item.Error is { } problem)
            {
                Failed(logger, item.Path, problem.Message, problem.GetType().Name);
            }

            began = Stopwatch.GetTimestamp();
            yield return item;
        }
    }

    private Segmentation Told(ImageSource image, long began, Segmentation found)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Segmented(logger, image.Name, (long)Stopwatch.GetElapsedTime(began).TotalMilliseconds, found);
        }

        return found;
    }

    [LoggerMessage(1, LogLevel.Information, "Model loaded in {Milliseconds} ms: {Model}", EventName = "ModelLoaded")]
    private static partial void Loaded(ILogger logger, ModelInfo model, long milliseconds);

    [LoggerMessage(2, LogLevel.Debug, "{Image} segmented in {Milliseconds} ms: {Found}", EventName = "ImageSegmented")]
    private static partial void Segmented(ILogger logger, string image, long milliseconds, Segmentation found);

    [LoggerMessage(3, LogLevel.Warning, "{Image} not segmented ({ErrorType}): {Problem}", EventName = "ImageFailed")]
    private static partial void Failed(ILogger logger, string image, string problem, string errorType);
}
