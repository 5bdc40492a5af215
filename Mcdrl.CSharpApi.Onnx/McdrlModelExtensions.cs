namespace Mcdrl;

/// <summary>Calls of a model that leave something to it.</summary>
public static class McdrlModelExtensions
{
    /// <summary>Marks lesions in an image, each pixel its most probable class.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    public static Segmentation Segment(this IMcdrlModel model, ImageSource image) =>
        Checked(model).Segment(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an image as the options say.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    public static Segmentation Segment(this IMcdrlModel model, ImageSource image, SegmentOptions options) =>
        Checked(model).Segment(image, options, CancellationToken.None);

    /// <summary>Marks lesions in an image until cancelled.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public static Segmentation Segment(this IMcdrlModel model, ImageSource image, CancellationToken cancellationToken) =>
        Checked(model).Segment(image, new SegmentOptions(), cancellationToken);

    /// <summary>Marks lesions in an image without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    public static Task<Segmentation> SegmentAsync(this IMcdrlModel model, ImageSource image) =>
        Checked(model).SegmentAsync(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in an image as the options say, without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    public static Task<Segmentation> SegmentAsync(this IMcdrlModel model, ImageSource image, SegmentOptions options) =>
        Checked(model).SegmentAsync(image, options, CancellationToken.None);

    /// <summary>Marks lesions in an image until cancelled, without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public static Task<Segmentation> SegmentAsync(this IMcdrlModel model, ImageSource image, CancellationToken cancellationToken) =>
        Checked(model).SegmentAsync(image, new SegmentOptions(), cancellationToken);

    /// <summary>Explains the answer for an image.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    public static ImageExplanation Explain(this IMcdrlModel model, ImageSource image) =>
        Checked(model).Explain(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an image as the options say.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    public static ImageExplanation Explain(this IMcdrlModel model, ImageSource image, SegmentOptions options) =>
        Checked(model).Explain(image, options, CancellationToken.None);

    /// <summary>Explains the answer for an image until cancelled.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public static ImageExplanation Explain(this IMcdrlModel model, ImageSource image, CancellationToken cancellationToken) =>
        Checked(model).Explain(image, new SegmentOptions(), cancellationToken);

    /// <summary>Explains the answer for an image without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    public static Task<ImageExplanation> ExplainAsync(this IMcdrlModel model, ImageSource image) =>
        Checked(model).ExplainAsync(image, new SegmentOptions(), CancellationToken.None);

    /// <summary>Explains the answer for an image as the options say, without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="options">Mode, marking and limits.</param>
    public static Task<ImageExplanation> ExplainAsync(this IMcdrlModel model, ImageSource image, SegmentOptions options) =>
        Checked(model).ExplainAsync(image, options, CancellationToken.None);

    /// <summary>Explains the answer for an image until cancelled, without blocking.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">A path, a stream, bytes, pixels or a bitmap.</param>
    /// <param name="cancellationToken">Stops at once, whatever is being done.</param>
    public static Task<ImageExplanation> ExplainAsync(this IMcdrlModel model, ImageSource image, CancellationToken cancellationToken) =>
        Checked(model).ExplainAsync(image, new SegmentOptions(), cancellationToken);

    /// <summary>Marks lesions in any number of files, and hands each on in the order given.</summary>
    /// <param name="model">The model.</param>
    /// <param name="paths">The files.</param>
    public static IAsyncEnumerable<BatchItem> SegmentBatchAsync(this IMcdrlModel model, IReadOnlyList<string> paths) =>
        Checked(model).SegmentBatchAsync(paths, new SegmentOptions(), CancellationToken.None);

    /// <summary>Marks lesions in any number of files until cancelled, and hands each on in the order given.</summary>
    /// <param name="model">The model.</param>
    /// <param name="paths">The files.</param>
    /// <param name="cancellationToken">Stops at once, in the middle of a file too.</param>
    public static IAsyncEnumerable<BatchItem> SegmentBatchAsync(
        this IMcdrlModel model, IReadOnlyList<string> paths, CancellationToken cancellationToken) =>
        Checked(model).SegmentBatchAsync(paths, new SegmentOptions(), cancellationToken);

    private static IMcdrlModel Checked(IMcdrlModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model;
    }
}
