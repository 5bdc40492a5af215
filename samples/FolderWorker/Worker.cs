using Mcdrl;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FolderWorker;

/// <summary>Segments every image that is put into a folder, once it is there whole, and each only once, also after a restart. It looks
/// every second rather than be told, which works on network folders too. Research software, not for clinical use.</summary>
public sealed partial class Worker(
    IMcdrlModel model, IConfiguration settings, IHostApplicationLifetime application, ILogger<Worker> logger) : BackgroundService
{
    private static readonly string[] Endings = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"];

    private readonly string inbox = settings["In"] ?? "inbox";
    private readonly string output = settings["Out"] ?? "done";

    /// <summary>Files as they were last seen, and those that failed as they were then.</summary>
    private readonly Dictionary<string, (long Length, DateTime Written)> seen = [], failed = [];

    /// <summary>The host. Settings: <c>In</c> and <c>Out</c>, folders; <c>Model</c>, a model's folder or an exported .onnx file, without
    /// it the embedded model.</summary>
    public static IHost CreateHost(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(args);
        var named = builder.Configuration["Model"];

        builder.Services.AddMcdrl(options => options.Load = _ =>
            named is null ? McdrlApi.LoadEmbedded()
            : named.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? McdrlApi.LoadOnnx(named)
            : McdrlApi.Load(named, "auto"));

        builder.Services.AddHostedService<Worker>();
        return builder.Build();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Directory.CreateDirectory(inbox);
        Directory.CreateDirectory(output);
        Watching(logger, Path.GetFullPath(inbox), Path.GetFullPath(output));
        using var clock = new PeriodicTimer(TimeSpan.FromSeconds(1));

        try
        {
            do
            {
                foreach (var path in Ready())
                {
                    await Segment(path, stoppingToken);
                }
            }
            while (await clock.WaitForNextTickAsync(stoppingToken));
        }
        catch (McdrlException problem)
        {
            // Not of one image: no more room, or a model that gives no numbers.
            Stopped(logger, problem.Message);
            application.StopApplication();
        }
    }

    private string Result(string path, string ending) => Path.Combine(output, Path.GetFileName(path) + ending);

    /// <summary>Images that are to be segmented, and have not changed since they were last looked at.</summary>
    private string[] Ready()
    {
        var ready = new List<string>();

        foreach (var file in new DirectoryInfo(inbox).EnumerateFiles().OrderBy(file => file.LastWriteTimeUtc))
        {
            var now = (file.Length, file.LastWriteTimeUtc);
            var isWhole = seen.TryGetValue(file.FullName, out var before) && before == now;
            seen[file.FullName] = now;

            // The report is written last, so that one which is there vouches for the rest.
            var report = new FileInfo(Result(file.FullName, ".json"));
            var isDone = (report.Exists && report.LastWriteTimeUtc >= file.LastWriteTimeUtc)
                || (failed.TryGetValue(file.FullName, out var then) && then == now);

            if (isWhole && !isDone && Endings.Contains(file.Extension, StringComparer.OrdinalIgnoreCase))
            {
                ready.Add(file.FullName);
            }
        }

        return [.. ready];
    }

    private async Task Segment(string path, CancellationToken stoppingToken)
    {
        Segmentation found;

        try
        {
            found = await model.SegmentAsync(path, stoppingToken);
        }
        catch (McdrlException problem) when (problem is McdrlDataException or McdrlResourceException)
        {
            failed[path] = seen[path];
            Failed(logger, problem.Message);
            return;
        }

        found.SaveMask(Result(path, ".mask.png"));
        found.SaveOverlay(Result(path, ".overlay.png"));
        var report = Result(path, ".json");
        await File.WriteAllTextAsync(report + ".part", found.ToJson(), stoppingToken);
        File.Move(report + ".part", report, true);
        Segmented(logger, path, found);
    }

    [LoggerMessage(LogLevel.Information, "Watching {Inbox}; results go to {Output}")]
    private static partial void Watching(ILogger logger, string inbox, string output);

    [LoggerMessage(LogLevel.Information, "{Image}: {Found}")]
    private static partial void Segmented(ILogger logger, string image, Segmentation found);

    [LoggerMessage(LogLevel.Warning, "{Problem}")]
    private static partial void Failed(ILogger logger, string problem);

    [LoggerMessage(LogLevel.Critical, "Stopped: {Problem}")]
    private static partial void Stopped(ILogger logger, string problem);
}
