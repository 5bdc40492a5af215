using System.Diagnostics;
using System.Diagnostics.Metrics;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class TelemetryTests(TinyModel tiny)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_image_is_a_span_below_the_callers()
    {
        var spans = new List<Activity>();

        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == McdrlTelemetry.ActivitySourceName,
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };

        ActivitySource.AddActivityListener(listener);
        using var model = tiny.Load();
        Assert.Empty(spans);

        using var caller = new Activity("caller").Start();
        await model.SegmentAsync(tiny.Image, Token);
        model.Explain(tiny.Image);
        Assert.Throws<McdrlDataException>(() => model.Segment(tiny.Fresh(".png")));

        Assert.Equal(["mcdrl.segment", "mcdrl.explain", "mcdrl.segment"], spans.Select(span => span.OperationName));
        Assert.All(spans, span => Assert.Equal(caller.SpanId, span.ParentSpanId));
        Assert.All(spans, span => Assert.Equal(("exact", "libtorch", "cpu"), (span.GetTagItem("mcdrl.mode"), span.GetTagItem("mcdrl.engine"), span.GetTagItem("mcdrl.device"))));
        Assert.Equal((50, 37), (spans[0].GetTagItem("mcdrl.image.width"), spans[0].GetTagItem("mcdrl.image.height")));
        Assert.Equal(ActivityStatusCode.Error, spans[2].Status);
        Assert.Equal("Mcdrl.McdrlDataException", spans[2].GetTagItem("error.type"));
        Assert.Same(caller, Activity.Current);
    }

    [Fact]
    public void Durations_and_what_is_under_way_are_measured()
    {
        var durations = new List<(double Value, string? Operation, string? Error)>();
        var active = 0L;
        var pixels = 0L;
        using var listener = new MeterListener();

        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Name == McdrlTelemetry.MeterName)
            {
                own.EnableMeasurementEvents(instrument);
            }
        };

        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            Assert.Equal(("mcdrl.operation.duration", "s"), (instrument.Name, instrument.Unit));
            var told = tags.ToArray().ToDictionary();
            durations.Add((value, told["mcdrl.operation"] as string, told.GetValueOrDefault("error.type") as string));
        });

        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            if (instrument.Name == "mcdrl.operation.active")
            {
                active += value;
            }
            else
            {
                pixels += value;
            }
        });

        listener.Start();
        using var model = tiny.Load();
        model.Segment(tiny.Image);
        model.Explain(tiny.Image);
        Assert.Throws<McdrlResourceException>(() => model.Segment(tiny.Image, new SegmentOptions { MaxSide = 1 }));

        Assert.Equal([("segment", null), ("explain", null), ("segment", "Mcdrl.McdrlResourceException")], durations.Select(told => (told.Operation, told.Error)));
        Assert.All(durations, told => Assert.True(told.Value > 0));
        Assert.Equal(0, active);
        Assert.Equal(2 * 50 * 37, pixels);
    }
}
