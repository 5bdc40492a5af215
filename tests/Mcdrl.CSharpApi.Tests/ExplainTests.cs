using System.Text.Json;
using SkiaSharp;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class ExplainTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Path_stream_memory_and_async_explain_the_answer_of_segment()
    {
        var bytes = File.ReadAllBytes(tiny.Image);
        using var stream = File.OpenRead(tiny.Image);
        var token = TestContext.Current.CancellationToken;
        var mask = model.Segment(tiny.Image).Mask;

        var explanations = new[]
        {
            model.Explain(tiny.Image),
            model.Explain(stream),
            model.Explain(bytes),
            await model.ExplainAsync(tiny.Image, cancellationToken: token),
        };

        Assert.All(explanations, found => Assert.Equal(mask, found.Found.Mask));
        Assert.Equal(explanations[0].ToJson(), explanations[3].ToJson());
        Assert.Equal(explanations[1].ToJson(), explanations[2].ToJson());
    }

    [Fact]
    public void Maps_and_masks_have_a_value_for_each_pixel()
    {
        var found = model.Explain(tiny.Image);
        const int Pixels = 50 * 37;

        Assert.True(found.Active);
        Assert.Equal(["blur", "mucus", "blood"], found.Conditions.Select(answer => answer.Name));
        Assert.Equal(1.0, found.Conditions.Sum(answer => answer.Weight), 9);

        foreach (var answer in found.Conditions)
        {
            Assert.Equal(Pixels, answer.Mask.Length);
            Assert.Equal(answer.Mask, found.MaskUnder(answer.Name));
            var pairs = answer.Mask.ToArray().Zip(found.Found.Mask.ToArray());
            Assert.Equal(pairs.Count(pair => pair.First != pair.Second), answer.ChangedPixels);
            Assert.InRange(answer.ChangedPixels, 0, found.UnstablePixels);
        }

        foreach (var map in new[] { found.MutualInformation, found.GeometricDisagreement, found.StrongestInfluence })
        {
            Assert.Equal(Pixels, map.Length);
            Assert.All(map.ToArray(), value => Assert.True(value >= 0));
        }

        Assert.Equal(Pixels, found.StrongestCondition.Length);
        Assert.All(found.StrongestCondition.ToArray(), label => Assert.InRange(label, 0, 3));
        Assert.Equal(Pixels, found.Attention.Mask.Length);
        Assert.Equal(found.Attention.FlippedPixels, found.Attention.Flips.ToArray().Sum(flag => (long)flag));
        Assert.InRange(found.Attention.MeanTotalVariation, 0, found.Attention.MaxTotalVariation);
    }

    [Fact]
    public void Regions_are_cells_with_a_likeness_to_each_class()
    {
        var regions = model.Explain(tiny.Image).Regions;
        Assert.Equal(regions.Rows * regions.Columns, regions.Selected.Length);
        Assert.Contains((byte)1, regions.Selected.ToArray());
        Assert.Equal(2, regions.Similarity.Count);
        Assert.All(regions.Similarity, map => Assert.Equal(regions.Selected.Length, map.Length));
    }

    [Fact]
    public void Every_mode_is_explained()
    {
        var token = TestContext.Current.CancellationToken;

        foreach (var mode in Enum.GetValues<AdjustmentMode>())
        {
            var options = new SegmentOptions { Mode = mode };
            var found = model.Explain(tiny.Image, options, token);
            Assert.Equal(model.Segment(tiny.Image, options, token).Mask, found.Found.Mask);
            Assert.Equal(3, found.Conditions.Count);
        }
    }

    [Fact]
    public void Json_and_sheet_tell_it()
    {
        var found = model.Explain(tiny.Image);
        var json = JsonDocument.Parse(found.ToJson()).RootElement;
        var explained = json.GetProperty("explanation");
        Assert.Equal(3, explained.GetProperty("conditions").GetArrayLength());
        Assert.Equal(found.UnstablePixels, explained.GetProperty("unstable_pixels").GetInt64());
        Assert.Equal(string.Join(" ", found.Conclusions), found.ToString());
        Assert.NotEmpty(found.Conclusions);

        var sheet = tiny.Fresh(".png");
        found.SaveSheet(sheet);
        using var drawn = SKBitmap.Decode(sheet);
        Assert.Equal(1680, drawn.Width);
    }

    [Fact]
    public void Wrong_arguments_are_refused()
    {
        var found = model.Explain(tiny.Image);
        Assert.Contains("fog", Assert.Throws<ArgumentException>(() => found.MaskUnder("fog")).Message);
        Assert.Throws<McdrlDataException>(() => model.Explain(tiny.Fresh(".png")));
        Assert.Throws<ArgumentNullException>(() => model.Explain((string)null!));
        Assert.Throws<OperationCanceledException>(
            () => model.Explain(tiny.Image, new SegmentOptions(), new CancellationToken(true)));
        Assert.Throws<McdrlResourceException>(() => found.SaveSheet(Path.Combine(tiny.Image, "sheet.png")));
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Explain(tiny.Image));
    }
}
