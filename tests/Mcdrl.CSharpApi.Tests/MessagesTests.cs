using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>What goes wrong is told in terms of the API: arguments and members, no flags of the command, and what would help.</summary>
public sealed class MessagesTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    public void Dispose() => model.Dispose();

    private static string Said<T>(Action call)
        where T : McdrlException
    {
        var message = Assert.Throws<T>(call).Message;
        Assert.DoesNotContain("--", message);
        Assert.DoesNotContain("“", message);
        return message;
    }

    [Fact]
    public void A_missing_file_is_told_as_missing()
    {
        var missing = tiny.Fresh(".png");
        Assert.Equal($"{missing}: the file does not exist. Check the path.", Said<McdrlDataException>(() => model.Segment(missing)));
        Assert.Equal($"{missing}: the file does not exist. Check the path.", Said<McdrlDataException>(() => model.Explain(missing)));
        Assert.Equal($"{missing}: there is no such file. Check the path.", Said<McdrlModelException>(() => McdrlOnnx.Load(missing)));
        Assert.StartsWith($"{missing}: there is no mcdrl.json here. Name the folder of a model", Said<McdrlModelException>(() => McdrlApi.Load(missing)));
    }

    [Fact]
    public void An_option_is_called_by_its_name()
    {
        Assert.StartsWith("SegmentOptions.Threshold: 2 is no probability", Said<McdrlUsageException>(() => model.Segment(tiny.Image, new SegmentOptions { Threshold = 2 })));
        Assert.StartsWith("SegmentOptions.MinArea: -1 is no number of pixels", Said<McdrlUsageException>(() => model.Explain(tiny.Image, new SegmentOptions { MinArea = -1 })));
        Assert.StartsWith("device gpu: unknown device", Said<McdrlUsageException>(() => McdrlApi.Load(tiny.Bundle, "gpu")));
    }
}
