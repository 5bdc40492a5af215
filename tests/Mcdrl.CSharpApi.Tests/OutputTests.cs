using SkiaSharp;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class OutputTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Files_bytes_and_streams_hold_the_same_pictures()
    {
        var found = model.Segment(tiny.Image);
        var explained = model.Explain(tiny.Image);
        var token = TestContext.Current.CancellationToken;

        (Action<string> ToFile, Func<byte[]> ToBytes, Action<Stream> ToStream, Func<Stream, Task> ToStreamAsync)[] pictures =
        [
            (found.SaveMask, found.EncodeMask, found.SaveMask, stream => found.SaveMaskAsync(stream, token)),
            (found.SaveProbability, found.EncodeProbability, found.SaveProbability, stream => found.SaveProbabilityAsync(stream, token)),
            (found.SaveOverlay, found.EncodeOverlay, found.SaveOverlay, stream => found.SaveOverlayAsync(stream, token)),
            (explained.SaveSheet, explained.EncodeSheet, explained.SaveSheet, stream => explained.SaveSheetAsync(stream, token)),
        ];

        foreach (var (toFile, toBytes, toStream, toStreamAsync) in pictures)
        {
            var file = tiny.Fresh(".png");
            toFile(file);
            var expected = await File.ReadAllBytesAsync(file, token);
            Assert.Equal(expected, toBytes());

            using var memory = new MemoryStream();
            toStream(memory);
            Assert.Equal(expected, memory.ToArray());
            Assert.True(memory.CanWrite, "it is left open");

            using var body = new AsynchronousStream([]);
            await toStreamAsync(body);
            Assert.Equal(expected, body.Written);

            Assert.Throws<ArgumentNullException>(() => toStream(null!));
            await Assert.ThrowsAsync<ArgumentNullException>(() => toStreamAsync(null!));
        }
    }

    [Fact]
    public void Bitmaps_have_the_labels_and_the_overlay()
    {
        var found = model.Segment(tiny.Image);
        using var mask = found.ToMaskBitmap();
        Assert.Equal((50, 37, SKColorType.Gray8), (mask.Width, mask.Height, mask.ColorType));

        for (var y = 0; y < 37; y++)
        {
            Assert.True(found.Mask.Span.Slice(y * 50, 50).SequenceEqual(mask.GetPixelSpan().Slice(y * mask.RowBytes, 50)));
        }

        using var overlay = found.ToOverlayBitmap();
        using var expected = SKBitmap.Decode(found.EncodeOverlay());
        Assert.Equal(expected.Bytes, overlay.Bytes);
    }

    [Fact]
    public void In_words_it_says_what_the_command_says()
    {
        var found = model.Segment(tiny.Image);
        var first = found.Classes.First(lesion => lesion.Area > 0);
        Assert.StartsWith(FormattableString.Invariant($"{first.Name} {100 * first.Share:F1} % in {first.Regions.Count} region"), found.ToString());
        Assert.Contains(FormattableString.Invariant($"score {first.Score:F2}"), found.ToString());
        Assert.Equal(first.ToString(), found.ToString().Split("; ")[0]);
        Assert.StartsWith($"{first.Regions[0].Area} pixels at ", first.Regions[0].ToString());

        var nothing = model.Segment(tiny.Image, new SegmentOptions { MinArea = 50 * 37 * 2 });
        Assert.StartsWith("nothing marked, scores: polyp 0.", nothing.ToString());
        Assert.Equal((50 * 37 * 2, null, AdjustmentMode.Exact), (nothing.MinArea, nothing.Threshold, nothing.Mode));
    }

    [Fact]
    public void An_answer_without_a_model_has_what_any_answer_has()
    {
        byte[] mask = [0, 1, 1, 0, 0, 0, 0, 2, 2];
        var made = Segmentation.Create(["polyp", "ulcer"], 3, 3, mask);
        Assert.Equal(mask, made.Mask.ToArray());
        Assert.Equal([2L, 2L], made.Classes.Select(lesion => lesion.Area));
        Assert.Equal([1.0, 1.0], made.Classes.Select(lesion => lesion.Score));
        Assert.Equal(mask.Select(label => label > 0 ? 1f : 0f), made.Probability.ToArray());
        Assert.Equal(1.0, Assert.Single(made.Classes[0].Regions).MeanProbability, 1e-6);
        Assert.NotEmpty(made.EncodeOverlay());
        Assert.Contains("\"name\":\"ulcer\"", made.ToJson());

        var wide = Segmentation.Create(["polyp"], 4, 2, [0, 0, 1, 1, 0, 0, 1, 1]);
        Assert.Equal(4L, wide.Classes[0].Area);

        Assert.Throws<ArgumentException>(() => Segmentation.Create(["polyp"], 3, 3, mask));
        Assert.Throws<ArgumentException>(() => Segmentation.Create(["polyp", "ulcer"], 3, 2, mask));
        Assert.Throws<ArgumentOutOfRangeException>(() => Segmentation.Create(["polyp"], 0, 0, []));
    }
}
