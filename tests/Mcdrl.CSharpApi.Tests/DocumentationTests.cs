using System.Text.RegularExpressions;
using Microsoft.FSharp.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using SkiaSharp;
using Xunit;

// A document shows one call after the other, each with what it is about alone.
#pragma warning disable xUnit1051, CA2016, IDE0022, IDE0059

namespace Mcdrl.CSharpApi.Tests;

/// <summary>The code of docs/csharp.md; the first test sees that it stays the same, line by line.</summary>
public partial class DocumentationTests(TinyModel tiny)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task<Segmentation> ImagesIn(
        McdrlModel model, byte[] bytes, Stream stream, SKBitmap bitmap, byte[] pixels, int stride, CancellationToken cancellationToken)
    {
        Segmentation found = model.Segment("frame.png");
        found = model.Segment(bytes, new SegmentOptions { Threshold = 0.4, MinArea = 200 });
        found = await model.SegmentAsync(stream, cancellationToken);
        found = await model.SegmentAsync(bitmap);

        var camera = new PixelLayout(1920, 1080, PixelFormat.Bgra32, stride);
        found = model.Segment(ImageSource.FromPixels(pixels, camera));
        return found;
    }

    private static async Task<(int, int, int, int)> ResultsOut(Segmentation found, Stream stream, CancellationToken cancellationToken)
    {
        foreach (var lesion in found.Classes)
        {
            Console.WriteLine($"{lesion.Name}: score {lesion.Score:F2}, {lesion.Share:P1} of the image");

            foreach (var region in lesion.Regions)
            {
                Console.WriteLine($"  {region.Area} pixels, probability {region.MeanProbability:F2}, at most {region.MaxProbability:F2}");
            }
        }

        ReadOnlyMemory<byte> labels = found.Mask;          // 0 background, k the k-th class
        ReadOnlyMemory<float> lesions = found.Probability; // of a lesion, of whatever class
        byte[] png = found.EncodeMask();
        await found.SaveOverlayAsync(stream, cancellationToken);
        using SKBitmap mask = found.ToMaskBitmap();
        Console.WriteLine(found.ToJson());
        return (labels.Length, lesions.Length, png.Length, mask.Width);
    }

    private static async Task ManyFiles(McdrlModel model, string[] paths, CancellationToken cancellationToken)
    {
        await foreach (var item in model.SegmentBatchAsync(paths, cancellationToken))
        {
            Console.WriteLine(item.Error is null ? $"{item.Path}: {item.Found}" : item.Error.Message);
        }
    }

    private static void Model(byte[] bytes)
    {
        using McdrlModel exported = McdrlOnnx.Load(bytes);
        ModelInfo info = exported.Info;
        Console.WriteLine($"{info}, trained on {info.Provenance.Data}; knows {string.Join(", ", info.Conditions)}");
    }

    private static void Exported(HostApplicationBuilder builder)
    {
        builder.Services.AddMcdrl(options => options.OnnxFile = "model.onnx");
    }

    private static void Folder(HostApplicationBuilder builder)
    {
        builder.Services.AddMcdrl(options => options.Load = _ => McdrlApi.Load("run/model"));
    }

    private static Segmentation Made()
    {
        Segmentation answer = Segmentation.Create(["polyp"], width: 2, height: 2, mask: [0, 1, 0, 0]);
        return answer;
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [Fact]
    public void Every_block_is_one_that_is_run_here()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "csharp.md"));
        var source = File.ReadAllText(Path.Combine(Repository.Root, "tests", "Mcdrl.CSharpApi.Tests", "DocumentationTests.cs"));
        var blocks = Code().Matches(page).Select(block => block.Groups[1].Value).ToArray();
        Assert.Equal(7, blocks.Length);
        Assert.All(blocks, code => Assert.Contains(string.Join("\n", code.Split('\n').Select(line => line == "" ? "" : "        " + line)), source));
    }

    [Fact]
    public async Task They_run()
    {
        var before = Environment.CurrentDirectory;
        var folder = Directory.CreateDirectory(tiny.Fresh("")).FullName;
        File.Copy(tiny.Image, Path.Combine(folder, "frame.png"));
        Directory.CreateDirectory(Path.Combine(folder, "run"));
        Directory.Move(tiny.CopyBundle(), Path.Combine(folder, "run", "model"));
        var file = Path.Combine(folder, "model.onnx");
        VerifiedExport.run(new OnnxRequest(tiny.Bundle, FSharpOption<Marginalisation>.Some(Marginalisation.Exact), file), ProgressModule.until(Token)).OrThrow();

        try
        {
            Environment.CurrentDirectory = folder;
            using var model = tiny.Load();
            var bytes = await File.ReadAllBytesAsync(tiny.Image, Token);
            using var body = new AsynchronousStream(bytes);
            using var bitmap = SKBitmap.Decode(bytes);
            var found = await ImagesIn(model, bytes, body, bitmap, new byte[8000 * 1080], 8000, Token);
            Assert.Equal((1920, 1080), (found.Width, found.Height));
            using var overlay = new AsynchronousStream([]);
            Assert.Equal((50 * 37, 50 * 37), await ResultsOut(model.Segment(bytes), overlay, Token) is var (labels, lesions, _, _) ? (labels, lesions) : default);
            Assert.NotEmpty(overlay.Written);
            await ManyFiles(model, ["frame.png", "missing.png"], Token);
            Model(await File.ReadAllBytesAsync(file, Token));
            Assert.Equal(1, Made().Classes[0].Area);

            foreach (var (add, engine) in new (Action<HostApplicationBuilder>, string)[] { (Exported, "onnxruntime"), (Folder, "libtorch") })
            {
                var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
                add(builder);
                using var host = builder.Build();
                await host.StartAsync(Token);
                Assert.Equal(engine, host.Services.GetRequiredService<IMcdrlModel>().Info.Engine);
                await host.StopAsync(Token);
            }
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }
}
