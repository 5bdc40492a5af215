namespace Mcdrl;

/// <summary>A model that marks lesions: what an application depends on, so that its tests can put something else there
/// (<see cref="Segmentation.Create"/> makes answers without a model). <see cref="McdrlModelExtensions"/> has the shorter calls.</summary>
public interface IMcdrlModel : IDisposable
{
    /// <summary>What the model is.</summary>
    ModelInfo Info { get; }

    /// <summary>Marks lesions in an image.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    Segmentation Segment(ImageSource image, SegmentOptions options, CancellationToken cancellationToken);

    /// <summary>Marks lesions in an image without blocking: streams are read asynchronously, the rest is done on a thread of the
    /// pool.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    Task<Segmentation> SegmentAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken);

    /// <summary>Marks lesions in an image, and says what the answer depends on.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    ImageExplanation Explain(ImageSource image, SegmentOptions options, CancellationToken cancellationToken);

    /// <summary><see cref="Explain"/> without blocking.</summary>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    Task<ImageExplanation> ExplainAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken);

    /// <summary>Marks lesions in any number of files, and hands each on as soon as it and those before it are done. A file that
    /// fails does not stop the others.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="options">Mode, marking and limits.</param>
    /// <param name="cancellationToken">Stops at once, in the middle of a file too.</param>
    /// <returns>One item per file, in the order given.</returns>
    IAsyncEnumerable<BatchItem> SegmentBatchAsync(
        IReadOnlyList<string> paths, SegmentOptions options, CancellationToken cancellationToken);
}
