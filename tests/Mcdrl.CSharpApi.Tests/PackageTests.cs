using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>What <c>dotnet fsi build.fsx pack</c> makes, as its consumers get it.</summary>
public class PackageTests
{
    private static IReadOnlyList<string> Dependencies(string project, string folder)
    {
        string[] arguments = ["pack", project, "-c", "Release", "--no-build", "-o", folder, "-nologo", "-tl:off", "-nodeReuse:false"];
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = Repository.Root, RedirectStandardOutput = true };
        using var pack = Process.Start(start)!;
        var said = pack.StandardOutput.ReadToEnd();
        pack.WaitForExit();
        Assert.True(pack.ExitCode == 0, said);

        using var package = ZipFile.OpenRead(Directory.GetFiles(folder, $"{project}.?.*.nupkg").Single());
        using var nuspec = package.Entries.Single(entry => entry.Name.EndsWith(".nuspec")).Open();

        return [.. XDocument.Load(nuspec).Descendants()
            .Where(element => element.Name.LocalName == "dependency")
            .Select(element => element.Attribute("id")!.Value)
            .Order(StringComparer.Ordinal)];
    }

    [Theory]
    [InlineData("Mcdrl.CSharpApi", "FSharp.Core", "Mcdrl.CSharpApi.Onnx", "Mcdrl.Torch")]
    [InlineData("Mcdrl.CSharpApi.Onnx", "FSharp.Core", "Mcdrl.Onnx", "SkiaSharp")]
    [InlineData("Mcdrl.Hosting", "Mcdrl.CSharpApi.Onnx", "Microsoft.Extensions.Diagnostics.HealthChecks")]
    public void Only_what_the_api_needs_at_run_time_reaches_its_consumers(string project, params string[] needed)
    {
        var folder = Directory.CreateTempSubdirectory("mcdrl-test-").FullName;

        try
        {
            Assert.Equal(needed, Dependencies(project, folder));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }
}
