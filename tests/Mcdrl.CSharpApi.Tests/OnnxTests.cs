using Microsoft.FSharp.Core;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class OnnxTests(TinyModel tiny)
{
    private string Export(Marginalisation mode)
    {
        var file = tiny.Fresh(".onnx");
        var request = new OnnxRequest(tiny.Bundle, FSharpOption<Marginalisation>.Some(mode), file);
        var outcome = VerifiedExport.run(request, ProgressModule.until(TestContext.Current.CancellationToken));
        Assert.True(outcome.IsOk, outcome.IsOk ? null : McdrlErrorModule.describe(outcome.ErrorValue));
        return file;
    }

    /// <summary>Where two classes are as probable, an engine's rounding decides: one pixel in a thousand may be another's.</summary>
    private static void AssertSameButForTies(ReadOnlyMemory<byte> expected, ReadOnlyMemory<byte> found)
    {
        Assert.Equal(expected.Length, found.Length);
        var others = expected.ToArray().Zip(found.ToArray()).Count(pair => pair.First != pair.Second);
        Assert.InRange(others, 0, expected.Length / 1000);
    }

    [Fact]
    public void An_exported_model_marks_what_the_model_marks()
    {
        using var own = tiny.Load();
        using var exported = McdrlApi.LoadOnnx(Export(Marginalisation.Exact));
        var exact = new SegmentOptions { Mode = AdjustmentMode.Exact };
        var expected = own.Segment(tiny.Image, exact, TestContext.Current.CancellationToken);

        foreach (var options in new[] { new SegmentOptions(), exact })
        {
            var found = exported.Segment(tiny.Image, options, TestContext.Current.CancellationToken);
            AssertSameButForTies(expected.Mask, found.Mask);
            Assert.Equal(expected.Conditions.Select(condition => condition.Name), found.Conditions.Select(condition => condition.Name));
            Assert.Equal(Assert.NotNull(expected.Disagreement), Assert.NotNull(found.Disagreement), 1e-4);
        }

        var marking = new SegmentOptions { Mode = AdjustmentMode.Exact, Threshold = 0.4, MinArea = 3 };
        var marked = own.Segment(tiny.Image, marking, TestContext.Current.CancellationToken);
        var markedByFile = exported.Segment(tiny.Image, marking, TestContext.Current.CancellationToken);
        AssertSameButForTies(marked.Mask, markedByFile.Mask);
        Assert.All(
            marked.Probability.ToArray().Zip(markedByFile.Probability.ToArray()),
            pair => Assert.Equal(pair.First, pair.Second, 1e-4f));

        Assert.Equal(own.Classes, exported.Classes);
        Assert.Equal(exported.Segment(tiny.Image).Mask, exported.Segment(File.ReadAllBytes(tiny.Image)).Mask);
    }

    [Fact]
    public void A_device_is_taken_where_it_is_and_refused_where_it_is_not()
    {
        var file = Export(Marginalisation.Attention);
        var content = File.ReadAllBytes(file);
        using var stream = new MemoryStream(content);
        using var own = McdrlApi.LoadOnnx(file);
        var expected = own.Segment(tiny.Image).Mask;

        foreach (var load in new Func<string, McdrlModel>[]
        {
            device => McdrlApi.LoadOnnx(file, device),
            device => McdrlApi.LoadOnnx(content, device),
            device => McdrlApi.LoadOnnx(stream, device),
        })
        {
            var refused = Assert.Throws<McdrlUsageException>(() => load("cuda:99"));
            Assert.Contains("cuda:99", refused.Message, StringComparison.Ordinal);
            Assert.Throws<McdrlUsageException>(() => load("gpu"));
            Assert.Throws<ArgumentNullException>(() => load(null!));
            stream.Position = 0;
            using var found = load("cpu");
            Assert.Equal("cpu", found.Info.Device);
            Assert.Equal(expected, found.Segment(tiny.Image).Mask);
        }

        using var automatic = McdrlOnnx.Load(file, "auto");
        Assert.Matches("^(cpu|cuda:0)$", automatic.Info.Device);
    }

    [Fact]
    public void Threads_share_an_exported_model()
    {
        using var exported = McdrlApi.LoadOnnx(Export(Marginalisation.Attention));
        var alone = exported.Segment(tiny.Image);
        var masks = new ReadOnlyMemory<byte>[16];
        Parallel.For(0, masks.Length, index => masks[index] = exported.Segment(tiny.Image).Mask);
        Assert.All(masks, mask => Assert.Equal(alone.Mask, mask));
    }

    [Fact]
    public void What_an_exported_model_cannot_do_is_refused()
    {
        var exported = McdrlApi.LoadOnnx(Export(Marginalisation.Attention));
        var other = new SegmentOptions { Mode = AdjustmentMode.Exact };
        var token = TestContext.Current.CancellationToken;
        Assert.Contains("attention", Assert.Throws<McdrlUsageException>(() => exported.Segment(tiny.Image, other, token)).Message);
        Assert.Throws<McdrlUsageException>(() => exported.Explain(tiny.Image));
        exported.Dispose();
        Assert.Throws<ObjectDisposedException>(() => exported.Segment(tiny.Image));
    }

    [Fact]
    public void What_is_no_exported_model_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => McdrlApi.LoadOnnx((string)null!));
        Assert.Throws<McdrlModelException>(() => McdrlApi.LoadOnnx(tiny.Image));
        Assert.Throws<McdrlModelException>(() => McdrlApi.LoadOnnx(tiny.Fresh(".onnx")));
    }

    [Fact]
    public void An_exported_file_of_which_a_byte_changed_is_refused()
    {
        var file = Export(Marginalisation.Attention);
        var content = File.ReadAllBytes(file);

        foreach (var offset in new[] { 1, content.Length / 3, content.Length / 2, content.Length - 100, content.Length - 1 })
        {
            content[offset] ^= 1;
            File.WriteAllBytes(file, content);
            Assert.Throws<McdrlModelException>(() => McdrlApi.LoadOnnx(file));
            content[offset] ^= 1;
        }

        File.WriteAllBytes(file, content);
        McdrlApi.LoadOnnx(file).Dispose();
    }
}
