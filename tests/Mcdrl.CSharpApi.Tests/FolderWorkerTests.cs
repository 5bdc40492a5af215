using FolderWorker;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class FolderWorkerTests(TinyModel tiny)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static readonly string[] Names = ["first.png", "second.png"];
    private static readonly string[] Endings = [".json", ".mask.png", ".overlay.png"];

    private static async Task Appears(string path)
    {
        while (!File.Exists(path))
        {
            await Task.Delay(50, Token);
        }
    }

    [Fact]
    public async Task What_is_put_into_the_folder_is_segmented_once_whatever_else_lies_there()
    {
        var inbox = Directory.CreateDirectory(tiny.Fresh("")).FullName;
        var done = tiny.Fresh("");
        string[] arguments = [$"--In={inbox}", $"--Out={done}", $"--Model={tiny.Bundle}", "--Logging:LogLevel:Default=None"];
        File.Copy(tiny.Image, Path.Combine(inbox, "first.png"));
        await File.WriteAllTextAsync(Path.Combine(inbox, "broken.png"), "no image", Token);
        await File.WriteAllTextAsync(Path.Combine(inbox, "notes.txt"), "no image", Token);
        var report = Path.Combine(done, "first.png.json");

        using (var host = Worker.CreateHost(arguments))
        {
            await host.StartAsync(Token);
            await Appears(report);
            File.Copy(tiny.Image, Path.Combine(inbox, "second.png"));
            await Appears(Path.Combine(done, "second.png.json"));
            await host.StopAsync(Token);
        }

        using var model = tiny.Load();
        Assert.Equal(model.Segment(tiny.Image).EncodeMask(), await File.ReadAllBytesAsync(Path.Combine(done, "first.png.mask.png"), Token));
        string[] expected = [.. from name in Names from ending in Endings select name + ending];
        Assert.Equal(expected, Directory.GetFiles(done).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        var written = File.GetLastWriteTimeUtc(report);

        using (var again = Worker.CreateHost(arguments))
        {
            await again.StartAsync(Token);
            File.Copy(tiny.Image, Path.Combine(inbox, "third.png"));
            await Appears(Path.Combine(done, "third.png.json"));
            await again.StopAsync(Token);
        }

        Assert.Equal(written, File.GetLastWriteTimeUtc(report));
    }
}
