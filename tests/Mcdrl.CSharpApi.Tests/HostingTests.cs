using System.Collections.Concurrent;
using Mcdrl.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class HostingTests(TinyModel tiny)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A host with one model, and what it logged in the category of models.</summary>
    private static (IHost Host, ConcurrentQueue<string> Logged) HostOf(Action<McdrlOptions> configure)
    {
        var logged = new ConcurrentQueue<string>();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.AddProvider(new Recorder(logged)).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddMcdrl(configure);
        return (builder.Build(), logged);
    }

    [Fact]
    public async Task One_model_is_loaded_at_the_start_logged_and_disposed_at_the_end()
    {
        var loaded = 0;
        McdrlModel? own = null;

        var (host, logged) = HostOf(options => options.Load = _ =>
        {
            loaded++;
            return own = tiny.Load();
        });

        using (host)
        {
            await host.StartAsync(Token);
            Assert.Equal(1, loaded);
            Assert.Matches("^Information Mcdrl: Model loaded in [0-9]+ ms: polyp, ulcer; exact; libtorch on cpu in fp32$", Assert.Single(logged));

            var model = host.Services.GetRequiredService<IMcdrlModel>();
            Assert.Same(model, host.Services.GetRequiredService<IMcdrlModel>());
            var expected = own!.Segment(tiny.Image);
            Assert.Equal(expected.Mask, model.Segment(tiny.Image, Token).Mask);
            Assert.Equal(expected.Mask, (await model.SegmentAsync(tiny.Image, Token)).Mask);
            Assert.Equal(expected.Mask, model.Explain(tiny.Image, Token).Found.Mask);
            Assert.Equal(expected.Mask, (await model.ExplainAsync(tiny.Image, Token)).Found.Mask);
            Assert.Equal(4, logged.Count(line => line.StartsWith($"Debug Mcdrl: {tiny.Image} segmented in ") && line.EndsWith(expected.ToString())));

            var missing = tiny.Fresh(".png");
            Assert.Throws<McdrlDataException>(() => model.Segment(missing, Token));
            await Assert.ThrowsAsync<McdrlDataException>(() => model.SegmentAsync(missing, Token));
            Assert.Throws<McdrlDataException>(() => model.Explain(missing, Token));
            await Assert.ThrowsAsync<McdrlDataException>(() => model.ExplainAsync(missing, Token));

            await foreach (var _ in model.SegmentBatchAsync([missing, tiny.Image], Token))
            {
            }

            Assert.Equal(5, logged.Count(line => line.StartsWith($"Warning Mcdrl: {missing} not segmented (McdrlDataException): {missing}: the file does not exist")));
            await host.StopAsync(Token);
            Assert.Equal(1, loaded);
        }

        Assert.Throws<ObjectDisposedException>(() => own.Segment(tiny.Image));
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_ends_the_start_unless_that_is_put_off()
    {
        var missing = tiny.Fresh(".onnx");
        var (host, _) = HostOf(options => options.OnnxFile = missing);

        using (host)
        {
            Assert.Contains(missing, (await Assert.ThrowsAsync<McdrlModelException>(() => host.StartAsync(Token))).Message);
        }

        var (elsewhere, _) = HostOf(options =>
        {
            options.OnnxFile = missing;
            options.Device = "cuda:99";
        });

        using (elsewhere)
        {
            Assert.Contains("cuda:99", (await Assert.ThrowsAsync<McdrlUsageException>(() => elsewhere.StartAsync(Token))).Message);
        }

        var (later, _) = HostOf(options =>
        {
            options.OnnxFile = missing;
            options.LoadAtStart = false;
        });

        using (later)
        {
            await later.StartAsync(Token);
            var report = await later.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
            Assert.Equal(HealthStatus.Unhealthy, report.Status);
            Assert.Contains(missing, report.Entries["mcdrl"].Description);
        }
    }

    [Fact]
    public async Task An_application_that_names_no_model_is_told_so()
    {
        var (host, _) = HostOf(_ => { });

        using (host)
        {
            Assert.Contains("McdrlOptions.OnnxFile", (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Token))).Message);
        }

        Assert.Throws<ArgumentNullException>(() => ((IServiceCollection)null!).AddMcdrl());
    }

    [Fact]
    public async Task It_is_healthy_as_long_as_the_model_answers()
    {
        var (host, _) = HostOf(options => options.Load = _ => tiny.Load());

        using (host)
        {
            await host.StartAsync(Token);
            var checks = host.Services.GetRequiredService<HealthCheckService>();
            Assert.Equal(HealthStatus.Healthy, (await checks.CheckHealthAsync(Token)).Status);
            host.Services.GetRequiredService<IMcdrlModel>().Dispose();
            Assert.Equal(HealthStatus.Unhealthy, (await checks.CheckHealthAsync(Token)).Status);
        }
    }

    [Fact]
    public async Task A_test_of_an_application_puts_a_model_of_its_own_there()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IMcdrlModel>(new Stub());
        services.AddMcdrl();
        await using var provider = services.BuildServiceProvider();
        var model = provider.GetRequiredService<IMcdrlModel>();
        Assert.Equal("polyp 25.0 % in 1 region, score 1.00", (await model.SegmentAsync(tiny.Image, Token)).ToString());
    }

    private sealed class Stub : IMcdrlModel
    {
        public ModelInfo Info { get; } = new() { Classes = ["polyp"] };

        public Segmentation Segment(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
            Segmentation.Create(Info.Classes, 2, 2, [0, 1, 0, 0]);

        public Task<Segmentation> SegmentAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
            Task.FromResult(Segment(image, options, cancellationToken));

        public ImageExplanation Explain(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<ImageExplanation> ExplainAsync(ImageSource image, SegmentOptions options, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<BatchItem> SegmentBatchAsync(
            IReadOnlyList<string> paths, SegmentOptions options, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public void Dispose()
        {
        }
    }

    private sealed class Recorder(ConcurrentQueue<string> logged) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new Category(categoryName, logged);

        public void Dispose()
        {
        }

        private sealed class Category(string name, ConcurrentQueue<string> logged) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(
                LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                if (name == "Mcdrl")
                {
                    logged.Enqueue($"{logLevel} {name}: {formatter(state, exception)}");
                }
            }
        }
    }
}
