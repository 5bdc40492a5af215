using Microsoft.FSharp.Core;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class ModelInfoTests(TinyModel tiny)
{
    [Fact]
    public void A_bundle_says_what_it_is()
    {
        using var model = tiny.Load();
        var info = model.Info;
        Assert.Equal(["polyp", "ulcer"], info.Classes);
        Assert.Equal(["blur", "mucus", "blood"], info.Conditions);
        Assert.Equal((AdjustmentMode.Exact, true, "libtorch", "cpu", "fp32", 32), (info.Mode, info.Explains, info.Engine, info.Device, info.Precision, info.InputSize));
        Assert.Equal(("mcdrl test", new DateOnly(2026, 1, 1), "none", 1UL, 1), (info.Provenance.Product, info.Provenance.Created, info.Provenance.Data, info.Provenance.Seed, info.Provenance.Epoch));
        Assert.Equal("polyp, ulcer; exact; libtorch on cpu in fp32", info.ToString());
        Assert.Equal(model.Segment(tiny.Image).Mode, info.Mode);
    }

    [Fact]
    public void The_embedded_model_tells_its_figures()
    {
        using var model = McdrlApi.LoadEmbedded();
        Assert.NotEmpty(model.Info.Metrics);
        Assert.NotEmpty(model.Info.Provenance.TrainedOn);
        Assert.Equal("c6", model.Info.Provenance.LeftOut);
    }

    [Fact]
    public void An_exported_file_loads_from_memory_and_says_what_it_is()
    {
        var file = tiny.Fresh(".onnx");
        var request = new OnnxRequest(tiny.Bundle, FSharpOption<Marginalisation>.Some(Marginalisation.Nwgm), file);
        VerifiedExport.run(request, ProgressModule.until(TestContext.Current.CancellationToken)).OrThrow();
        var bytes = File.ReadAllBytes(file);
        using var fromFile = McdrlOnnx.Load(file);
        var copy = bytes.ToArray();
        using var fromBytes = McdrlApi.LoadOnnx(copy.AsMemory());
        Array.Clear(copy);
        using var stream = File.OpenRead(file);
        using var fromStream = McdrlOnnx.Load(stream);
        var expected = fromFile.Segment(tiny.Image).Mask;
        Assert.Equal(expected, fromBytes.Segment(tiny.Image).Mask);
        Assert.Equal(expected, fromStream.Segment(tiny.Image).Mask);

        var info = fromBytes.Info;
        Assert.Equal((AdjustmentMode.Nwgm, false, "onnxruntime", "cpu", "fp32", 32), (info.Mode, info.Explains, info.Engine, info.Device, info.Precision, info.InputSize));
        Assert.Equal(["blur", "mucus", "blood"], info.Conditions);
        Assert.Equal("none", info.Provenance.Data);
        Assert.StartsWith("mcdrl ", info.Provenance.Product);

        bytes[^1] ^= 1;
        Assert.Contains("the model in memory", Assert.Throws<McdrlModelException>(() => McdrlOnnx.Load(bytes.AsMemory())).Message);
        Assert.Throws<ArgumentNullException>(() => McdrlOnnx.Load((Stream)null!));
    }
}
