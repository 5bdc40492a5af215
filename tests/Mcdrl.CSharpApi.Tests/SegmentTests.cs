using SkiaSharp;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class SegmentTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    public void Dispose() => model.Dispose();

    private static void AssertSame(Segmentation expected, Segmentation found)
    {
        Assert.Equal((expected.Width, expected.Height), (found.Width, found.Height));
        Assert.Equal(expected.Mask, found.Mask);
    }

    [Fact]
    public void Path_stream_and_memory_give_one_mask_of_the_images_size()
    {
        var bytes = File.ReadAllBytes(tiny.Image);
        var found = model.Segment(tiny.Image);

        Assert.Equal((50, 37, 50 * 37), (found.Width, found.Height, found.Mask.Length));
        Assert.All(found.Mask.ToArray(), label => Assert.InRange(label, 0, 2));
        Assert.True(found.Mask.ToArray().Distinct().Count() > 1, "this model marks something and not everything");

        using var stream = File.OpenRead(tiny.Image);
        AssertSame(found, model.Segment(stream));
        AssertSame(found, model.Segment(bytes));
    }

    [Fact]
    public void Without_a_model_the_embedded_one_answers()
    {
        var found = McdrlApi.Segment(tiny.Image);
        Assert.Equal((50, 37), (found.Width, found.Height));
        Assert.Equal(["polyp"], found.Classes.Select(lesion => lesion.Name));
        Assert.Contains("not for clinical use", McdrlApi.EmbeddedModelNotice, StringComparison.Ordinal);

        using var embedded = McdrlApi.LoadEmbedded();
        AssertSame(found, embedded.Segment(tiny.Image));
    }

    [Fact]
    public void A_stream_is_read_from_where_it_stands()
    {
        var bytes = File.ReadAllBytes(tiny.Image);
        using var stream = new MemoryStream([1, 2, 3, .. bytes]) { Position = 3 };
        AssertSame(model.Segment(tiny.Image), model.Segment(stream));
    }

    [Fact]
    public void Classes_and_regions_count_the_pixels_of_the_mask()
    {
        var found = model.Segment(tiny.Image);
        var labels = found.Mask.ToArray();

        Assert.Equal(["polyp", "ulcer"], found.Classes.Select(lesion => lesion.Name));
        Assert.Equal([1, 2], found.Classes.Select(lesion => lesion.Label));

        foreach (var lesion in found.Classes)
        {
            Assert.Equal(labels.Count(label => label == lesion.Label), lesion.Area);
            Assert.Equal(lesion.Area / (50.0 * 37.0), lesion.Share, 12);
            Assert.Equal(lesion.Area, lesion.Regions.Sum(region => region.Area));
            Assert.Equal(lesion.Regions.Select(region => region.Area).OrderDescending(), lesion.Regions.Select(region => region.Area));

            foreach (var region in lesion.Regions)
            {
                Assert.Equal(region.Left, region.Outline.Min(point => point.X));
                Assert.Equal(region.Top, region.Outline.Min(point => point.Y));
                Assert.Equal(region.Left + region.Width, region.Outline.Max(point => point.X));
                Assert.Equal(region.Top + region.Height, region.Outline.Max(point => point.Y));
            }
        }
    }

    [Fact]
    public void Probabilities_belong_to_the_pixels_of_the_mask()
    {
        var found = model.Segment(tiny.Image);
        var maps = Enumerable.Range(0, 3).Select(label => found.ProbabilityOf(label).ToArray()).ToArray();
        var lesion = found.Probability.ToArray();
        var mask = found.Mask.ToArray();
        Assert.Equal(50 * 37, lesion.Length);

        for (var pixel = 0; pixel < mask.Length; pixel++)
        {
            Assert.Equal(1 - maps[0][pixel], lesion[pixel], 1e-6f);
            Assert.Equal(1, maps.Sum(map => map[pixel]), 1e-4f);
            Assert.Equal(maps.Max(map => map[pixel]), maps[mask[pixel]][pixel], 1e-5f);
        }

        foreach (var lesionClass in found.Classes)
        {
            Assert.Equal(maps[lesionClass.Label].Max(), lesionClass.Score, 1e-5);
            var own = maps[lesionClass.Label].Where((_, pixel) => mask[pixel] == lesionClass.Label).Sum();
            Assert.Equal(own, lesionClass.Regions.Sum(region => region.MeanProbability * region.Area), 1e-2);
            Assert.All(lesionClass.Regions, region => Assert.InRange(region.MaxProbability, region.MeanProbability - 1e-6, lesionClass.Score + 1e-6));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => found.ProbabilityOf(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => found.ProbabilityOf(-1));
    }

    [Fact]
    public void A_threshold_and_a_smallest_area_decide_what_is_marked()
    {
        var token = TestContext.Current.CancellationToken;
        var usual = model.Segment(tiny.Image);
        double median = usual.Probability.ToArray().Order().ElementAt(50 * 37 / 2);
        var threshold = new SegmentOptions { Threshold = median };
        var marked = model.Segment(tiny.Image, threshold, token);
        Assert.InRange(marked.Classes.Sum(lesion => lesion.Share), 0.4, 0.6);

        foreach (var (probability, label) in usual.Probability.ToArray().Zip(marked.Mask.ToArray()))
        {
            Assert.True(Math.Abs(probability - median) < 1e-6 || (probability > median) == (label > 0), $"{probability} is marked {label}");
        }

        var least = usual.Classes.SelectMany(lesion => lesion.Regions).Max(region => region.Area);
        var largest = model.Segment(tiny.Image, new SegmentOptions { MinArea = least }, token);
        Assert.Equal(least, Assert.Single(largest.Classes.SelectMany(lesion => lesion.Regions)).Area);
        Assert.Equal(usual.Probability, largest.Probability);

        var explained = model.Explain(tiny.Image, threshold, token);
        Assert.Equal(marked.Mask, explained.Found.Mask);

        foreach (var options in new[]
        {
            new SegmentOptions { Threshold = 0 },
            new SegmentOptions { Threshold = 1.5 },
            new SegmentOptions { Threshold = double.NaN },
            new SegmentOptions { MinArea = -1 },
        })
        {
            Assert.Throws<McdrlUsageException>(() => model.Segment(tiny.Image, options, token));
            Assert.Throws<McdrlUsageException>(() => model.Explain(tiny.Image, options, token));
        }
    }

    [Fact]
    public void Conditions_are_reported_by_the_modes_that_look_at_them()
    {
        foreach (var mode in new[] { AdjustmentMode.ModelDefault, AdjustmentMode.Exact, AdjustmentMode.Nwgm })
        {
            var found = model.Segment(tiny.Image, new SegmentOptions { Mode = mode }, TestContext.Current.CancellationToken);
            Assert.Equal(["blur", "mucus", "blood"], found.Conditions.Select(condition => condition.Name));
            Assert.All(found.Conditions, condition => Assert.True(condition.Influence >= -1e-6));
            Assert.InRange(Assert.NotNull(found.Disagreement), -1e-6, Math.Log(3));
        }

        foreach (var mode in new[] { AdjustmentMode.FeatureMean, AdjustmentMode.Attention })
        {
            var found = model.Segment(tiny.Image, new SegmentOptions { Mode = mode }, TestContext.Current.CancellationToken);
            Assert.Empty(found.Conditions);
            Assert.Null(found.Disagreement);
        }
    }

    [Fact]
    public void What_is_no_whole_image_is_refused_and_named()
    {
        var text = tiny.Fresh(".png");
        File.WriteAllText(text, "no image");
        var cut = tiny.Fresh(".png");
        File.WriteAllBytes(cut, File.ReadAllBytes(tiny.Image)[..^40]);
        var empty = tiny.Fresh(".png");
        File.WriteAllBytes(empty, []);

        foreach (var path in new[] { text, cut, empty, tiny.Fresh(".png"), tiny.Folder })
        {
            Assert.Contains(path, Assert.Throws<McdrlDataException>(() => model.Segment(path)).Message);
        }

        Assert.Throws<McdrlDataException>(() => model.Segment(File.ReadAllBytes(cut)));
        Assert.Throws<McdrlDataException>(() => model.Segment(ReadOnlyMemory<byte>.Empty));
        Assert.Throws<McdrlDataException>(() => model.Segment(new MemoryStream(File.ReadAllBytes(cut))));
    }

    [Fact]
    public void An_image_over_the_limits_is_refused()
    {
        var token = TestContext.Current.CancellationToken;

        foreach (var options in new[] { new SegmentOptions { MaxPixels = (50 * 37) - 1 }, new SegmentOptions { MaxSide = 49 } })
        {
            Assert.Throws<McdrlResourceException>(() => model.Segment(tiny.Image, options, token));
        }

        Assert.NotNull(model.Segment(tiny.Image, new SegmentOptions { MaxPixels = 50 * 37, MaxSide = 50 }, token));
    }

    [Fact]
    public void Arguments_that_make_no_sense_are_refused()
    {
        var token = TestContext.Current.CancellationToken;
        Assert.Throws<ArgumentNullException>(() => model.Segment((string)null!));
        Assert.Throws<ArgumentNullException>(() => model.Segment((Stream)null!));
        Assert.Throws<ArgumentNullException>(() => model.Segment(tiny.Image, null!, token));
        Assert.Throws<ArgumentNullException>(() => model.SegmentBatch(null!, cancellationToken: token));
        var unknown = new SegmentOptions { Mode = (AdjustmentMode)99 };
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Segment(tiny.Image, unknown, token));
    }

    [Fact]
    public void Saved_files_decode_to_what_was_found()
    {
        var found = model.Segment(tiny.Image);
        var mask = tiny.Fresh(".png");
        var overlay = tiny.Fresh(".png");
        found.SaveMask(mask);
        found.SaveOverlay(overlay);
        var probability = tiny.Fresh(".png");
        found.SaveProbability(probability);

        using var map = SKBitmap.Decode(probability);
        Assert.Equal((50, 37), (map.Width, map.Height));

        for (var pixel = 0; pixel < 50 * 37; pixel++)
        {
            Assert.Equal(found.Probability.Span[pixel], map.GetPixel(pixel % 50, pixel / 50).Red / 255.0, 0.01);
        }

        var stored = Masks.read(ImageLimitsModule.standard, mask).ResultValue;
        Assert.True(found.Mask.Span.SequenceEqual(stored.Labels));

        using var shown = SKBitmap.Decode(mask);

        for (var pixel = 0; pixel < 50 * 37; pixel++)
        {
            var (red, green, blue) = ClassColours.palette[found.Mask.Span[pixel]];
            Assert.Equal(new SKColor(red, green, blue), shown.GetPixel(pixel % 50, pixel / 50));
        }

        using var drawn = SKBitmap.Decode(overlay);
        Assert.True(drawn.Width >= 50 && drawn.Height >= 37, $"{drawn.Width} x {drawn.Height}");
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_a_resource()
    {
        var found = model.Segment(tiny.Image);
        var below = Path.Combine(tiny.Image, "mask.png");
        Assert.Contains(below, Assert.Throws<McdrlResourceException>(() => found.SaveMask(below)).Message);
        Assert.Throws<McdrlResourceException>(() => found.SaveOverlay(below));
    }

    [Fact]
    public void No_path_to_save_to_is_the_callers_mistake()
    {
        var found = model.Segment(tiny.Image);

        foreach (var save in new Action<string>[] { found.SaveMask, found.SaveProbability, found.SaveOverlay })
        {
            Assert.Throws<ArgumentNullException>(() => save(null!));
        }
    }
}
