using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.FSharp.Core;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>Programs outside the repository that know Mcdrl by its packages alone: they build without a warning, run, and mark what the
/// command marks.</summary>
[Collection(nameof(Packed))]
public partial class ConsumerTests(Packed packed, TinyModel tiny)
{
    /// <summary>What a project compiles against, by package.</summary>
    private static IEnumerable<string> Compiled(string consumer)
    {
        using var assets = JsonDocument.Parse(File.ReadAllText(Path.Combine(consumer, "obj", "project.assets.json")));

        foreach (var library in assets.RootElement.GetProperty("targets").EnumerateObject().First().Value.EnumerateObject())
        {
            if (library.Value.TryGetProperty("compile", out var files))
            {
                foreach (var file in files.EnumerateObject().Where(file => !file.Name.EndsWith("_._", StringComparison.Ordinal)))
                {
                    yield return Path.GetFileName(file.Name);
                }
            }
        }
    }

    /// <summary>The program on the page about packages.</summary>
    private static string Example()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "packages.md"));
        return page.Split("```csharp\n")[1].Split("```")[0];
    }

    private string Export()
    {
        var file = tiny.Fresh(".onnx");
        var request = new OnnxRequest(tiny.Bundle, FSharpOption<Marginalisation>.Some(Marginalisation.Exact), file);
        Assert.True(VerifiedExport.run(request, ProgressModule.until(TestContext.Current.CancellationToken)).IsOk);
        return file;
    }

    [Fact]
    public void A_console_application_segments_with_the_model_that_comes_with_the_package()
    {
        var consumer = packed.Write(
            "console",
            ("console.csproj", Packed.Project("Microsoft.NET.Sdk", "Mcdrl")),
            ("Program.cs", Example()),
            ("Other.cs", "/// <summary>A public type of the user's own.</summary>\npublic static class Other;\n"));

        var program = packed.Build(consumer);
        var mask = Path.Combine(consumer, "mask.png");
        Assert.StartsWith("polyp: ", packed.Run(consumer, "dotnet", program, Packed.Frame, mask), StringComparison.Ordinal);
        Assert.Equal(packed.MaskOfCommand(), File.ReadAllBytes(mask));

        // No type of F#, TorchSharp or the assemblies below is offered while its user types; bitmaps are SkiaSharp's.
        Assert.Equal(
            ["Mcdrl.CSharpApi.Onnx.dll", "Mcdrl.CSharpApi.dll", "SkiaSharp.dll"],
            Compiled(consumer).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_web_application_answers_with_an_exported_model()
    {
        var model = Export();
        var consumer = packed.Write(
            "web",
            ("web.csproj", Packed.Project("Microsoft.NET.Sdk.Web", "Mcdrl.Slim")),
            ("Program.cs", """
                using Mcdrl;

                var builder = WebApplication.CreateSlimBuilder();
                builder.WebHost.ConfigureKestrel(server => server.ListenUnixSocket(args[1]));
                builder.Services.AddSingleton(_ => McdrlOnnx.Load(args[0]));
                var app = builder.Build();

                app.MapPost("/mask", async (HttpRequest request, McdrlModel model, CancellationToken stop) =>
                {
                    using var body = new MemoryStream();
                    await request.Body.CopyToAsync(body, stop);
                    var mask = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
                    model.Segment(body.ToArray()).SaveMask(mask);
                    var png = await File.ReadAllBytesAsync(mask, stop);
                    File.Delete(mask);
                    return Results.Bytes(png, "image/png");
                });

                await app.RunAsync();
                """));

        var program = packed.Build(consumer);
        Assert.DoesNotContain(
            Directory.GetFiles(Path.GetDirectoryName(program)!, "*", SearchOption.AllDirectories),
            file => Path.GetFileName(file).Contains("torch", StringComparison.OrdinalIgnoreCase));
        var socket = Path.Combine(packed.Folder, "web.sock");
        using var server = packed.Start(consumer, "dotnet", program, model, socket);
        var stop = TestContext.Current.CancellationToken;
        var said = Task.WhenAll(server.StandardOutput.ReadToEndAsync(stop), server.StandardError.ReadToEndAsync(stop));

        try
        {
            using var handler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, end) =>
                {
                    var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), end);
                    return new NetworkStream(connection, ownsSocket: true);
                },
            };
            using var client = new HttpClient(handler) { BaseAddress = new Uri("http://web") };

            while (!File.Exists(socket))
            {
                Assert.False(server.HasExited, "the server ended");
                await Task.Delay(100, stop);
            }

            using var frame = new ByteArrayContent(await File.ReadAllBytesAsync(Packed.Frame, stop));
            using var answer = await client.PostAsync(new Uri("/mask", UriKind.Relative), frame, stop);
            Assert.True(answer.IsSuccessStatusCode);
            Assert.Equal(packed.MaskOfCommand("--onnx", model), await answer.Content.ReadAsByteArrayAsync(stop));
        }
        finally
        {
            server.Kill();
            await server.WaitForExitAsync(CancellationToken.None);
            await said;
        }
    }

    /// <summary>The keys and texts of JSON.</summary>
    private static IEnumerable<string> Names(string json) => Text().Matches(json).Select(text => text.Value);

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Text();

    private string Segmenting(string name) => packed.Write(
        name,
        ($"{name}.csproj", Packed.Project("Microsoft.NET.Sdk", "Mcdrl.Slim")),
        ("Program.cs", """
            using Mcdrl;

            using var model = McdrlOnnx.Load(args[0]);
            Segmentation found = model.Segment(args[1]);
            found.SaveMask(args[2]);
            Console.WriteLine(found.ToJson());
            """));

    [Theory]
    [InlineData("win-x64", "onnxruntime.dll", "libSkiaSharp.dll")]
    [InlineData("osx-arm64", "libonnxruntime.dylib", "libSkiaSharp.dylib")]
    [InlineData("linux-arm64", "libonnxruntime.so", "libSkiaSharp.so")]
    public void Published_for_another_system_it_has_that_systems_libraries(string system, params string[] libraries)
    {
        var consumer = Segmenting($"for-{system}");
        packed.Run(
            consumer, "dotnet", "publish", "-c", "Release", "-r", system, "--self-contained", "false", "-p:UseAppHost=false", "-o", "out",
            "-nologo", "-v", "quiet", "-p:UseSharedCompilation=false");
        Assert.All(libraries, library => Assert.True(File.Exists(Path.Combine(consumer, "out", library)), library));
    }

    [Fact]
    public void Trimmed_it_marks_the_same()
    {
        Assert.SkipUnless(
            Directory.Exists(Path.Combine(Packed.Cache, "microsoft.net.illink.tasks")),
            "skipped, the trimmer is not in the machine's package cache");
        var model = Export();
        var consumer = Segmenting("trimmed");

        // F#'s own library warns of itself.
        packed.Run(
            consumer, "dotnet", "publish", "-c", "Release", "-r", "linux-x64", "--self-contained", "true", "-p:PublishTrimmed=true", "-o", "out",
            "-p:ILLinkTreatWarningsAsErrors=false", "-nologo", "-v", "quiet", "-p:UseSharedCompilation=false");
        var mask = Path.Combine(consumer, "mask.png");
        var said = packed.Run(consumer, Path.Combine(consumer, "out", "trimmed"), model, Packed.Frame, mask);
        using var whole = McdrlOnnx.Load(model);

        // Nothing of the report is trimmed away; numbers are compared as the mask.
        Assert.Equal(Names(whole.Segment(Packed.Frame).ToJson()), Names(said));
        Assert.Equal(packed.MaskOfCommand("--onnx", model), File.ReadAllBytes(mask));
    }

    [Fact]
    public void The_tool_is_installed_and_segments()
    {
        var model = Export();
        var consumer = packed.Write("tool");
        packed.Run(
            consumer, "dotnet", "tool", "install", "Mcdrl.Tool", "--tool-path", "tools", "--configfile",
            Path.Combine(packed.Folder, "NuGet.config"));
        packed.Run(consumer, Path.Combine(consumer, "tools", "mcdrl"), "segment", Packed.Frame, "--onnx", model, "--out", "marked");
        var mask = Directory.GetFiles(Path.Combine(consumer, "marked"), "*.mask.png").Single();
        Assert.Equal(packed.MaskOfCommand("--onnx", model), File.ReadAllBytes(mask));
    }

    [Fact]
    public void F_sharp_interactive_segments_with_the_package()
    {
        var consumer = packed.Write(
            "interactive",
            ("segment.fsx", """
                #r "nuget: Mcdrl.Training"
                open Mcdrl
                open TorchSharp

                let ones = torch.ones (2L, 3L)
                printfn "%s" (shapeText ones.shape)
                let folder = EmbeddedModel.folder () |> Result.defaultWith (McdrlError.describe >> failwith)
                let segmenter = Segmenter.load folder "cpu" |> Result.defaultWith (McdrlError.describe >> failwith)
                let picture = Images.read ImageLimits.standard fsi.CommandLineArgs[1] |> Result.defaultWith (McdrlError.describe >> failwith)
                let found = Segmenter.segment segmenter None picture
                Masks.write fsi.CommandLineArgs[2] found.Mask |> Result.defaultWith (McdrlError.describe >> failwith)
                """));

        var mask = Path.Combine(consumer, "mask.png");
        Assert.Equal("[2, 3]\n", packed.Run(consumer, "dotnet", "fsi", "--quiet", "segment.fsx", Packed.Frame, mask));
        Assert.Equal(packed.MaskOfCommand(), File.ReadAllBytes(mask));
    }
}
