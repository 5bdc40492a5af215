using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mcdrl;

/// <summary>What Mcdrl tells OpenTelemetry and whoever else listens: a span for each image, and metrics. Nothing is measured
/// where nobody listens.</summary>
/// <remarks>
/// <para>Spans <c>mcdrl.segment</c> and <c>mcdrl.explain</c>, with <c>mcdrl.mode</c>, <c>mcdrl.engine</c>, <c>mcdrl.device</c>,
/// <c>mcdrl.image.width</c> and <c>mcdrl.image.height</c>; those that fail have <c>error.type</c>.</para>
/// <para>Metrics <c>mcdrl.operation.duration</c> (histogram, s), <c>mcdrl.operation.active</c> (up-down counter, {operation}) and
/// <c>mcdrl.image.pixels</c> (histogram, {pixel}), with <c>mcdrl.operation</c> (<c>segment</c> or <c>explain</c>) and
/// <c>error.type</c>. No path and nothing of an image is told.</para>
/// </remarks>
public static class McdrlTelemetry
{
    /// <summary>The name of the activity source: <c>AddSource(McdrlTelemetry.ActivitySourceName)</c>.</summary>
    public const string ActivitySourceName = "Mcdrl";

    /// <summary>The name of the meter: <c>AddMeter(McdrlTelemetry.MeterName)</c>.</summary>
    public const string MeterName = "Mcdrl";

    private static readonly ActivitySource spans = new(ActivitySourceName, Product.release);
    private static readonly Meter meter = new(MeterName, Product.release);

    private static readonly Histogram<double> duration = meter.CreateHistogram(
        "mcdrl.operation.duration",
        "s",
        "How long one image took, from the call to its answer.",
        null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] });

    private static readonly UpDownCounter<long> active = meter.CreateUpDownCounter<long>(
        "mcdrl.operation.active", "{operation}", "Images that are being worked on.");

    private static readonly Histogram<long> pixels = meter.CreateHistogram<long>(
        "mcdrl.image.pixels", "{pixel}", "Width times height of the images.");

    /// <summary>One image on its way through a model.</summary>
    internal sealed class Operation : IDisposable
    {
        private readonly string name;
        private readonly long began = Stopwatch.GetTimestamp();
        private readonly Activity? span;
        private string? failure;

        internal Operation(string name, AdjustmentMode mode, ModelInfo model)
        {
            this.name = name;
            active.Add(1, new KeyValuePair<string, object?>("mcdrl.operation", name));
            span = spans.StartActivity($"mcdrl.{name}");

            span?.SetTag("mcdrl.mode", AdjustmentModes.Name(mode == AdjustmentMode.ModelDefault ? model.Mode : mode))
                .SetTag("mcdrl.engine", model.Engine)
                .SetTag("mcdrl.device", model.Device);
        }

        /// <summary>The image is there.</summary>
        internal void Opened(Picture picture)
        {
            span?.SetTag("mcdrl.image.width", picture.Width).SetTag("mcdrl.image.height", picture.Height);
            pixels.Record((long)picture.Width * picture.Height, new KeyValuePair<string, object?>("mcdrl.operation", name));
        }

        /// <summary>It came to nothing.</summary>
        internal void Failed(Exception problem)
        {
            failure = problem.GetType().FullName;
            span?.SetTag("error.type", failure).SetStatus(ActivityStatusCode.Error);
        }

        public void Dispose()
        {
            var tags = new TagList { { "mcdrl.operation", name } };
            active.Add(-1, tags);

            if (failure is not null)
            {
                tags.Add("error.type", failure);
            }

            duration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, tags);
            span?.Dispose();
        }
    }
}
